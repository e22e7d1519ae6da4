"""An issue at some moment, which goes back in time as its changes are undone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gros_agent.sources.jira import columns, sprints
from gros_agent.sources.jira.changes import Change
from gros_agent.sources.jira.fields import PARENT_ITEMS, Column, Fields
from gros_agent.sources.jira.parsers import Item
from gros_agent.sources.jira.seen import Seen

_OF_VERSIONS = frozenset({"issue_id", "changelog_id", "created", "updated", "updated_by"})
"""Columns that are not read from a field: they are about a version, or never change."""
_BY_ITEM = frozenset({"version", "rank"})
"""Kinds of columns that are a list, or only known of a change."""


class State:
    """The columns of an issue. Lists of versions and numbers of files are changed by each item by itself."""

    def __init__(self, key: str, values: Mapping[str, Any], fields: Fields, seen: Seen) -> None:
        self._seen = seen
        self._columns: dict[str, str] = {"key": key}
        self._versions: dict[str, list[str]] = {}
        self._can_have_epic = _is_below_epics(values.get("issuetype"))
        for column in fields.columns:
            if column.name in _OF_VERSIONS or column.name == "key":
                continue
            if column.kind == "version":
                self._versions[column.name] = _versions_now(column, values, seen)
            else:
                self._set(column, columns.now(column, values, seen))

    def row(self) -> dict[str, str]:
        """The columns of a row."""
        last = {name: listed[-1] for name, listed in self._versions.items() if listed}
        return {**columns.DEFAULTS, **self._columns, **last}

    def undo(self, group: Sequence[Change]) -> None:
        """Go back before the changes of a second.

        What a column was before is in the earliest change. Lists are changed by each item, so that the latest change is
        undone first.
        """
        done: set[str] = set()
        files: Counter[str] = Counter()
        for column, item in self._undone(group):
            if column.kind == "id_list":
                files[column.name] += (item.get("from") is not None) - (item.get("to") is not None)
            elif column.name not in done:
                done.add(column.name)
                self._set(column, columns.before(column, item, self._seen))
        for name, count in files.items():
            self._columns[name] = str(max(0, int(self._columns.get(name, "0")) + count))
        for change in reversed(group):
            for column, item in change.changed:
                if column.name in self._versions:
                    _undo_version(self._versions[column.name], item)

    def _undone(self, group: Sequence[Change]) -> Iterator[tuple[Column, Item]]:
        """The columns that changes are about, and the items, but for those that are about the change itself."""
        for change in group:
            for column, item in change.changed:
                is_column = column.entry.special_parser is None and column.name not in _OF_VERSIONS
                if is_column and column.kind not in _BY_ITEM and not self._is_parent(column, item):
                    yield column, item

    def _is_parent(self, column: Column, item: Item) -> bool:
        """Whether an item is about a parent that is no epic: that of a sub-task, or of an epic itself."""
        return column.name == "epic" and not self._can_have_epic and item.get("field") in PARENT_ITEMS

    def _set(self, column: Column, value: str | None) -> None:
        if value is None:
            self._columns.pop(column.name, None)
        else:
            self._columns[column.name] = value


def _is_below_epics(kind: object) -> bool:
    """Whether issues of a type have epics above them. Where a type has no level, all but sub-tasks may have."""
    if not isinstance(kind, Mapping):
        return True
    level = kind.get("hierarchyLevel")
    return kind.get("subtask") is not True and (not isinstance(level, int) or level == columns.EPIC_LEVEL - 1)


def _versions_now(column: Column, values: Mapping[str, Any], seen: Seen) -> list[str]:
    listed = next((found for name in column.fields if isinstance(found := values.get(name), list)), [])
    added = [seen.add_version(one) for one in listed]
    if None in added:
        seen.odd[column.name] += added.count(None)
    return [one for one in added if one is not None]


def _undo_version(listed: list[str], item: Item) -> None:
    """Take a version that was added off a list, and put one that was removed back at its end."""
    added, removed = sprints.number(item.get("to")), sprints.number(item.get("from"))
    if added in listed:
        listed.remove(added)
    if removed is not None and removed not in listed:
        listed.append(removed)
