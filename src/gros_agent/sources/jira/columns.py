"""Reads the columns of an issue: as they are now, and as they were before a change.

What a column can't hold is left out and counted, since the importer would drop the whole file.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from gros_agent.rows import JiraIssue, json_schema
from gros_agent.sources.jira import parsers, sprints
from gros_agent.sources.jira.fields import PARENT, Column
from gros_agent.sources.jira.parsers import Item, OddValueError
from gros_agent.sources.jira.seen import NAMED, Seen

DEFAULTS: Mapping[str, str] = {"title": "", "watchers": "0", "attachment": "0", "labels": "0", "flagged": "0"}
"""Columns that are always there, with their value if nothing is known."""
DAYS = frozenset({"duedate"})
MOMENTS = frozenset({"created", "updated", "resolution_date"})
"""Columns that hold days, and those that hold moments."""
EPIC_LEVEL = 1
"""The level of epics in the hierarchy of types of issues; that of stories is 0."""


def _limits() -> dict[str, tuple[re.Pattern[str], int]]:
    """The pattern of columns that have one, and the length of texts that can't be shortened."""
    found = {}
    for name, content in json_schema(JiraIssue)["properties"].items():
        for one in content.get("anyOf", (content,)):
            if "pattern" in one:
                found[name] = re.compile(one["pattern"]), one.get("maxLength", 1 << 30)
    return found


_LIMITS = _limits()


def now(column: Column, values: Mapping[str, Any], seen: Seen) -> str | None:
    """The value of a column as the issue has it. None if there is none."""
    for name in column.fields:
        value = values.get(name)
        if value is None:
            continue
        try:
            return _fitting(column.name, _chain(column, _part(column, value, seen), seen), seen)
        except OddValueError:
            seen.odd[column.name] += 1
    if column.name == "epic" and isinstance(parent := values.get(PARENT), Mapping):
        return _fitting(column.name, _epic(parent), seen)
    return None


def before(column: Column, item: Item, seen: Seen) -> str | None:
    """The value of a column before a change. None if there was none."""
    first, *others = column.entry.types
    parse = parsers.BEFORE.get(first)
    try:
        if column.name == "key":
            value = parsers.words(item.get("fromString") or item.get("from"), seen)
        elif parse is not None:
            value = parse(item, seen)
        else:
            value = parsers.NOW[first](parsers.old_value(item), seen)
        for kind in others:
            value = parsers.NOW[kind](value, seen)
    except OddValueError:
        seen.odd[column.name] += 1
        return None
    if value is not None:
        seen.in_change(column.name, value)
    return _fitting(column.name, value, seen)


def _chain(column: Column, value: object, seen: Seen) -> str | None:
    """Apply the types of a column in turn."""
    for kind in column.entry.types:
        value = parsers.NOW[kind](value, seen)
    return value if value is None else str(value)


def _part(column: Column, value: object, seen: Seen) -> object:
    """The part of an object that a column is about. The object itself is noted if it has a table."""
    part, table = column.entry.part, column.entry.table
    if part is None:
        return value
    if not isinstance(value, dict):
        raise OddValueError
    found = value.get(part)
    if column.name in NAMED and isinstance(table, Mapping):
        key = parsers.identifier(found, seen)
        if key is not None and not seen.is_known(column.name, key):
            seen.add_named(column.name, key, _described(value, table, seen))
    return found


def describe(column: Column, value: Mapping[str, Any], wanted: Collection[str], seen: Seen) -> None:
    """Note a thing with a name, as the server describes it, if its identifier is ``wanted``."""
    if sprints.number(value.get(column.entry.part or "")) in wanted:
        _part(column, value, seen)


def _described(value: Mapping[str, Any], table: Mapping[str, str], seen: Seen) -> dict[str, object]:
    """The columns of a thing with a name. Missing ones are ``"0"``, except for the category of a status.

    A text that is empty stays so: the importer stores a ``"0"`` as it is.
    """
    found: dict[str, object] = {}
    for name, kind in table.items():
        if kind != "status_category":
            text = parsers.NOW[kind](value.get(name), seen)
            found[name] = "0" if text is None else text
        elif (category := seen.add_category(value.get(name))) is not None:
            found[name] = category
    return found


def _epic(parent: Mapping[str, Any]) -> str | None:
    """The key of an issue's parent, if that is an epic."""
    content = parent.get("fields")
    kind = content.get("issuetype") if isinstance(content, Mapping) else None
    level = kind.get("hierarchyLevel") if isinstance(kind, Mapping) else None
    key = parent.get("key")
    return key if level == EPIC_LEVEL and isinstance(key, str) else None


def _fitting(name: str, value: str | None, seen: Seen) -> str | None:
    """A value in the form of its column. None if the column can't hold it."""
    if value is None:
        return None
    if name in DAYS:
        value = value.partition(" ")[0]
    elif name in MOMENTS and " " not in value:
        value = f"{value} 00:00:00"
    if is_possible(name, value):
        return value
    seen.odd[name] += bool(value)
    return None


def is_possible(name: str, value: str) -> bool:
    """Whether a column can hold a value. Texts of any length are possible where they can be shortened."""
    if name not in _LIMITS:
        return True
    pattern, longest = _LIMITS[name]
    return len(value) <= longest and pattern.fullmatch(value) is not None
