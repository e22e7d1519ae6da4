"""What values of Jira's fields are in the tables: as an issue has them, and as a change says that they were.

This and :mod:`sources.jira.slowly` share no code with the source. They take the mapping of fields, which is data.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any

Item = dict[str, Any]
Columns = dict[str, Any]

MAPPING: dict[str, Item] = json.loads((resources.files("gros_agent.sources.jira") / "fields.json").read_text())
SPRINT_PARTS = (
    *("id", "rapidViewId", "state", "name", "startDate", "endDate", "completeDate", "activatedDate", "sequence"),
    *("goal", "synced", "autoStartStop", "incompleteIssuesDestinationId"),
)
KINDS = {"sprint": "gh-sprint", "rank_change": "gh-lexo-rank", "epic": "gh-epic-link", "storypoint": "jsw-story-points"}
"""Kinds of custom fields by which a column is found, whatever the field is called."""
SPRINT_DATES = {"start_date": "startDate", "end_date": "endDate", "complete_date": "completeDate"}
OTHER_NAMES = {"storypoint": "story point estimate"}
PARENT_ITEMS = {"IssueParentAssociation", "Parent"}


@dataclass
class Given:
    """What a Jira says about a project. Issues have all of their changes and comments, and are in a search's order."""

    key: str
    is_cloud: bool
    issues: list[Item]
    project: Item = field(default_factory=dict)
    sprints: list[Item] = field(default_factory=list)
    fields: list[Item] = field(default_factory=list)
    link_types: list[Item] = field(default_factory=list)
    users: list[Item] = field(default_factory=list)
    projects: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[Item]] = field(default_factory=dict)
    by_key: dict[str, Item] = field(default_factory=dict)
    since: datetime | None = None


def moment(value: Any) -> datetime:
    """A moment with an offset, or in milliseconds since 1970, cut to the second."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value // 1000, UTC)
    return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)


def local(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def local_or(value: Any, otherwise: str | None = None) -> str | None:
    """A moment in local time."""
    return local(moment(value)) if value else otherwise


def account(person: Item | None, *, is_cloud: bool) -> str | None:
    """What a person is called in the tables."""
    return person.get("accountId" if is_cloud else "name") if person else None


def address(person: Item) -> str | None:
    """A person's address. None if it is hidden or masked."""
    found = person.get("emailAddress") or ""
    return found if re.fullmatch(r"[^@\s]+@[^@\s]+", found) else None


def sprint(value: Any) -> Item:
    """The parts of a sprint, which is an object, or a text with a name before each part."""
    if isinstance(value, dict):
        return value
    inner = value[value.index("[") + 1 : value.rindex("]")]
    found = (one.partition("=") for one in re.split(f",(?=(?:{'|'.join(SPRINT_PARTS)})=)", inner))
    return {name: text for name, _, text in found if text not in {"", "<null>"}}


def option_name(text: str) -> str:
    """The name of an option that is written in colour."""
    found = re.fullmatch(r"<font[^>]*><b>(.*)</b></font>", text)
    return found[1] if found else text


def places(column: str, given: Given) -> tuple[list[str], set[str]]:
    """The identifiers of the fields that a column is read from, and what changes call these fields."""
    entry = MAPPING[column]
    identifier, name = entry.get("field") or column, (entry.get("changelog_name") or "").casefold()
    if not identifier.startswith("customfield_"):
        return [identifier], {name}
    custom = [one for one in given.fields if one["id"].startswith("customfield_")]
    custom.sort(key=lambda one: int(one["id"].removeprefix("customfield_")))
    called = [one for one in custom if one["name"].strip().casefold() == name and possible(column, one)]
    called.sort(key=lambda one: (one["id"] != identifier, not has_shape(entry["type"], one)))
    of_kind = [one for one in custom if has_kind(column, one)]
    mapped = [one for one in of_kind if one["id"] == identifier]
    others = [one for one in custom if one["name"].casefold() == OTHER_NAMES.get(column)]
    found = [*[*mapped, *called][:1], *others[:1], *of_kind[:1]]
    return list(dict.fromkeys(one["id"] for one in found)), {name, *(one["name"].casefold() for one in found)} - {""}


def has_kind(column: str, listed: Item) -> bool:
    kind: str = listed.get("schema", {}).get("custom") or ""
    return column in KINDS and kind.endswith(f":{KINDS[column]}")


def possible(column: str, listed: Item) -> bool:
    """Whether a field of this kind can be a column's. Sprints, ranks and epics have a kind of their own."""
    return column not in KINDS or column == "storypoint" or has_kind(column, listed)


def has_shape(kind: str, listed: Item) -> bool:
    """Whether a field's values are of the kind that a type reads."""
    shapes = {"int": "number", "decimal": "number", "unicode": "string", "boolean": "option", "identifier": "option"}
    shapes["ready_status"] = "option"
    return bool(listed.get("schema", {}).get("type") == shapes.get(kind, kind))


def whole(value: Any) -> str | None:
    return str(int(float(value))) if re.fullmatch(r"\d+(\.\d*)?", str(value)) else None


def decimal(value: Any) -> str | None:
    return str(float(value)) if re.fullmatch(r"\d+(\.\d*)?", str(value)) else None


PLAIN: dict[str, Callable[[Any], str | None]] = {
    "str": str,
    "unicode": str,
    "int": whole,
    "decimal": decimal,
    "identifier": lambda value: str(int(value)) if str(value).isdecimal() else None,
    "boolean": {"Yes": "1", "No": "-1"}.get,
    "labels": lambda value: str(len(value.split() if isinstance(value, str) else value)),
    "flag": lambda value: "1" if value else "0",
    "issue_key": lambda value: value or None,
    "ready_status": lambda value: str(value["id"]),
    "sprint": lambda value: str(sprint(value[-1])["id"]) if value else None,
    "date": lambda value: local(moment(value)),
    "rank": lambda _value: None,
}
"""What a value means that is not null, for each type that needs nothing else. None if it is of another kind."""
