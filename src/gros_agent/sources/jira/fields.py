"""Finds the fields of the mapping on a server.

The identifiers of custom fields are those of the organisation that made the mapping. On other servers the same
identifier is another field, so custom fields are found by their name and type.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gros_agent.sources.jira.mapping import Entry, FieldMapping, Type

CUSTOM = "customfield_"
_AGILE = "com.pyxis.greenhopper.jira:"
_OWN_KINDS: Mapping[str, frozenset[str]] = {
    "sprint": frozenset({f"{_AGILE}gh-sprint"}),
    "rank_change": frozenset({f"{_AGILE}gh-lexo-rank", f"{_AGILE}gh-global-rank"}),
    "epic": frozenset({f"{_AGILE}gh-epic-link"}),
    "storypoint": frozenset({f"{_AGILE}jsw-story-points"}),
}
"""Kinds of custom fields that have only one meaning, by column."""
_ONE_KIND = frozenset({"sprint", "rank_change", "epic"})
"""Columns that can be read from no other kind."""
_ALSO_CALLED = {"storypoint": "story point estimate"}
"""A second field of a column: team-managed projects of Jira Cloud have their own story points."""
_SHAPES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("int", "decimal"), frozenset({"number"})),
    **dict.fromkeys(("str", "unicode"), frozenset({"string"})),
    **dict.fromkeys(("boolean", "identifier", "ready_status"), frozenset({"option"})),
    "date": frozenset({"date", "datetime"}),
    "developer": frozenset({"user"}),
    "project": frozenset({"project"}),
    **dict.fromkeys(("version", "labels", "flag", "id_list"), frozenset({"array"})),
}
"""The shapes of values that fit a type."""
PARENT_ITEMS = ("IssueParentAssociation", "Parent")
"""What Jira Cloud calls changes of an issue's parent, which is an epic unless the issue is a sub-task or an epic."""
PARENT = "parent"
ALWAYS = ("creator", "created", "updated", "issuetype")
"""Fields that versions need, whatever the mapping has."""


@dataclass(frozen=True)
class ServerField:
    """A field as the server lists it: identifier, name, and for custom fields their kind and the shape of values."""

    id: str
    name: str
    kind: str = ""
    shape: str = ""

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> "ServerField":
        """A field from the JSON of the list of fields."""
        schema = listed.get("schema")
        schema = schema if isinstance(schema, Mapping) else {}
        texts = (listed.get("id"), listed.get("name"), schema.get("custom"), schema.get("type"))
        return cls(*(text if isinstance(text, str) else "" for text in texts))

    @property
    def number(self) -> int:
        """The number in the identifier of a custom field."""
        digits = self.id.removeprefix(CUSTOM)
        return int(digits) if digits.isascii() and digits.isdigit() else 0


@dataclass(frozen=True)
class Column:
    """A column of the table of issues, or a special entry of the mapping, on one server.

    ``fields`` are the identifiers of the fields that it is read from; the first with a value counts. ``names`` are what
    changes call these fields.
    """

    name: str
    entry: Entry
    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def kind(self) -> Type:
        """The first of its types."""
        return self.entry.types[0]

    @property
    def is_custom(self) -> bool:
        """Whether it is read from custom fields."""
        return (self.entry.field or "").startswith(CUSTOM)


@dataclass
class Fields:
    """The columns that a server has fields for.

    ``requested`` are the fields to ask for, ``notes`` remarks for readers of the tables.
    """

    columns: tuple[Column, ...]
    special: tuple[Column, ...]
    is_cloud: bool
    notes: tuple[str, ...] = ()
    _by_id: dict[str, list[Column]] = field(default_factory=dict, init=False)
    _by_name: dict[tuple[bool, str], list[Column]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for column in (*self.columns, *self.special):
            for identifier in column.fields:
                self._by_id.setdefault(identifier, []).append(column)
            for name in dict.fromkeys(map(str.casefold, column.names)):
                self._by_name.setdefault((column.is_custom, name), []).append(column)
        for name in PARENT_ITEMS if self.has_parents else ():
            epics = [column for column in self.columns if column.name == "epic"]
            self._by_name.setdefault((False, name.casefold()), []).extend(epics)

    @property
    def has_parents(self) -> bool:
        """Whether the parent of an issue can be its epic."""
        return self.is_cloud and any(column.name == "epic" for column in self.columns)

    @property
    def requested(self) -> tuple[str, ...]:
        """The identifiers of all fields that are needed."""
        found = {*ALWAYS, *(one for column in (*self.columns, *self.special) for one in column.fields)}
        return tuple(sorted(found | {PARENT} if self.has_parents else found))

    def has(self, special: str) -> bool:
        """Whether the mapping has a special entry."""
        return any(column.name == special for column in self.special)

    def changed_by(self, item: Mapping[str, Any]) -> Sequence[Column]:
        """The columns that an item of a change is about.

        Items name their field by its identifier, in Jira Cloud, and by its name. Custom fields may share a name, so
        their identifier alone counts where there is one.
        """
        identifier, name, kind = item.get("fieldId"), item.get("field"), item.get("fieldtype")
        if isinstance(identifier, str) and identifier:
            if found := self._by_id.get(identifier):
                return found
            if identifier.startswith(CUSTOM):
                return ()
        if not isinstance(name, str):
            return ()
        name = name.casefold()
        if kind in {"custom", "jira"}:
            return self._by_name.get((kind == "custom", name), ())
        return self._by_name.get((False, name), self._by_name.get((True, name), ()))


def match(mapping: FieldMapping, listed: Sequence[Mapping[str, Any]] | None, *, is_cloud: bool) -> Fields:
    """Find the fields of a mapping in the server's list of fields. None if the server does not give the list."""
    finder = _Finder([ServerField.of(one) for one in listed or ()])
    columns = tuple(
        _column(name, entry, found)
        for name, entry in mapping.columns.items()
        if (found := finder.find(name, entry)) or not entry.field or (is_cloud and name == "epic")
    )
    special = tuple(
        Column(name, entry, (name,), (entry.changelog_name,) if entry.changelog_name else ())
        for name, entry in mapping.special.items()
    )
    notes = (*mapping.notes(), *finder.notes(is_listed=listed is not None))
    return Fields(columns, special, is_cloud, notes)


def _column(name: str, entry: Entry, found: Sequence[ServerField]) -> Column:
    names = [entry.changelog_name, *(one.name for one in found)] if entry.changelog_name else []
    return Column(name, entry, tuple(one.id for one in found), tuple(one for one in names if one))


class _Finder:
    """Finds the fields of entries in a list of fields, and keeps what is to be said about it."""

    def __init__(self, listed: Sequence[ServerField]) -> None:
        self._by_id = {one.id: one for one in listed}
        self._missing: list[str] = []
        self._several: list[str] = []

    def find(self, name: str, entry: Entry) -> list[ServerField]:
        """The fields that a column is read from. Empty if there are none."""
        if entry.field is None:
            return []
        if not entry.field.startswith(CUSTOM):
            return [ServerField(entry.field, "")]
        found = self._mapped(name, entry) or self._named(name, entry, entry.changelog_name or "")
        others = self._named(name, entry, _ALSO_CALLED.get(name, "")), self._of_kind(name)
        fields = list(dict.fromkeys(one for one in (found, *others) if one))
        if not fields:
            self._missing.append(name)
        return fields

    def _mapped(self, name: str, entry: Entry) -> ServerField | None:
        """The field with the identifier of the mapping, if it is the same field here."""
        found = self._by_id.get(entry.field or "")
        if found is None:
            return None
        is_same = entry.changelog_name is None or _is_called(found, entry.changelog_name)
        is_same = is_same and _is_possible(name, found)
        return found if is_same or found.kind in _OWN_KINDS.get(name, ()) else None

    def _named(self, column: str, entry: Entry, name: str) -> ServerField | None:
        """The custom field with a name. Of several, the one whose values fit, then the one with the lowest number."""
        found = [
            one
            for one in self._by_id.values()
            if one.id.startswith(CUSTOM) and _is_called(one, name) and _is_possible(column, one)
        ]
        found.sort(key=lambda one: (one.shape not in _SHAPES.get(entry.types[0], ()), one.number))
        if found[1:]:
            others = ", ".join(one.id for one in found[1:])
            self._several.append(f"several fields are called {name}: {found[0].id} is used, and not {others}")
        return found[0] if found else None

    def _of_kind(self, name: str) -> ServerField | None:
        found = [one for one in self._by_id.values() if one.kind in _OWN_KINDS.get(name, ())]
        return min(found, key=lambda one: one.number, default=None)

    def notes(self, *, is_listed: bool) -> Iterator[str]:
        """Remarks for readers of the tables."""
        yield from self._several
        if self._missing:
            why = "this server has no fields for them" if is_listed else "the server does not list its fields"
            yield f"columns are left out, since {why}: {', '.join(self._missing)}"


def _is_possible(column: str, one: ServerField) -> bool:
    return column not in _ONE_KIND or not one.kind or one.kind in _OWN_KINDS[column]


def _is_called(one: ServerField, name: str) -> bool:
    return bool(name) and one.name.strip().casefold() == name.strip().casefold()
