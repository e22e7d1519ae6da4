"""Loads into a file of DuckDB, which reads the files of a batch itself.

The tables have no primary key: it would double the time and take seven times the space. The loader sees to it that a
key is there once, by MERGE.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from gros_agent.database import statements
from gros_agent.database.checking import TableRows, longest_line
from gros_agent.database.definitions import BATCH, TableDefinition, Way
from gros_agent.database.quoting import listed, quoted
from gros_agent.database.target import Target
from gros_agent.database.zones import Zone
from gros_agent.errors import AgentError, BusyError, ConfigurationError

_STAGED = "gros_staged"
_MEMORY = 180
"""Limit of the memory in megabytes, unless a row is very long."""
LIMITS = {"memory_limit": f"{_MEMORY}MB", "threads": "2", "preserve_insertion_order": "false"}
_ALONE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Nothing is fetched from the network."""
_LEAST_OBJECT = 1 << 24
_COPIES = 10
"""How many times a long row may be in memory."""


class DuckDB(Target):
    """A file of DuckDB, which one process at a time can open."""

    value_errors = (
        *(duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException),
        duckdb.NotImplementedException,  # for a time zone that DuckDB does not know
    )
    hexadecimal = "unnest(regexp_extract_all({}, '[0-9a-f]{{64,}}'))"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the file, for its owner alone. With ``read_only`` it must be there, and others may read it, too.

        Raises :class:`BusyError` if another process has opened it, and :class:`ConfigurationError` if it is no such
        file, or can't be written.
        """
        self.title = str(path)
        self._hint = "name a file of DuckDB that this user may " + ("read" if read_only else "write, or a new one")
        self._umask = os.umask(0o077)
        try:
            with self._errors():
                self._connection = duckdb.connect(path.absolute(), read_only=read_only, config={**LIMITS, **_ALONE})
                self._connection.execute("SET TimeZone = 'UTC'")
        except BaseException:
            os.umask(self._umask)
            raise

    def close(self) -> None:
        """Close the file."""
        try:
            self._connection.close()
        finally:
            os.umask(self._umask)

    @staticmethod
    def words(error: Exception) -> str:
        """The first line of what the database says; the others repeat the statement."""
        return str(error).partition("\n")[0] or type(error).__name__

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction. The open file is the lock."""
        with self._errors():
            self._connection.begin()
            try:
                yield
                self._connection.commit()
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # a failed commit has ended it
                    self._connection.rollback()
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A transaction that changes nothing."""
        with self.transaction():
            yield

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, and return the rows of its result."""
        result = self._connection.execute(statement, list(values))
        return result.fetchall() if result.description else []

    def put(self, table: TableDefinition, rows: TableRows, zone: Zone, project: str, batch: int) -> None:
        """Check the rows, read them into a temporary table, and put them into their table from there."""
        self._stage(table, rows, zone)
        is_first = not self.run(f"SELECT 1 FROM {table.full_name} WHERE project = $1 LIMIT 1", (project,))
        if table.way is Way.BY_KEY and not is_first:
            self.run(_merge(table), (project, batch))
        else:
            if table.way is Way.WHOLE:
                self.run(statements.removed(table, _STAGED), (project, batch))
            self.run(statements.added(table, _STAGED), (project, batch))
        self.run(f"DROP TABLE temp.{_STAGED}")

    def _stage(self, table: TableDefinition, rows: TableRows, zone: Zone) -> None:
        """Read the rows into the temporary table, while they are checked here. Raises :class:`Unfit`."""
        longest = longest_line(rows.path)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self._read, table, rows, zone, longest)
            rows.check()
            reading.result()
        # hashes of two keys may be the same by chance
        if table.key and self.run(_alike(table)) != [(0,)] and self.run(statements.repeated(table, _STAGED)):
            raise rows.repeated()

    def _read(self, table: TableDefinition, rows: TableRows, zone: Zone, longest: int) -> None:
        types = ", ".join(f"{quoted(one.name)}: 'VARCHAR'" for one in table.columns.values())
        memory = max(_MEMORY, longest * _COPIES >> 20)
        self.run(f"SET memory_limit = '{memory}MB'")
        with rows.path.open("rb") as stream:  # DuckDB would take some names of files for patterns
            self.run(
                f"CREATE TEMPORARY TABLE {_STAGED} AS SELECT {statements.values(table, zone)} FROM read_json("
                f"$1, format = 'array', columns = {{{types}}}, maximum_object_size = $2)",
                (f"/proc/self/fd/{stream.fileno()}", max(_LEAST_OBJECT, longest)),
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of the database into ours."""
        try:
            yield
        except duckdb.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: duckdb.Error) -> Exception:
        words = self.words(error)
        if "Could not set lock on file" in words:
            return BusyError(f"{self.title} is open in another process", "try again when it has ended")
        if isinstance(error, duckdb.IOException) and any(os.strerror(one) in words for one in _FULL):
            return AgentError(
                f"{self.title} can't grow: {words}", "free some space and try again: nothing is half done"
            )
        if isinstance(error, duckdb.IOException):
            return ConfigurationError(f"{self.title} can't be used: {words}", self._hint)
        return AgentError(f"{self.title} can't be used: {words}", "try again: nothing is half done")


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _alike(table: TableDefinition) -> str:
    """How many rows have the hash of another one's key, which needs less memory than the keys."""
    names = listed([name for name in table.key if name in table.columns])
    return f"SELECT count(*) - count(DISTINCT hash({names})) FROM {_STAGED}"


def _merge(table: TableDefinition) -> str:
    """Insert rows, or replace those with the same key if anything differs."""
    changed = statements.changes(table, "new")
    assigned = {**changed, BATCH: "$2"}
    update = (
        f" WHEN MATCHED AND {statements.is_newer(table, 'new', '$2')} AND ({statements.differs(changed)})"
        f" THEN UPDATE SET {', '.join(f'{quoted(name)} = {value}' for name, value in assigned.items())}"
    )
    values = ", ".join(("$1", "$2", listed([*table.columns], "new.")))
    return (
        f"MERGE INTO {table.full_name} AS old USING {_STAGED} AS new ON {_same_key(table)}{update if changed else ''}"
        f" WHEN NOT MATCHED THEN INSERT ({listed(table.names)}) VALUES ({values})"
    )


def _same_key(table: TableDefinition) -> str:
    pairs = (
        f"old.{quoted(name)} {'IS NOT DISTINCT FROM' if table.columns[name].can_be_null else '='} new.{quoted(name)}"
        for name in table.key
        if name in table.columns
    )
    return " AND ".join(("old.project = $1", *pairs))
