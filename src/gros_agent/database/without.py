"""Takes erased people out of the rows of a file.

The person becomes nobody in personal fields, and a fixed word in free text. The row stays, unless it is about the
person alone. If two rows have the same key afterwards, only the first stays.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import UNSET

from gros_agent.database.checking import INVALID, LONGEST_ROW, TableRows, Unfit
from gros_agent.database.erased import WORD
from gros_agent.rows import NOBODY, Row, key_of
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import storage_errors


def is_of_a_person(row: type[Row]) -> bool:
    """Whether rows are about a person alone: nothing else is in their key."""
    return bool(row.key_fields) and set(row.key_fields) <= set(row.personal)


def without(rows: TableRows, pseudonyms: Collection[str]) -> "tuple[TableRows, Counter[str]]":
    """The rows of a file without these people, in a temporary file, and the number of changed values of each field.

    Rows that are left out count for the field of their key. Raises :class:`Unfit` for a file that is not as it should
    be.
    """
    eraser = _Eraser(rows, pseudonyms)
    with storage_errors(Path(tempfile.gettempdir())):
        stream = tempfile.NamedTemporaryFile(prefix="gros-agent-", suffix=".json")  # noqa: SIM115 (closed with the rows)
        try:
            _write(stream, eraser.left())
        except BaseException:
            stream.close()
            raise
    return TableRows(rows.row, Path(stream.name), rows.title, _temporary=stream), eraser.changed


def _write(stream: "IO[bytes]", lines: Iterator[bytes]) -> None:
    stream.write(b"[\n")
    separator = b""
    for line in lines:
        stream.write(separator + line)
        separator = b",\n"
    stream.write(b"\n]\n" if separator else b"]\n")
    stream.flush()


class _Eraser:
    """Goes through the rows of a file. Rows without these people are passed on byte by byte."""

    def __init__(self, rows: TableRows, pseudonyms: Collection[str]) -> None:
        self.changed: Counter[str] = Counter()
        self._rows = rows
        self._type = rows.row
        self._pseudonyms = frozenset(pseudonyms)
        self._pattern = re.compile("|".join(sorted(self._pseudonyms)))
        self._bytes = re.compile(self._pattern.pattern.encode())
        self._encode = msgspec.json.Encoder().encode
        self._key = key_of(self._type)
        defaults = {one.name: one.default for one in msgspec.structs.fields(self._type)}
        self._nobody = {name: UNSET if defaults[name] is UNSET else NOBODY for name in self._type.personal}

    def left(self) -> Iterator[bytes]:
        """Yield the rows that stay, each as a line of JSON."""
        new = self._new_keys()
        seen: set[Any] = set()
        for line in self._lines():
            content = line
            row: Row | None = None
            if self._bytes.search(line):
                row, changes = self._without(self._decoded(line))
                self.changed.update(list(changes))
                if row is None:
                    continue
                content = self._encode(row)
            if new and (key := self._key(row or self._decoded(line))) in new:
                if key in seen:
                    continue
                seen.add(key)
            yield content

    def _new_keys(self) -> set[Any]:
        """The keys of rows with a person in their key, after the person was taken out."""
        fields = {*self._type.personal, *self._type.free_text} & set(self._type.key_fields)
        found = set()
        for line in self._lines() if fields else ():
            if self._bytes.search(line):
                row, changes = self._without(self._decoded(line))
                if row is not None and fields & set(changes):
                    found.add(self._key(row))
        return found

    def _without(self, row: Row) -> tuple[Row | None, dict[str, Any]]:
        """The row without the people, and the changed values. None if nothing is left of the row."""
        changes: dict[str, Any] = {
            name: nobody for name, nobody in self._nobody.items() if getattr(row, name) in self._pseudonyms
        }
        if is_of_a_person(self._type) and set(changes) & set(self._type.key_fields):
            return None, dict.fromkeys(set(changes) & set(self._type.key_fields))
        for name in self._type.free_text:
            text = getattr(row, name)
            if isinstance(text, str) and self._pattern.search(text):
                changes[name] = self._pattern.sub(WORD, text)
        return msgspec.structs.replace(row, **changes), changes

    def _decoded(self, line: bytes) -> Row:
        try:
            return decoder(self._type).decode(line)
        except INVALID as error:
            raise Unfit(f"{self._rows.title}: {error}") from None

    def _lines(self) -> Iterator[bytes]:
        """The rows of the file. A file that would be refused does not become a valid one."""
        is_last, count = True, 0
        with self._rows.path.open("rb") as stream:
            stream.seek(len(b"[\n"))
            while (line := stream.readline(LONGEST_ROW + 2)) and line != b"]\n":
                count += 1
                if len(line) > LONGEST_ROW:
                    raise Unfit(f"{self._rows.title}: row {count} has more than {LONGEST_ROW} bytes")
                if (count > 1 and is_last) or not line.startswith(b"{") or not line.endswith((b"},\n", b"}\n")):
                    break
                is_last = line.endswith(b"}\n")
                yield line.removesuffix(b"\n").removesuffix(b",")
            if line != b"]\n" or not is_last:
                raise Unfit(f"{self._rows.title} is no array with a row per line, after row {count - 1}")
