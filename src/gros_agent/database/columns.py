"""The columns of every table with their types, derived from the types of the rows.

Rows are text, as the files of existing installations are. Here a moment is a moment and a number a number, and what
stands for nothing (``0`` for a person or a moment that is not known) is nothing.
"""

import enum
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gros_agent.rows import NOBODY, TABLES, Row, json_schema, units


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
    ``default`` is the text that a missing value stands for, None if it stands for nothing. ``pattern`` is the regular
    expression that the text in the file matches, empty if any text is allowed. ``unit`` is that of a number, empty if
    it has none.
    """

    name: str
    kind: Kind
    description: str
    nothing: frozenset[str] = frozenset()
    is_required: bool = True
    is_key: bool = False
    is_personal: bool = False
    is_free_text: bool = False
    default: str | None = None
    pattern: str = ""
    unit: str = ""

    @property
    def can_be_null(self) -> bool:
        """Whether a row may have nothing in this column."""
        return bool(self.nothing) or not (self.is_required or self.default is not None)

    @property
    def meaning(self) -> str:
        """The description for a column with types, which has nothing where the file has ``0`` and true for ``1``."""
        words = self.description
        if self.kind is Kind.BOOLEAN:
            words = _AS_FLAG.sub(".", words)
        if self.nothing:
            words = _OR_ZERO.sub(".", _OR_NOTHING.sub("; empty", words))
        return words

    @property
    def words(self) -> str:
        """The meaning and the unit, and whether it is about people: a comment on the column."""
        return " ".join(
            part
            for part in (
                self.meaning,
                f"Unit: {self.unit}." if self.unit else "",
                "Pseudonym, if the row is encrypted." if self.is_personal else "",
                "Free text: it may name people." if self.is_free_text else "",
            )
            if part
        )


_JIRA = "jira_"


def name(row: type[Row]) -> str:
    """The name of a table in the database: that of its file without ``data_``. Those of Jira begin with ``jira_``."""
    short = row.table.removeprefix("data").removeprefix("_").lower()
    if not row.__name__.startswith("Jira"):
        return short
    return _JIRA + (short or "issue")


def about(row: type[Row]) -> str:
    """What a row of a table is: the first paragraph of the row type's documentation."""
    first = (inspect.getdoc(row) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("``", "")


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
    is_personal = field in row.personal
    return Column(
        name=field,
        kind=kind,
        description=str(declared.get("description", "")),
        nothing=_nothing(declared, kind, is_personal=is_personal, is_key=field in row.key_fields),
        is_required=is_required and len(kinds) == len(content.get("anyOf", (content,))),
        is_key=field in row.key_fields,
        is_personal=is_personal,
        is_free_text=field in row.free_text,
        default=_default(content),
        pattern=str(declared.get("pattern", "")),
        unit=units(row).get(field, ""),
    )


def _default(content: Mapping[str, Any]) -> str | None:
    default = content.get("default")
    return str(default).lower() if isinstance(default, bool) else default


def _nothing(declared: Mapping[str, Any], kind: Kind, *, is_personal: bool, is_key: bool) -> frozenset[str]:
    """The texts that stand for nothing in a column. A key keeps its ``0``, so that rows can be told apart."""
    pattern = str(declared.get("pattern", ""))
    found = {NOBODY} if is_personal else set()
    says_so = _OR_NOTHING.search(str(declared.get("description", "")))
    if says_so and kind is not Kind.BOOLEAN and not is_key:
        found.add(says_so[1])
    if kind in {Kind.MOMENT, Kind.DATE} and pattern.startswith("^(0|"):
        found.add(NOBODY)
    if kind is Kind.DECIMAL and pattern.endswith(")?$") and pattern.startswith("^("):
        found.add("")
    return frozenset(found)


_OR_NOTHING = re.compile(r",? or (0|-1)(?= (?:for|if|since)\b|\.$)")
"""What the description of a field says if ``0`` or ``-1`` stands for nothing."""
_OR_ZERO = re.compile(r"; empty\.$")
_AS_FLAG = re.compile(r": 1 or (?:0|-1)\.$")
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
