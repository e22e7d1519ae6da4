"""What a worker does: it collects a part into a folder of its own, and hands over what it left there.

The module is that of one process with one thread for tasks. What is not a task runs beside the one that is collected.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Worker, get_worker

from gros_agent import __version__
from gros_agent.cluster.messages import (
    Failure,
    LeftTable,
    LogLine,
    PartTask,
    PauseMessage,
    ProgressMessage,
    WorkerAnswer,
    with_files,
)
from gros_agent.cluster.places import at
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey
from gros_agent.cluster.slot import FOLDER_VARIABLE, Slot, take_slot
from gros_agent.cluster.wanted import Wanted
from gros_agent.cluster.worker_log import kept_lines
from gros_agent.collect.part import PartDescription, PartResult, collect_part
from gros_agent.errors import AgentError, ConfigurationError, MachineError, SourceError
from gros_agent.http.traffic import AT_ONCE, Budget, pauses
from gros_agent.runtime import retry
from gros_agent.runtime.masking import redactor, shown
from gros_agent.runtime.storage import make_missing, storage_errors
from gros_agent.settings.authorities import of_the_system
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.capacity import Capacity
from gros_agent.tables.writer import ClosedTable

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_VARIABLE = "GROS_AGENT_CLUSTER_KEY"
SMALL_BYTES = 256 << 10
"""Tables of a part that are no larger in all come with its answer."""
PROGRESS_SECONDS = 1.0
"""Time between two reports of progress of a part; a part that takes less time reports none."""
_MOST_TOLD = 1000
"""Sources that wait to be told that their tables are published; of more, the first ones are not told."""

_told: "OrderedDict[str, Callable[[], object]]" = OrderedDict()
_taking = threading.Lock()


@cache
def _capacity(cores: int, workers: int) -> Capacity:
    """A share of the cores of this machine, and of the requests to a host, since several workers have both."""
    return Capacity(cores, requests=max(1, AT_ONCE // workers))


@cache
def _of_process(worker: Worker) -> tuple[Slot, Wanted]:
    return take_slot(Path(os.environ.get(FOLDER_VARIABLE) or Path(worker.local_directory, "gros-agent"))), Wanted(
        worker
    )


def _slot(worker: Worker) -> tuple[Slot, Wanted]:
    with _taking:
        return _of_process(worker)


def _name(worker: Worker) -> str:
    """The name of a worker. Those of a cluster on one machine are numbers."""
    return f"worker {worker.name}" if isinstance(worker.name, int) else str(worker.name)


def introduce(sealed: bytes, shared: str | None, *, dask_worker: Worker) -> dict[str, Any]:
    """What the coordinator wants to know of a worker, in values that every version can read.

    That is its name, the identity of its folder, its version, the programs that it lacks, what is wrong with it and
    what to do, and whether it has a file of the shared folder. Dask gives the worker to what does not run as a task.
    """
    identity = wrong = hint = ""
    try:
        identity = _slot(dask_worker)[0].identity
        ClusterKey.read(_key_file(dask_worker)).unseal(sealed)
        _check_threads(dask_worker)
    except AgentError as error:
        wrong, hint = shown(error.message), shown(error.hint)
    programs = {program for source in sources().values() for program in source.programs}
    return {
        "name": _name(dask_worker),
        "identity": identity,
        "version": __version__,
        "lacks": sorted(program for program in programs if shutil.which(program) is None),
        "wrong": wrong,
        "hint": hint,
        "has_shared": shared is None or Path(shared).exists(),
    }


def _check_threads(worker: Worker) -> None:
    """Refuse a worker with several threads: log, time zone, cores and limits are those of a process."""
    count = worker.state.nthreads
    if count != 1:
        raise ConfigurationError(f"it has {count} threads", "start it with --nthreads 1, and with more --nworkers")


def work(version: str, sealed: bytes) -> bytes | None:
    """Collect a part, and return the sealed answer; None for a coordinator of another version.

    It raises nothing that a source did, since Dask logs what a task raises.
    """
    if version != __version__:
        return None
    key = ClusterKey.read(_key_file(get_worker()))
    return key.seal(_Part(key.unseal(sealed), key).collect())


def _key_file(worker: Worker) -> Path:
    """The file with the key of the cluster: the variable names it, or it lies beside the key for TLS."""
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named)
    own = getattr(worker.security, "tls_worker_key", None)
    if not own or "\n" in own:
        raise ConfigurationError(
            "this worker has no key of its cluster", f"set {KEY_VARIABLE} to the path of {KEY_FILE}"
        )
    return Path(own).parent / KEY_FILE


class _Part:
    """One part that this worker collects."""

    def __init__(self, task: PartTask, key: ClusterKey) -> None:
        self._task = task
        self._key = key
        self._worker = get_worker()
        self._slot, self._wanted = _slot(self._worker)
        self._begun = self._said = time.monotonic()

    def collect(self) -> WorkerAnswer:
        """Collect, and make an answer of whatever happened."""
        redactor.hide(_secrets_of(self._task.description.context))
        _set_zone(self._task.zone)
        for budget, seconds in self._task.pauses.items():
            pauses.add(budget, seconds)
        pauses.tell(self._paused)
        with kept_lines() as lines, retry.counted() as retries:
            try:
                with self._wanted.while_wanted(self._worker.get_current_task()) as wanted:
                    answer = self._answered()
                    if wanted.is_up and isinstance(answer.end, Failure):  # the source is not to blame
                        answer = self._failed(AgentError("it ends, and did not finish this"))
            finally:
                pauses.tell(lambda _budget, _seconds: None)
        said = tuple(LogLine(one.logger, one.level, shown(one.text)) for one in lines)
        return replace(answer, lines=said, retries=retries.count)

    def _answered(self) -> WorkerAnswer:
        try:
            with at(self._task.place):
                return self._collected()
        except AgentError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (the coordinator tells it as that of this part)
            kind = type(error).__name__
            words = f"unexpected: {kind}: {error}"
            return self._failed(AgentError(words, "see the log of the worker", own=f"unexpected: {kind}"))

    def _collected(self) -> WorkerAnswer:
        slot, place = self._slot, self._task.place
        tables = slot.new_tables(self._task.shared)
        make_missing(tables.parent)
        with storage_errors(slot.path), tempfile.TemporaryDirectory(dir=slot.files) as files:
            description = self._here(Path(files))
            sink = self._task.sinks.make(tables, description.source.tables)
            result = collect_part(description, sink, _capacity(slot.cores, place.count if place else 1), self._progress)
            known = description.context.known_hosts
            pinned = known.read_bytes() if known.exists() else b""
        if not isinstance(result.end, Collected):
            return self._failed(result.end)
        if result.end.published is not None:
            _told[tables.name] = result.end.published
            if len(_told) > _MOST_TOLD:
                _told.popitem(last=False)
        left = {table: _left(one) for table, one in sink.tables.items()}
        contents = {}
        if self._task.shared is None and sum(one.size for one in left.values()) <= SMALL_BYTES:
            contents = {table: one.path.read_bytes() for table, one in sink.tables.items()}
            sink.undo()
        else:
            self._wanted.leave(self._worker.get_current_task(), tables)
        return replace(
            self._answer(_fields(result)),
            is_told=result.end.published is not None,
            folder=tables.name,
            tables=left,
            contents=contents,
            pinned=pinned,
        )

    def _answer(self, end: dict[str, object] | Failure) -> WorkerAnswer:
        return WorkerAnswer(
            worker=self._worker.address,
            name=_name(self._worker),
            identity=self._slot.identity,
            seconds=time.monotonic() - self._begun,
            end=end,
        )

    def _failed(self, error: AgentError) -> WorkerAnswer:
        is_of_files = isinstance(error.__cause__, OSError)  # a folder here that can't be written
        is_of_source = isinstance(error, SourceError) and not isinstance(error, MachineError)
        is_other = is_of_source or (isinstance(error, ConfigurationError) and not is_of_files)
        of_worker = self._slot.is_full or not (is_other or error.own.startswith("unexpected"))
        return self._answer(Failure(shown(error.message), shown(error.hint), error.own, of_worker))

    def _here(self, files: Path) -> PartDescription:
        """The description with folders and files of this machine."""
        written: dict[Path, Path] = {}

        def here(path: Path) -> Path:
            if path == self._task.authorities:
                return of_the_system() or path
            if path not in written:
                written[path] = files / f"{len(written)}-{path.name}"
                if path in self._task.files:
                    written[path].write_bytes(self._task.files[path])
                    written[path].chmod(0o600)
            return written[path]

        description, slot = self._task.description, self._slot
        context = with_files(description.context, here)
        if not self._task.is_local:
            context = replace(context, folder=slot.clones.joinpath(*context.folder.parts[-2:]))
        return replace(description, context=context, bounds=replace(description.bounds, home=slot.path))

    def _progress(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self._tell(ProgressMessage(self._task.ticket, what, done, total))

    def _paused(self, budget: Budget, seconds: float) -> None:
        self._tell(PauseMessage(self._task.ticket, budget, seconds))

    def _tell(self, message: object) -> None:
        """Tell the coordinator something while the part goes on."""
        self._worker.log_event(self._task.topic, self._key.seal(message))


def _fields(result: PartResult) -> dict[str, object]:
    return {one.name: getattr(result.end, one.name) for one in fields(Collected) if one.name != "published"}


def _left(table: ClosedTable) -> LeftTable:
    with table.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "blake2b").digest()
    return LeftTable(
        size=table.path.stat().st_size,
        digest=digest,
        count=table.count,
        changed=table.changed,
        repeated=table.repeated,
    )


def _secrets_of(context: Context) -> list[str]:
    entry, host = context.entry, context.host
    secret = [host.options[name].text for name, one in host.declared.items() if one.secret and name in host.options]
    return [*secret, *([entry.password.reveal()] if entry.password else [])]


def _set_zone(zone: str) -> None:
    if os.environ.get("TZ") != zone:
        os.environ["TZ"] = zone
        time.tzset()


def piece(folder: str, table: str, offset: int, most: int, *, dask_worker: Worker) -> bytes:
    """A piece of a table file that was left here."""
    slot, _ = _slot(dask_worker)
    with (slot.tables / Path(folder).name / f"{Path(table).name}.json").open("rb") as stream:
        stream.seek(offset)
        return stream.read(most)


def tell_published(folder: str) -> None:
    """Tell the source of these tables that they are published."""
    _told.pop(folder, lambda: None)()


def pause(sealed: bytes, *, dask_worker: Worker) -> None:
    """Start no request on a budget for as long as its server asks, which another machine learned."""
    message: PauseMessage = ClusterKey.read(_key_file(dask_worker)).unseal(sealed)
    pauses.add(message.budget, message.seconds)
