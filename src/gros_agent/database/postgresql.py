"""Loads into PostgreSQL: rows go into a temporary table by COPY, and from there into their table by one statement."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import psycopg
from msgspec import UNSET
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from gros_agent.database import statements
from gros_agent.database.checking import TableRows
from gros_agent.database.columns import Column, Kind
from gros_agent.database.definitions import BATCH, TYPES, TableDefinition, Way, index_key, indexes
from gros_agent.database.quoting import listed, quoted
from gros_agent.database.target import Target
from gros_agent.database.zones import Zone
from gros_agent.errors import AgentError, BusyError, ConfigurationError
from gros_agent.runtime.masking import redactor

_OLDEST = 150000
"""The first version of PostgreSQL with unique indexes in which a missing value is like another."""
_LOCK = 0x67726F73
"""The advisory lock of loaders: the letters of gros."""
_WAIT_SECONDS = 60
_CONNECT_SECONDS = 10
_STAGED = "gros_staged"
_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_SPECIAL = "\\\t\n\r"


class PostgreSQL(Target):
    """A database of a PostgreSQL server, version 15 or newer."""

    value_errors = (errors.DataError, errors.IntegrityError, errors.CardinalityViolation, errors.ProgramLimitExceeded)
    hexadecimal = "(regexp_matches({}, '[0-9a-f]{{64,}}', 'g'))[1]"

    def __init__(self, url: str) -> None:
        """Connect. Libpq's variables and password file count.

        Raises :class:`ConfigurationError` for an invalid URL, and :class:`AgentError` if there is no connection.
        """
        given = _parsed(url)
        redactor.hide([str(given.get("password") or "")])
        given.setdefault("connect_timeout", _CONNECT_SECONDS)
        given.setdefault("application_name", "gros-agent")
        given["client_encoding"] = "UTF8"
        self.title = f"the database {given.get('dbname') or ''}".rstrip() + (
            f" at {given['host']}" if given.get("host") else ""
        )
        with self._errors():
            # without prepared statements, which poolers of connections lose
            self._connection = psycopg.connect(
                **given, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.RawCursor
            )
            self.run("SET TIME ZONE 'UTC'")
        redactor.hide([self._connection.info.password])  # also from a variable or a file
        if self._connection.info.server_version < _OLDEST:
            found = self._connection.info.server_version // 10000
            self.close()
            raise ConfigurationError(f"{self.title} is PostgreSQL {found}", "update it: version 15 or newer is needed")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @staticmethod
    def words(error: Exception) -> str:
        """What the server says, without the values of the row that it is about."""
        told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        return told or " ".join(str(error).split())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that holds the loaders' lock."""
        with self._errors(), self._connection.transaction():
            self.run(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
            self.run("SELECT pg_advisory_xact_lock($1)", (_LOCK,))
            self.run("SET LOCAL lock_timeout = 0")
            self.run("SET LOCAL client_min_messages = warning")
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A transaction that changes nothing, and takes no lock."""
        with self._errors(), self._connection.transaction():
            self.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                yield
            except errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"{self.title} can't be read: {self.words(error)}",
                    "let this user read it: GRANT USAGE ON SCHEMA gros and GRANT SELECT ON ALL TABLES IN SCHEMA gros",
                ) from error

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, and return the rows of its result."""
        cursor = self._connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def additions(self, found: Mapping[str, Collection[str]]) -> list[str]:
        """The statements that make what the database lacks, with the unique indexes."""
        return [*super().additions(found), *indexes(found)]

    def put(self, table: TableDefinition, rows: TableRows, zone: Zone, project: str, batch: int) -> None:
        """Copy the rows into a temporary table, and put them into their table from there."""
        staged = ", ".join(f"{quoted(one.name)} {_staged_type(one)}" for one in table.columns.values())
        self.run(f"CREATE TEMPORARY TABLE {_STAGED} ({staged}) ON COMMIT DROP")
        self._copy(table, rows)
        relation = f"(SELECT {statements.values(table, zone)} FROM {_STAGED})"
        try:
            self._take(table, relation, (project, batch), rows.count)
        except (errors.CardinalityViolation, errors.UniqueViolation):
            raise rows.repeated() from None
        self.run(f"DROP TABLE {_STAGED}")

    def _take(self, table: TableDefinition, relation: str, values: tuple[str, int], count: int) -> None:
        """Put the ``count`` rows of a relation into a table. Fails if two of them have the same key."""
        if table.way is Way.WHOLE:
            self.run(statements.removed(table, relation), values)
        put = upsert(table, relation) if table.way is Way.BY_KEY else statements.added(table, relation)
        taken = self._connection.execute(put, values).rowcount
        # the index tells of two rows that are taken, but not of those that leave what is there as it is
        if taken < count and self.run(statements.repeated(table, relation)):
            raise errors.CardinalityViolation

    def _copy(self, table: TableDefinition, rows: TableRows) -> None:
        names = [one.name for one in table.columns.values()]
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {_STAGED} ({listed(names)}) FROM STDIN") as copy:
            for block in rows.blocks():
                copy.write(_copied(block, names))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of the database into ours."""
        try:
            yield
        except errors.LockNotAvailable:
            raise BusyError(f"{self.title} is being loaded by another process", "try again when it has ended") from None
        except (errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege) as error:
            raise ConfigurationError(
                f"{self.title} can't be changed: {self.words(error)}", "connect to a database that this user may write"
            ) from error
        except errors.DiskFull as error:
            raise AgentError(
                f"{self.title} is full: {self.words(error)}", "free some space and try again: nothing is half done"
            ) from error
        except psycopg.Error as error:
            raise AgentError(
                f"{self.title} can't be used: {self.words(error)}",
                "check the URL and whether the server runs, and try again: nothing is half done",
            ) from error


def _parsed(url: str) -> dict[str, Any]:
    """The parts of a URL. Their words are not shown if it is wrong, since they may have a part of the password."""
    hint = "write postgresql://USER@HOST:PORT/DATABASE, and / : @ and % in a password as %2F %3A %40 and %25"
    try:
        given: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.Error:
        raise ConfigurationError("the URL of the database could not be parsed", hint) from None
    ports = str(given.get("port") or "0").split(",")
    if not all(map(str.isdecimal, ports)) or any("@" in str(given.get(name)) for name in ("host", "dbname")):
        raise ConfigurationError("the URL of the database could not be parsed", hint)
    return given


def _staged_type(column: Column) -> str:
    """The type that COPY reads a column as: text if that may stand for nothing, or must become another value."""
    if column.nothing or column.default is not None or column.kind in {Kind.TEXT, Kind.BOOLEAN}:
        return "TEXT"
    return "TIMESTAMP" if column.kind is Kind.MOMENT else TYPES[column.kind]


def upsert(table: TableDefinition, relation: str) -> str:
    """Insert rows, or replace those with the same key if anything differs."""
    changed = statements.changes(table, "excluded")
    assigned = {**changed, BATCH: f"excluded.{quoted(BATCH)}"}
    action = (
        f"UPDATE SET {', '.join(f'{quoted(name)} = {value}' for name, value in assigned.items())}"
        f" WHERE {statements.is_newer(table, 'excluded', f'excluded.{quoted(BATCH)}')}"
        f" AND ({statements.differs(changed)})"
    )
    return (
        f"INSERT INTO {table.full_name} AS old ({listed(table.names)})"
        f" SELECT $1, $2, {listed([*table.columns], 'new.')} FROM {relation} AS new"
        f" ON CONFLICT ({index_key(table)}) DO {action if changed else 'NOTHING'}"
    )


def _copied(rows: Sequence[Any], names: Sequence[str]) -> str:
    """Rows in the text format of COPY."""
    fields = attrgetter(*names)
    try:
        text = "\n".join(map("\t".join, map(fields, rows)))
    except TypeError:  # not all values are texts
        pass
    else:
        is_plain = text.count("\t") == len(rows) * (len(names) - 1) and text.count("\n") == len(rows) - 1
        if is_plain and "\\" not in text and "\r" not in text:
            return text + "\n"
    columns = map(_column, zip(*map(fields, rows), strict=True))
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _column(values: Sequence[Any]) -> Sequence[str]:
    """The values of a column in that format. Most columns have nothing to escape: they are looked through as one."""
    if set(map(type, values)) == {str}:
        whole = "".join(values)
        if not any(one in whole for one in _SPECIAL):
            return values
    return [_escaped(one) for one in values]


def _escaped(value: Any) -> str:  # noqa: ANN401 (whatever a row can have)
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if value is UNSET or value is None:
        return _NULL
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
