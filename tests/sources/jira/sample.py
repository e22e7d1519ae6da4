"""Jira in the suites that try every source: a server, whose every list has several pages there.

Cloud has the same faults at its own endpoints in :mod:`test_jira_faults`.
"""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gros_agent.sources.jira import cloud_search, details, metadata, server_search
from sources.jira import cloud, server
from sources.jira.asking import context
from sources.jira.cloud import JiraCloud
from sources.jira.replay import PASSWORD, USER, Jira
from sources.jira.server import UNDER, JiraServer
from support.parrot import SECRET
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, rows
from support.together import Together

ENDPOINTS = (
    *(
        "server",
        "myself",
        "field",
        "project",
        "projects",
        "links",
        "assignable",
        "boards",
        "sprints",
        "search",
        "issue",
    ),
    *("user", "names"),
)
ORIGINS = {
    name: "; ".join(dict.fromkeys(each[name] for each in (server.ORIGINS, cloud.ORIGINS) if name in each))
    for name in dict.fromkeys((*server.ORIGINS, *cloud.ORIGINS))
}


EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
IN_PROGRESS = {"id": 4, "key": "indeterminate", "colorName": "yellow", "name": "In Progress"}
"""As servers since 6.2 have it (description: docs.atlassian.com/software/jira/docs/api/REST/9.12.0, status)."""


def small_pages(patch: pytest.MonkeyPatch) -> None:
    """Ask for small pages, so that each list has several."""
    for module, name, size in (
        (server_search, "PAGE", 4),
        (cloud_search, "PAGE", 4),
        (cloud_search, "HISTORIES", 20),
        (metadata, "AGILE_PAGE", 2),
        (metadata, "PROJECTS_PAGE", 4),
        (details, "PAGE", 10),
    ):
        patch.setattr(module, name, size)


def crowd(one: Jira) -> None:
    """Give a project more boards, sprints and issues: one with many comments, one that only somebody commented on."""
    one.boards = [{"id": number, "name": f"board {number}", "type": "scrum"} for number in (1, 2, 3)]
    one.sprints = {
        number: [{"id": 10 * number + each, "name": f"sprint {each}", "state": "future"} for each in range(4)]
        for number in (1, 2, 3)
    }
    for number in range(7000, 7009):
        one.add(number, 2, 1)
    one.add(8000, 3, 25)
    one.add(8001)
    one.say(f"{one.key}-8001", EARLIER)
    one.names["status"] = [{"id": "77", "name": "Parked", "description": "Waits."}]
    one.change(f"{one.key}-7002", EARLIER, **_changed("status", "77", "Parked"))
    one.change(f"{one.key}-7003", EARLIER, **_changed("project", one.projects[-1]["id"], one.projects[-1]["name"]))
    if isinstance(one, JiraServer):
        one.cut = {"TST-8000": 1, "TST-7001": 0}
        one.left = [{"key": "JIRAUSER77", "name": "left", "displayName": "left"}]
        one.change("TST-7004", EARLIER, **_changed("assignee", "JIRAUSER77", "left"))


def _changed(field: str, before: str, shown: str) -> dict[str, Any]:
    return {"field": field, "from": before, "fromString": shown}


def furnish(one: Jira) -> None:
    """Give an issue what no recording has: custom fields of the mapping, under other identifiers, and a sub-task."""
    kinds = (("1", "Ready status", "option"), ("2", "Test execution", "option"))
    one.fields = [
        *one.fields,
        *({"id": f"customfield_2000{number}", "name": name, "schema": {"type": kind}} for number, name, kind in kinds),
    ]
    ready = {"id": "11", "value": '<font color="green"><b>Ready</b></font>'}
    one.issues[0]["fields"] |= {
        "customfield_20001": ready,
        "customfield_20002": {"id": "12", "value": "Manual"},
        "subtasks": [{"id": one.issues[1]["id"], "key": one.issues[1]["key"], "fields": {}}],
        "resolution": {"id": "1", "name": "Fixed", "description": "A fix is checked in."},
        "status": {**one.issues[0]["fields"]["status"], "statusCategory": IN_PROGRESS},
    }


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = JiraServer()
    furnish(one)
    stack.enter_context(serving(one.replay))
    there = context(one, folder)

    def grow() -> None:
        one.now += timedelta(hours=1)
        one.change("TST-1")

    return Sample(there, grow, replace(at(there, one.url), project="NONE"))


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = JiraServer()
    small_pages(patch)
    crowd(one)
    asked = context(one, folder)
    return System(one.replay, at(asked, f"{{url}}{UNDER}"), rows)


def join(stack: ExitStack, one: Together) -> None:
    """A server under a path, with a project of another key than the one that is collected."""
    jira = JiraServer()
    stack.enter_context(serving(jira.replay))
    one.sections[jira.replay.port] = {"username": USER, "password": PASSWORD}
    one.add("jira", "Test Project", f"{jira.url}/projects/{jira.key}")

    def later() -> None:
        jira.now += timedelta(hours=1)
        jira.change("TST-1")
        jira.say("TST-2")

    one.later.append(later)


UNDER_TEST = SourceUnderTest(
    kind="jira",
    sample=sample,
    credentials=Credentials("{url}/projects/ABC", {"username": "reader", "password": SECRET}),
    join=join,
    apis=(Api("jira", system, ENDPOINTS),),
    served=lambda: Served(
        *("Jira Server, Data Center and Cloud", (JiraServer().replay, JiraCloud().replay), ORIGINS),
        f"{UNDER}/rest/api/2/no/such/path",
    ),
)
