"""Writes tables as JSON arrays, in blocks of rows, into unpublished folders.

Each source has its own files, so that several sources can be collected at once. If a source fails, its rows are removed
with its files. The files are joined at the end.

All written rows are valid for the importer. Each block is checked with the decoder of its row type before it is
written, values are made to fit (:mod:`gros_agent.rows.fitting`), and of several rows with the same key only one is
written (:mod:`gros_agent.tables.duplicates`). Changes are counted.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import msgspec

from gros_agent.privacy.pseudonyms import Pseudonymised, R
from gros_agent.rows import Row, key_of
from gros_agent.rows.fitting import Changed, Values
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.tables.duplicates import Keys

log = logging.getLogger(__name__)

_START = b"[\n"
_END = b"\n]\n"
"""Start and end of a table file with rows."""
_BLOCK = 1 << 20


@dataclass
class Repeated:
    """Numbers of rows that were left out since another row has the same key: equal rows (``same``) and ``others``."""

    same: int = 0
    others: int = 0

    def __iadd__(self, other: "Repeated") -> Self:
        self.same += other.same
        self.others += other.others
        return self


class ClosedTable:
    """The closed file of one table: a JSON array with one row per line.

    ``keys`` has the keys of its rows, ``changed`` the number of values that were changed to fit, and ``repeated`` the
    number of rows that were left out.
    """

    def __init__(self, path: Path, row: type[Row]) -> None:
        self.row = row
        self.path = path
        self.count = 0
        self.repeated = Repeated()
        self.changed = Changed()
        self.keys = Keys(row)

    def lines(self) -> Iterator[bytes]:
        """Yield the rows of the file, each as a line of JSON."""
        with self.path.open("rb") as stream:
            for line in stream:
                if line.startswith(b"{"):
                    yield line.rstrip(b",\n")

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the rows in the file by these."""
        new = self.path.with_suffix(".new")
        count = 0
        with new.open("wb") as stream:
            for line in lines:
                stream.write(b",\n" if count else _START)
                stream.write(line)
                count += 1
            stream.write(_END if count else b"[]\n")
        new.replace(self.path)
        self.count = count


class TableFile(ClosedTable):
    """The file of one table, which is open for more rows until it is closed."""

    def __init__(self, folder: Path, row: type[Row], *, whole_numbers: bool = False) -> None:
        super().__init__(folder / f"{row.table}.json", row)
        self._values = Values(row, whole_numbers=whole_numbers)
        self.changed = self._values.changed
        self._stream: IO[bytes] = self.path.open("wb")
        self._stream.write(_START[:1])

    def write(self, block: Pseudonymised[R]) -> None:
        """Append rows of this table. Raises :class:`AgentError` if a row does not match its type."""
        rows, content = self._values.encoded(block.rows)
        self.keys.add(rows)
        self._stream.write(b",\n" if self.count else _START[1:])
        # there are raw newlines only between rows, since JSON escapes those within texts
        self._stream.write(content[:-1].replace(b"}\n{", b"},\n{"))
        self.count += len(rows)

    def close(self) -> None:
        """Close the array, and leave only one row for each key."""
        self._stream.write(_END if self.count else b"]\n")
        self._stream.close()
        self.repeated += write_once([self])

    def abandon(self) -> None:
        """Close the file as it is. It will not be used."""
        with contextlib.suppress(OSError):  # the rest of the buffer may not fit on the disk
            self._stream.close()


class WrittenTables(Protocol):
    """What has closed files, by the names of their tables."""

    @property
    def tables(self) -> Mapping[str, ClosedTable]:
        """The files."""
        ...


class Writer:
    """The files of one source, one per table. They are made at once, so that a table without rows is an empty array.

    With ``whole_numbers`` they are for a controller that takes numbers of more than 31 bits.
    """

    def __init__(self, folder: Path, rows: Iterable[type[Row]], *, whole_numbers: bool = False) -> None:
        self.folder = folder
        with storage_errors(folder):
            self.tables = {row.table: TableFile(folder, row, whole_numbers=whole_numbers) for row in rows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def abandon(self) -> None:
        """Close all files as they are."""
        for table in self.tables.values():
            table.abandon()

    def write(self, block: Pseudonymised[R]) -> None:
        """Append a block of rows to their table.

        Raises :class:`AgentError` if the disk is full.
        """
        if block.rows:
            with storage_errors(self.folder):
                self.tables[type(block.rows[0]).table].write(block)

    def close(self) -> None:
        """Close all files. Raises :class:`AgentError` if the disk is full."""
        with storage_errors(self.folder):
            for table in self.tables.values():
                table.close()


def write_once(parts: Sequence[ClosedTable]) -> Repeated:
    """Leave only one row for each key in closed files of one table, at the place of the first row with the key.

    :meth:`Row.one_of` chooses the row.
    """
    first, *others = parts
    hashes = first.keys.repeated([part.keys for part in others])
    if not hashes:
        return Repeated()
    chosen = _Chosen(first.row, hashes)
    for part in parts:
        chosen.read(part)
    if chosen.repeated.same or chosen.repeated.others:
        for part in parts:
            part.rewrite(chosen.left(part))
    return chosen.repeated


class _Chosen:
    """Chooses the row that is written for each key with one of these hashes."""

    def __init__(self, row: type[Row], hashes: set[int]) -> None:
        self.repeated = Repeated()
        self._row = row
        self._hashes = hashes
        self._key = key_of(row)
        self._decode = decoder(row).decode
        self._rows: dict[Any, tuple[Row, bytes]] = {}

    def read(self, part: ClosedTable) -> None:
        """Read the rows of a file, and choose among those with the same key."""
        for line in part.lines():
            row = self._decode(line)
            if not part.keys.is_among(row, self._hashes):
                continue
            key = self._key(row)
            before, kept = self._rows.setdefault(key, (row, line))
            if before is row:
                continue
            self.repeated += Repeated(same=1) if line == kept else Repeated(others=1)
            if before.one_of(row) is row:
                self._rows[key] = (row, line)

    def left(self, part: ClosedTable) -> Iterator[bytes]:
        """Yield the rows that a file should contain."""
        known, part.keys = part.keys, Keys(self._row)
        for line in part.lines():
            row, content = self._decode(line), line
            if known.is_among(row, self._hashes):
                found = self._rows.pop(self._key(row), None)
                if found is None:
                    continue
                row, content = found
            part.keys.add([row])
            yield content


@dataclass(frozen=True)
class Joined:
    """A table of a scrape: row type, path, number of rows, values that were changed to fit, and rows left out."""

    row: type[Row]
    path: Path
    count: int
    changed: Changed = field(default_factory=Changed)
    repeated: Repeated = field(default_factory=Repeated)


def join(folder: Path, rows: Iterable[type[Row]], writers: Sequence[WrittenTables]) -> tuple[Joined, ...]:
    """Join the files of several sources into one synced file per table in ``folder``, in the order of the sources.

    The files must be closed; they are moved or removed. Raises :class:`AgentError` if the disk is full.
    """
    with storage_errors(folder):
        joined = (
            _join(folder, row, [writer.tables[row.table] for writer in writers if row.table in writer.tables])
            for row in rows
        )
        return tuple(one for table in joined if (one := _single(table) if table.row.is_single else table))


def _single(table: Joined) -> Joined | None:
    """Replace the array by its first object. If it is empty, remove the file, and return None."""
    found = decoder(list[msgspec.Raw]).decode(table.path.read_bytes())
    if not found:
        table.path.unlink()
        return None
    if found[1:]:
        log.warning("%s can hold only one object: %d others were left out", table.path.name, len(found) - 1)
    replace_file(table.path, bytes(found[0]) + b"\n")
    return replace(table, count=1)


def _join(folder: Path, row: type[Row], parts: Sequence[ClosedTable]) -> Joined:
    repeated, changed = Repeated(), Changed()
    for part in parts:
        repeated += part.repeated
        changed += part.changed
    if parts[1:]:
        repeated += write_once(parts)
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
    return Joined(row, path, sum(part.count for part in parts), changed, repeated)


def _copy_rows(path: Path, stream: IO[bytes]) -> None:
    """Append the content of a non-empty array to ``stream``, without its brackets, and remove its file."""
    left = path.stat().st_size - len(_START) - len(_END)
    with path.open("rb") as source:
        source.seek(len(_START))
        while left:
            block = source.read(min(left, _BLOCK))
            stream.write(block)
            left -= len(block)
    path.unlink()
