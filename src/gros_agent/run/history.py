"""The history of runs: each run of a project with the outcome of each source, in an SQLite file in the state folder.

Runs write it; the web interface and the metrics read it. A run that is going on is a row without an end. Its stage and
progress are updated, so that every process can see them.
"""

import math
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.project.report import Outcome
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.masking import shown
from gros_agent.runtime.sqlite import Database

KEPT_DAYS = 400
"""Days after which a run is forgotten; enough to look back a year."""
_PROGRESS_SECONDS = 0.5
_SCHEMA = """
create table runs (
    id integer primary key,
    project text not null,
    trigger text not null,
    started real not null,
    seen real not null,
    ended real,
    status integer,
    stage text not null default '',
    what text not null default '',
    done integer not null default 0,
    total integer,
    error text not null default '',
    hint text not null default '',
    notes text not null default '[]',
    delivered_rows integer not null default 0,
    delivered_bytes integer not null default 0,
    retries integer not null default 0
);
create index runs_of_project on runs (project, started);
create table sources (
    run integer not null references runs (id) on delete cascade,
    name text not null,
    type text not null,
    items integer not null,
    expected integer,
    seconds real not null,
    status integer not null,
    error text not null,
    hint text not null,
    notes text not null,
    worker text not null default ''
);
create index sources_of_run on sources (run);
create table tables (
    run integer not null references runs (id) on delete cascade,
    name text not null,
    rows integer not null
);
create index tables_of_run on tables (run);
create table totals (
    project text not null,
    name text not null,
    label text not null,
    value integer not null,
    primary key (project, name, label)
) without rowid;
"""
_CHANGES = ("alter table sources add column worker text not null default ''",)
_COLUMNS = (
    *("id", "project", "trigger", "started", "ended", "status", "stage", "what", "done", "total"),
    *("error", "hint", "notes", "delivered_rows", "delivered_bytes", "retries"),
)
_OF_SOURCES = ("name", "type", "items", "expected", "seconds", "status", "error", "hint", "notes", "worker")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a run: its status, what went wrong, each source's outcome, rows per table, and what was delivered."""

    status: ExitStatus
    error: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    delivered_rows: int = 0
    delivered_bytes: int = 0
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class SourceRun:
    """The result for one source in a run. ``seconds`` is its duration, ``worker`` the cluster's that collected it."""

    name: str
    type: str
    items: int
    expected: int | None
    seconds: float
    status: ExitStatus
    error: str
    hint: str
    notes: tuple[str, ...]
    worker: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a project; ``ended`` and ``status`` are None while it goes on.

    ``stage`` is the current or last step of the flow; ``what``, ``done`` and ``total`` are its progress.
    """

    identifier: int
    project: str
    trigger: str
    started: datetime
    ended: datetime | None
    status: ExitStatus | None
    stage: str
    what: str
    done: int
    total: int | None
    error: str
    hint: str
    notes: tuple[str, ...]
    delivered_rows: int
    delivered_bytes: int
    retries: int
    sources: tuple[SourceRun, ...]
    tables: Mapping[str, int]

    @property
    def rows(self) -> int:
        """The rows that the run collected."""
        return sum(self.tables.values())


@dataclass(frozen=True)
class Total:
    """A counter over all runs of a project, which never decreases.

    By name: ``runs`` (by status), ``rows`` (by table), ``source_failures`` (by type of source), ``seconds``,
    ``delivered_rows``, ``delivered_bytes`` and ``retries``; ``label`` is the status, table or type, or empty.
    """

    project: str
    name: str
    label: str
    value: int


class History:
    """The runs, in one SQLite file that several processes may use at once.

    Every method raises :class:`AgentError` if the file can't be used. A damaged file is set aside.
    """

    def __init__(self, path: Path) -> None:
        self._file = Database(path=path, schema=_SCHEMA, changes=_CHANGES, name="the history of runs")
        self._told = -math.inf

    def begin(self, project: str, trigger: str) -> int:
        """Note that the run of a project starts, and return its number."""
        now = time.time()
        with self._file.transaction(writes=True) as connection:
            words = "insert into runs (project, trigger, started, seen) values (?, ?, ?, ?)"
            number = connection.execute(words, (project, trigger, now, now)).lastrowid
        assert number is not None  # noqa: S101 (an insertion has a number)
        return number

    def close_killed(self) -> None:
        """Note the end of runs that were killed, at the moment of their last sign of life.

        These are all that have no end yet. Call it with the run lock, before the first run begins.
        """
        with self._file.transaction(writes=True) as connection:
            killed = connection.execute("select id, project from runs where ended is null").fetchall()
            for number, project in killed:
                words = "update runs set ended = seen, status = ?, error = ?, hint = ? where id = ?"
                told = ("was killed before its end", "the next run goes on where it was")
                connection.execute(words, (int(ExitStatus.UNEXPECTED), *told, number))
                _count(connection, project, "runs", ExitStatus.UNEXPECTED.name.lower(), 1)

    def stage(self, run: int, name: str) -> None:
        """Note the step of the flow that a run is in."""
        self._told = -math.inf
        with self._file.transaction(writes=True) as connection:
            words = "update runs set stage = ?, what = '', done = 0, total = null, seen = ? where id = ?"
            connection.execute(words, (name, time.time(), run))

    def progress(self, run: int, what: str, done: int, total: int | None) -> None:
        """Note the progress of a run, twice a second at most.

        The start of a step is always noted, since it may take hours.
        """
        now = time.monotonic()
        if done and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        with self._file.transaction(writes=True) as connection:
            words = "update runs set what = ?, done = ?, total = ?, seen = ? where id = ?"
            connection.execute(words, (_sayable(what), done, total, time.time(), run))

    def end(self, run: int, ended: Ended) -> None:
        """Note how a run ended, and forget runs that are too old.

        Raises :class:`AgentError` if the run is not going on, for instance since its file was set aside.
        """
        now = time.time()
        with self._file.transaction(writes=True) as connection:
            words = (
                "update runs set ended = ?, status = ?, error = ?, hint = ?, notes = ?, what = '', "
                "delivered_rows = ?, delivered_bytes = ?, retries = ? where id = ? and ended is null "
                "returning project, ended - started"
            )
            numbers = (ended.delivered_rows, ended.delivered_bytes, ended.retries)
            told = (int(ended.status), _sayable(ended.error), _sayable(ended.hint), _list(ended.notes))
            found = connection.execute(words, (now, *told, *numbers, run)).fetchall()
            if not found:
                raise AgentError(f"run {run} is not going on in the history of runs", "its outcome is in the log")
            ((project, seconds),) = found
            for one in ended.outcomes:
                row = (run, _sayable(one.source), one.kind, one.items, one.expected, one.seconds, int(one.status))
                missing = "; ".join(f"not collected: {what}" for what in one.missing)
                texts = (_sayable(one.error or missing), _sayable(one.hint), _list(one.notes), _sayable(one.worker))
                connection.execute("insert into sources values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *texts))
            connection.executemany(
                "insert into tables values (?, ?, ?)", [(run, name, rows) for name, rows in ended.tables.items()]
            )
            for name, label, value in _totals(ended, seconds):
                _count(connection, project, name, label, value)
            if ended.status is ExitStatus.NOT_DUE:
                _drop_repeated(connection, run)
            oldest = now - timedelta(days=KEPT_DAYS).total_seconds()
            connection.execute("delete from runs where ended < ?", (oldest,))

    def runs(self, limit: int = 50, project: str | None = None, before: int | None = None) -> list[Run]:
        """The newest runs, the newest first; optionally of one project, or before a run's number."""
        words = "where (? is null or project = ?) and (? is null or id < ?) order by id desc limit ?"
        return self._runs(words, (project, project, before, before, limit))

    def last_runs(self) -> dict[str, Run]:
        """The newest ended run of each project that was not too early."""
        words = (
            "where id in (select max(id) from runs where ended is not null and status != ? group by project) "
            "order by project"
        )
        return {run.project: run for run in self._runs(words, (int(ExitStatus.NOT_DUE),))}

    def run(self, number: int) -> Run | None:
        """One run, or None."""
        found = self.runs(limit=1, before=number + 1)
        return found[0] if found and found[0].identifier == number else None

    def current(self) -> Run | None:
        """The newest run that is going on, or None. A killed one counts as going on until the next one starts."""
        return next(iter(self._runs("where ended is null order by id desc limit 1", ())), None)

    def last_started(self) -> datetime | None:
        """When the newest run started that was not too early."""
        words = "select max(started) from runs where status is null or status != ?"
        with self._file.transaction(writes=False) as connection:
            ((moment,),) = connection.execute(words, (int(ExitStatus.NOT_DUE),)).fetchall()
        return None if moment is None else _moment(moment)

    def last_successes(self) -> dict[str, datetime]:
        """When each project was last collected and delivered without errors."""
        words = "select project, max(ended) from runs where status = ? group by project"
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute(words, (int(ExitStatus.DONE),)).fetchall()
        return {project: _moment(moment) for project, moment in rows}

    def rows_per_day(self, days: int = 30) -> list[tuple[str, int]]:
        """The number of rows collected on each of the last days, by local date (YYYY-MM-DD), the oldest first."""
        today = datetime.now().astimezone().date()
        dates = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(days))]
        words = (
            "select date(started, 'unixepoch', 'localtime') as day, sum(rows) from runs join tables on run = id "
            "where day >= ? group by day"
        )
        with self._file.transaction(writes=False) as connection:
            found: dict[str, int] = dict(connection.execute(words, (dates[0],)).fetchall())
        return [(date, found.get(date, 0)) for date in dates]

    def totals(self) -> list[Total]:
        """All counters."""
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute("select project, name, label, value from totals").fetchall()
        return [Total(*row) for row in rows]

    def _runs(self, words: str, parameters: tuple[object, ...]) -> list[Run]:
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute(f"select {', '.join(_COLUMNS)} from runs {words}", parameters).fetchall()  # noqa: S608
            try:
                return [_run(connection, row) for row in rows]
            except msgspec.MsgspecError as error:
                raise AgentError(f"{self._file.path}: the history of runs has what no run has: {error}") from error


def _sayable(text: str) -> str:
    """A text that can be stored and shown.

    Paths may hold bytes that can't be decoded, and messages may repeat a secret.
    """
    return shown(text).encode(errors="replace").decode()


def _list(texts: Iterable[str]) -> str:
    return msgspec.json.encode([_sayable(text) for text in texts]).decode()


def _drop_repeated(connection: sqlite3.Connection, run: int) -> None:
    """Forget the project's previous run if that one and this one were too early."""
    words = (
        "delete from runs where id = (select max(before.id) from runs before join runs after "
        "on before.project = after.project and before.id < after.id where after.id = ?) and status = ?"
    )
    connection.execute(words, (run, int(ExitStatus.NOT_DUE)))


def _totals(ended: Ended, seconds: float) -> Iterable[tuple[str, str, int]]:
    yield "runs", ended.status.name.lower(), 1
    yield "seconds", "", max(0, round(seconds))  # clocks are set back at times
    yield "delivered_rows", "", ended.delivered_rows
    yield "delivered_bytes", "", ended.delivered_bytes
    yield "retries", "", ended.retries
    for name, rows in ended.tables.items():
        yield "rows", name, rows
    for outcome in ended.outcomes:
        if outcome.status:
            yield "source_failures", outcome.kind, 1


def _count(connection: sqlite3.Connection, project: str, name: str, label: str, value: int) -> None:
    words = "insert into totals values (?, ?, ?, ?) on conflict do update set value = value + excluded.value"
    connection.execute(words, (project, name, label, value))


def _run(connection: sqlite3.Connection, row: tuple[object, ...]) -> Run:
    content = dict(zip(_COLUMNS, row, strict=True))
    number = content.pop("id")
    sources = connection.execute(f"select {', '.join(_OF_SOURCES)} from sources where run = ?", (number,))  # noqa: S608
    tables = connection.execute("select name, rows from tables where run = ? order by name", (number,))
    decoder(Run)  # which builds the type, by one thread at a time
    return msgspec.convert(
        content
        | {
            "identifier": number,
            "started": _moment(content["started"]),
            "ended": None if content["ended"] is None else _moment(content["ended"]),
            "notes": msgspec.json.decode(str(content["notes"])),
            "sources": [_source(one) for one in sources],
            "tables": dict(tables.fetchall()),
        },
        Run,
    )


def _source(row: tuple[object, ...]) -> dict[str, object]:
    content = dict(zip(_OF_SOURCES, row, strict=True))
    return content | {"notes": msgspec.json.decode(str(content["notes"]))}


def _moment(seconds: object) -> datetime:
    assert isinstance(seconds, float)  # noqa: S101 (the column is a real number)
    return datetime.fromtimestamp(seconds, UTC)
