"""Writes the tables of a project with real types, for researchers.

They become Parquet, CSV or NDJSON files, or one DuckDB database. DuckDB reads the rows of a file and writes them at
once, within a limit of memory.
"""

import enum
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import (
    ColumnExpression,
    ConstantExpression,
    DuckDBPyConnection,
    DuckDBPyRelation,
    Expression,
    FunctionExpression,
)

from gros_agent.database.columns import Kind, about, columns, name
from gros_agent.database.new_folder import new_folder
from gros_agent.database.snapshot import BLOCK, Snapshot, TableContent, snapshot
from gros_agent.database.typed_rows import in_utc, read, typed, unknown_field, wrong_value
from gros_agent.database.zones import Zone, zone_of
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime.storage import storage_errors

_COPY = {
    "parquet": "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ?, KV_METADATA ?",
    "csv": "FORMAT csv, HEADER",
    "ndjson": "FORMAT json",
}
_MEMORY = 256 << 20
"""The memory in bytes that DuckDB may use, beside some copies of the largest block of rows."""
_COPIES = 8
_LARGE_ROW = 16 << 20
"""The bytes of a row that DuckDB expects at most, unless it is told otherwise."""
_GROUP, _MOST_GROUPED = 32 << 20, 60
"""A row group of a Parquet file or a database, which is in memory: its size in bytes, and its most blocks of rows."""
_SHOWN = 300
"""How much of an error of DuckDB is shown, in characters."""
_SPILL = ".spill"
_STORAGE = "v1.0.0"
"""The oldest DuckDB that opens the database; its own default is the newest one alone."""
_AGAIN = "restore it from a backup, or collect its rows again: gros-agent scrape --full"


class Format(enum.StrEnum):
    """What to write: one file for each table, or one database with all."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    DUCKDB = "duckdb"


@dataclass(frozen=True)
class TableWritten:
    """A table that was written: its name, file and number of rows."""

    table: str
    file: str
    rows: int


@dataclass(frozen=True)
class TablesWritten:
    """The tables of a batch in their new folder.

    ``batch`` is its identifier, ``time_zone`` that of the local times in its files.
    """

    project: str
    batch: str
    folder: Path
    time_zone: str
    tables: tuple[TableWritten, ...]


def write_tables(folder: Path, target: Path, form: Format) -> TablesWritten:
    """Write the tables of the batch in an export folder into the new folder ``target``.

    Raises :class:`ConfigurationError` if there is no batch or ``target`` exists, and :class:`AgentError` if a table is
    damaged or the disk is full. Then nothing is written.
    """
    if form is Format.DUCKDB:
        _check_name(target)
    with snapshot(folder) as batch, new_folder(target) as hidden:
        zone = _zone(batch)
        with _duckdb_errors(hidden), _connected(batch, hidden, form) as connection:
            written = tuple(_Table(connection, batch, zone, one, hidden, form).write() for one in batch.tables)
        with storage_errors(hidden):
            shutil.rmtree(hidden / _SPILL)
    return TablesWritten(batch.project, batch.identifier, target.absolute(), batch.time_zone, written)


def _check_name(target: Path) -> None:
    if "?" in str(target.resolve()):
        raise ConfigurationError(
            f"{target}: DuckDB makes no database in a folder with a question mark in its name", "name another folder"
        )


@contextmanager
def _connected(batch: Snapshot, hidden: Path, form: Format) -> Iterator[DuckDBPyConnection]:
    """A connection to a database in memory, or to the one that is written. It loads no extensions from the network."""
    (hidden / _SPILL).mkdir()
    block = max((one.largest[1] for one in batch.tables), default=0)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{_MEMORY + _COPIES * block}B",
        "temp_directory": str(hidden / _SPILL),
        "threads": "1",  # several would read ahead, and a file is read by one of them anyway
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if form is Format.DUCKDB:
            path = ConstantExpression(str(hidden / _database(batch)))  # the library quotes it
            options = f"STORAGE_VERSION '{_STORAGE}', ROW_GROUP_SIZE {_grouped(block)}"
            connection.execute(f"ATTACH {path} AS written ({options})")
            connection.execute("USE written")
        yield connection
        connection.execute("CHECKPOINT")


def _grouped(block: int) -> int:
    """How many rows a row group has, if the largest block of rows has so many bytes."""
    return BLOCK * max(1, min(_GROUP // max(block, 1), _MOST_GROUPED))


def _database(batch: Snapshot) -> str:
    return f"{batch.project}.duckdb"


def _zone(batch: Snapshot) -> Zone:
    zone = zone_of(batch.time_zone)
    if zone.note:
        raise ConfigurationError(
            f"project {batch.project}: the time zone of the tables, {batch.time_zone}, is unknown",
            "name one such as Europe/Amsterdam as time_zone in .batch.json of the export folder",
        )
    return zone


_NOT_OURS = (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)
"""The errors about the memory and the disk."""


@contextmanager
def _duckdb_errors(hidden: Path) -> Iterator[None]:
    """Turn an error about the disk or the memory into one that says what to do."""
    try:
        yield
    except _NOT_OURS as error:
        if "failed to allocate" in str(error) or isinstance(error, duckdb.OutOfMemoryException):
            words = f"the tables need more memory: {_first_line(error)}"
            raise AgentError(words, "write them on a larger machine") from error
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in str(error):
                with storage_errors(hidden.parent):
                    raise OSError(number, os.strerror(number)) from error
        raise AgentError(f"{hidden.parent}: {_first_line(error)}", "check the path and the disk") from error


def _first_line(error: duckdb.Error) -> str:
    line = str(error).partition("\n")[0].partition(" Error: ")[2] or str(error)
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


@dataclass(frozen=True)
class _Table:
    """Writes one table."""

    connection: DuckDBPyConnection
    batch: Snapshot
    zone: Zone
    content: TableContent
    hidden: Path
    form: Format

    def write(self) -> TableWritten:
        """Write the table. Raises :class:`AgentError` if its file is damaged."""
        row, table = self.content.row, name(self.content.row)
        largest = max(self.content.largest[0], _LARGE_ROW)
        rows = read(self.connection, self.content.descriptor, row, largest=largest)
        try:
            field = unknown_field(self.connection, self.content.descriptor, row, largest=largest)
            if field is not None:
                raise self._damaged(f"this version of the agent does not know the field {field!r}")
            file, count = self._write(typed(rows, row, self.zone), table)
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            raise self._damaged(self._reason(rows, error)) from error
        if count != self.content.rows:
            raise self._damaged(f"it has {count} rows, but had {self.content.rows} when it was written")
        return TableWritten(table, file, count)

    def _write(self, rows: DuckDBPyRelation, table: str) -> tuple[str, int]:
        """Write the rows. Returns the name of the file and the number of rows."""
        if self.form is Format.DUCKDB:
            rows.create(table)
            self._comment(table)
            return _database(self.batch), int(self.connection.table(table).shape[0])
        file = f"{table}.{self.form}"
        shown = _FORMS.get(self.form, {})
        values = (
            shown.get(one.kind, _as_it_is)(ColumnExpression(one.name)).alias(one.name)
            for one in columns(self.content.row)
        )
        rows.select(*values).create_view("source", replace=True)
        more = [_grouped(self.content.largest[1]), self._metadata(table)] if self.form is Format.PARQUET else []
        copied = self.connection.execute(f"COPY source TO ? ({_COPY[self.form]})", [str(self.hidden / file), *more])
        return file, int(copied.fetchall()[0][0])

    def _comment(self, table: str) -> None:
        """Put the meanings of the table and its columns into the database. The library quotes names and texts."""
        place = ColumnExpression(table)
        words = f"{about(self.content.row)} {self._origin()}"
        self.connection.execute(f"COMMENT ON TABLE {place} IS {ConstantExpression(words)}")
        for one in columns(self.content.row):
            column = ColumnExpression(table, one.name)
            self.connection.execute(f"COMMENT ON COLUMN {column} IS {ConstantExpression(one.words)}")

    def _metadata(self, table: str) -> dict[str, str]:
        """What a Parquet file says of itself."""
        meanings = {one.name: one.words for one in columns(self.content.row)}
        return {
            "project": self.batch.project,
            "table": table,
            "description": about(self.content.row),
            "time_zone": self.batch.time_zone,
            "columns": json.dumps(meanings),
        }

    def _origin(self) -> str:
        return f"Project {self.batch.project}; moments were local times of {self.batch.time_zone}."

    def _reason(self, rows: DuckDBPyRelation, error: duckdb.Error) -> str:
        """What is wrong with the file: the first value that is not of its type, or what DuckDB says."""
        try:
            wrong = wrong_value(rows, self.content.row)
        except duckdb.Error:
            wrong = None
        return str(wrong) if wrong else _first_line(error).replace(str(self.content.descriptor), self.content.path.name)

    def _damaged(self, reason: str) -> AgentError:
        return AgentError(f"{self.content.path}: the table is damaged: {reason}", _AGAIN)


def _as_it_is(value: Expression) -> Expression:
    return value


def _digits(value: Expression) -> Expression:
    """A decimal as text, without zeros at its end."""
    text = value.cast("VARCHAR")
    return FunctionExpression("regexp_replace", text, ConstantExpression(r"\.?0+$"), ConstantExpression(""))


def _as_number(value: Expression) -> Expression:
    return value.cast("DOUBLE")


_FORMS: Mapping[Format, Mapping[Kind, Callable[[Expression], Expression]]] = {
    Format.CSV: {Kind.MOMENT: in_utc, Kind.DECIMAL: _digits},
    Format.NDJSON: {Kind.MOMENT: in_utc, Kind.DECIMAL: _as_number},
}
"""How values are written to files without types of their own."""
