"""What a worker does: it collects a part into a folder of its own, and hands over what it left there.

The module is that of one process with one thread for tasks. Pieces, cancelling and tidying run beside the task.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

from distributed import Worker, get_worker

from gros_agent import __version__
from gros_agent.cluster.errand import Errand, Failure, LeftTable, LogLine, WorkerAnswer, moved, new_name
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey
from gros_agent.cluster.worker_log import kept_lines
from gros_agent.collect.part import PartDescription, PartResult, collect_part
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime import limits
from gros_agent.runtime.masking import redactor, shown
from gros_agent.runtime.storage import make_missing, make_private, storage_errors
from gros_agent.settings.environment import SOURCE_MAX
from gros_agent.sources.base import Collected, Context, no_progress
from gros_agent.sources.common.capacity import Capacity
from gros_agent.tables.writer import ClosedTable

KEY_VARIABLE = "GROS_AGENT_CLUSTER_KEY"
FOLDER_VARIABLE = "GROS_AGENT_CLUSTER_FOLDER"
SMALL_BYTES = 256 << 10
"""Tables of a part that are no larger in all come with its answer."""
_LONGEST = 10 * 365 * 86400.0
"""Seconds of the limit that can be ended by a cancellation; the part has a limit of its own."""

_lock = threading.Lock()
_limits: dict[str, limits.Limit] = {}
_cancelled: set[str] = set()
_published: dict[str, Callable[[], object]] = {}


@cache
def _capacity() -> Capacity:
    """The cores of this machine, and what its hosts said about their limits."""
    return Capacity()


def work(version: str, sealed: bytes) -> bytes | tuple[str, str]:
    """Collect a part, and return the sealed answer. A coordinator of another version gets our address and version.

    It raises nothing that a source did, since Dask logs what a task raises.
    """
    address: str = get_worker().address
    if version != __version__:
        return address, __version__
    key = ClusterKey.read(_key_file())
    return key.seal(_done(key.unseal(sealed), address))


def _key_file() -> Path:
    """The file with the key of the cluster: the variable names it, or it lies beside the key for TLS."""
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named)
    own = getattr(get_worker().security, "tls_worker_key", None)
    if not own or "\n" in own:
        raise ConfigurationError(
            "this worker has no key of its cluster", f"set {KEY_VARIABLE} to the path of {KEY_FILE}"
        )
    return Path(own).parent / KEY_FILE


def _home(worker: Worker) -> Path:
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(worker.local_directory, "gros-agent"))


def _tables(worker: Worker) -> Path:
    return _home(worker) / "parts"


def _done(errand: Errand, address: str) -> WorkerAnswer:
    """Collect, and make an answer of whatever happened."""
    start, name = time.monotonic(), new_name()
    redactor.hide(_secrets_of(errand.description.context))
    _set_zone(errand.zone)
    with kept_lines() as lines:
        try:
            with _cancellable(errand.run):
                answer = _collected(errand, address, name)
        except AgentError as error:
            answer = _failed(address, time.monotonic() - start, error)
        except Exception as error:  # noqa: BLE001 (the coordinator tells it as that of this part)
            kind = type(error).__name__
            words = f"unexpected: {kind}: {error}"
            unexpected = AgentError(words, "see the log of the worker", own=f"unexpected: {kind}")
            answer = _failed(address, time.monotonic() - start, unexpected)
    return replace(answer, lines=tuple(LogLine(one.logger, one.level, shown(one.text)) for one in lines))


def _collected(errand: Errand, address: str, name: str) -> WorkerAnswer:
    worker = get_worker()
    home, parts = _home(worker), errand.shared or _tables(worker)
    make_private(home)
    make_missing(parts)
    with storage_errors(home), tempfile.TemporaryDirectory(prefix="files-", dir=home) as files:
        description = _here(errand, home, Path(files))
        sink = errand.sinks.make(parts / name, description.source.tables)
        result = collect_part(description, sink, _capacity(), no_progress)
        known = description.context.known_hosts
        pinned = known.read_bytes() if known.exists() else b""
    if not isinstance(result.end, Collected):
        return _failed(address, result.seconds, result.end)
    _published[name] = result.end.published
    tables = {table: _left(one) for table, one in sink.tables.items()}
    contents = {}
    if errand.shared is None and sum(one.size for one in tables.values()) <= SMALL_BYTES:
        contents = {table: one.path.read_bytes() for table, one in sink.tables.items()}
        sink.undo()
    return WorkerAnswer(
        worker=address,
        seconds=result.seconds,
        end=_fields(result),
        folder=name,
        tables=tables,
        contents=contents,
        pinned=pinned,
    )


def _fields(result: PartResult) -> dict[str, object]:
    return {one.name: getattr(result.end, one.name) for one in fields(Collected) if one.name != "published"}


def _here(errand: Errand, home: Path, files: Path) -> PartDescription:
    """The description with folders and files of this machine."""
    written: dict[Path, Path] = {}

    def here(path: Path) -> Path:
        if path not in written:
            written[path] = files / f"{len(written)}-{path.name}"
            if path in errand.files:
                written[path].write_bytes(errand.files[path])
                written[path].chmod(0o600)
        return written[path]

    context = moved(errand.description.context, here)
    context = replace(context, folder=home.joinpath("repos", *context.folder.parts[-2:]))
    bounds = replace(errand.description.bounds, home=home)
    return replace(errand.description, context=context, bounds=bounds)


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


def _failed(address: str, seconds: float, error: AgentError) -> WorkerAnswer:
    failure = Failure(shown(error.message), shown(error.hint), error.own)
    return WorkerAnswer(worker=address, seconds=seconds, end=failure)


def _secrets_of(context: Context) -> list[str]:
    entry, host = context.entry, context.host
    secret = [host.options[name].text for name, one in host.declared.items() if one.secret and name in host.options]
    return [*secret, *([entry.password.reveal()] if entry.password else [])]


def _set_zone(zone: str | None) -> None:
    if zone is not None and os.environ.get("TZ") != zone:
        os.environ["TZ"] = zone
        time.tzset()


@contextmanager
def _cancellable(run: str) -> Iterator[None]:
    """A limit that :func:`cancel` ends, with the programs and the requests within it."""
    with limits.within(_LONGEST, SOURCE_MAX) as limit:
        with _lock:
            _limits[run] = limit
            if run in _cancelled:
                limit.cut()
        try:
            limits.check()
            yield
        finally:
            with _lock:
                _limits.pop(run, None)


def cancel(run: str) -> None:
    """End the part of a scrape that runs here, and begin no other of it."""
    with _lock:
        _cancelled.add(run)
        limit = _limits.get(run)
    if limit is not None:
        limit.cut()


def piece(folder: str, table: str, offset: int, most: int, *, dask_worker: Worker) -> bytes:
    """A piece of a table file that was left here. Dask gives the worker to what does not run as a task."""
    with (_tables(dask_worker) / Path(folder).name / f"{Path(table).name}.json").open("rb") as stream:
        stream.seek(offset)
        return stream.read(most)


def forget(folder: str, *, dask_worker: Worker) -> None:
    """Remove tables that were handed over."""
    shutil.rmtree(_tables(dask_worker) / Path(folder).name, ignore_errors=True)


def publish(folder: str) -> None:
    """Tell the source of these tables that they are published."""
    _published.pop(folder, lambda: None)()
