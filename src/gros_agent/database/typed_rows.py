"""Reads the file of a table with DuckDB, as rows with types.

A value that is not of its type ends the reading, and :func:`wrong_value` finds it afterwards. :func:`unknown_field`
finds a field that this version of the agent does not know, which DuckDB would leave out.
"""

import glob
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from pathlib import Path

from duckdb import (
    CaseExpression,
    CoalesceOperator,
    ColumnExpression,
    ConstantExpression,
    DuckDBPyConnection,
    DuckDBPyRelation,
    Expression,
    FunctionExpression,
    SQLExpression,
)

from gros_agent.database.columns import Column, Kind, columns
from gros_agent.database.definitions import TYPES
from gros_agent.database.zones import Zone
from gros_agent.rows import Row

_YES, _NO = ("1", "true"), ("0", "-1", "false")
_WHOLE = "^-?[0-9]+$"
"""What a JSON number without a pattern must match: DuckDB would round others."""
_LAST = "9999-12-31 23:59:59+00"
"""The last moment that programs agree on. In some zones the last day of local time ends after it."""
_SHOWN = 60
"""How much of a wrong value an error shows, in characters."""


@dataclass(frozen=True)
class Wrong:
    """A value that is not of its type. ``text`` is None if it is missing, ``row`` counts from 1."""

    row: int
    column: Column
    text: str | None

    def __str__(self) -> str:
        """What is wrong, in words."""
        where = f"row {self.row}, field {self.column.name}"
        if self.text is None:
            return f"{where}: there is no value, and there must be one"
        shown = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…"
        return f"{where}: {shown!r} is not of its type ({self.column.kind.value})"


def read(connection: DuckDBPyConnection, path: Path, row: type[Row], *, largest: int | None = None) -> DuckDBPyRelation:
    """The rows of a file as text. ``largest`` is the size of the largest row in bytes, if that is more than 16 MiB."""
    return connection.read_json(
        glob.escape(str(path)),
        columns={column.name: "VARCHAR" for column in columns(row)},
        format="unstructured" if row.is_single else "array",
        maximum_object_size=largest,
        hive_partitioning=False,
    )


def typed(rows: DuckDBPyRelation, row: type[Row], zone: Zone) -> DuckDBPyRelation:
    """Rows of text with their types.

    Moments are local times of ``zone``. A decimal has ten digits after the point: further ones are rounded.
    The relation raises :class:`duckdb.Error` when it is read, if a value is not of its type.
    """
    refused = FunctionExpression("error", ConstantExpression("a value is not of its type"))
    return rows.select(
        *(
            CaseExpression(_is_wrong(one), refused)
            .when(_is_nothing(one), ConstantExpression(None))
            .otherwise(_value(one, zone))
            .alias(one.name)
            for one in columns(row)
        )
    )


def wrong_value(rows: DuckDBPyRelation, row: type[Row]) -> Wrong | None:
    """The first value that is not of its type, or None."""
    known = columns(row)
    first, text = ConstantExpression(None), ConstantExpression(None)
    for number, column in reversed(tuple(enumerate(known))):
        first = CaseExpression(_is_wrong(column), ConstantExpression(number)).otherwise(first)
        text = CaseExpression(_is_wrong(column), ColumnExpression(column.name)).otherwise(text)
    numbered = rows.select(
        SQLExpression("row_number() OVER ()").alias("number"), first.alias("first"), text.alias("text")
    )
    found = numbered.filter(ColumnExpression("first").isnotnull()).limit(1).fetchall()
    return Wrong(found[0][0], known[found[0][1]], found[0][2]) if found else None


def unknown_field(
    connection: DuckDBPyConnection, path: Path, row: type[Row], *, largest: int | None = None
) -> str | None:
    """The name of a field in the file that the table does not have, or None."""
    keys = connection.execute(
        "SELECT DISTINCT unnest(json_keys(json)) FROM read_json_objects(?, format = ?, maximum_object_size = ?)",
        [glob.escape(str(path)), "unstructured" if row.is_single else "array", largest or 1 << 24],
    )
    known = {column.name for column in columns(row)}
    return min((key for (key,) in keys.fetchall() if key not in known), default=None)


def in_utc(moment: Expression) -> Expression:
    """A moment as text in UTC, as ISO 8601 has it."""
    local = FunctionExpression("timezone", ConstantExpression("UTC"), moment)
    return FunctionExpression("strftime", local, ConstantExpression("%Y-%m-%dT%H:%M:%SZ"))


def _text(column: Column) -> Expression:
    text: Expression = ColumnExpression(column.name)
    return text if column.default is None else CoalesceOperator(text, ConstantExpression(column.default))


def _is_nothing(column: Column) -> Expression:
    text = _text(column)
    return reduce(or_, (text == ConstantExpression(one) for one in sorted(column.nothing)), text.isnull())


def _is_wrong(column: Column) -> Expression:
    text = _text(column)
    right = [text.isnotnull()]
    pattern = column.pattern or (_WHOLE if column.kind is Kind.INTEGER else "")
    if pattern:
        right.append(FunctionExpression("regexp_matches", text, ConstantExpression(pattern)))
    if column.kind is not Kind.TEXT:
        right.append(_cast(column).isnotnull())
    is_right = reduce(and_, right)
    return ~(_is_nothing(column) | is_right) if column.can_be_null else ~is_right


def _value(column: Column, zone: Zone) -> Expression:
    if column.kind is not Kind.MOMENT:
        return _cast(column)
    moment = SQLExpression(zone.moment(str(_cast(column))))
    return FunctionExpression("least", moment, ConstantExpression(_LAST).cast(TYPES[Kind.MOMENT]))


def _cast(column: Column) -> Expression:
    """The value with its type, a moment as local time; nothing if the text is not of the type."""
    text = _text(column)
    if column.kind is Kind.TEXT:
        return text
    if column.kind is Kind.BOOLEAN:
        yes, no = (text.isin(*map(ConstantExpression, one)) for one in (_YES, _NO))
        return CaseExpression(yes, ConstantExpression(True)).when(no, ConstantExpression(False))
    kind = "TIMESTAMP" if column.kind is Kind.MOMENT else TYPES[column.kind]
    return SQLExpression(f"TRY_CAST({text} AS {kind})")  # the library quotes what is in the expression
