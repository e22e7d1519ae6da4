"""Makes the versions of an issue from its changes, backwards from what it is now.

All changes within a second make one version. Version 0 is the issue when it was created, and the last version is the
issue as it is now; a version in between is the one after it with the changes of that one undone. Numbers are those of
the whole history, whatever part of it is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gros_agent.rows import NOBODY, JiraIssue, JiraIssueComponent, JiraIssueLink, JiraSubtask
from gros_agent.sources.jira import columns, links, parsers, sprints
from gros_agent.sources.jira.changes import Change, UnreadableError, grouped
from gros_agent.sources.jira.fields import Fields
from gros_agent.sources.jira.moments import seconds
from gros_agent.sources.jira.parsers import Item
from gros_agent.sources.jira.seen import Seen
from gros_agent.sources.jira.states import State

_MOVES = frozenset({"key", "project"})


@dataclass(frozen=True)
class Replayed:
    """The rows of an issue."""

    versions: list[JiraIssue]
    links: list[JiraIssueLink]
    components: list[JiraIssueComponent]
    subtasks: list[JiraSubtask]


class Replay:
    """Makes the rows of issues, one issue at a time.

    ``since`` are the seconds since 1970 of the last collection: versions from then on are written. None for all.
    """

    def __init__(self, fields: Fields, seen: Seen, since: int | None = None) -> None:
        self._fields = fields
        self._seen = seen
        self._since = since
        self._link_rows = links.Links(seen)

    def issue(self, issue: Mapping[str, Any], histories: Sequence[Mapping[str, Any]]) -> Replayed:
        """The rows of an issue: ``id``, ``key`` and ``fields`` as the API has them, and all of its changes.

        Raises :class:`UnreadableError`.
        """
        values = issue.get("fields")
        values = values if isinstance(values, Mapping) else {}
        key = _checked_key(issue)
        identifier = sprints.number(issue.get("id"))
        if identifier is None:
            raise UnreadableError(f"{key} has no identifier", "look at the issue in Jira")
        groups = grouped(histories, self._fields.changed_by, key)
        self._note_people(values, groups)
        has, changes = self._fields.has, [change for group in groups for change in group]
        return Replayed(
            versions=list(self._versions(identifier, key, values, groups)),
            links=self._link_rows.links(key, values, self._items("issuelinks", changes)) if has("issuelinks") else [],
            components=self._link_rows.components(identifier, values, self._items("components", changes))
            if has("components")
            else [],
            subtasks=list(links.subtasks(identifier, values)) if has("subtasks") else [],
        )

    def _note_people(self, values: Mapping[str, Any], groups: Sequence[Sequence[Change]]) -> None:
        """Note the people of an issue before its changes are undone, since changes have their keys alone."""
        for person in (values.get("creator"), values.get("reporter"), values.get("assignee")):
            self._seen.people.account(person)
        for group in groups:
            for change in group:
                self._seen.people.account(change.author)

    def _items(self, special: str, changes: Sequence[Change]) -> list[tuple[int, Item]]:
        """The items of changes that are about a special entry, and the second of each."""
        return [
            (change.second, item) for change in changes for column, item in change.changed if column.name == special
        ]

    def _versions(
        self, identifier: str, key: str, values: Mapping[str, Any], groups: Sequence[Sequence[Change]]
    ) -> Iterator[JiraIssue]:
        """The versions that are wanted, the newest first."""
        created = self._created(key, values, groups)
        state = State(key, values, self._fields, self._seen)
        fixed = {"issue_id": identifier, "created": self._seen.dates.bounded(created)}
        writes_all = self._since is None or created >= self._since or self._was_moved(groups)
        for number in range(len(groups), 0, -1):
            group = groups[number - 1]
            if not writes_all and group[0].second < (self._since or 0):
                return
            updated = seconds(values.get("updated")) if number == len(groups) else None
            moment = self._seen.dates.bounded(group[0].second if updated is None else updated)
            more = self._of_group(group)
            yield JiraIssue(**fixed, changelog_id=str(number), updated=moment, **more, **state.row())
            state.undo(group)
        if writes_all:
            author = self._seen.people.account(values.get("creator"))
            more = {"updated_by": author} if author else {}
            yield JiraIssue(**fixed, changelog_id=NOBODY, updated=fixed["created"], **more, **state.row())

    def _of_group(self, group: Sequence[Change]) -> dict[str, str]:
        """The columns that are about the changes themselves: who made the last one, and where it ranked the issue."""
        ranks = [
            rank
            for change in group
            for column, item in change.changed
            if column.kind == "rank" and (rank := parsers.rank_change(item)) is not None
        ]
        author = self._seen.people.account(group[-1].author)
        return ({"updated_by": author} if author else {}) | ({"rank_change": ranks[-1]} if ranks else {})

    def _created(self, key: str, values: Mapping[str, Any], groups: Sequence[Sequence[Change]]) -> int:
        """When an issue was created, or at the latest can have been."""
        found = seconds(values.get("created"))
        if found is not None:
            return found
        later = groups[0][0].second if groups else seconds(values.get("updated"))
        if later is None:
            raise UnreadableError(f"{key} has no moment at which it was created", "look at the issue in Jira")
        self._seen.odd["created"] += 1
        return later

    def _was_moved(self, groups: Sequence[Sequence[Change]]) -> bool:
        """Whether an issue has another key or project since the last collection, so that it may be new here."""
        return any(
            column.name in _MOVES
            for group in reversed(groups)
            if self._since is None or group[0].second >= self._since
            for change in group
            for column, _ in change.changed
        )


def _checked_key(issue: Mapping[str, Any]) -> str:
    key = issue.get("key")
    if not isinstance(key, str) or not columns.is_possible("key", key):
        raise UnreadableError(
            f"{key} is not a key that the tables can hold",
            "they have 20 characters for the key of a project and a number",
        )
    return key
