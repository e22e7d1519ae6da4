"""Collects the sources of a project: describes each part, has a team collect them, and makes their outcomes.

The team of a scrape writes tables; that of a dry run counts rows and keeps examples. Both use the same limits.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Generic, TypeVar

from gros_agent.collect.part import PartDescription, PartResult, Sink, collect_part
from gros_agent.errors import SourceError
from gros_agent.project.boundary import Bounds, around
from gros_agent.project.context import located, parts_of, source_context, source_host
from gros_agent.project.report import Outcome, collected_outcome, failed, unavailable
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.runtime import parallel
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


S = TypeVar("S")
K = TypeVar("K", bound=Sink)


@dataclass(frozen=True)
class Job:
    """A part to collect. ``number`` is that of its task, ``host`` the host that it connects to, or None."""

    number: int
    part: Part
    description: PartDescription
    host: str | None


@dataclass(frozen=True)
class Calls:
    """What a team reports to: the progress within a part, and the end of each part."""

    progress: Progress
    ended: Callable[[Job, PartResult], None]


Team = Callable[[Sequence[Job], Capacity, Calls], Sequence[tuple[PartResult, S | None]]]
"""Collects parts, and returns for each its result, and what has its rows (None: it failed). Raises AgentError.

Parts at the same host are limited: to :data:`PER_HOST` at the same time, or to what the command was told.
"""


@dataclass(frozen=True)
class Gathered(Generic[S]):
    """The result of a task. ``sink``, which has the rows, and ``collected`` are set if a part was collected."""

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
    """Collects the parts of one project. ``team`` does the work."""

    def __init__(
        self,
        project: ProjectSettings,
        options: ScrapeOptions,
        progress: Progress,
        known: LeftOff,
        team: Team[S],
    ) -> None:
        self._project = project
        self._options = options
        self._told = progress
        self._lock = Lock()
        self._capacity = Capacity()
        self._known = LeftOff({}, {}) if options.full else known
        self._team = team

    def run(self, tasks: Sequence[Task]) -> list[Gathered[S]]:
        """Collect, and return the result of each task, in their order. Raises :class:`AgentError`."""
        done: dict[int, Gathered[S]] = {}
        jobs: list[Job] = []
        for number, task in enumerate(tasks):
            if isinstance(task, SourceEntry):
                done[number] = Gathered(task, unavailable(task))
                continue
            try:
                jobs.append(Job(number, task, self.description(task), self._host(task)))
            except SourceError as error:
                refused = PartResult(seconds=0.0, end=error)
                self._tell(task, refused)
                done[number] = _gathered(task, refused, None)
        calls = Calls(self._progress, lambda job, result: self._tell(job.part, result))
        for job, (result, rows) in zip(jobs, self._team(jobs, self._capacity, calls), strict=True):
            done[job.number] = _gathered(job.part, result, rows)
        return [done[number] for number in range(len(tasks))]

    def context(self, part: Part) -> Context:
        """The context for the source of a part. Raises :class:`SourceError`."""
        return source_context(
            *(self._project, part, self._options, self._progress, self._capacity),
            documents=self._known.documents,
        )

    def description(self, part: Part) -> PartDescription:
        """The description of a part. Raises :class:`SourceError`."""
        with around(self._project, part.entry.name):
            return PartDescription(
                source=part.source,
                context=self.context(part),
                since=self._known.since(part),
                bounds=Bounds.of(self._project),
                removes_folder=self._project.environment.cleanup_repos,
            )

    def _tell(self, part: Part, result: PartResult) -> None:
        """Log how a part ended."""
        key, name = self._project.key, part.entry.name
        if isinstance(result.end, SourceError):
            log.error("project %s: source %s failed: %s", key, name, result.end, extra=IN_RESULTS)
            return
        for note in result.end.notes:
            log.info("project %s: source %s: %s", key, name, note)
        for missing in result.end.missing:
            log.error("project %s: source %s: not collected: %s", key, name, missing, extra=IN_RESULTS)
        items, rows = result.counts[part.source.items.table], sum(result.counts.values())
        words = "project %s: source %s: %d new items, %d rows in %.1f s"
        log.info(words, key, name, items, rows, result.seconds)

    def _host(self, part: Part) -> str | None:
        """The host that a part connects to, or None."""
        try:
            return host_of(located(part.entry, source_host(self._project.settings, part.entry)).url)[0]
        except SourceError:  # reported when it is collected
            return None

    def _progress(self, what: str, done: int, total: int | None) -> None:
        """Report progress one call at a time: the receiver need not be thread-safe."""
        with self._lock:
            self._told(what, done, total)


def _gathered(part: Part, result: PartResult, rows: S | None) -> Gathered[S]:
    if isinstance(result.end, SourceError):
        failure = failed(part, result.end, result.seconds)
        return Gathered(part, replace(failure, worker=result.worker))
    outcome = collected_outcome(part, result.end, result.counts, result.seconds)
    return Gathered(part, replace(outcome, worker=result.worker), rows, result.end)


def threads(make: Callable[[Job], K]) -> Team[K]:
    """A team of threads on this machine. ``make`` makes the sink for a part."""

    def team(jobs: Sequence[Job], capacity: Capacity, calls: Calls) -> Sequence[tuple[PartResult, K | None]]:
        def one(job: Job) -> tuple[PartResult, K | None]:
            sink = make(job)
            result = collect_part(job.description, sink, capacity, calls.progress)
            calls.ended(job, result)
            return result, sink if isinstance(result.end, Collected) else None

        return parallel.run(jobs, one, at_once=AT_ONCE, lane=lambda job: job.host, per_lane=PER_HOST)

    return team
