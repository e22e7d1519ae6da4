"""Takes over the tables that a worker left: from a shared folder, or in pieces. Their rows are read as a stranger's."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gros_agent.cluster.messages import LeftTable, WorkerAnswer
from gros_agent.errors import SourceError
from gros_agent.rows import Row
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import storage_errors
from gros_agent.tables.writer import ClosedTable

log = logging.getLogger(__name__)

PIECE_BYTES = 4 << 20
"""Bytes that go through the cluster at once, so that the memory of the scheduler stays flat."""

Fetch = Callable[[str, int, int], bytes]
"""Fetches a piece of a table from the worker: by the table, where it begins, and how many bytes it has at most."""


@dataclass(frozen=True)
class ArrivedTables:
    """The tables of a part that was collected elsewhere."""

    tables: Mapping[str, ClosedTable]


def take_over(answer: WorkerAnswer, rows: Iterable[type[Row]], folder: Path, source: Path | Fetch) -> ArrivedTables:
    """Move the tables of a part to a new folder.

    ``source`` is the shared folder, or fetches pieces. Raises :class:`SourceError` if a file is not what the worker
    left, and another :class:`AgentError` if the own disk is the problem.
    """
    with storage_errors(folder):
        folder.mkdir()
        found = {}
        for row in rows:
            left, path = answer.tables[row.table], folder / f"{row.table}.json"
            if isinstance(source, Path):
                _move(source / answer.folder / path.name, path, answer.worker)
            else:
                _fetch(path, left, row.table, source)
            found[row.table] = _checked(path, row, left, answer.worker)
        if isinstance(source, Path):
            shutil.rmtree(source / answer.folder, ignore_errors=True)
    return ArrivedTables(found)


def _move(lying: Path, path: Path, worker: str) -> None:
    if not lying.exists():
        raise SourceError(
            f"{lying} is not there, where {worker} left it",
            "--shared must be one folder, under the same path on every machine; without it, tables are sent",
        )
    shutil.move(lying, path)


def _fetch(path: Path, left: LeftTable, table: str, fetch: Fetch) -> None:
    with path.open("wb") as stream:
        while stream.tell() < left.size:
            content = fetch(table, stream.tell(), min(PIECE_BYTES, left.size - stream.tell()))
            if not content:
                break
            stream.write(content)


def _checked(path: Path, row: type[Row], left: LeftTable, worker: str) -> ClosedTable:
    """The table, once its digest is that of the worker and each of its rows is one."""
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "blake2b").digest() != left.digest:
            raise SourceError(f"{path.name} is not what {worker} left", "run again: the source is collected anew")
    table, decode = ClosedTable(path, row), decoder(row).decode
    try:
        for line in table.lines():
            table.keys.add([decode(line)])
            table.count += 1
    except msgspec.MsgspecError as error:
        raise SourceError(f"{path.name} of {worker} has a row that is none: {error}", "report it") from None
    if table.count != left.count:
        raise SourceError(f"{path.name} of {worker} has {table.count} rows instead of {left.count}", "report it")
    table.changed, table.repeated = left.changed, left.repeated
    return table
