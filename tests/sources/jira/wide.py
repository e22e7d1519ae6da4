"""An issue that has a value in every field of the mapping, each of which was changed: what no recording has."""

from datetime import datetime, timedelta
from typing import Any

from sources.jira.cloud import JiraCloud
from sources.jira.replay import Item, Jira, moment, written
from sources.jira.slow_values import MAPPING
from sources.jira.state import KINDS, Writer, link, person

AGILE = "com.pyxis.greenhopper.jira"
KINDS_OF_FIELDS = {
    "sprint": ("array", f"{AGILE}:gh-sprint"),
    "rank_change": ("any", f"{AGILE}:gh-lexo-rank"),
    "epic": ("any", f"{AGILE}:gh-epic-link"),
    "approved": ("option", ""),
}
DECOY = {"id": "customfield_29999", "name": "Approved", "custom": True, "schema": {"type": "string"}}
"""A field of the same name, whose values are not of the kind that the column holds."""
PLANNED = {"id": 31, "name": "S 31", "originBoardId": 3, "startDate": "2024-02-29T08:00:00.000+0100"}
END = "2024-03-14T08:00:00.000+0100"
READY, UNREADY = '<font color="green"><b>Ready</b></font>', '<font color="red"><b>Not ready</b></font>'
Change = tuple[Any, tuple[Any, Any]]
"""What a field is now, and what a change says that it was: an identifier, and what people see."""

CUSTOM: dict[str, Change] = {
    "bugfix": ({"id": "1", "value": "Yes"}, ("2", "No")),
    "approved": ({"id": "2", "value": "No"}, ("3", "Maybe")),
    "approved_by_po": ({"id": "3", "value": "Maybe"}, ("1", "Yes")),
    "additional_information": ("more", (None, "less\nthan this")),
    "review_comments": ("", (None, None)),
    "storypoint": (5.5, (None, "")),
    "sprint": ([{"id": 7, "name": "later"}, PLANNED | {"goal": "win", "endDate": END}], ("31, 40", "S 31, S 40")),
    "rank_change": ("0|i000ef:", ("", "")),
    "epic": ("OTHER-3", ("77", "OTHER-4")),
    "flagged": (None, (None, "Impediment")),
    "ready_status": ({"id": "61", "value": READY}, ("62", UNREADY)),
    "ready_status_reason": ("it is", (None, "it was not")),
    "external_project": ({"id": "2", "key": "OTHER"}, ("3", "Third")),
    "expected_ltcs": (3.0, (None, "12.5")),
    "expected_phtcs": (0, (None, "")),
    "test_given": ("given", (None, "\u200bnothing")),
    "test_when": ("when", (None, "never")),
    "test_then": ("then", (None, "")),
    "test_execution": ({"id": "71", "value": "Manual"}, ("72", "Automated")),
    "test_execution_time": (90.0, (None, "60")),
}
SYSTEM: dict[str, Change] = {
    "issuetype": ({"id": "3", "name": "Task", "subtask": False}, ("1", "Bug")),
    "priority": ({"id": "2", "name": "High"}, ("9", "Gone for good")),
    "resolution": ({"id": "5", "name": "Done", "description": "It is."}, (None, None)),
    "versions": ([{"id": "81", "name": "v81", "released": True, "releaseDate": "2024-02-29"}], ("82", "v82")),
    "environment": ("here", (None, "there")),
    "reporter": (None, ("gone", "Person who is gone")),
    "assignee": (None, ("JIRAUSER404", "Person who left")),
    "labels": (["a", "b"], (None, "a b c")),
    "description": ("now", (None, None)),
}
AFTER = timedelta(minutes=7)


def widen(one: Jira) -> Item:
    """Put such an issue on a server, which has the fields of the mapping under other identifiers."""
    writer = Writer(isinstance(one, JiraCloud))
    names = enlarge(one, writer)
    issue = one.add(2000)
    at = moment(issue["fields"]["created"])
    fields = {names.get(column, column): now for column, (now, _) in (CUSTOM | SYSTEM).items()}
    issue["fields"] |= fields | {"resolutiondate": written(at), "duedate": "2024-02-29"}
    for column, (_, old) in (CUSTOM | SYSTEM).items():
        at += AFTER
        shown = "Ranked higher" if column == "rank_change" else "x"
        item = writer.item(MAPPING[column]["changelog_name"], names.get(column, column), old, (None, shown))
        happen(one, issue, at, item)
    move = writer.item("project", "project", ("2", "Other"), (one.project["id"], "Own"))
    happen(one, issue, at, move, writer.item("Key", "", (None, "OTHER-9"), (None, issue["key"])))
    links(one, issue, writer, at)
    part(one, writer)
    return issue


def enlarge(one: Jira, writer: Writer) -> dict[str, str]:
    """Give a server what issues refer to. Returns the identifiers of custom fields by their column."""
    known = {field["name"]: field["id"] for field in one.fields}
    names = {
        column: known.get(MAPPING[column]["changelog_name"], f"customfield_{30_000 + number}")
        for number, column in enumerate(CUSTOM)
    }
    missing = [column for column, name in names.items() if name not in known.values()]
    one.fields = [*one.fields, DECOY, *(listed(column, names[column]) for column in missing)]
    one.projects = [*one.projects, {"id": "2", "key": "OTHER"}, {"id": "3", "key": "THIRD"}]
    one.link_types = [*one.link_types, *(link(1, kind, "1")["type"] for kind in KINDS)]
    one.names |= {"issuetype": [{"id": "1", "name": "Bug", "description": "wrong"}]}
    one.users = [*one.users, *people(is_cloud=writer.is_cloud)]
    one.project |= {
        "components": [{"id": "91", "name": "C91", "description": "part"}, {"id": "96", "name": "C96"}],
        "versions": [{"id": "84", "name": "v84", "released": False, "startDate": "2024-03-01", "description": "next"}],
    }
    one.sprints = one.sprints | {one.boards[0]["id"]: [*one.sprints[one.boards[0]["id"]], PLANNED]}
    return names


def part(one: Jira, writer: Writer) -> None:
    """Add a sub-task and an epic that were below other issues before, and that somebody changed who left."""
    for number, kind in (
        (2001, {"subtask": True, "hierarchyLevel": -1, "description": ""}),
        (2002, {"hierarchyLevel": 1, "description": None}),
    ):
        issue = one.add(number)
        at = moment(issue["fields"]["created"]) + AFTER
        issue["fields"] |= {"issuetype": {"id": str(number), "name": "Other", **kind}, "parent": None}
        happen(one, issue, at, writer.item("Parent", "", ("1", f"{one.key}-1"), (None, None)))
        who = {"accountId" if writer.is_cloud else "name": "gone", "displayName": "Person who came back"}
        issue["changelog"]["histories"][-1]["author"] = who


def people(*, is_cloud: bool) -> list[Item]:
    """People who show their address, hide it, have an empty one, or one that is masked."""
    addresses = ("person.8@example.org", None, "", "person.11 at example dot org")
    found = [person(number, is_cloud=is_cloud) | {"emailAddress": one} for number, one in enumerate(addresses, 8)]
    del found[1]["emailAddress"], found[1]["displayName"]
    return found


def listed(column: str, identifier: str) -> Item:
    """A field as a server lists it."""
    shape, kind = KINDS_OF_FIELDS.get(column, ("any", ""))
    name = MAPPING[column]["changelog_name"]
    return {"id": identifier, "name": name, "custom": True, "schema": {"type": shape, "custom": kind}}


def links(one: Jira, issue: Item, writer: Writer, at: datetime) -> None:
    """Give an issue links and components that came and went."""
    issue["fields"] |= {
        "issuelinks": [link(3, "10002", "-1"), link(4, "10001", "-1")],
        "components": [{"id": "91", "name": "C91", "description": "part"}, {"id": "92", "name": "C92"}],
        "subtasks": [{"id": "93", "key": f"{one.key}-93"}, {"id": "94", "key": f"{one.key}-94"}],
        "comment": {"comments": [{"id": "95", "body": "by nobody", "created": written(at), "updated": written(at)}]},
    }
    texts = ("This issue is related to XY-3", "This issue relates to XY-4", "This issue is blocked by XY-5")
    for number, text in enumerate((*texts, "This issue adores XY-6")):
        other = text.rpartition(" ")[2]
        for old, new in (((None, None), (other, text)), ((other, text), (None, None))):
            at += AFTER
            happen(one, issue, at, writer.item("Link", "issuelinks", old, new))
        removed = (str(90 + number), f"C{90 + number}")
        happen(one, issue, at, writer.item("Component", "components", removed, (None, None)))


def happen(one: Jira, issue: Item, at: datetime, *items: Item) -> None:
    """Change an issue as nobody."""
    histories = issue["changelog"]["histories"]
    histories.append({"id": str(700_000 + len(histories)), "created": written(at), "items": list(items)})
    one.touch(issue["key"], at)
