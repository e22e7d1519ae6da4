"""Reads the files of a batch, and checks them against the types of their rows.

The files of our agents have one row per line, and are read in blocks. Files of other agents are first written to a
temporary file in that form.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from gros_agent.database.patterns import PatternedRows
from gros_agent.rows import Row
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.masking import visible
from gros_agent.runtime.storage import storage_errors
from gros_agent.runtime.words import clip

BLOCK = 1 << 20
LONGEST_ROW = 1 << 26
"""The longest row that is taken, in bytes."""
_START, _END = b'[\n{"', b"}\n]\n"
"""Start and end of a file with one row per line."""
_NUL = b"\\u0000"
_LONGEST_REASON = 1000
INVALID = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Unfit(Exception):  # noqa: N818 (the result of a check, not an error of ours)
    """A batch does not fit the database; the text says why."""


@dataclass
class TableRows:
    """The checked rows of a file: an array with one row per line, in the file or in a temporary one.

    ``count`` is complete after :meth:`blocks`.
    """

    row: type[Row]
    path: Path
    title: str
    count: int = 0
    _temporary: IO[bytes] | None = None

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._temporary is not None:
            self._temporary.close()

    def blocks(self) -> Iterator[list[Any]]:
        """Yield the rows in blocks.

        Rows have the attributes of the row type. Raises :class:`Unfit` if a row does not match its type or has a NUL.
        """
        self.count = 0
        decode = PatternedRows(self.row).decode
        for content in self._content():
            try:
                rows = decode(content)
            except INVALID as error:
                raise Unfit(f"{self.title}: {_words(error)}, in rows {self.count + 1} and following") from None
            if _NUL in content:
                self._refuse_nul(rows)
            self.count += len(rows)
            yield rows

    def check(self) -> None:
        """Check all rows, as :meth:`blocks` does."""
        for _ in self.blocks():
            pass

    def repeated(self) -> Unfit:
        """The refusal of a file in which two rows have the same key."""
        return Unfit(f"{self.title}: two rows have the same {', '.join(self.row.key_fields)}")

    def _content(self) -> Iterator[bytes]:
        """The rows of the file in blocks, each of them a JSON array."""
        with self.path.open("rb") as stream:
            stream.seek(len(b"[\n"))
            rest = b""
            while block := stream.read(BLOCK):
                lines, newline, rest = (rest + block).rpartition(b"\n")
                if len(rest) > LONGEST_ROW:
                    raise Unfit(f"{self.title}: row {self.count + 1} has more than {LONGEST_ROW} bytes")
                if newline and lines != b"]":
                    # newlines stand only between rows, since JSON escapes those within texts
                    yield b"[%b]" % lines.removesuffix(b"\n]").removesuffix(b",")

    def _refuse_nul(self, rows: list[Any]) -> None:
        for row in rows:
            for name in row.__struct_fields__:
                text = getattr(row, name)
                if isinstance(text, str) and "\0" in text:
                    raise Unfit(f"{self.title}: a value of {name} has the character NUL")


def longest_line(path: Path) -> int:
    """A number of bytes that no line of a file exceeds: that of its longest line, or of :data:`BLOCK`."""
    longest = BLOCK
    with path.open("rb") as stream:
        begun = 0  # bytes of a line that began before this block
        while block := stream.read(BLOCK):
            end = block.find(b"\n")
            longest = max(longest, begun + (len(block) if end < 0 else end))
            begun = begun + len(block) if end < 0 else len(block) - 1 - block.rfind(b"\n")
    return longest


def rows_of(path: Path, row: type[Row]) -> TableRows:
    """The rows of a file. Raises :class:`Unfit` if it is no JSON of rows."""
    with path.open("rb") as stream:
        start = stream.read(len(_START))
        stream.seek(-min(len(_END), path.stat().st_size), 2)
        end = stream.read()
    if start == _START and end == _END and not row.is_single:
        return TableRows(row, path, path.name)
    return _rewritten(path, row)


def _rewritten(path: Path, row: type[Row]) -> TableRows:
    """Write the rows of a file to a temporary one, with one row per line."""
    try:
        rows = _decoded(path.read_bytes(), row)
    except INVALID as error:
        raise Unfit(f"{path.name}: {_words(error)}") from None
    with storage_errors(Path(tempfile.gettempdir())):
        stream = tempfile.NamedTemporaryFile(prefix="gros-agent-", suffix=".json")  # noqa: SIM115 (closed with the rows)
        stream.write(b"[\n")
        encoder = msgspec.json.Encoder()
        for number, one in enumerate(rows):
            stream.write(b",\n" if number else b"")
            stream.write(encoder.encode(one))
        stream.write(b"\n]\n" if rows else b"]\n")
        stream.flush()
    return TableRows(row, Path(stream.name), path.name, _temporary=stream)


def _decoded(content: bytes, row: type[Row]) -> list[Row]:
    if row.is_single and content.lstrip()[:1] == b"{":
        return [decoder(row).decode(content)]
    several: Any = list.__class_getitem__(row)
    rows: list[Row] = decoder(several).decode(content)
    return rows


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return storable(str(error))  # PostgreSQL closes the connection if it is told a very long error during COPY


def storable(words: str) -> str:
    """Words about a batch that every database can store: they may repeat what is in its files, such as a NUL."""
    return clip(visible(words), _LONGEST_REASON)


def check_content(path: Path, size: int, sha256: str) -> None:
    """Raise :class:`Unfit` if a file is missing or damaged."""
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise Unfit(f"{path.name} can't be read: {error.strerror}") from None
    if found != sha256 or path.stat().st_size != size:
        raise Unfit(f"{path.name} is damaged: it is not the file that was taken into the inbox")
