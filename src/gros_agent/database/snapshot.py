"""The tables of a batch as they are at one moment, while a scrape may go on.

A scrape replaces whole files, so that an open file keeps its content. The files are opened when no batch is being
published, and read later.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO

from gros_agent.database.columns import by_file
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.rows import Row
from gros_agent.rows.moments import local_zone
from gros_agent.runtime.storage import storage_errors
from gros_agent.tables.batch import CollectedSource, Manifest, ProjectFolder, check_table

BLOCK = 2048
"""How many rows DuckDB works on at once."""
_TRIES = 3


@dataclass(frozen=True)
class TableContent:
    """The open file of a table, and the number of its rows according to the batch's manifest."""

    row: type[Row]
    path: Path
    stream: IO[bytes]
    rows: int

    @property
    def descriptor(self) -> Path:
        """A path that leads to the open file, whatever has the file's name by now."""
        return Path("/proc/self/fd", str(self.stream.fileno()))

    @cached_property
    def largest(self) -> tuple[int, int]:
        """The bytes of the largest row, and of the largest :data:`BLOCK` rows in turn. A row is a line of the file."""
        self.stream.seek(0)
        row = block = 0
        while sizes := [len(line) for line in islice(self.stream, BLOCK)]:
            row, block = max(row, *sizes), max(block, sum(sizes))
        return row, block


@dataclass(frozen=True)
class Snapshot:
    """The batch of a project: its tables, when it was made, the time zone of its moments, and how complete it is."""

    project: str
    identifier: str
    made: datetime
    time_zone: str
    tables: tuple[TableContent, ...]
    sources: tuple[CollectedSource, ...]


@contextmanager
def snapshot(folder: Path) -> Iterator[Snapshot]:
    """Open the tables of the batch in an export folder.

    Raises :class:`ConfigurationError` if there is no batch, :class:`AgentError` if one of its tables is missing, and
    :class:`BusyError` if a scrape is publishing its batch.
    """
    if not folder.is_dir():
        raise _nothing(folder)
    with ExitStack() as stack:
        manifest, streams = _opened(ProjectFolder(folder), stack)
        if manifest is None:
            raise _nothing(folder)
        kinds = by_file()
        yield Snapshot(
            project=folder.name,
            identifier=manifest.identifier,
            made=manifest.made,
            time_zone=manifest.time_zone or local_zone(),
            tables=tuple(
                TableContent(kinds[name], folder / name, stream, manifest.tables[name])
                for name, stream in streams.items()
            ),
            sources=tuple(manifest.sources),
        )


def _opened(folder: ProjectFolder, stack: ExitStack) -> tuple[Manifest | None, Mapping[str, IO[bytes]]]:
    """The batch and its open files. If it was replaced meanwhile, they are opened again."""
    for _ in range(_TRIES):
        if folder.is_publishing:
            break
        manifest = folder.batch()
        with contextlib.suppress(FileNotFoundError):
            streams = _open(folder, manifest, stack)
            if not folder.is_publishing and folder.batch() == manifest:
                return manifest, streams
    with folder.locked():
        manifest = folder.recover() or folder.batch()
        for name in _names(manifest):
            check_table(folder.path / name)
        with storage_errors(folder.path):
            return manifest, _open(folder, manifest, stack)


def _open(folder: ProjectFolder, manifest: Manifest | None, stack: ExitStack) -> Mapping[str, IO[bytes]]:
    return {name: stack.enter_context((folder.path / name).open("rb")) for name in _names(manifest)}


def _names(manifest: Manifest | None) -> list[str]:
    """The tables with types. The lists of sources and environments are for the controller."""
    return [name for name in by_file() if manifest is not None and name in manifest.tables]


def _nothing(folder: Path) -> AgentError:
    others = sorted(path.parent.name for path in folder.parent.glob("*/.batch.json"))
    known = f"there are tables of {', '.join(others)}" if others else "no project has tables yet"
    return ConfigurationError(
        f"project {folder.name}: there are no tables in {folder}",
        f"collect some: gros-agent scrape --project {folder.name}; {known}",
    )
