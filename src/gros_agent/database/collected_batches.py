"""The batches that lie at an agent: the newest of each project, and those in the outbox."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gros_agent.database.checking import TableRows, rows_of
from gros_agent.database.columns import by_file
from gros_agent.database.erased import Erased
from gros_agent.database.inbox import BatchReceipt
from gros_agent.database.snapshot import Snapshot, snapshot
from gros_agent.deliver.outbox import Waiting
from gros_agent.rows import Row
from gros_agent.rows.moments import local_zone
from gros_agent.tables.batch import CollectedSource, ProjectFolder, check_table


@dataclass(frozen=True)
class CollectedBatch:
    """A batch at an agent. ``files`` has the name, the type and a path of each table."""

    project: str
    number: int
    identifier: str
    made: datetime
    time_zone: str
    files: tuple[tuple[str, type[Row], Path], ...]
    sources: tuple[CollectedSource, ...] = ()

    def receipt(self) -> BatchReceipt:
        """What is known about the batch."""
        return BatchReceipt(
            batch=self.identifier,
            project=self.project,
            moment=self.made,
            files=[],
            time_zone=self.time_zone or local_zone(),
            sources=list(self.sources),
        )

    def reading(self) -> AbstractContextManager[None]:
        """Nothing is to be done: the files are open."""
        return nullcontext()

    def tables(self, receipt: BatchReceipt, erased: Erased) -> Generator[TableRows, None, None]:
        """Yield the tables. Raises :class:`Unfit` for a file that is no table. At an agent, nobody is erased."""
        del receipt, erased
        for name, row, path in self.files:
            rows = rows_of(path, row)
            rows.title = name
            try:
                yield rows
            finally:
                rows.close()


@contextmanager
def collected_batches(folders: Sequence[Path], kept: Sequence[Waiting] = ()) -> Iterator[list[CollectedBatch]]:
    """Open the batches in folders of an export, and those of an outbox before them, each batch once.

    They can be read until the end, whatever is collected or delivered meanwhile. Raises :class:`AgentError` if a table
    is missing, and :class:`BusyError` if a scrape is publishing its batch.
    """
    with ExitStack() as stack:
        found = [_of_outbox(one, stack) for one in kept if one.number is not None]
        for folder in folders:
            if ProjectFolder(folder).batch() is None and not ProjectFolder(folder).is_publishing:
                continue
            one = stack.enter_context(snapshot(folder))
            if (one.project, one.identifier) not in {(other.project, other.identifier) for other in found}:
                newest = max((other.number for other in found if other.project == one.project), default=0)
                found.append(_of_snapshot(one, newest + 1))
        yield found


def _of_outbox(batch: Waiting, stack: ExitStack) -> CollectedBatch:
    kinds, files = by_file(), []
    for name in (name for name in kinds if name in batch.manifest.tables):
        check_table(batch.folder / name)
        stream = stack.enter_context((batch.folder / name).open("rb"))
        files.append((name, kinds[name], Path("/proc/self/fd", str(stream.fileno()))))
    told = batch.manifest
    return CollectedBatch(
        project=batch.project,
        number=batch.number or 0,
        identifier=told.identifier,
        made=told.made,
        time_zone=told.time_zone,
        files=tuple(files),
        sources=tuple(told.sources),
    )


def _of_snapshot(one: Snapshot, number: int) -> CollectedBatch:
    return CollectedBatch(
        project=one.project,
        number=number,
        identifier=one.identifier,
        made=one.made,
        time_zone=one.time_zone,
        files=tuple((table.path.name, table.row, table.descriptor) for table in one.tables),
        sources=one.sources,
    )
