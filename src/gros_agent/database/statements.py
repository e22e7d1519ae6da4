"""The statements that put the rows of a batch into a table, in the parts of SQL that both databases have.

The rows come from a relation with the table's columns. ``$1`` is the key of the project, and ``$2`` the batch.
"""

from gros_agent.database.columns import Column, Kind
from gros_agent.database.definitions import BATCH, PROJECT, SOURCE, TYPES, TableDefinition, Way
from gros_agent.database.quoting import constant, listed, quoted
from gros_agent.database.zones import Zone


def values(table: TableDefinition, zone: Zone) -> str:
    """The columns of a table as expressions over the texts of its rows."""
    return ", ".join(f"{_value(column, zone)} AS {quoted(name)}" for name, column in table.columns.items())


def _value(column: Column, zone: Zone) -> str:
    text = quoted(column.name)
    if column.default is not None:
        text = f"COALESCE({text}, {constant(column.default)})"
    for nothing in sorted(column.nothing):
        text = f"NULLIF({text}, {constant(nothing)})"
    if column.kind is Kind.TEXT:
        return text
    if column.kind is Kind.BOOLEAN:
        return f"({text} IN ('1', 'true'))"
    if column.kind is Kind.MOMENT:
        return zone.moment(f"CAST({text} AS TIMESTAMP)")
    return f"CAST({text} AS {TYPES[column.kind]})"


def added(table: TableDefinition, relation: str) -> str:
    """Add all rows. Of a snapshot only those whose source has none: what is left there came with a later batch."""
    left = f" WHERE NOT EXISTS (SELECT 1 FROM {table.full_name} AS old WHERE {_same_source(table)})"
    return (
        f"INSERT INTO {table.full_name} ({listed(table.names)}) SELECT $1, $2, {listed([*table.columns], 'new.')}"
        f" FROM {relation} AS new{left if table.way is Way.WHOLE else ''}"
    )


def removed(table: TableDefinition, relation: str) -> str:
    """Remove the rows of the sources that a snapshot has rows of, unless they came with a later batch."""
    return (
        f"DELETE FROM {table.full_name} AS old WHERE old.{quoted(BATCH)} <= $2"
        f" AND EXISTS (SELECT 1 FROM {relation} AS new WHERE {_same_source(table)})"
    )


def _same_source(table: TableDefinition) -> str:
    same = f"old.{quoted(PROJECT)} = $1"
    return f"{same} AND old.{quoted(SOURCE)} = new.{quoted(SOURCE)}" if table.has_source else same


def is_newer(table: TableDefinition, new: str, batch: str) -> str:
    """The condition that a row (the relation ``new``) of a batch may replace one with its key (``old``)."""
    if table.row.changed:
        changed = quoted(table.row.changed)
        return f"COALESCE({new}.{changed} >= old.{changed}, TRUE)"
    return f"old.{quoted(BATCH)} <= {batch}"


def changes(table: TableDefinition, new: str) -> dict[str, str]:
    """The columns that a row with the same key changes, and their new values."""
    return {
        name: f"COALESCE({new}.{quoted(name)}, old.{quoted(name)})" if name in table.kept else f"{new}.{quoted(name)}"
        for name in table.others
    }


def differs(changed: dict[str, str]) -> str:
    """The condition that any column has another value."""
    return " OR ".join(f"old.{quoted(name)} IS DISTINCT FROM {value}" for name, value in changed.items())
