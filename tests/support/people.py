"""Rows of every table in which people stand, for tests that are about these people."""

from collections.abc import Iterator

import msgspec

from gros_agent.database.columns import Kind, columns
from gros_agent.rows import TABLES, Row, is_valid

_TEXTS = ("text {}", "ab{}", "ABC-{}", "ABC", "commit", "M", "open", "old", "1", "count", "absolute")
_VALUES = {
    Kind.INTEGER: ("{}", "1", "-1"),
    Kind.DECIMAL: ("{}",),
    Kind.BOOLEAN: ("1",),
    Kind.MOMENT: ("2024-05-01 12:00:{:02}",),
    Kind.DATE: ("2024-05-{:02}",),
    Kind.TEXT: _TEXTS,
}


def row_of(table: type[Row], number: int, person: str) -> Row:
    """A row with a person in each personal field, and in the free text. ``number`` makes its key its own."""
    values: dict[str, object] = {}
    for column in columns(table):
        if column.is_personal:
            values[column.name] = person
        elif column.is_free_text:
            values[column.name] = f"{number}: by {person}"[: 100 if column.is_key else None]
        else:
            tried = (one.format(number) for one in _VALUES[column.kind])
            values[column.name] = next(one for one in tried if is_valid(table, column.name, one))
    return msgspec.convert(values, table, strict=False)


def tables_with_people() -> Iterator[type[Row]]:
    """The tables with personal fields or free text."""
    return (one for one in TABLES if one.personal or one.free_text)
