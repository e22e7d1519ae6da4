"""The team of a scrape that collects on a cluster: a bounded number of parts is in flight."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client, Future, as_completed

from gros_agent import __version__
from gros_agent.cluster import working
from gros_agent.cluster.arrival import ArrivedTables, take_over
from gros_agent.cluster.errand import Failure, WorkerAnswer, errand, new_name
from gros_agent.cluster.flight import Flight
from gros_agent.cluster.sealing import ClusterKey
from gros_agent.collect.engine import Calls, Job
from gros_agent.collect.part import PartResult
from gros_agent.collect.table_sink import TableSinks
from gros_agent.errors import AgentError, ConfigurationError, SourceError
from gros_agent.sources.base import Collected
from gros_agent.sources.common.capacity import Capacity

log = logging.getLogger(__name__)

AHEAD = 2
"""Parts in flight for each thread of the workers: one that is collected, and one that waits there."""
MOST_IN_FLIGHT = 500
"""Parts in flight at most."""
TRIES = 3
"""How often a part is tried if its worker is gone before its tables are here."""

Result = tuple[PartResult, ArrivedTables | None]


@dataclass(frozen=True)
class Cluster:
    """A connection to a cluster. ``shared`` is a folder that all machines have (None: tables are sent)."""

    client: "Client"
    key: ClusterKey
    shared: Path | None = None

    def team(self, sinks: TableSinks, folder: Path) -> "ClusterTeam":
        """The team for one scrape, whose tables lie in this folder afterwards."""
        return ClusterTeam(self, sinks, folder)


class ClusterTeam:
    """Collects the parts of one scrape on a cluster."""

    def __init__(self, cluster: Cluster, sinks: TableSinks, folder: Path) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._sinks = sinks
        self._folder = folder
        self._run = new_name()
        self._results: dict[int, Result] = {}
        self._tries = Counter[int]()

    def __call__(self, jobs: Sequence[Job], _capacity: Capacity, calls: Calls) -> Sequence[Result]:
        """Collect the parts. Raises :class:`AgentError` if the cluster can't be used."""
        flight = Flight(jobs)
        done: Any = as_completed(loop=self._client.loop)
        try:
            while flight.goes_on:
                for job in flight.ready(self._window()):
                    future = self._submit(job)
                    flight.begin(future.key, job)
                    done.add(future)
                future = next(done)
                job = flight.end(future.key)
                result = self._result(future, job)
                if result is None:
                    flight.again(job)
                    continue
                calls.ended(job, result[0])
                self._results[job.number] = result
        except OSError as error:
            raise AgentError(
                f"the scheduler of the cluster is gone: {type(error).__name__}",
                "start it, and run again: nothing of this scrape was published",
            ) from error
        except BaseException:
            self._cancel(done)
            raise
        return [self._results[job.number] for job in jobs]

    def _window(self) -> int:
        threads: int = sum(self._client.nthreads().values())
        return min(MOST_IN_FLIGHT, max(1, AHEAD * threads))

    def _submit(self, job: Job) -> "Future[Any]":
        """Submit a part under a key that says nothing about it."""
        self._tries[job.number] += 1
        sent = errand(self._run, job.description, self._sinks, self._cluster.shared)
        key = f"part-{self._run}-{job.number}-{self._tries[job.number]}"
        return self._client.submit(working.work, __version__, self._cluster.key.seal(sent), key=key, pure=False)

    def _result(self, future: "Future[Any]", job: Job) -> Result | None:
        """The result of a part whose task is over, or None if it is to be tried again."""
        try:
            answer = self._answer(future)
        except _LostError as lost:
            return self._lost(job, str(lost))
        _log_lines(answer)
        if isinstance(answer.end, Failure):
            told = SourceError(answer.end.message, answer.end.hint, own=answer.end.own)
            return PartResult(seconds=answer.seconds, end=told), None
        try:
            tables = self._arrived(answer, job)
        except SourceError as error:
            return PartResult(seconds=answer.seconds, end=error), None
        except (OSError, ValueError) as gone:  # how Dask tells that there is no such worker
            return self._lost(job, f"{answer.worker}: {type(gone).__name__}")
        _pin(job.description.context.known_hosts, answer.pinned)
        counts = {name: table.count for name, table in tables.tables.items()}
        end = Collected(**answer.end, published=lambda: self._on(answer, working.publish, answer.folder))
        log.info("%s was collected by %s", job.part.entry.name, answer.worker)
        return PartResult(seconds=answer.seconds, end=end, counts=counts), tables

    def _answer(self, future: "Future[Any]") -> WorkerAnswer:
        if future.status != "finished":
            error = future.exception() if future.status == "error" else None
            if isinstance(error, AgentError):
                raise error
            raise _LostError(f"{type(error).__name__}" if error else future.status)
        told = future.result(timeout=60)
        if isinstance(told, tuple):
            address, version = told
            raise ConfigurationError(
                f"worker {address} has gros-agent {version}, and this is {__version__}",
                "install the same version on every machine of the cluster",
            )
        answer: WorkerAnswer = self._cluster.key.unseal(told)
        return answer

    def _lost(self, job: Job, reason: str) -> Result | None:
        name = job.part.entry.name
        if self._tries[job.number] < TRIES:
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
            content: bytes = self._on(answer, working.piece, answer.folder, table, offset, most)
            return content

        tables = take_over(answer, job.part.source.tables, folder, self._cluster.shared or fetch)
        if self._cluster.shared is None and not answer.contents:
            self._on(answer, working.forget, answer.folder)
        return tables

    def _on(self, answer: WorkerAnswer, call: Any, *arguments: object) -> Any:  # noqa: ANN401 (whatever it returns)
        """Call a function on the worker of an answer, beside what it collects.

        A worker that the scheduler no longer knows is not called, since that would take half a minute.
        """
        if answer.worker not in self._client.nthreads():
            raise OSError(f"worker {answer.worker} is gone")
        return self._client.run(call, *arguments, workers=[answer.worker])[answer.worker]

    def _cancel(self, done: Any) -> None:  # noqa: ANN401 (it has no types)
        """Take back what waits, and have the workers end what runs. A scheduler that is gone is no obstacle."""
        with suppress(Exception):
            self._client.cancel(list(done.futures), asynchronous=False)
            self._client.run(working.cancel, self._run, on_error="ignore")


class _LostError(Exception):
    """A task has no answer, since its worker or the scheduler is gone."""


def _log_lines(answer: WorkerAnswer) -> None:
    """Log what the worker logged. Its texts are arguments, so that they are not delivered."""
    for line in answer.lines:
        logging.getLogger(line.logger).log(line.level, "%s: %s", answer.worker, line.text)


def _pin(path: Path, content: bytes) -> None:
    """Add the host keys that a worker saw for the first time, unless the host has some already."""
    lines = content.splitlines()
    if not lines:
        return
    known = path.read_bytes().splitlines() if path.exists() else []
    hosts = {line.split(b" ", 1)[0] for line in known}
    new = [line for line in lines if line.split(b" ", 1)[0] not in hosts]
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in (*known, *new)))
