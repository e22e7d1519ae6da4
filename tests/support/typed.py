"""Tables with types: what a value in a file stands for, and how programs of researchers read what was written."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
from duckdb import ColumnExpression, DuckDBPyRelation, FunctionExpression

from gros_agent.database.columns import Column, Kind, by_file, columns, name
from gros_agent.database.table_files import Format, TablesWritten
from gros_agent.rows import Row
from gros_agent.tables.batch import ProjectFolder
from gros_agent.tables.writer import Writer, join
from support.sources import SAFE

Rows = list[tuple[Any, ...]]
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_TENTH = Decimal("1e-10")

POLARS: Mapping[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.DECIMAL: pl.Decimal(38, 10),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.MOMENT: pl.Datetime("us", "UTC"),
    Kind.DATE: pl.Date(),
}
"""The types that a Parquet file has in pl."""
DUCKDB: Mapping[Kind, str] = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.DECIMAL: "DECIMAL(38,10)",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.MOMENT: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
}


def meant(column: Column, value: Any, zone: str) -> Any:
    """The value that a JSON value of a file stands for, by Python's own means."""
    if value is None:
        value = column.default
    if value is None or str(value) in column.nothing:
        return None
    makers: Mapping[Kind, Callable[[Any], Any]] = {
        Kind.TEXT: str,
        Kind.INTEGER: int,
        Kind.DECIMAL: lambda text: Decimal(text).quantize(_TENTH),
        Kind.BOOLEAN: lambda text: str(text).lower() in {"1", "true"},
        Kind.MOMENT: lambda text: _moment(text, zone),
        Kind.DATE: date.fromisoformat,
    }
    return makers[column.kind](value)


def _moment(text: str, zone: str) -> datetime:
    """A moment of local time: the later one where there are two, an hour later where there is none."""
    place = ZoneInfo(zone) if "/" in zone or zone == "UTC" else datetime.strptime(zone, "UTC%z").tzinfo
    local = datetime.fromisoformat(text).replace(tzinfo=place)
    try:
        return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        return LAST


def in_files(folder: Path, zone: str) -> dict[type[Row], Rows]:
    """The rows of a batch, as what they stand for."""
    batch = ProjectFolder(folder).batch()
    assert batch is not None
    assert batch.time_zone == zone
    found = {}
    for file in batch.tables:
        if (row := by_file().get(file)) is not None:
            content = json.loads((folder / file).read_text(encoding="utf-8"))
            listed = content if isinstance(content, list) else [content]
            found[row] = [tuple(meant(one, each.get(one.name), zone) for one in columns(row)) for each in listed]
    return found


def by_polars(written: TablesWritten, row: type[Row], form: Format) -> Rows:
    """The rows of a file as polars reads them. A Parquet file says the types itself."""
    file = written.folder / f"{name(row)}.{form}"
    if form is Format.PARQUET:
        frame = pl.read_parquet(file)
        assert frame.schema == {one.name: POLARS[one.kind] for one in columns(row)}
        return frame.rows()
    if form is Format.CSV:
        frame = pl.read_csv(file, schema={one.name: pl.String() for one in columns(row)})
    else:
        numbers = {Kind.DECIMAL: pl.Float64(), Kind.MOMENT: pl.String(), Kind.DATE: pl.String()}
        types = {one.name: numbers.get(one.kind, POLARS[one.kind]) for one in columns(row)}
        frame = pl.read_ndjson(file, schema=types)
    known = columns(row)
    return [tuple(_told(one, value, form) for one, value in zip(known, each, strict=True)) for each in frame.rows()]


def _told(column: Column, value: Any, form: Format) -> Any:
    """The value of a text in a CSV file, or of a JSON value."""
    if value is None:
        return None
    if column.kind is Kind.MOMENT:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
    if column.kind is Kind.DATE:
        return date.fromisoformat(value)
    if column.kind is Kind.DECIMAL:
        return Decimal(str(value)).quantize(_TENTH) if form is Format.CSV else value
    if form is Format.CSV and column.kind is Kind.BOOLEAN:
        return {"true": True, "false": False}[value]
    return int(value) if form is Format.CSV and column.kind is Kind.INTEGER else value


def by_duckdb(written: TablesWritten, row: type[Row], form: Format, *, longest: int = 1 << 24) -> Rows:
    """The rows of a file, or of the database, as DuckDB reads them. ``longest`` is the size of the longest row."""
    types = {one.name: DUCKDB[one.kind] for one in columns(row)}
    file = str(written.folder / f"{name(row)}.{form}")
    if form is Format.DUCKDB:
        with duckdb.connect(written.folder / f"{written.project}.duckdb", read_only=True) as connection:
            return _fetched(connection.table(name(row)), row, types)
    with duckdb.connect() as connection:
        if form is Format.PARQUET:
            return _fetched(connection.read_parquet(file), row, types)
        if form is Format.CSV:
            table = connection.read_csv(
                file, columns=types, header=True, allow_quoted_nulls=False, max_line_size=longest
            )
            return _fetched(table, row, types)
        table = connection.read_json(file, columns=types, format="newline_delimited", maximum_object_size=longest)
        return _fetched(table, row, types)


def _fetched(rows: DuckDBPyRelation, row: type[Row], types: Mapping[str, str]) -> Rows:
    known = columns(row)
    rows = rows.project(*(ColumnExpression(one.name) for one in known))  # without those that names of folders make
    assert dict(zip(rows.columns, map(str, rows.types), strict=True)) == types
    shown = rows.select(*(_simple(one) for one in known)).fetchall()
    return [tuple(_back(one, value) for one, value in zip(known, each, strict=True)) for each in shown]


def _simple(column: Column) -> Any:
    """A column with moments as microseconds, for which DuckDB needs no further package."""
    value = ColumnExpression(column.name)
    return (FunctionExpression("epoch_us", value) if column.kind is Kind.MOMENT else value).alias(column.name)


def _back(column: Column, value: Any) -> Any:
    is_moment = column.kind is Kind.MOMENT and value is not None
    return datetime(1970, 1, 1, tzinfo=UTC) + value * _MICROSECOND if is_moment else value


_MICROSECOND = datetime.resolution


def same(form: Format, row: type[Row], found: Rows, wanted: Rows) -> None:
    """Compare rows. In NDJSON, decimals are the numbers of JSON."""
    assert _comparable(form, row, found) == _comparable(form, row, wanted)


def _comparable(form: Format, row: type[Row], rows: Rows) -> Rows:
    if form is not Format.NDJSON:
        return rows
    kinds = [one.kind for one in columns(row)]
    return [
        tuple(
            float(value) if kind is Kind.DECIMAL and value is not None else value
            for kind, value in zip(kinds, each, strict=True)
        )
        for each in rows
    ]


def make_batch(folder: Path, rows: Mapping[type[Row], Sequence[Row]], zone: str) -> None:
    """Publish these rows as a scrape in this time zone does."""
    folder.mkdir(parents=True, exist_ok=True)
    project = ProjectFolder(folder)
    with project.staging() as staging, patch.dict(os.environ, TZ=zone):
        (staging / "part").mkdir()
        with Writer(staging / "part", rows, whole_numbers=True) as writer:
            for block in rows.values():
                writer.write(SAFE.rows(block))
            writer.close()
        tables = join(staging, rows, [writer])
        shutil.rmtree(staging / "part")
        project.publish(staging, {one.path.name: one.count for one in tables}, {})
    project.acknowledge()
