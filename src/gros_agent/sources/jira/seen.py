"""Gathers what issues refer to: people, sprints, versions, components, types of links, statuses and the like."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import UNSET

from gros_agent.rows import (
    NOBODY,
    JiraComponent,
    JiraIssueType,
    JiraPriority,
    JiraReadyStatus,
    JiraRelationshipType,
    JiraResolution,
    JiraSprint,
    JiraStatus,
    JiraStatusCategory,
    JiraTestExecution,
    JiraVersion,
    Row,
)
from gros_agent.sources.jira.moments import Dates
from gros_agent.sources.jira.people import Lookup, People, nobody
from gros_agent.sources.jira.sprints import number, sprint

NAMED: Mapping[str, type[Row]] = {
    "issuetype": JiraIssueType,
    "priority": JiraPriority,
    "resolution": JiraResolution,
    "status": JiraStatus,
    "test_execution": JiraTestExecution,
}
"""The tables of columns whose values are things with a name."""
_KEPT = 10_000
"""The number of sprints that are recognised as they were written."""


class Seen:
    """The tables beside that of issues, which grow while issues are read.

    ``project`` is the key of the own project. ``others`` is called once, if a change names a project that no issue has,
    for the keys of all projects by their identifiers. ``odd`` counts values that could not be parsed, by column.
    """

    def __init__(
        self,
        project: str,
        *,
        is_cloud: bool,
        lookup: Lookup = nobody,
        others: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.project = project
        self.dates = Dates()
        self.people = People(is_cloud=is_cloud, lookup=lookup)
        self.projects: dict[str, str] = {}
        self._others = cache(others)
        self.links: dict[str, JiraRelationshipType] = {}
        self.odd: Counter[str] = Counter()
        self._named: dict[str, dict[str, Row]] = {column: {} for column in NAMED}
        self._in_changes: dict[str, set[str]] = {column: set() for column in NAMED}
        self._categories: dict[int, JiraStatusCategory] = {}
        self._ready: dict[str, JiraReadyStatus] = {}
        self._sprints: dict[str, JiraSprint] = {}
        self._said_sprints: dict[Hashable, str] = {}
        self._versions: dict[str, JiraVersion] = {}
        self._components: dict[str, JiraComponent] = {}

    def add_project(self, value: object) -> str | None:
        """Note a project, and return its key."""
        identifier, key = _texts(value, "id", "key")
        if not key:
            return None
        if identifier:
            self.projects[identifier] = key
        return key

    def project_of(self, identifier: str) -> str | None:
        """The key of the project with an identifier, or None if it can't be seen."""
        if identifier not in self.projects:
            return self._others().get(identifier)
        return self.projects[identifier]

    def add_sprint(self, value: object) -> str | None:
        """Note a sprint, an object or a text, and return its identifier. What is missing is taken from others.

        Most issues have a sprint that an issue before them had: the same text or object is parsed once.
        """
        said = _said(value)
        if said in self._said_sprints:
            return self._said_sprints[said]
        identifier = self._add_sprint(value)
        if said and identifier and len(self._said_sprints) < _KEPT:
            self._said_sprints[said] = identifier
        return identifier

    def _add_sprint(self, value: object) -> str | None:
        found = sprint(value, self.dates)
        if found is None:
            return None
        known = self._sprints.setdefault(found.id, found)
        if known is not found:
            for name in found.__struct_fields__:
                if getattr(known, name) is UNSET:
                    setattr(known, name, getattr(found, name))
        return found.id

    def add_version(self, value: object) -> str | None:
        """Note a version of the product, and return its identifier."""
        identifier, (name, description) = _number(value), _texts(value, "name", "description")
        if identifier is None or not isinstance(value, Mapping):
            return None
        if identifier not in self._versions:
            self._versions[identifier] = JiraVersion(
                id=identifier,
                name=name or identifier,
                description=description,
                start_date=self.dates.date(value.get("startDate")) or NOBODY,
                release_date=self.dates.date(value.get("releaseDate")) or NOBODY,
                released="1" if value.get("released") is True else "-1",
            )
        return identifier

    def add_component(self, value: object) -> str | None:
        """Note a component, and return its identifier."""
        identifier, (name,) = _number(value), _texts(value, "name")
        if identifier is None or not isinstance(value, Mapping):
            return None
        if identifier not in self._components:
            text = value.get("description")
            description = text if isinstance(text, str) else NOBODY
            row = JiraComponent(id=identifier, name=name or identifier, description=description)
            self._components[identifier] = row
        return identifier

    def add_link_type(self, value: object) -> JiraRelationshipType | None:
        """Note a type of links, and return it."""
        identifier, (name, inward, outward) = _number(value), _texts(value, "name", "inward", "outward")
        if identifier is None:
            return None
        row = JiraRelationshipType(id=identifier, name=name or identifier, inward=inward, outward=outward)
        return self.links.setdefault(identifier, row)

    def add_named(self, column: str, identifier: str, columns: Mapping[str, object]) -> None:
        """Note a thing with a name, such as a status; see :data:`NAMED`."""
        row = NAMED[column]
        content: dict[str, Any] = {name: one for name, one in columns.items() if name in row.__struct_fields__}
        main = "value" if column == "test_execution" else "name"
        self._named[column][identifier] = row(**{main: identifier, **content, "id": identifier})

    def is_known(self, column: str, identifier: str) -> bool:
        """Whether a thing with a name was noted."""
        return identifier in self._named[column]

    def add_category(self, value: object) -> int | None:
        """Note a category of statuses, and return its identifier."""
        identifier = number(value.get("id")) if isinstance(value, Mapping) else None
        if identifier is None:
            return None
        key, name, color = _texts(value, "key", "name", "colorName")
        row = JiraStatusCategory(
            id=int(identifier), key=key or identifier, name=name or identifier, color=color or NOBODY
        )
        return self._categories.setdefault(row.id, row).id

    def add_ready_status(self, identifier: str, name: str) -> None:
        """Note a value of the field that says whether an issue is ready for a sprint."""
        self._ready.setdefault(identifier, JiraReadyStatus(id=identifier, name=name))

    def in_change(self, column: str, identifier: str) -> None:
        """Note that a change refers to a thing with a name, which the change does not describe."""
        if column in self._in_changes:
            self._in_changes[column].add(identifier)

    def undescribed(self) -> dict[str, set[str]]:
        """The things that only changes refer to, by column: nothing but their identifiers is known."""
        missing = {column: found - self._named[column].keys() for column, found in self._in_changes.items()}
        return {column: found for column, found in missing.items() if found}

    def rows(self) -> Iterator[Sequence[Row]]:
        """The rows of all these tables, in a block for each."""
        tables: tuple[Mapping[Any, Row], ...] = (
            *self._named.values(),
            *(self._categories, self._ready, self._sprints, self._versions, self._components, self.links),
        )
        blocks: list[Sequence[Row]] = [self.people.rows(), *(list(table.values()) for table in tables)]
        yield from (block for block in blocks if block)

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        yield from self.dates.notes()
        yield from self.people.notes()
        for column, count in sorted(self.odd.items()):
            yield f"{column}: {count} values are not of the kind that the column holds, and were left out"


def _said(value: object) -> Hashable:
    """What a sprint says of itself, in a form for comparison. Empty if there is none.

    A text has a number after ``@`` that differs each time, and means nothing.
    """
    if isinstance(value, str):
        name, _, content = value.partition("@")
        return name, content.partition("[")[2]
    parts = tuple(value.items()) if isinstance(value, dict) else ()
    return () if any(isinstance(part, (dict, list)) for _, part in parts) else parts


def _texts(value: object, *names: str) -> tuple[str, ...]:
    """Parts of an object as text. Missing ones are empty."""
    found = [value.get(name) for name in names] if isinstance(value, dict) else [None] * len(names)
    return tuple(str(one) if isinstance(one, (str, int)) and not isinstance(one, bool) else "" for one in found)


def _number(value: object) -> str | None:
    """The identifier of an object."""
    return number(value.get("id")) if isinstance(value, dict) else None
