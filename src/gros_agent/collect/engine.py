"""Collects the sources of a project, several at once, each into a sink of its own.

The sink of a scrape writes tables; that of a dry run counts rows and keeps examples. Both use the same limits.
"""

import logging
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from gros_agent.errors import SourceError
from gros_agent.project.boundary import around
from gros_agent.project.context import located, parts_of, source_context, source_host
from gros_agent.project.report import Outcome, collected_outcome, failed, unavailable
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import Row
from gros_agent.runtime import limits, parallel
from gros_agent.runtime.logs import IN_RESULTS
from gros_agent.runtime.urls import host_of
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.sources.base import Collected, Context, Part, Progress, SourceEntry
from gros_agent.sources.common.capacity import Capacity
from gros_agent.tables import trackers

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Sources that are collected at the same time: most of them wait for a host, those that compute wait for a core."""
PER_HOST = 4
"""Of them on the same host: OpenSSH's servers begin to refuse connections at ten (MaxStartups of sshd_config(5))."""

Task = Part | SourceEntry
"""A part to collect, or an entry that no source collects."""


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


S = TypeVar("S", bound=Sink)


@dataclass(frozen=True)
class Gathered(Generic[S]):
    """The result of a task. ``sink`` and ``collected`` are set if a part was collected."""

    task: Task
    outcome: Outcome
    sink: S | None = None
    collected: Collected | None = None


@dataclass(frozen=True)
class LeftOff:
    """Where earlier scrapes left off: tracker → source → position, and the further trackers by file."""

    positions: Mapping[str, Mapping[str, str]]
    documents: Mapping[str, Mapping[str, Any]]

    def since(self, part: Part) -> str | None:
        """The position of a part, or None if it was never collected."""
        return trackers.position(self.positions.get(part.source.tracker, {}), key_of(part))


def key_of(part: Part) -> str:
    """The key of a part in its tracker."""
    return trackers.key(part.source.tracker, part.entry.name, part.entry.url)


def tasks_of(settings: Settings, entries: Sequence[SourceEntry]) -> list[Task]:
    """The parts of these entries, and the entries that no source collects."""
    return [task for entry in entries for task in (parts_of(settings, entry) or (entry,))]


class Engine(Generic[S]):
    """Collects the parts of one project. ``make`` makes the sink for a part; its number is that of the task."""

    def __init__(
        self,
        project: ProjectSettings,
        options: ScrapeOptions,
        progress: Progress,
        known: LeftOff,
        make: Callable[[int, Part], S],
    ) -> None:
        self._project = project
        self._options = options
        self._told = progress
        self._lock = Lock()
        self._capacity = Capacity()
        self._known = LeftOff({}, {}) if options.full else known
        self._make = make

    def run(self, tasks: Sequence[Task]) -> list[Gathered[S]]:
        """Collect, and return the result of each task, in their order. Raises :class:`AgentError`."""
        return parallel.run(
            list(enumerate(tasks)),
            lambda task: self._task(*task),
            at_once=AT_ONCE,
            lane=lambda task: self._host(task[1]),
            per_lane=PER_HOST,
        )

    def context(self, part: Part) -> Context:
        """The context for the source of a part. Raises :class:`SourceError`."""
        return source_context(
            *(self._project, part, self._options, self._progress, self._capacity),
            documents=self._known.documents,
        )

    def _task(self, number: int, task: Task) -> Gathered[S]:
        if isinstance(task, SourceEntry):
            return Gathered(task, unavailable(task))
        return self._part(number, task)

    def _part(self, number: int, part: Part) -> Gathered[S]:
        name, start = part.entry.name, time.monotonic()
        sink = self._make(number, part)
        try:
            with around(self._project, name):
                context = self.context(part)
                collected = drain(part.source.collect(context, self._known.since(part)), sink.take)
                counts = sink.close()
            if self._project.environment.cleanup_repos:
                shutil.rmtree(context.folder, ignore_errors=True)
        except SourceError as error:
            log.error(  # noqa: TRY400 (whoever asked is told in words)
                "project %s: source %s failed: %s", *(self._project.key, name, error), extra=IN_RESULTS
            )
            sink.undo()
            return Gathered(part, failed(part, error, time.monotonic() - start))
        except BaseException:
            sink.undo()
            raise
        outcome = collected_outcome(part, collected, counts, time.monotonic() - start)
        self._log(name, collected, outcome, sum(counts.values()))
        return Gathered(part, outcome, sink, collected)

    def _log(self, name: str, collected: Collected, outcome: Outcome, rows: int) -> None:
        for note in collected.notes:
            log.info("project %s: source %s: %s", self._project.key, name, note)
        for missing in collected.missing:
            log.error("project %s: source %s: not collected: %s", self._project.key, name, missing, extra=IN_RESULTS)
        words = "project %s: source %s: %d new items, %d rows in %.1f s"
        log.info(words, self._project.key, name, outcome.items, rows, outcome.seconds)

    def _host(self, task: Task) -> str | None:
        """The host that a task connects to, or None."""
        entry = task.entry if isinstance(task, Part) else task
        try:
            return host_of(located(entry, source_host(self._project.settings, entry)).url)[0]
        except SourceError:  # reported when it is collected
            return None

    def _progress(self, what: str, done: int, total: int | None) -> None:
        """Report progress one call at a time: the receiver need not be thread-safe."""
        with self._lock:
            self._told(what, done, total)


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
