"""Loads the batches of an inbox into a database, each exactly once, and in the order of their numbers.

A batch goes into the database by one transaction: its row in ``gros.batches`` and the rows of its tables. A batch that
does not fit is set aside: only its row in ``gros.batches`` goes into the database, and says why.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from gros_agent.database import erased_inbox, erasing
from gros_agent.database.checking import TableRows, Unfit, storable
from gros_agent.database.definitions import SCHEMA
from gros_agent.database.erased import Erased
from gros_agent.database.inbox import RECEIPT, BatchReceipt, batches
from gros_agent.database.target import Target
from gros_agent.database.zones import Zone, zone_of
from gros_agent.errors import ConfigurationError, ExitStatus, Own

log = logging.getLogger(__name__)

_DUCKDB = "duckdb:"
_POSTGRESQL = ("postgresql://", "postgres://")
_SHOWN = 20
_NUMBERS = "SELECT COALESCE(max(id), 0) + 1 FROM gros.batches"
_KNOWN = "SELECT id, state FROM gros.batches WHERE project = $1 AND batch = $2"
_NOTED = (
    "UPDATE gros.batches SET number = $4, agent = $5, moment = CAST($6 AS TIMESTAMP WITH TIME ZONE),"
    " loaded = CAST($7 AS TIMESTAMP WITH TIME ZONE), time_zone = $8, rows = $9, state = $10, reason = $11"
    " WHERE id = $1 AND project = $2 AND batch = $3"
)
_FIRST = (
    "INSERT INTO gros.batches (id, project, batch, number, agent, moment, loaded, time_zone, rows, state, reason)"
    " VALUES ($1, $2, $3, $4, $5, CAST($6 AS TIMESTAMP WITH TIME ZONE), CAST($7 AS TIMESTAMP WITH TIME ZONE),"
    " $8, $9, $10, $11)"
)
_COLLECTED = (
    "INSERT INTO gros.collected (project, batch, source, kind, items, expected, state)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
Progress = Callable[[str, int, int | None], None]


class LoadableBatch(Protocol):
    """A batch to load. ``number`` is its place among the batches of its project."""

    @property
    def project(self) -> str:
        """Key of the project."""

    @property
    def number(self) -> int:
        """Place of the batch."""

    @property
    def identifier(self) -> str:
        """Identifier that the agent gave the batch."""

    def reading(self) -> AbstractContextManager[None]:
        """Keep the batch as it is while it is read."""

    def receipt(self) -> BatchReceipt:
        """What is known about the batch. Raises :class:`Unfit` if that is damaged."""

    def tables(self, receipt: BatchReceipt, erased: Erased) -> Generator[TableRows, None, None]:
        """Yield the checked files of tables, without the people who were erased.

        Raises :class:`Unfit` for a file that no table fits.
        """


@dataclass(frozen=True)
class LoadedBatch:
    """What became of a batch. ``reason`` says why it was refused, or what to know about its moments."""

    project: str
    number: int
    batch: str
    state: Literal["loaded", "refused"]
    rows: int = 0
    reason: str = ""


@dataclass
class Loading:
    """The result: the batches of this call, and the numbers of those that an earlier call loaded or refused."""

    batches: list[LoadedBatch] = field(default_factory=list)
    loaded_before: int = 0
    refused_before: int = 0

    @property
    def status(self) -> ExitStatus:
        """The exit status: incomplete if a batch was refused now."""
        is_refused = any(one.state == "refused" for one in self.batches)
        return ExitStatus.PARTLY if is_refused else ExitStatus.DONE


def check_url(url: str) -> None:
    """Raise :class:`ConfigurationError` if a URL names no database that can be ours, or if an extra is missing."""
    if url.startswith(_DUCKDB) and url != _DUCKDB:
        library, path = "duckdb", Path(url.removeprefix(_DUCKDB))
        if path.name.partition(".")[0].lower() == SCHEMA:  # DuckDB calls a database after its file
            raise ConfigurationError(
                f"{path}: in a file of this name, DuckDB does not know the schema {SCHEMA} from the file",
                "give the file another name, such as data.duckdb",
            )
    elif url.startswith(_POSTGRESQL):
        library = "psycopg"
    else:
        raise ConfigurationError(
            f"{url.partition(':')[0][:_SHOWN]!r} is no kind of database",
            "write duckdb:FILE or postgresql://USER@HOST/DATABASE",
        )
    if find_spec(library) is None:
        raise _missing(url, library)


def _missing(url: str, library: str) -> ConfigurationError:
    extra = "database" if url.startswith(_DUCKDB) else "postgresql"
    return ConfigurationError(f"this database needs {library}, which is not installed", f"install gros-agent[{extra}]")


def opened(url: str, *, is_filled: bool = False, read_only: bool = False) -> Target:
    """Open the database at a URL, to be read alone if ``read_only``.

    A file of DuckDB is made, unless it must be ``is_filled`` or is only read.

    Raises :class:`ConfigurationError` for an unknown URL, or if an extra is missing.
    """
    check_url(url)
    if is_filled and url.startswith(_DUCKDB) and not Path(url.removeprefix(_DUCKDB)).exists():
        raise ConfigurationError(
            f"{url.removeprefix(_DUCKDB)}: there is no such database",
            "name the database that gros-agent controller load fills",
        )
    try:
        if url.startswith(_DUCKDB):
            from gros_agent.database.duckdb_file import DuckDB  # noqa: PLC0415 (an extra, and slow to import)

            return DuckDB(Path(url.removeprefix(_DUCKDB)), read_only=read_only)
        from gros_agent.database.postgresql import PostgreSQL  # noqa: PLC0415 (an extra, and slow to import)

        return PostgreSQL(url)
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "gros_agent":
            raise
        raise _missing(url, error.name or "psycopg[binary]") from None  # it has no name if its library is missing


def load(inbox: Path, url: str, progress: Progress, *, again: bool = False) -> Loading:
    """Load all batches of an inbox that are not in the database yet.

    With ``again``, batches that were refused are tried again. Raises :class:`AgentError` if the database fails; what
    was loaded until then stays.
    """
    found = batches(inbox)
    with opened(url) as target:
        return load_batches(found, target, progress, erased_inbox.remembered(inbox), again=again)


def load_batches(
    found: Sequence[LoadableBatch], target: Target, progress: Progress, erased: Erased, *, again: bool = False
) -> Loading:
    """Load all batches of these that are not in an open database yet, without the people who were erased."""
    result = Loading()
    target.prepare()
    erasing.catch_up(target, erased)
    for number, batch in enumerate(found):
        progress("load batches", number, len(found))
        _take(target, batch, result, again=again)
    progress("load batches", len(found), len(found))
    return result


def _take(target: Target, batch: LoadableBatch, result: Loading, *, again: bool) -> None:
    try:
        one = _load(target, batch, result, again=again)
    except Unfit as unfit:
        reason = storable(str(unfit))
        log.warning("batch %s of %s was refused: %s", batch.identifier, Own(batch.project), reason)
        one = _refuse(target, batch, reason)
    if one is not None:
        result.batches.append(one)


def _load(target: Target, batch: LoadableBatch, result: Loading, *, again: bool) -> LoadedBatch | None:
    """Load a batch in one transaction; None if that was done before."""
    with target.transaction():
        known = target.run(_KNOWN, (batch.project, batch.identifier))
        if known and (known[0][1] == "loaded" or not again):
            result.loaded_before += known[0][1] == "loaded"
            result.refused_before += known[0][1] == "refused"
            return None
        number = known[0][0] if known else target.run(_NUMBERS)[0][0]
        with batch.reading():
            receipt = batch.receipt()
            zone = zone_of(receipt.time_zone)
            rows = 0
            # closing it removes its temporary files whatever happens
            with closing(batch.tables(receipt, erasing.remembered(target))) as tables:
                for table in tables:
                    rows += target.load(table, zone, batch.project, number)
        _write_sources(target, batch.project, number, receipt)
        one = LoadedBatch(batch.project, batch.number, batch.identifier, "loaded", rows, storable(zone.note))
        _note(target, one, number, is_known=bool(known), told=(receipt.agent.user, receipt.moment, zone))
    return one


def _write_sources(target: Target, project: str, number: int, receipt: BatchReceipt) -> None:
    """Write how completely a batch has its sources. Raises :class:`Unfit` if that does not fit."""
    for source in receipt.sources:
        if "\0" in source.name + source.kind:
            raise Unfit(f"{RECEIPT}: the name of a source has the character NUL")
        told = (source.name, source.kind, source.items, source.expected, source.state)
        try:
            target.run(_COLLECTED, (project, number, *told))
        except target.value_errors as error:
            raise Unfit(f"{RECEIPT}: {target.words(error)}") from error


def _refuse(target: Target, batch: LoadableBatch, reason: str) -> LoadedBatch:
    one = LoadedBatch(batch.project, batch.number, batch.identifier, "refused", 0, reason)
    try:
        receipt = batch.receipt()
        told: tuple[str | None, datetime | None, Zone | None] = (receipt.agent.user, receipt.moment, None)
    except Unfit:  # that is why it was refused
        told = (None, None, None)
    with target.transaction():
        known = target.run(_KNOWN, (batch.project, batch.identifier))
        number = known[0][0] if known else target.run(_NUMBERS)[0][0]
        if not known or known[0][1] == "refused":
            _note(target, one, number, is_known=bool(known), told=told)
    return one


def _note(
    target: Target,
    one: LoadedBatch,
    number: int,
    *,
    is_known: bool,
    told: tuple[str | None, datetime | None, Zone | None],
) -> None:
    """Write the row of a batch in ``gros.batches``. ``told`` is the agent, the moment and the zone."""
    agent, moment, zone = told
    when = [None if at is None else at.astimezone(UTC).isoformat() for at in (moment, datetime.now(UTC))]
    values: tuple[Any, ...] = (
        *(number, one.project, one.batch, one.number, None if agent is None else storable(agent), *when),
        *(zone.title if zone else None, one.rows, one.state, one.reason or None),
    )
    target.run(_NOTED if is_known else _FIRST, values)
