"""Collects one part by its description, which has all that this takes. So it can be done on another machine."""

import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gros_agent.errors import SourceError
from gros_agent.project.boundary import Bounds, bounded
from gros_agent.rows import Row
from gros_agent.runtime import limits
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, Progress, Source
from gros_agent.sources.common.capacity import Capacity


class Sink(Protocol):
    """Takes the rows of one part."""

    def take(self, rows: Sequence[Row]) -> object:
        """Take a block of rows of one table."""
        ...

    def close(self) -> Mapping[str, int]:
        """Finish after the last row, and return the number of rows of each table."""
        ...

    def undo(self) -> None:
        """Forget all rows: the part could not be collected."""
        ...


@dataclass(frozen=True, kw_only=True)
class PartDescription:
    """How to collect one part. It can be pickled, and it contains credentials: it is sent sealed, and never shown.

    ``source`` collects it, ``since`` is the position to go on from (None: everything). ``bounds`` limit time
    and memory. ``removes_folder`` says that the working folder is removed afterwards.
    """

    source: Source
    context: Context = field(repr=False)
    since: str | None
    bounds: Bounds
    removes_folder: bool = False

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self.context.entry.name

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: of the source only its kind, since every machine has the source itself."""
        return {**self.__dict__, "source": self.source.kind}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, source=sources()[state["source"]])


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """How a part ended: what its source returned and the number of rows of each table, or an error.

    ``worker`` is the name of the cluster's worker that collected it; empty if this machine did.
    """

    seconds: float
    end: Collected | SourceError
    counts: Mapping[str, int] = field(default_factory=dict)
    worker: str = ""


def collect_part(description: PartDescription, sink: Sink, capacity: Capacity, progress: Progress) -> PartResult:
    """Collect a part into a sink. What goes wrong in the source is in the result, and the sink is undone then.

    ``capacity`` is shared by the parts that are collected on this machine. Raises :class:`AgentError` if the agent's
    own disk is the problem.
    """
    start = time.monotonic()
    context = replace(description.context, capacity=capacity, progress=progress)
    try:
        with bounded(description.bounds, description.name):
            collected = drain(description.source.collect(context, description.since), sink.take)
            counts = sink.close()
        if description.removes_folder:
            shutil.rmtree(context.folder, ignore_errors=True)
    except SourceError as error:
        sink.undo()
        return PartResult(seconds=time.monotonic() - start, end=error)
    except BaseException:
        sink.undo()
        raise
    return PartResult(seconds=time.monotonic() - start, end=collected, counts=counts)


def drain(collection: Generator[Sequence[Row], None, Collected], take: Callable[[Sequence[Row]], object]) -> Collected:
    """Hand over each block of a collection, and return how it ended. Raises :class:`TimeUpError` if its time is up."""
    while True:
        try:
            block = next(collection)
        except StopIteration as end:
            collected: Collected = end.value
            return collected
        limits.check()
        take(block)
