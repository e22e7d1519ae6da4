"""The team of a scrape on a cluster: it has the parts of one project collected, and takes over their tables."""

import logging
from asyncio import CancelledError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed.scheduler import KilledWorker

from gros_agent.cluster import working
from gros_agent.cluster.arrival import ArrivedTables, take_over
from gros_agent.cluster.dispatcher import Dispatcher, Mail, Ticket
from gros_agent.cluster.host_keys import pin
from gros_agent.cluster.messages import Failure, HostPlace, PartTask, ProgressMessage, WorkerAnswer, contents_of_files
from gros_agent.cluster.placement import Placement
from gros_agent.cluster.sealing import ClusterKey
from gros_agent.cluster.workers import AHEAD, Workers
from gros_agent.collect.engine import Calls, Job
from gros_agent.collect.part import PartResult
from gros_agent.collect.table_sink import TableSinks
from gros_agent.errors import AgentError, SourceError
from gros_agent.http.traffic import pauses
from gros_agent.rows.moments import local_zone, zone_variable
from gros_agent.runtime import limits, retry
from gros_agent.settings.authorities import of_the_system
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Collected
from gros_agent.sources.common.capacity import Capacity

log = logging.getLogger(__name__)

TRIES = 3
"""How often a part is tried if its worker is gone or can't write."""
MOST_PROJECTS = 64
"""Projects that are collected at the same time at most: each has a thread here."""
_ANSWER_SECONDS = 60.0
"""Time that the answer of a task that is over may take."""
_WAKE_SECONDS = 1.0

Result = tuple[PartResult, ArrivedTables | None]


@dataclass(frozen=True, kw_only=True)
class ClusterTeams:
    """Makes the teams of a command on a cluster. ``shared`` is a folder that all machines have (None: tables are sent).

    ``is_local`` says that the workers are on this machine.
    """

    key: ClusterKey
    workers: Workers
    dispatcher: Dispatcher
    shared: Path | None = None
    is_local: bool = False

    @property
    def at_once(self) -> int:
        """How many projects are collected at the same time: enough to keep all workers busy, one part each."""
        return max(1, min(MOST_PROJECTS, AHEAD * self.workers.threads))

    def team(self, project: ProjectSettings, sinks: TableSinks, folder: Path) -> "ClusterTeam":
        """The team for the scrape of a project."""
        return ClusterTeam(self, project, sinks, folder)

    def stop(self) -> None:
        """End what all teams do."""
        self.dispatcher.stop()


class ClusterTeam:
    """Collects the parts of one scrape on a cluster."""

    def __init__(self, cluster: ClusterTeams, project: ProjectSettings, sinks: TableSinks, folder: Path) -> None:
        self._cluster = cluster
        self._dispatcher = cluster.dispatcher
        self._project = project
        self._sinks = sinks
        self._folder = folder
        self._mail: Mail = SimpleQueue()
        self._placement = Placement(project.home.state, project.key)
        self._places: dict[str, str] = {}
        self._results: dict[int, Result] = {}
        self._progressed: dict[int, ProgressMessage] = {}
        self._zone = zone_variable(local_zone(project.environment.time_zone))

    def __call__(self, jobs: Sequence[Job], _capacity: Capacity, calls: Calls) -> Sequence[Result]:
        """Collect the parts. Raises :class:`AgentError` if the cluster can't be used any more.

        When the time of the run is up, the parts that are not there yet have failed.
        """
        left = {job.number: self._ticket(job) for job in jobs}
        self._dispatcher.begin(self._mail)
        try:
            for ticket in left.values():
                self._dispatcher.add(ticket)
            while left:
                ticket, result = self._next(left)
                del left[ticket.job.number]
                self._end(ticket.job, result, calls)
        except limits.TimeUpError as error:
            for ticket in left.values():
                self._end(ticket.job, (PartResult(seconds=0.0, end=error), None), calls)
        finally:
            self._dispatcher.end(self._mail)
        self._placement.keep(self._places, {job.description.context.folder.name for job in jobs})
        return [self._results[job.number] for job in jobs]

    def _end(self, job: Job, result: Result, calls: Calls) -> None:
        last = self._progressed.pop(job.number, None)
        if last is not None and last.total is not None:  # workers don't tell of every step
            job.description.context.progress(last.what, last.total, last.total)
        calls.ended(job, result[0])
        self._results[job.number] = result

    def _ticket(self, job: Job) -> Ticket:
        def sealed(number: int, place: HostPlace | None) -> bytes:
            task = PartTask(
                ticket=number,
                topic=self._dispatcher.topic,
                description=job.description,
                sinks=self._sinks,
                files=contents_of_files(job.description.context),
                authorities=of_the_system(),
                shared=self._cluster.shared,
                zone=self._zone,
                place=place,
                is_local=self._cluster.is_local,
                pauses=pauses.left(),
            )
            return self._cluster.key.seal(task)

        return Ticket(job, self._mail, sealed, last=self._placement.last(job.description.context.folder))

    def _next(self, left: dict[int, Ticket]) -> tuple[Ticket, Result]:
        """The next part that has a result."""
        while True:
            limits.check()
            try:
                mail = self._mail.get(timeout=_WAKE_SECONDS)
            except Empty:
                continue
            if mail is None:
                raise self._dispatcher.error()
            if isinstance(mail, ProgressMessage):
                self._progress(mail, left)
            elif (result := self._result(mail)) is not None:
                return mail, result
            else:
                self._dispatcher.add(mail, first=True)

    def _progress(self, message: ProgressMessage, left: dict[int, Ticket]) -> None:
        for ticket in left.values():
            if ticket.number == message.ticket:
                ticket.job.description.context.progress(message.what, message.done, message.total)
                self._progressed[ticket.job.number] = message

    def _result(self, ticket: Ticket) -> Result | None:
        """The result of a part whose task is over, or None if it is to be tried again."""
        job = ticket.job
        try:
            answer = self._answer(ticket)
            if answer is None:
                return None
            log_lines(answer)
            retry.count(answer.retries)
            if isinstance(answer.end, Failure):
                return self._failed(ticket, answer, answer.end)
            try:
                tables = self._arrived(answer, job)
            except SourceError as error:
                return PartResult(seconds=answer.seconds, end=error, worker=answer.name), None
            return self._collected(ticket, answer, answer.end, tables)
        except _LostError as lost:
            return self._lost(ticket, lost)
        finally:
            self._dispatcher.taken(ticket)

    def _collected(self, ticket: Ticket, answer: WorkerAnswer, end: Any, tables: ArrivedTables) -> Result:  # noqa: ANN401
        context = ticket.job.description.context
        refused = pin(context.known_hosts, answer.pinned)
        if refused:
            return PartResult(seconds=answer.seconds, end=refused, worker=answer.name), None
        counts = {name: table.count for name, table in tables.tables.items()}

        def published() -> None:
            self._dispatcher.call(answer.worker, working.tell_published, answer.folder)

        self._places[context.folder.name] = answer.identity
        collected = Collected(**end, published=published if answer.is_told else None)
        return PartResult(seconds=answer.seconds, end=collected, counts=counts, worker=answer.name), tables

    def _answer(self, ticket: Ticket) -> WorkerAnswer | None:
        """The answer of a worker; None if the scheduler was gone, which is nobody's try. Raises :class:`_LostError`."""
        future = ticket.future
        if ticket.has_left:
            ticket.has_left = False
            raise _LostError("it has left")
        if future is None or future.status in {"cancelled", "lost"}:
            return None
        try:
            told = future.result(timeout=_ANSWER_SECONDS)
        except CancelledError:
            return None
        except AgentError:
            raise
        except KilledWorker as error:  # Dask has tried it several times already
            ticket.tries += TRIES - 1
            raise _LostError(type(error).__name__) from None
        except Exception as error:  # noqa: BLE001 (of the worker's Dask, or of the way)
            raise _LostError(type(error).__name__) from None
        if told is None:
            raise _LostError("it has another version")
        answer: WorkerAnswer = self._cluster.key.unseal(told)
        return answer

    def _failed(self, ticket: Ticket, answer: WorkerAnswer, failure: Failure) -> Result | None:
        """The result of a part that a worker could not collect; None if another worker may have more luck."""
        ticket.tries += 1
        if failure.is_of_worker and ticket.tries < TRIES:
            ticket.avoided.add(answer.identity)
            words = "%s is collected by another worker, since %s can't: %s"
            log.warning(words, ticket.job.part.entry.name, answer.name, failure.message)
            return None
        error = SourceError(failure.message, failure.hint, own=failure.own)
        return PartResult(seconds=answer.seconds, end=error, worker=answer.name), None

    def _lost(self, ticket: Ticket, reason: Exception) -> Result | None:
        name = ticket.job.part.entry.name
        ticket.tries += 1
        if ticket.tries < TRIES:
            log.warning("%s is collected again, since its worker is gone: %s", name, reason)
            return None
        error = SourceError(
            f"its worker was gone {TRIES} times: {reason}", "see the logs of the workers: memory is the usual cause"
        )
        return PartResult(seconds=0.0, end=error), None

    def _arrived(self, answer: WorkerAnswer, job: Job) -> ArrivedTables:
        folder = self._folder / f"part-{job.number}-{answer.folder}"

        def fetch(table: str, offset: int, most: int) -> bytes:
            if answer.contents:
                return answer.contents[table][offset : offset + most]
            try:
                content: bytes = self._dispatcher.call(answer.worker, working.piece, answer.folder, table, offset, most)
            except (OSError, ValueError) as gone:  # how Dask tells that there is no such worker
                raise _LostError(f"{answer.name}: {type(gone).__name__}") from None
            return content

        try:
            return take_over(answer, job.part.source.tables, folder, self._cluster.shared or fetch)
        except SourceError:
            if self._dispatcher.is_there(answer.worker):
                raise
            raise _LostError(f"{answer.name} has left") from None


class _LostError(Exception):
    """A task has no answer, since its worker is gone."""


def log_lines(answer: WorkerAnswer) -> None:
    """Log what the worker logged. Its texts are arguments, so that they are not delivered."""
    for line in answer.lines:
        logging.getLogger(line.logger).log(line.level, "%s: %s", answer.name, line.text)
