"""What coordinator and workers send each other. All of it is sealed on its way."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gros_agent.collect.part import PartDescription
from gros_agent.collect.table_sink import TableSinks
from gros_agent.http.traffic import Budget
from gros_agent.rows.fitting import Changed
from gros_agent.settings.authorities import of_the_system
from gros_agent.sources.base import Context
from gros_agent.sources.common.transport import with_unix_lines
from gros_agent.tables.writer import Repeated


@dataclass(frozen=True, kw_only=True)
class HostPlace:
    """A place at a host: its name, which does not tell the host, and how many there are in the whole cluster."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """A part for a worker to collect. ``ticket`` is its number, ``topic`` where the worker tells what it learns.

    ``files`` has the contents of the files that the description names by their paths here. ``authorities`` is the file
    with the authorities of the coordinator's system, which a worker has its own of. ``shared`` is the folder to
    leave tables in (None: they are asked for in pieces). ``zone`` is the time zone of the project. ``is_local`` says
    that the worker is on the coordinator's machine, and uses its clones. ``pauses`` are those that go on, in seconds.
    """

    ticket: int
    topic: str
    description: PartDescription = field(repr=False)
    sinks: TableSinks = field(repr=False)
    files: Mapping[Path, bytes] = field(repr=False)
    authorities: Path | None
    shared: Path | None
    zone: str
    place: HostPlace | None
    is_local: bool
    pauses: Mapping[Budget, float]


@dataclass(frozen=True, kw_only=True)
class LeftTable:
    """A table file that a worker left: its size and digest, and what its writer counted."""

    size: int
    digest: bytes
    count: int
    changed: Changed
    repeated: Repeated


@dataclass(frozen=True)
class Failure:
    """An error without its exception: the message, what to do, and the wording that may be delivered.

    ``is_of_worker`` says that the worker's machine is the problem, so that another worker may have more luck.
    """

    message: str
    hint: str
    own: str = ""
    is_of_worker: bool = False


@dataclass(frozen=True)
class LogLine:
    """A line that a worker logged."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class WorkerAnswer:
    """What a worker answers: who it is, how the part ended, and where the tables are.

    ``identity`` is that of the worker's folder. ``folder`` is the name of the folder with the tables. ``end`` has the
    fields of :class:`gros_agent.sources.base.Collected` without the function that is called later, or the failure;
    ``is_told`` says that there is such a function. ``contents`` has the tables themselves if they are small; then they
    are left nowhere.
    """

    worker: str
    name: str
    identity: str
    seconds: float
    end: Mapping[str, Any] | Failure
    is_told: bool = False
    folder: str = ""
    tables: Mapping[str, LeftTable] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    pinned: bytes = b""
    lines: tuple[LogLine, ...] = ()
    retries: int = 0


@dataclass(frozen=True)
class PauseMessage:
    """A server asks for a pause of so many seconds. ``ticket`` is the part that met it, or 0."""

    ticket: int
    budget: Budget
    seconds: float


@dataclass(frozen=True)
class ProgressMessage:
    """A part has made progress."""

    ticket: int
    what: str
    done: int
    total: int | None


def contents_of_files(context: Context) -> dict[Path, bytes]:
    """The contents of the files that a context names. One that can't be read is missing on the worker, which tells.

    The authorities of the system are left out: they are large, and each machine has its own.
    """
    files: dict[Path, bytes] = {}

    def read(path: Path) -> Path:
        if path != of_the_system():
            with suppress(OSError):
                files[path] = path.read_bytes()
        return path

    with_files(context, read)
    if (key := context.host.key) in files and key is not None:  # else the worker makes a copy that stays
        files[key] = with_unix_lines(files[key].decode(errors="surrogateescape")).encode(errors="surrogateescape")
    return files


def with_files(context: Context, where: Callable[[Path], Path]) -> Context:
    """The context with other paths for the files that it names."""
    host = context.host
    return replace(
        context,
        known_hosts=where(context.known_hosts),
        mapping=context.mapping and where(context.mapping),
        host=replace(
            host,
            key=host.key and where(host.key),
            authorities=host.authorities and where(host.authorities),
            files={name: where(path) for name, path in host.files.items()},
        ),
    )
