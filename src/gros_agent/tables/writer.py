"""Writes tables as JSON arrays, a block of rows at a time, into folders that nobody reads yet.

Each source has files of its own, so that several can be collected at once, and the rows of one that fails are gone with
its files; they are joined at the end.

Every block is read back through the row type's own decoder before it reaches the file: a row that is not of its
table's shape can't be written. Texts longer than their database column are shortened, and counted.
"""

import contextlib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from gros_agent.errors import AgentError
from gros_agent.privacy import Pseudonymised, R
from gros_agent.storage import replace_file, storage_errors
from gros_agent.tables.schema import LARGEST_INTEGER, Row, length_limits, number_fields

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode_lines


_START = b"[\n"
_END = b"\n]\n"
"""What stands before and after the rows of a table that has some."""
_BLOCK = 1 << 20
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
        self._stream.write(_START[:1])

    def write(self, block: Pseudonymised[R]) -> None:
        """Append rows of this table. Raises :class:`AgentError` for a row of another shape."""
        content = self._encoded(block.rows)
        self._stream.write(b",\n" if self.count else _START[1:])
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

    def close(self) -> None:
        """End the array."""
        self._stream.write(_END if self.count else b"]\n")
        self._stream.close()

    def abandon(self) -> None:
        """Close the file as it is: nobody will read it."""
        with contextlib.suppress(OSError):  # what was not written yet may not fit on the disk
            self._stream.close()


class Writer:
    """The files of one source: a table each, made when the writer is, so that an empty table is an empty array."""

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

    def close(self) -> None:
        """Finish all files. Raises :class:`AgentError` when the disk is full."""
        with storage_errors(self.folder):
            for table in self.tables.values():
                table.close()


@dataclass(frozen=True)
class Joined:
    """A table of a whole scrape: its rows, and how many values of which fields were shortened or are too large."""

    row: type[Row]
    path: Path
    count: int
    shortened: Counter[str]
    beyond: Counter[str]


def join(folder: Path, rows: Iterable[type[Row]], writers: Sequence[Writer]) -> tuple[Joined, ...]:
    """Make one file a table in ``folder`` of what several sources brought, in their order, and have the disk keep it.

    The files of the writers, which have to be closed, are used up. Raises :class:`AgentError` when the disk is full.
    """
    with storage_errors(folder):
        joined = (
            _join(folder, row, [writer.tables[row.table] for writer in writers if row.table in writer.tables])
            for row in rows
        )
        return tuple(one for table in joined if (one := _single(table) if table.row.is_single else table))


def _single(table: Joined) -> Joined | None:
    """Make the file hold one object: the first. Without one, there is no file."""
    found = msgspec.json.decode(table.path.read_bytes(), type=list[msgspec.Raw])
    if not found:
        table.path.unlink()
        return None
    if found[1:]:
        log.warning("%s has room for one: %d others were left out", table.path.name, len(found) - 1)
    replace_file(table.path, bytes(found[0]) + b"\n")
    return replace(table, count=1)


def _join(folder: Path, row: type[Row], parts: Sequence[TableFile]) -> Joined:
    path = folder / f"{row.table}.json"
    filled = [part for part in parts if part.count]
    if filled:
        filled[0].path.rename(path)
    else:
        path.write_bytes(b"[]\n")
    with path.open("r+b") as stream:
        if filled[1:]:
            stream.seek(-len(_END), os.SEEK_END)
            for part in filled[1:]:
                stream.write(b",\n")
                _copy_rows(part.path, stream)
            stream.write(_END)
        stream.flush()
        os.fsync(stream.fileno())
    shortened = sum((part.shortened for part in parts), Counter[str]())
    beyond = sum((part.beyond for part in parts), Counter[str]())
    return Joined(row, path, sum(part.count for part in parts), shortened, beyond)


def _copy_rows(path: Path, stream: IO[bytes]) -> None:
    """Copy what stands between the brackets of an array that has rows."""
    left = path.stat().st_size - len(_START) - len(_END)
    with path.open("rb") as source:
        source.seek(len(_START))
        while left:
            block = source.read(min(left, _BLOCK))
            stream.write(block)
            left -= len(block)
    path.unlink()
