"""A made Jira project, in the form in which Data Center and Cloud answer; :mod:`jira_issues` makes its issues."""

import json
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

KEY, BASE = "BENCH", "https://jira.example"
PEOPLE, SPRINTS, VERSIONS, COMPONENTS, BOARD = 50, 30, 20, 10, 4
FIRST_SPRINT, FIRST_VERSION, FIRST_COMPONENT = 500, 700, 800
"""The identifiers of the first of them; the others follow."""
START, DAY = 1_704_067_200, 86_400
SPRINT, POINTS, RANK = "customfield_10207", "customfield_10002", "customfield_11400"
NOT_NAVIGABLE = frozenset({"comment", "attachment"})
"""Fields that a search gives only if it is asked for them, or for all."""
_AGILE, _TYPES = "com.pyxis.greenhopper.jira", "com.atlassian.jira.plugin.system.customfieldtypes"
_CUSTOM = (
    (SPRINT, "Sprint", {"type": "array", "items": "string", "custom": f"{_AGILE}:gh-sprint"}),
    (POINTS, "Story Points", {"type": "number", "custom": f"{_TYPES}:float"}),
    (RANK, "Rank", {"type": "any", "custom": f"{_AGILE}:gh-lexo-rank"}),
)
_SYSTEM = {
    **dict.fromkeys(("summary", "description", "environment"), "string"),
    **dict.fromkeys(("created", "updated", "resolutiondate"), "datetime"),
    **dict.fromkeys(("creator", "reporter", "assignee"), "user"),
    **dict.fromkeys(("fixVersions", "versions", "components", "labels"), "array"),
    **dict.fromkeys(("issuelinks", "subtasks", "attachment"), "array"),
    **{name: name for name in ("issuetype", "project", "status", "priority", "resolution", "watches")},
    "duedate": "date",
    "comment": "comments-page",
}
"""Fields that each Jira has, and the type of their values."""
Item = dict[str, Any]


def encoded(content: object) -> bytes:
    """JSON without blanks, as Jira writes it."""
    return json.dumps(content, separators=(",", ":")).encode()


def moment(second: int) -> bytes:
    """A moment as both deployments write it in JSON."""
    return b'"%04d-%02d-%02dT%02d:%02d:%02d.000+0000"' % time.gmtime(second)[:6]


def own(kind: str, identifier: object) -> Item:
    """The address of a thing, and its identifier."""
    return {"self": f"{BASE}/rest/api/2/{kind}/{identifier}", "id": str(identifier)}


STORY = {**own("issuetype", 10_001), "name": "Story", "subtask": False, "description": "Something that a user wants."}
RELATES = {**own("issueLinkType", 10_003), "name": "Relates", "inward": "relates to", "outward": "relates to"}
PRIORITY = {**own("priority", 3), "name": "Medium"}
RESOLUTION = {**own("resolution", 1), "name": "Fixed", "description": "It was done."}
STATUSES: Mapping[str, Item] = {
    str(number): {
        **own("status", number),
        "name": name,
        "description": "Where it is.",
        "statusCategory": {"id": category, "key": key, "colorName": color, "name": name},
    }
    for number, name, category, key, color in (
        (1, "Open", 2, "new", "blue-gray"),
        (3, "In Progress", 4, "indeterminate", "yellow"),
        (5, "Resolved", 3, "done", "green"),
    )
}
"""By identifier."""


class Project:
    """A project on one of the deployments."""

    def __init__(self, *, is_cloud: bool) -> None:
        self.is_cloud = is_cloud

    @cached_property
    def people(self) -> list[Item]:
        """The people to whom issues can be assigned."""
        return [self._person(number) for number in range(PEOPLE)]

    def _person(self, number: int) -> Item:
        icon = f"{BASE}/secure/useravatar?avatarId={10_300 + number}"
        sizes = {"48x48": "", "24x24": "&size=small", "16x16": "&size=xsmall", "32x32": "&size=medium"}
        shown = {
            "avatarUrls": {name: f"{icon}{size}" for name, size in sizes.items()},
            "displayName": f"Person {number}",
            "active": True,
            "timeZone": "Europe/Amsterdam",
        }
        if self.is_cloud:
            account = f"557058:{number:08x}-cb6b-67d4-3c7b-30d6b58d40bd"
            link = f"{BASE}/rest/api/2/user?accountId={account}"
            return {"self": link, "accountId": account, **shown, "accountType": "atlassian"}
        name = f"account{number}"
        identity = {"name": name, "key": f"JIRAUSER{10_100 + number}", "emailAddress": f"{name}@jira.example"}
        return {"self": f"{BASE}/rest/api/2/user?username={name}", **identity, **shown}

    @cached_property
    def sprints(self) -> list[Item]:
        """The sprints of the board: two weeks each."""
        found = []
        for number in range(SPRINTS):
            begin = START + number * 14 * DAY
            dates = {"startDate": begin, "endDate": begin + 14 * DAY, "completeDate": begin + 14 * DAY}
            found.append(
                {
                    "id": FIRST_SPRINT + number,
                    "self": f"{BASE}/rest/agile/1.0/sprint/{FIRST_SPRINT + number}",
                    "state": "closed",
                    "name": f"Sprint {number}",
                    **{name: moment(second).decode().strip('"') for name, second in dates.items()},
                    "originBoardId": BOARD,
                    "goal": "All that was planned is done.",
                }
            )
        return found

    def sprint_of_issue(self, number: int) -> object:
        """A sprint as the field of an issue has it: Data Center writes a text."""
        sprint = self.sprints[number]
        names = ("id", "name", "state", "goal", "startDate", "endDate", "completeDate")
        if self.is_cloud:
            return {name: sprint[name] for name in names} | {"boardId": BOARD}
        parts = {**{name: sprint[name] for name in names}, "rapidViewId": BOARD, "state": "CLOSED", "sequence": number}
        text = ",".join(f"{name}={value}" for name, value in parts.items())
        return f"com.atlassian.greenhopper.service.sprint.Sprint@{number:08x}[{text}]"

    @cached_property
    def board(self) -> Item:
        """The board, which is a scrum board."""
        where = {"projectId": 10_000, "projectName": "Made project", "projectKey": KEY}
        return {
            "id": BOARD,
            "self": f"{BASE}/rest/agile/1.0/board/{BOARD}",
            "name": "board",
            "type": "scrum",
            "location": where,
        }

    @cached_property
    def versions(self) -> list[Item]:
        """The versions of the product."""
        more = {"archived": False, "released": True, "projectId": 10_000}
        return [
            {
                **own("version", FIRST_VERSION + number),
                "name": f"1.{number}",
                "description": "",
                "releaseDate": f"2024-02-{number + 1:02}",
                **more,
            }
            for number in range(VERSIONS)
        ]

    @cached_property
    def components(self) -> list[Item]:
        """The components of the product."""
        return [
            {
                **own("component", FIRST_COMPONENT + number),
                "name": f"Component {number}",
                "description": "A part of the product.",
            }
            for number in range(COMPONENTS)
        ]

    @cached_property
    def short(self) -> Item:
        """The project as other things refer to it."""
        return {**own("project", 10_000), "key": KEY, "name": "Made project", "projectTypeKey": "software"}

    @cached_property
    def whole(self) -> Item:
        """The project with what hangs on it."""
        return self.short | {"versions": self.versions, "components": self.components, "issueTypes": [STORY]}

    @cached_property
    def fields(self) -> list[Item]:
        """The fields that issues can have."""
        system = [(name, name.capitalize(), {"type": kind, "system": name}) for name, kind in _SYSTEM.items()]
        return [
            {
                "id": name,
                "name": title,
                "custom": (name, title, schema) in _CUSTOM,
                "orderable": True,
                "navigable": name not in NOT_NAVIGABLE,
                "searchable": True,
                "clauseNames": [name],
                "schema": schema,
            }
            for name, title, schema in (*system, *_CUSTOM)
        ]
