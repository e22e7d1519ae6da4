"""Makes values fit the importer: valid text in ASCII JSON that fits its column, and numbers of 31 bits.

A single value that the importer can't read makes it drop the whole file, and later all batches of the project. Changed
values are counted for the outcome.
"""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import msgspec

from gros_agent.errors import AgentError
from gros_agent.rows import LARGEST_INTEGER, NOBODY, Row, is_valid, length_limits, numbers, trimmed
from gros_agent.runtime.decoding import decoder

_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that databases reject in text: NUL, and unpaired surrogates."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LARGE = re.compile(rb':"-?[0-9]{10,}"|:[0-9]{10,}[,}]')
"""A number of ten digits or more. Both ways begin with a colon, which is searched for much faster than quotes."""
_NUL = b"\\u0000"


@dataclass
class Changed:
    """The number of changed values by field: shortened texts, and reduced numbers."""

    shortened: Counter[str] = field(default_factory=Counter)
    narrowed: Counter[str] = field(default_factory=Counter)
    capped: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Changed") -> Self:
        self.shortened += other.shortened
        self.narrowed += other.narrowed
        self.capped += other.capped
        return self


def readable(text: str) -> str:
    """A text with the replacement character for everything that databases reject: NUL, and unpaired surrogates."""
    return _UNREADABLE.sub(_REPLACEMENT, text)


def ascii_json(content: bytes) -> bytes:
    """JSON in ASCII, with other characters as escapes: the importer reads files in its machine's character set."""
    return content if content.isascii() else content.decode().encode("ascii", _ESCAPES)


def _escapes(error: UnicodeError) -> tuple[str, int]:
    """The escapes for characters outside ASCII: two for a character beyond 16 bits."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end


_ESCAPES = "gros-agent-json"
codecs.register_error(_ESCAPES, _escapes)


def fitted(text: str, limit: int) -> str:
    """Cut a text to a number of UTF-16 code units, without splitting a surrogate pair."""
    if len(text) <= limit and not _ASTRAL.search(text):
        return text
    units = text.encode("utf-16-le")
    return units[: 2 * limit].decode("utf-16-le", "ignore") if len(units) > 2 * limit else text


class Values:
    """Makes rows of one table fit. With ``whole_numbers`` large numbers are not changed."""

    def __init__(self, row: type[Row], *, whole_numbers: bool = False) -> None:
        self.row = row
        self.changed = Changed()
        self._whole_numbers = whole_numbers
        self._decoder = decoder(row)
        self._encoder = msgspec.json.Encoder()
        self._names = frozenset({"repo_name", *row.personal, *row.named})

    def encoded(self, rows: Sequence[Row]) -> tuple[Sequence[Row], bytes]:
        """The rows to write, and their JSON in ASCII with one row per line.

        Raises :class:`AgentError` for a row that does not match the schema of its table.
        """
        if self.row.named:
            rows = [self._trimmed(row) for row in rows]
        try:
            content = self._encoder.encode_lines(rows)
        except UnicodeEncodeError:  # an unpaired surrogate
            rows, content = self._again([self._readable(row) for row in rows])
        if _NUL in content:
            rows, content = self._again([self._readable(row) for row in rows])
        if self._has_astral(content):
            rows, content = self._again([self._fitted(row) for row in rows])
        try:
            self._decoder.decode_lines(content)
        except msgspec.ValidationError:
            rows, content = self._again([self._fitted(row) for row in rows])
            self._check(content)
        if not self._whole_numbers and _LARGE.search(content):
            rows, content = self._again([self._narrow(row) for row in rows])
        return rows, ascii_json(content)

    def _check(self, content: bytes) -> None:
        try:
            self._decoder.decode_lines(content)
        except msgspec.ValidationError as error:
            raise AgentError(f"a row of {self.row.table} is not of its shape: {error}") from None

    def _again(self, rows: Sequence[Row]) -> tuple[Sequence[Row], bytes]:
        return rows, self._encoder.encode_lines(rows)

    @staticmethod
    def _has_astral(content: bytes) -> bool:
        """Whether a character needs two UTF-16 code units. In UTF-8 it begins with a byte of F0 or above."""
        return not content.isascii() and max(content) >= 0xF0  # noqa: PLR2004

    @staticmethod
    def _readable(row: Row) -> Row:
        texts = {name: getattr(row, name) for name in row.__struct_fields__}
        changes = {name: readable(text) for name, text in texts.items() if isinstance(text, str)}
        return msgspec.structs.replace(row, **changes)

    @staticmethod
    def _trimmed(row: Row) -> Row:
        changes = {name: short for name in row.named if (short := trimmed(text := getattr(row, name))) != text}
        return msgspec.structs.replace(row, **changes) if changes else row

    def _fitted(self, row: Row) -> Row:
        changes = {}
        for name, limit in length_limits(self.row).items():
            text = getattr(row, name)
            if isinstance(text, str) and (short := fitted(text, limit)) != text:
                short = trimmed(short) if name in self._names else short
                changes[name] = short if is_valid(self.row, name, short) else NOBODY
                self.changed.shortened[name] += 1
        return msgspec.structs.replace(row, **changes) if changes else row

    def _narrow(self, row: Row) -> Row:
        changes = {}
        for name, kind in numbers(self.row).items():
            value = getattr(row, name)
            if not isinstance(value, (str, int)) or abs(number := int(value)) <= LARGEST_INTEGER:
                continue
            if kind == "identifier":
                fitting = number & LARGEST_INTEGER
                self.changed.narrowed[name] += 1
            else:
                fitting = LARGEST_INTEGER if number > 0 else -LARGEST_INTEGER
                self.changed.capped[name] += 1
            changes[name] = type(value)(fitting)
        return msgspec.structs.replace(row, **changes) if changes else row
