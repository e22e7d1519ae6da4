"""Erases people in a database, by their pseudonyms.

A person becomes NULL in personal columns, and a fixed word in free text, where pseudonyms stand if the agent redacts
it. Rows stay, with two exceptions: a row that is about the person alone is removed, and so is a row that would get the
key of another one. All of it is one transaction, which also remembers the people for later batches.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gros_agent.database.definitions import TableDefinition, definitions
from gros_agent.database.erased import LENGTH, WORD, Erased
from gros_agent.database.quoting import constant, quoted
from gros_agent.database.target import Target
from gros_agent.database.without import is_of_a_person

log = logging.getLogger(__name__)

_PERSON = "CAST($1 AS TEXT)"
_REMEMBERED = "SELECT digest FROM gros.erased"
_NEW = "INSERT INTO gros.erased (digest, erased) VALUES ($1, CAST($2 AS TIMESTAMP WITH TIME ZONE))"
Change = Literal["nulled", "replaced", "removed"]


@dataclass(frozen=True)
class Place:
    """A column in which people were erased.

    ``rows`` counts values that became NULL, texts in which pseudonyms were replaced, or removed rows.
    """

    table: str
    column: str
    change: Change
    rows: int


def remembered(target: Target) -> Erased:
    """The people who were erased in a database. Call it within a transaction."""
    return Erased(frozenset(one for (one,) in target.run(_REMEMBERED)))


def erase(target: Target, pseudonyms: Sequence[str]) -> list[Place]:
    """Erase these people, and remember them."""
    with target.transaction():
        found = _erased(target, pseudonyms)
        _remember(target, Erased.of(pseudonyms))
    return found


def catch_up(target: Target, erased: Erased) -> None:
    """Erase the people who were erased in the inbox, but not in this database."""
    with target.transaction():
        missing = erased - remembered(target)
        if missing:
            found = _erased(target, sorted(missing.among(_pseudonyms(target))))
            _remember(target, missing)
            changed = sum(one.rows for one in found)
            log.info("%d pseudonyms that were erased in the inbox: %d values", len(missing.digests), changed)


def _remember(target: Target, erased: Erased) -> None:
    now = datetime.now(UTC).isoformat()
    for one in sorted((erased - remembered(target)).digests):
        target.run(_NEW, (one, now))


def _pseudonyms(target: Target) -> Iterator[str]:
    """All that may be a pseudonym in a database: each 64 digits, also within a longer sequence."""
    for table in definitions():
        for name in (*table.personal, *table.free_text):
            found = target.run(f"SELECT DISTINCT {target.hexadecimal.format(quoted(name))} FROM {table.full_name}")
            for (digits,) in found:
                yield from (digits[start : start + LENGTH] for start in range(len(digits or "") - LENGTH + 1))


def _erased(target: Target, pseudonyms: Sequence[str]) -> list[Place]:
    counts: dict[tuple[str, str, Change], int] = {}
    for table in definitions():
        columns = (*table.personal, *table.free_text)
        for one in pseudonyms if columns else ():
            filters = ", ".join(f"count(*) FILTER (WHERE {_has(table, name)})" for name in columns)
            (found,) = target.run(f"SELECT {filters} FROM {table.full_name} AS old", (one,))
            for name in (name for name, count in zip(columns, found, strict=True) if count):
                for change, rows in _changes(target, table, name, one):
                    place = (table.name, name, change)
                    counts[place] = counts.get(place, 0) + rows
    return [Place(*place, rows) for place, rows in counts.items() if rows]


def _changes(target: Target, table: TableDefinition, name: str, person: str) -> Iterator[tuple[Change, int]]:
    """Erase a person in a column, and yield the number of rows."""
    if name in table.key:
        condition = "" if is_of_a_person(table.row) and name in table.personal else f" AND {_is_taken(table, name)}"
        yield (
            "removed",
            _count(target, f"DELETE FROM {table.full_name} AS old WHERE {_has(table, name)}{condition}", person),
        )
    change: Change = "nulled" if name in table.personal else "replaced"
    value = "NULL" if name in table.personal else _without(f"old.{quoted(name)}")
    statement = f"UPDATE {table.full_name} AS old SET {quoted(name)} = {value} WHERE {_has(table, name)}"
    yield change, _count(target, statement, person)


def _count(target: Target, statement: str, person: str) -> int:
    return len(target.run(f"{statement} RETURNING 1", (person,)))


def _has(table: TableDefinition, name: str, row: str = "old") -> str:
    """The condition that a column has the person."""
    column = f"{row}.{quoted(name)}"
    return f"{column} = {_PERSON}" if name in table.personal else f"strpos({column}, {_PERSON}) > 0"


def _without(column: str) -> str:
    return f"replace({column}, {_PERSON}, {constant(WORD)})"


def _is_taken(table: TableDefinition, name: str) -> str:
    """The condition that another row has, or gets, the key that a row would have without the person."""
    old, other = (f"{row}.{quoted(name)}" for row in ("old", "other"))
    if name in table.personal:
        same = f"{other} IS NULL"
    else:
        nobody = f"NOT {_has(table, name, 'other')}"
        same = f"{_without(other)} = {_without(old)} AND ({nobody} OR {other} < {old})"
    pairs = (
        f"other.{quoted(one)} {'IS NOT DISTINCT FROM' if _can_be_null(table, one) else '='} old.{quoted(one)}"
        for one in table.key
        if one != name
    )
    return f"EXISTS (SELECT 1 FROM {table.full_name} AS other WHERE {' AND '.join((*pairs, same))})"


def _can_be_null(table: TableDefinition, name: str) -> bool:
    return name in table.columns and table.columns[name].can_be_null
