"""The tables of the schema ``gros``, made from the types of the rows.

Each table has the columns of its rows, and before them ``project``, the key of the project, and ``batch``, the number
of the batch in ``gros.batches`` that a row came with, or that changed it last.
"""

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from gros_agent.database import columns as derived
from gros_agent.database.columns import Column, Kind
from gros_agent.database.quoting import constant, listed, quoted
from gros_agent.rows import TABLES, Row, json_schema

FORMAT = 1
"""The version of these definitions: to be raised when a table or column is added. A test remembers it."""

SCHEMA = "gros"
PROJECT, BATCH, SOURCE = "project", "batch", "repo_name"
TYPES: Mapping[Kind, str] = {
    Kind.TEXT: "TEXT",
    Kind.INTEGER: "BIGINT",
    Kind.DECIMAL: "DECIMAL(38, 10)",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.MOMENT: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
}
"""The types of columns, by names that both databases have."""
_LONG_TEXT = 500
"""A text may be longer than an entry of an index, unless its limit is at most this many characters."""

BATCHES: Mapping[str, tuple[str, str]] = {
    "id": ("INTEGER NOT NULL", "Number of the batch in this database."),
    "project": ("TEXT NOT NULL", "Key of the project."),
    "number": ("BIGINT NOT NULL", "Number of the batch in the inbox."),
    "batch": ("TEXT NOT NULL", "Identifier that the agent gave the batch."),
    "agent": ("TEXT", "Account of the agent."),
    "moment": ("TIMESTAMP WITH TIME ZONE", "When the agent announced the batch."),
    "loaded": ("TIMESTAMP WITH TIME ZONE NOT NULL", "When the batch was loaded or refused."),
    "time_zone": ("TEXT", "Time zone of the local times in the batch."),
    "rows": ("BIGINT NOT NULL", "Rows in its tables; 0 if it was refused."),
    "state": ("TEXT NOT NULL", "loaded, or refused: then no row of it is in any table."),
    "reason": ("TEXT", "Why it was refused, or what to know about its moments."),
}
"""The columns of ``gros.batches``: type and meaning."""
COLLECTED: Mapping[str, tuple[str, str]] = {
    "project": ("TEXT NOT NULL", "Key of the project."),
    "batch": ("INTEGER NOT NULL", "The batch in gros.batches."),
    "source": ("TEXT NOT NULL", "Name of the source."),
    "kind": ("TEXT NOT NULL", "Type of the source, such as git."),
    "items": ("BIGINT NOT NULL", "New items that were collected, such as commits."),
    "expected": ("BIGINT", "Items that the system announced; empty if it did not say so."),
    "state": ("TEXT NOT NULL", "whole, partly if something could not be collected, or failed if nothing could."),
}
"""The columns of ``gros.collected``: type and meaning."""
ERASED: Mapping[str, tuple[str, str]] = {
    "digest": ("TEXT NOT NULL", "SHA-256 of a pseudonym, in hexadecimal digits."),
    "erased": ("TIMESTAMP WITH TIME ZONE NOT NULL", "When it was erased first."),
}
"""The columns of ``gros.erased``: the people whom later batches must not bring back."""
VERSION: Mapping[str, tuple[str, str]] = {
    "format": ("INTEGER NOT NULL", "Version of the tables."),
    "program": ("TEXT NOT NULL", "Version of the program that made or changed them last."),
    "views": ("TEXT", "What tells the views from those of another version."),
}
"""The columns of ``gros.version``, which has one row."""


class Way(enum.Enum):
    """How the rows of a batch go into a table."""

    BY_KEY = "by key"
    """A row replaces the one with its key."""
    WHOLE = "whole"
    """The rows replace all rows of their source, or of their project if they have no source."""
    ADDED = "added"
    """The rows are added: nothing identifies them."""


@dataclass(frozen=True)
class TableDefinition:
    """A table of the database, for rows of one type."""

    row: type[Row]

    @cached_property
    def name(self) -> str:
        """The table's name."""
        return derived.name(self.row)

    @property
    def full_name(self) -> str:
        """The name for a statement, with the schema."""
        return f"{quoted(SCHEMA)}.{quoted(self.name)}"

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The columns of the rows by their names in the database.

        A field with the name of one of our own columns gets the table's name before it.
        """
        return {
            f"{self.name}_{one.name}" if one.name in {PROJECT, BATCH} else one.name: one
            for one in derived.columns(self.row)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (PROJECT, BATCH, *self.columns)

    @property
    def way(self) -> Way:
        """How rows go into this table."""
        if self.row.snapshot and not self.row.is_partial:
            return Way.WHOLE
        return Way.BY_KEY if self.row.key_fields else Way.ADDED

    @property
    def has_source(self) -> bool:
        """Whether the rows name their source."""
        return SOURCE in self.columns

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty if none do.

        Rows of a snapshot belong to their source, even if the importer's key lacks it.
        """
        if not self.row.key_fields:
            return ()
        source = (SOURCE,) if self.has_source and self.way is Way.WHOLE and SOURCE not in self.row.key_fields else ()
        return (PROJECT, *source, *(name for name, one in self.columns.items() if one.is_key))

    @property
    def others(self) -> tuple[str, ...]:
        """The columns that are not part of the key, without ``batch``."""
        return tuple(name for name in self.columns if name not in self.key)

    @property
    def personal(self) -> tuple[str, ...]:
        """The columns with pseudonyms."""
        return tuple(name for name, one in self.columns.items() if one.is_personal)

    @property
    def free_text(self) -> tuple[str, ...]:
        """The columns with texts that may mention people."""
        return tuple(name for name, one in self.columns.items() if one.is_free_text)

    @property
    def kept(self) -> frozenset[str]:
        """The columns with people that stay known, if a later row of the same key does not know them."""
        if not self.row.rule or self.row.changed:
            return frozenset()
        return frozenset(name for name in self.others if self.columns[name].is_personal)

    def is_long(self, name: str) -> bool:
        """Whether a column of the key can hold a text that is too long for an index."""
        column = self.columns.get(name)
        if column is None or column.kind is not Kind.TEXT or name == SOURCE:
            return False
        content = json_schema(self.row)["properties"][column.name]
        return bool(content.get("maxLength", _LONG_TEXT + 1) > _LONG_TEXT) and not content.get("pattern")

    def types(self) -> Iterator[tuple[str, str, str]]:
        """The name, the type and the comment of each column."""
        yield PROJECT, "TEXT NOT NULL", "Key of the project."
        yield BATCH, "INTEGER NOT NULL", "The batch in gros.batches that the row came with, or that changed it last."
        for name, column in self.columns.items():
            yield name, TYPES[column.kind] + ("" if column.can_be_null else " NOT NULL"), column.words


@cache
def definitions() -> tuple[TableDefinition, ...]:
    """All tables of rows."""
    return tuple(map(TableDefinition, TABLES))


def by_row(row: type[Row]) -> TableDefinition:
    """The table for rows of a type."""
    return next(one for one in definitions() if one.row is row)


def additions(found: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The statements that make what a database lacks. ``found`` has the columns of its tables."""
    for table, wanted, meaning in _wanted():
        full = f"{quoted(SCHEMA)}.{quoted(table)}"
        if table not in found:
            yield f"CREATE TABLE {full} ({', '.join(f'{quoted(name)} {kind}' for name, kind, _ in wanted)})"
            yield f"COMMENT ON TABLE {full} IS {constant(meaning)}"
        for name, kind, comment in wanted:
            if name in found.get(table, ()):
                continue
            if table in found:  # rows that are there already have no value
                yield f"ALTER TABLE {full} ADD COLUMN {quoted(name)} {kind.removesuffix(' NOT NULL')}"
            yield f"COMMENT ON COLUMN {full}.{quoted(name)} IS {constant(comment)}"


def _wanted() -> Iterator[tuple[str, list[tuple[str, str, str]], str]]:
    yield "version", [(name, *rest) for name, rest in VERSION.items()], "The version of these tables."
    yield "batches", [(name, *rest) for name, rest in BATCHES.items()], "The batches that were loaded or refused."
    yield "collected", [(name, *rest) for name, rest in COLLECTED.items()], "How completely a batch has its sources."
    yield "erased", [(name, *rest) for name, rest in ERASED.items()], "The people who were erased, as hashes."
    for one in definitions():
        yield one.name, list(one.types()), derived.about(one.row)


def indexes(found: Collection[str]) -> Iterator[str]:
    """The statements for the unique indexes of tables that a database lacks, in PostgreSQL."""
    if "batches" not in found:
        yield f"CREATE UNIQUE INDEX {quoted('batches_id')} ON {SCHEMA}.batches ({quoted('id')})"
        yield f"CREATE UNIQUE INDEX {quoted('batches_key')} ON {SCHEMA}.batches ({listed(('project', 'batch'))})"
    if "erased" not in found:
        yield f"CREATE UNIQUE INDEX {quoted('erased_digest')} ON {SCHEMA}.erased ({quoted('digest')})"
    for one in definitions():
        if one.key and one.name not in found:
            name = quoted(f"{one.name}_key")
            yield f"CREATE UNIQUE INDEX {name} ON {one.full_name} ({index_key(one)}) NULLS NOT DISTINCT"


def index_key(table: TableDefinition) -> str:
    """The key of a table as its index in PostgreSQL has it: long texts by their hash."""
    return ", ".join(f"md5({quoted(name)})" if table.is_long(name) else quoted(name) for name in table.key)
