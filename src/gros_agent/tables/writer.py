"""Writes tables as JSON arrays, a block of rows at a time, into a folder that nobody reads yet.

Every block is read back through the row type's own decoder before it reaches the file: a row that is not of its
table's shape can't be written. Texts longer than their database column are shortened, and counted.
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

import msgspec

from gros_agent.errors import AgentError
from gros_agent.privacy import Pseudonymised, R
from gros_agent.storage import storage_errors
from gros_agent.tables.schema import LARGEST_INTEGER, Row, length_limits, number_fields

_encode = msgspec.json.Encoder().encode_lines


class Position(NamedTuple):
    """The state of a table's file at some moment."""

    offset: int
    rows: int
    shortened: Counter[str]
    beyond: Counter[str]


_LARGE_NUMBER = re.compile(rb'"[0-9]{10,}"')


class TableFile:
    """One table's file: a JSON array with one row a line."""

    def __init__(self, folder: Path, row: type[Row]) -> None:
        self.row = row
        self.path = folder / f"{row.table}.json"
        self.count = 0
        self.shortened: Counter[str] = Counter()
        self.beyond: Counter[str] = Counter()
        self._decoder = msgspec.json.Decoder(row)
        self._stream: IO[bytes] = self.path.open("wb")
        self._stream.write(b"[")

    def write(self, block: Pseudonymised[R]) -> None:
        """Append rows of this table. Raises :class:`AgentError` for a row of another shape."""
        content = self._encoded(block.rows)
        self._stream.write(b",\n" if self.count else b"\n")
        # a raw newline stands between rows and nowhere else: JSON escapes those within texts
        self._stream.write(content[:-1].replace(b"}\n{", b"},\n{"))
        self.count += len(block.rows)

    def _encoded(self, rows: Iterable[Row]) -> bytes:
        content = _encode(rows)
        try:
            self._decoder.decode_lines(content)
        except msgspec.ValidationError:
            content = _encode([self._shorten(row) for row in rows])
            try:
                self._decoder.decode_lines(content)
            except msgspec.ValidationError as error:
                raise AgentError(f"a row of {self.row.table} is not of its shape: {error}") from None
        if _LARGE_NUMBER.search(content):
            self._count_large_numbers(rows)
        return content

    def _shorten(self, row: Row) -> Row:
        changes = {}
        for name, limit in length_limits(self.row).items():
            text = getattr(row, name)
            if isinstance(text, str) and len(text) > limit:
                changes[name] = text[:limit]
                self.shortened[name] += 1
        return msgspec.structs.replace(row, **changes) if changes else row

    def _count_large_numbers(self, rows: Iterable[Row]) -> None:
        for name in number_fields(self.row):
            texts = (getattr(row, name) for row in rows)
            self.beyond[name] += sum(isinstance(text, str) and int(text) > LARGEST_INTEGER for text in texts)

    def position(self) -> Position:
        """Where the file stands, for :meth:`rewind`."""
        return Position(self._stream.tell(), self.count, self.shortened.copy(), self.beyond.copy())

    def rewind(self, position: Position) -> None:
        """Forget what was written since ``position``."""
        self._stream.seek(position.offset)
        self._stream.truncate()
        self.count, self.shortened, self.beyond = position.rows, position.shortened, position.beyond

    def close(self) -> None:
        """End the array and wait until the disk has it."""
        self._stream.write(b"\n]\n" if self.count else b"]\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Close the file as it is: nobody will read it."""
        with contextlib.suppress(OSError):  # what was not written yet may not fit on the disk
            self._stream.close()


class Writer:
    """The files of one scrape: a table each, made when the writer is, so that an empty table is an empty array."""

    def __init__(self, folder: Path, rows: Iterable[type[Row]]) -> None:
        self.folder = folder
        with storage_errors(folder):
            self.tables = {row.table: TableFile(folder, row) for row in rows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table in self.tables.values():
            table.abandon()

    def write(self, block: Pseudonymised[R]) -> None:
        """Append a block of rows to the table that they belong to.

        Raises :class:`AgentError` when the disk is full.
        """
        if block.rows:
            with storage_errors(self.folder):
                self.tables[type(block.rows[0]).table].write(block)

    def position(self) -> dict[str, Position]:
        """Where all files stand, for :meth:`rewind`."""
        return {name: table.position() for name, table in self.tables.items()}

    def rewind(self, position: dict[str, Position]) -> None:
        """Forget what was written to any file since ``position``."""
        for name, table in self.tables.items():
            table.rewind(position[name])

    def close(self) -> None:
        """Finish all files. Raises :class:`AgentError` when the disk is full."""
        with storage_errors(self.folder):
            for table in self.tables.values():
                table.close()
