"""The columns of every table with their types, derived from the types of the rows.

Rows are text, as the files of existing installations are. Here a moment is a moment and a number a number, and what
stands for nothing (``0`` for a person or a moment that is not known) is nothing.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gros_agent.rows import NOBODY, TABLES, Row, json_schema


class Kind(enum.Enum):
    """The type of a column's values."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DATE = "date"


@dataclass(frozen=True)
class Column:
    """A column of a table: its name in the file and in the database, its type and its meaning.

    A missing value is nothing, and so is each text of ``nothing``. ``is_key`` columns identify a row within a project.
    """

    name: str
    kind: Kind
    description: str
    nothing: frozenset[str] = frozenset()
    is_required: bool = True
    is_key: bool = False
    is_personal: bool = False
    is_free_text: bool = False

    @property
    def can_be_null(self) -> bool:
        """Whether a row may have nothing in this column."""
        return bool(self.nothing) or not self.is_required


_JIRA = "jira_"


def name(row: type[Row]) -> str:
    """The name of a table in the database: that of its file without ``data_``. Those of Jira begin with ``jira_``."""
    short = row.table.removeprefix("data").removeprefix("_").lower()
    if not row.__name__.startswith("Jira"):
        return short
    return _JIRA + (short or "issue")


@cache
def by_file() -> Mapping[str, type[Row]]:
    """The types of the rows by the names of their files."""
    return {f"{row.table}.json": row for row in TABLES}


@cache
def columns(row: type[Row]) -> tuple[Column, ...]:
    """The columns of a table, in the order of its fields."""
    schema = json_schema(row)
    required = set(schema.get("required", ()))
    return tuple(
        _column(row, field, content, is_required=field in required) for field, content in schema["properties"].items()
    )


def _column(row: type[Row], field: str, content: Mapping[str, Any], *, is_required: bool) -> Column:
    kinds = [one for one in content.get("anyOf", (content,)) if one.get("type") != "null"]
    declared: Mapping[str, Any] = {**content, **kinds[0]}
    kind = _kind(declared)
    description = str(declared.get("description", ""))
    is_personal = field in row.personal
    pattern = declared.get("pattern", "")
    says_so = kind is not Kind.BOOLEAN and field not in row.key_fields and _OR_NOTHING.search(description) is not None
    nothing = {NOBODY} if is_personal or says_so else set()
    if kind in {Kind.MOMENT, Kind.DATE} and pattern.startswith("^(0|"):
        nothing.add(NOBODY)
    if kind is Kind.DECIMAL and pattern.endswith(")?$") and pattern.startswith("^("):
        nothing.add("")
    return Column(
        name=field,
        kind=kind,
        description=description,
        nothing=frozenset(nothing),
        is_required=is_required and len(kinds) == len(content.get("anyOf", (content,))),
        is_key=field in row.key_fields,
        is_personal=is_personal,
        is_free_text=field in row.free_text,
    )


_OR_NOTHING = re.compile(r"\bor 0\b")
"""What the description of a field says if ``0`` stands for nothing."""
_FLAGS = frozenset({"^[01]$", "^(-1|1)$"})


def _kind(declared: Mapping[str, Any]) -> Kind:
    """The type of a field by its pattern, since fields are text, or by its JSON type."""
    pattern, kind = str(declared.get("pattern", "")), declared.get("type")
    if kind == "boolean" or pattern in _FLAGS:
        return Kind.BOOLEAN
    if kind == "integer" or pattern in {"^[0-9]+$", "^-?[0-9]+$", "^-?1$"}:
        return Kind.INTEGER
    if ":[0-5][0-9]" in pattern:
        return Kind.MOMENT
    if "-(0[1-9]|1[0-2])-" in pattern:
        return Kind.DATE
    if r"(\.[0-9]+)?" in pattern:
        return Kind.DECIMAL
    return Kind.TEXT
