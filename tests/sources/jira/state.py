"""A server with an issue that is in some state: what its columns are then, and how answers and changes have values."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gros_agent.rows.moments import local_time
from gros_agent.sources.jira.fields import Fields, match
from gros_agent.sources.jira.mapping import built_in
from gros_agent.sources.jira.seen import Seen

Item = dict[str, Any]
Pair = tuple[str | None, str | None]
"""What a change has for a value: its identifier, and what people see."""

START = 1_700_000_000
PROJECT = "AB_1"
AGILE = "com.pyxis.greenhopper.jira"
LISTED = [
    {"id": "customfield_10002", "name": "Team", "custom": True, "schema": {"type": "string"}},
    {
        "id": "customfield_7",
        "name": "Sprint",
        "custom": True,
        "schema": {"type": "array", "custom": f"{AGILE}:gh-sprint"},
    },
    {
        "id": "customfield_8",
        "name": "Rank",
        "custom": True,
        "schema": {"type": "any", "custom": f"{AGILE}:gh-lexo-rank"},
    },
    {"id": "customfield_9", "name": "Epic Link", "custom": True, "schema": {"custom": f"{AGILE}:gh-epic-link"}},
    {"id": "customfield_10", "name": "Story Points", "custom": True, "schema": {"type": "number"}},
    {"id": "customfield_11", "name": "Flagged", "custom": True, "schema": {"type": "array"}},
]
"""Fields of a server on which the mapping's ``customfield_10002`` is something else."""
KINDS = {
    "10000": ("is blocked by", "blocks"),
    "10001": ("relates to", "relates to"),
    "10002": ("is related to", "is the relation of"),
}
"""Types of links: their words for the inward and the outward direction."""


def fields(*, is_cloud: bool) -> Fields:
    return match(built_in(), LISTED, is_cloud=is_cloud)


def seen(*, is_cloud: bool) -> Seen:
    found = Seen(PROJECT, is_cloud=is_cloud, lookup=lambda key: person(int(key[8:]), is_cloud=False))
    found.projects.update({"1": PROJECT, "2": "OTHER"})
    for identifier, (inward, outward) in KINDS.items():
        found.add_link_type({"id": identifier, "name": identifier, "inward": inward, "outward": outward})
    return found


def text(second: int) -> str:
    return local_time(second)[0]


def moment(second: int, *, in_milliseconds: bool = False) -> Any:
    if in_milliseconds:
        return second * 1000 + 5
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.005+0000"


@dataclass
class State:
    """What an issue is at some moment."""

    key: str = "OTHER-1"
    project: str = "2"
    title: str = "title"
    description: str | None = None
    status: str = "1"
    assignee: int | None = None
    duedate: str | None = None
    story: float | None = None
    epic: int | None = None
    is_flagged: bool = False
    sprints: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    components: list[int] = field(default_factory=list)
    links: list[tuple[int, str, str]] = field(default_factory=list)

    def columns(self, *, is_cloud: bool) -> dict[str, str]:
        """The columns of a version of this state, apart from those that are about the version itself."""
        found: dict[str, str | None] = {
            "key": self.key,
            "title": self.title,
            "description": self.description,
            "status": self.status,
            "assignee": None if self.assignee is None else account(self.assignee, is_cloud=is_cloud),
            "duedate": self.duedate,
            "storypoint": None if self.story is None else f"{self.story:.1f}",
            "epic": None if self.epic is None else f"{PROJECT}-{self.epic}",
            "flagged": "1" if self.is_flagged else "0",
            "sprint": str(self.sprints[-1]) if self.sprints else None,
            "labels": str(len(self.labels)),
            "fixVersions": str(self.fixed[-1]) if self.fixed else None,
            "attachment": str(len(self.files)),
            "project": "OTHER" if self.project == "2" else None,
            "watchers": "3",
        }
        return {name: value for name, value in found.items() if value is not None}


def account(number: int, *, is_cloud: bool) -> str:
    return f"557058:{number}" if is_cloud else f"person.{number}"


def person(number: int, *, is_cloud: bool) -> Item:
    """A person as an answer has one."""
    if is_cloud:
        return {
            "accountId": account(number, is_cloud=True),
            "displayName": f"Person {number}",
            "accountType": "atlassian",
        }
    name = account(number, is_cloud=False)
    return {
        "name": name,
        "key": f"JIRAUSER{number}",
        "displayName": f"Person {number}",
        "emailAddress": f"{name}@x.example",
    }


@dataclass
class Writer:
    """Writes the items of a change as a deployment does."""

    is_cloud: bool

    def item(self, name: str, identifier: str, old: tuple[Any, Any], new: tuple[Any, Any]) -> Item:
        kind = "custom" if identifier.startswith("customfield") else "jira"
        found: Item = {"field": name, "fieldtype": kind, "from": old[0], "fromString": old[1]}
        found |= {"to": new[0], "toString": new[1]}
        return found | ({"fieldId": identifier} if self.is_cloud else {})

    def person(self, number: int | None) -> tuple[str | None, str | None]:
        if number is None:
            return None, None
        key = account(number, is_cloud=True) if self.is_cloud else f"JIRAUSER{number}"
        return key, f"Person {number}"


def link(number: int, kind: str, direction: str) -> Item:
    inward, outward = KINDS[kind]
    other = {"outwardIssue" if direction == "1" else "inwardIssue": {"id": "1", "key": f"XY-{number}"}}
    return {"type": {"id": kind, "name": kind, "inward": inward, "outward": outward}, **other}
