"""What is sent to a worker for a part, and what it answers. Both are sealed on their way."""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gros_agent.collect.part import PartDescription
from gros_agent.collect.table_sink import TableSinks
from gros_agent.rows.fitting import Changed
from gros_agent.sources.base import Context
from gros_agent.tables.writer import Repeated


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A part to collect elsewhere. ``run`` names the scrape, which can be cancelled as a whole.

    ``files`` has the contents of the files that the description names by their paths here. ``shared`` is the folder
    to leave tables in (None: they are asked for in pieces). ``zone`` is the time zone that the scrape is done in.
    """

    run: str
    description: PartDescription = field(repr=False)
    sinks: TableSinks = field(repr=False)
    files: Mapping[Path, bytes] = field(repr=False)
    shared: Path | None
    zone: str | None


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
    """An error without its exception: the message, what to do, and the wording that may be delivered."""

    message: str
    hint: str
    own: str = ""


@dataclass(frozen=True)
class LogLine:
    """A line that a worker logged."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class WorkerAnswer:
    """What a worker answers: who it is, how the part ended, and where the tables are.

    ``folder`` is the name of the folder with the tables. ``end`` has the fields of
    :class:`gros_agent.sources.base.Collected`, without the function that is called later, or the failure. ``contents``
    has the tables themselves if they are small; then they are left nowhere.
    """

    worker: str
    seconds: float
    end: Mapping[str, Any] | Failure
    folder: str = ""
    tables: Mapping[str, LeftTable] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    pinned: bytes = b""
    lines: tuple[LogLine, ...] = ()


def errand(run: str, description: PartDescription, sinks: TableSinks, shared: Path | None) -> Errand:
    """Pack all that a worker needs for a part. A file that can't be read here is missing there, where that is told."""
    files: dict[Path, bytes] = {}

    def packed(path: Path) -> Path:
        with suppress(OSError):
            files[path] = path.read_bytes()
        return path

    moved(description.context, packed)
    return Errand(
        run=run,
        description=description,
        sinks=sinks,
        files=files,
        shared=shared,
        zone=os.environ.get("TZ"),
    )


def moved(context: Context, where: Callable[[Path], Path]) -> Context:
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


def new_name() -> str:
    """A name that nobody else has: of a scrape, or of a folder of tables."""
    return secrets.token_hex(8)
