"""Makes the tables of a Jira project the slow way: each column of each version by itself.

What a column was at a version is looked up in all changes after it, each time anew. The tables are those of
:mod:`gros_agent.rows.issues`, as objects of JSON with people as they are. :mod:`sources.jira.slow_tables` has those
that hang on the issues.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from sources.jira.slow_values import (
    MAPPING,
    PARENT_ITEMS,
    PLAIN,
    Columns,
    Given,
    Item,
    account,
    local,
    moment,
    places,
)

ALWAYS = {"title": "", "watchers": "0", "attachment": "0", "labels": "0", "flagged": "0"}
"""Columns that each version has, with their value where nothing is known."""
OF_A_VERSION = {"issue_id", "changelog_id", "created", "updated", "updated_by", "rank_change"}
COLUMNS = [name for name, entry in MAPPING.items() if "special_parser" not in entry and name not in OF_A_VERSION]


class SlowIssue:
    """An issue with its changes, the oldest first: within a second by their identifiers."""

    def __init__(self, given: Given, issue: Item) -> None:
        self.given, self.issue, self.values = given, issue, issue["fields"]
        histories = issue["changelog"]["histories"]
        self.histories = sorted(histories, key=lambda one: (moment(one["created"]), int(one["id"])))
        self.seconds = sorted({moment(one["created"]) for one in histories})
        self.created = moment(self.values["created"])
        self.places = {column: places(column, given) for column in MAPPING}

    @cached_property
    def numbers(self) -> list[int]:
        """The versions that are written: those that are new, or all if the issue is new in this project."""
        since, moments = self.given.since, [self.created, *self.seconds]
        if since is None or any(self.about("key", since)) or any(self.about("project", since)):
            return list(range(len(moments)))
        return [number for number, at in enumerate(moments) if at >= since]

    @property
    def replayed(self) -> set[int]:
        """The versions that are written, and each one's predecessor."""
        return {*self.numbers, *(number - 1 for number in self.numbers if number)}

    def versions(self) -> Iterator[Columns]:
        return map(self.version, self.numbers)

    def version(self, number: int) -> Columns:
        """A row: the newest has the moment of the issue itself, and the first one the issue's creator."""
        updated, by, ranks = self.created, self.values.get("creator"), []
        if number:
            updated = self.seconds[number - 1]
            within = [one for one in self.histories if moment(one["created"]) == updated]
            by, ranks = within[-1].get("author"), self.ranks(within)
            if number == len(self.seconds):
                updated = moment(self.values["updated"])
        found = {
            "issue_id": self.issue["id"],
            "changelog_id": str(number),
            "created": local(self.created),
            "updated": local(updated),
            "updated_by": account(by, is_cloud=self.given.is_cloud),
            "rank_change": ranks[-1] if ranks else None,
            **{column: self.at(column, number) or ALWAYS.get(column) for column in ALWAYS},
            **{column: self.at(column, number) for column in COLUMNS if column not in ALWAYS},
        }
        return {column: value for column, value in found.items() if value is not None}

    def ranks(self, histories: list[Item]) -> list[str]:
        """The directions in which changes ranked the issue."""
        items = [item for one in histories for item in one["items"] if self.regards(item, "rank_change")]
        found = [{"ranked higher": "1", "ranked lower": "-1"}.get(item["toString"].lower()) for item in items]
        return [direction for direction in found if direction]

    # what changes are about

    def regards(self, item: Item, column: str) -> bool:
        """Whether an item of a change is about a column."""
        fields, names = self.places[column]
        if column == "epic" and self.given.is_cloud and item["field"] in PARENT_ITEMS:
            kind = self.values["issuetype"]
            return bool(kind.get("hierarchyLevel", -1 if kind.get("subtask") else 0) == 0)
        if item.get("fieldId"):
            return item["fieldId"] in fields
        is_custom = MAPPING[column].get("field", "").startswith("customfield_")
        return item["field"].casefold() in names and (item["fieldtype"] == "custom") == is_custom

    def about(self, column: str, since: datetime | None = None) -> list[tuple[datetime, Item]]:
        """The items that are about a column, with their second: all of them, or those since a moment."""
        every = ((moment(one["created"]), item) for one in self.histories for item in one["items"])
        return [(at, item) for at, item in every if (since is None or at >= since) and self.regards(item, column)]

    def later(self, column: str, number: int) -> list[Item]:
        """The items about a column that came after a version."""
        after = self.seconds[number - 1] if number else None
        return [item for at, item in self.about(column) if after is None or at > after]

    # what a column was

    def at(self, column: str, number: int) -> str | None:
        """What a column was at a version: what the first change after it replaced, or else what it is now."""
        kind, later = self.kind(column), self.later(column, number)
        if kind == "version":
            listed = self.listed(column, number)
            return listed[-1] if listed else None
        if kind == "id_list":
            return str(len(self.listed(column, number)))
        return self.before(kind, column, later[0]) if later else self.now(kind, column)

    def kind(self, column: str) -> str:
        """The first type of a column."""
        kind = MAPPING[column]["type"]
        return str(kind if isinstance(kind, str) else kind[0])

    def listed(self, column: str, number: int) -> list[str]:
        """The identifiers in a list at a version: those of now, with each later change undone, the latest first."""
        found = [one["id"] for one in self.values.get(MAPPING[column]["field"]) or ()]
        after = self.seconds[number - 1] if number else None
        for one in reversed(self.histories):
            for item in one["items"] if after is None or moment(one["created"]) > after else ():
                if self.regards(item, column):
                    found = [each for each in found if each != item["to"]]
                    found += [item["from"]] if item["from"] and item["from"] not in found else []
        return found

    def value(self, column: str) -> Any:
        """The value of a column's field as the issue has it. None if there is none."""
        every = (self.values.get(name) for name in self.places[column][0])
        return next((value for value in every if value is not None), None)

    def now(self, kind: str, column: str) -> str | None:
        """What a column is now."""
        value, part = self.value(column), MAPPING[column].get("property")
        found: str | None
        if column == "key":
            found = self.issue["key"]
        elif column == "epic" and value is None:
            found = self.epic_above()
        elif value is None:
            found = None
        elif column == "duedate":
            found = value[:10]
        elif kind == "developer":
            found = account(value, is_cloud=self.given.is_cloud)
        elif kind == "project":
            found = value["key"] if value["key"] != self.given.key else None
        else:
            found = PLAIN[kind](value[part] if part else value)
        return found

    def epic_above(self) -> str | None:
        """The key of an issue's parent in the cloud, if it is an epic."""
        parent = self.values.get("parent") if self.given.is_cloud else None
        if not parent or parent["fields"]["issuetype"].get("hierarchyLevel") != 1:
            return None
        return str(parent["key"])

    def before(self, kind: str, column: str, item: Item) -> str | None:
        """What a column was before a change. Either of ``from`` and ``fromString`` may be null or empty."""
        old, shown = item["from"], item["fromString"]
        value = shown if old is None else old
        found: str | None
        if column == "key":
            found = shown
        elif kind == "flag":
            found = "1" if old or shown else "0"
        elif kind == "labels":
            found = PLAIN[kind](shown or "")
        elif kind in {"boolean", "issue_key"}:
            found = PLAIN[kind](shown)
        elif kind in {"str", "unicode"}:
            found = value
        elif not value:
            found = None
        else:
            found = self.meant(kind, value)
        return found[:10] if found and column == "duedate" else found

    def meant(self, kind: str, value: str) -> str | None:
        """What a value in a change means that is not empty."""
        if kind == "developer":
            return self.person(value)
        if kind == "sprint":
            return value.rsplit(",", maxsplit=1)[-1].strip()
        if kind == "project":
            key = self.given.projects.get(value)
            return None if key == self.given.key else key
        return PLAIN["identifier" if kind == "ready_status" else kind](value)

    def person(self, key: str) -> str:
        """The account name of the person with a key. Cloud has no keys."""
        found = self.given.by_key.get(key)
        return account(found, is_cloud=self.given.is_cloud) or key
