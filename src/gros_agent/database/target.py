"""A database that batches are loaded into. All that differs between the databases is in its subclasses."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from gros_agent import __version__
from gros_agent.database import views
from gros_agent.database.checking import TableRows, Unfit
from gros_agent.database.definitions import FORMAT, SCHEMA, TableDefinition, additions, by_row
from gros_agent.database.quoting import quoted
from gros_agent.database.zones import Zone
from gros_agent.errors import ConfigurationError

_VIEWS = "SELECT views FROM gros.version"
_VERSION = "INSERT INTO gros.version (format, program, views) VALUES ($1, $2, $3)"
_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables"
    " USING (table_catalog, table_schema, table_name) WHERE table_schema = $1 AND table_type = 'BASE TABLE'"
)


class Target(ABC):
    """An open database. ``title`` names it in messages, without a password."""

    title: str
    value_errors: ClassVar[tuple[type[Exception], ...]]
    """The database's errors that values of a batch cause, so that the next batch may do."""
    hexadecimal: ClassVar[str]
    """The expression for each sequence of 64 or more hexadecimal digits in a column ``{}``, with a row for each."""

    @staticmethod
    @abstractmethod
    def words(error: Exception) -> str:
        """What an error of the database says, in one line."""

    @contextlib.contextmanager
    @abstractmethod
    def transaction(self) -> Iterator[None]:
        """A transaction. No other loader works at the same time.

        Raises :class:`BusyError` if another loader does not end, and :class:`AgentError` if the database fails.
        """

    @contextlib.contextmanager
    @abstractmethod
    def reading(self) -> Iterator[None]:
        """A transaction that changes nothing, and sees the database as it is now, whatever is loaded meanwhile.

        Raises :class:`ConfigurationError` if this user may not read it, and :class:`AgentError` if the database fails.
        """

    @abstractmethod
    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, in which ``$1`` is the first value, and return the rows of its result."""

    @abstractmethod
    def put(self, table: TableDefinition, rows: TableRows, zone: Zone, project: str, batch: int) -> None:
        """Put the rows of a batch into their table."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def require_tables(self) -> None:
        """Raise :class:`ConfigurationError` if no batch was ever loaded."""
        with self.transaction():
            if self._version(self._tables()) is None:
                raise ConfigurationError(
                    f"{self.title} has no tables of gros-agent",
                    "name the database that gros-agent controller load fills",
                )

    def prepare(self) -> None:
        """Make the tables, or add what an earlier version lacks. Views of another version are made anew.

        Raises :class:`ConfigurationError` if they are of a later version, or not ours.
        """
        with self.transaction():
            found = self._tables()
            before = self._version(found)
            statements = [*self.additions(found)]
            if not found:
                statements.insert(0, f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
            has_views = "views" in found.get("version", ()) and before == FORMAT
            is_known = has_views and self.run(_VIEWS) == [(views.digest(),)]
            for statement in (*statements, *(() if is_known else views.statements())):
                self.run(statement)
            if not is_known:
                self.run("DELETE FROM gros.version")
                self.run(_VERSION, (FORMAT, __version__, views.digest()))

    def check(self) -> None:
        """Check that tables and views are those of this version, and change nothing.

        Raises :class:`ConfigurationError` if they are missing, or of another version.
        """
        found = self._tables()
        number = self._version(found)
        if number is None:
            raise ConfigurationError(
                f"{self.title} has no tables of gros-agent that this user may read",
                "load batches into it first: gros-agent controller load",
            )
        known = self.run(_VIEWS) if number == FORMAT and "views" in found["version"] else []
        if known != [(views.digest(),)]:
            raise ConfigurationError(
                f"{self.title} has tables or views of another version of gros-agent",
                "bring it up to date: gros-agent controller load",
            )

    def additions(self, found: Mapping[str, Collection[str]]) -> list[str]:
        """The statements that make what the database lacks. ``found`` has the columns of its tables."""
        return list(additions(found))

    def load(self, rows: TableRows, zone: Zone, project: str, batch: int) -> int:
        """Put the rows of a file into their table, and return their number.

        Raises :class:`Unfit` if they do not fit.
        """
        try:
            self.put(by_row(rows.row), rows, zone, project, batch)
        except self.value_errors as error:
            raise Unfit(f"{rows.title}: {self.words(error)}") from error
        return rows.count

    def _tables(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for table, column in self.run(_COLUMNS, (SCHEMA,)):
            found.setdefault(table, set()).add(column)
        return found

    def _version(self, found: Mapping[str, set[str]]) -> int | None:
        """The version of the tables; None if there are none."""
        if not found:
            return None
        versions = self.run("SELECT format, program FROM gros.version") if "version" in found else []
        if not versions:
            raise ConfigurationError(
                f"{self.title}: the schema {SCHEMA} has tables that gros-agent did not make",
                "name another database, or rename that schema",
            )
        ((number, program),) = versions
        if number > FORMAT:
            raise ConfigurationError(
                f"{self.title} has tables of version {number}, made by gros-agent {program}: this gros-agent"
                f" {__version__} knows version {FORMAT}",
                "update gros-agent, or name another database",
            )
        return int(number)
