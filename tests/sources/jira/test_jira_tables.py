"""All tables of both deployments, against tables that are made the slow way, by code that shares nothing with ours."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gros_agent.rows import JiraIssue, VcsVersion, key_of
from gros_agent.sources.base import Context
from gros_agent.tables.writer import Writer, join
from sources.jira.asking import context
from sources.jira.cloud import JiraCloud
from sources.jira.history import Story
from sources.jira.replay import Jira, moment, written
from sources.jira.sample import crowd, furnish
from sources.jira.server import JiraServer
from sources.jira.slow_tables import as_json, counted, tables
from sources.jira.slow_values import Given
from sources.jira.state import KINDS, LISTED, PROJECT, START, link, person
from sources.jira.test_histories import BEGINNINGS, CHANGES
from sources.jira.wide import CUSTOM, SYSTEM, widen
from support import importer, schemas
from support.collecting import collect
from support.replay import serving
from support.sources import SAFE
from support.zones import needs_time_zones


@pytest.fixture(params=["server", "cloud"])
def jira(request: pytest.FixtureRequest) -> Jira:
    found: Jira = request.getfixturevalue(request.param)
    furnish(found)
    return found


def known(one: Jira, since: datetime | None = None) -> Given:
    """What a Jira has, as the slow way takes it."""
    issues = [issue for issue in one.visible() if issue["key"].rpartition("-")[0] == one.key]
    with_sprints = [board["id"] for board in one.boards if board["type"] != "kanban"]
    every: dict[str, dict[str, Any]] = {}
    for column in ("issuetype", "priority", "resolution", "status"):
        found = [value for issue in one.issues if (value := issue["fields"].get(column))]
        every[column] = {value["id"]: value for value in (*one.names.get(column, ()), *found)}
    return Given(
        key=one.key,
        is_cloud=isinstance(one, JiraCloud),
        issues=sorted(issues, key=lambda issue: (moment(issue["fields"]["created"]), int(issue["key"].split("-")[1]))),
        project=one.project,
        sprints=[{"boardId": board} | sprint for board in with_sprints for sprint in one.sprints.get(board, ())],
        fields=one.fields,
        link_types=one.link_types,
        users=one.users,
        projects={project["id"]: project["key"] for project in one.projects},
        names={column: list(listed.values()) for column, listed in every.items()},
        by_key={user["key"]: user for user in (*one.users, *getattr(one, "left", ())) if "key" in user},
        since=since,
    )


def check(asked: Context, one: Jira, position: str | None = None) -> Mapping[str, list[dict[str, Any]]]:
    since = datetime.strptime(position, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) if position else None
    found, end = collect(asked, position)
    assert not end.missing
    mine, wanted = as_json(chain.from_iterable(found.values())), tables(known(one, since))
    for name, rows in wanted.items():
        assert mine.pop(name, Counter()) == counted(rows), name
    assert not mine
    return wanted


def tell(one: Jira, *stories: Story) -> None:
    """Put issues on a server that are simulated, with their changes, and what they refer to."""
    one.fields += LISTED
    one.users = [*one.users, *(person(number, is_cloud=isinstance(one, JiraCloud)) for number in (1, 2, 3))]
    one.projects = [*one.projects, {"id": "2", "key": "OTHER", "name": "Other"}]
    one.link_types = [*one.link_types, *(link(1, kind, "1")["type"] for kind in KINDS)]
    one.names = {"status": [{"id": number, "name": f"S{number}"} for number in "123"]}
    for number, story in enumerate(stories, 1000):
        told = {**story.issue(), "changelog": {"histories": story.histories}}
        issue = json.loads(json.dumps(told).replace(PROJECT, one.key))
        key = f"{one.key}-{number}" if issue["key"].startswith(one.key) else issue["key"]
        kind = {"id": "3", "name": "Task", "subtask": number % 2 == 0}
        issue["fields"] |= {"issuetype": kind, "comment": {"comments": []}}
        one.issues.append(issue | {"id": str(number), "key": key})


def test_all(jira: Jira, tmp_path: Path) -> None:
    found = check(context(jira, tmp_path), jira)
    empty = {"data_component", "data_issue_component", "data_issuelinks", "data_relationshiptype"}
    assert {name for name, rows in found.items() if not rows} == (empty if isinstance(jira, JiraCloud) else set())


@needs_time_zones
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns"])
def test_moments_are_those_of_the_agents_zone(
    jira: Jira, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        widen(jira)
        check(context(jira, tmp_path), jira)
    time.tzset()


def test_columns(jira: Jira, tmp_path: Path) -> None:
    """Each column has a value somewhere, and another one, or none, before a change."""
    issue = widen(jira)
    rows = check(context(jira, tmp_path), jira)["data"]
    columns = set(JiraIssue.__struct_fields__) - {"encrypted"}
    mine = [row for row in rows if row["issue_id"] == issue["id"]]
    assert len(mine) == len({history["created"] for history in issue["changelog"]["histories"]}) + 1
    assert {column for column in columns if not any(column in row for row in rows)} == set()
    changed = {column for column in columns if len({row.get(column) for row in mine}) > 1}
    assert {*CUSTOM, *SYSTEM, "project", "key"} <= changed


def test_files(jira: Jira, tmp_path: Path) -> None:
    """They are of the published form, have each key once, and fit the columns of the database."""
    crowd(jira)
    widen(jira)
    found, _ = collect(context(jira, tmp_path))
    (tmp_path / "part").mkdir()
    with Writer(tmp_path / "part", found) as writer:
        for rows in found.values():
            writer.write(SAFE.rows(rows))
        writer.close()
    joined = {one.row: one for one in join(tmp_path, [VcsVersion, *found], [writer])}
    assert {table.table for table in found if not joined[table].count} == set()
    assert {table.table: joined[table].count for table in found} == {
        table.table: len({key_of(table)(row) for row in rows}) for table, rows in found.items()
    }
    assert not schemas.errors(tmp_path)
    assert not importer.problems(tmp_path)


def test_what_changed(jira: Jira, tmp_path: Path) -> None:
    """The second collection brings what is newer than the first, and the third one nothing."""
    crowd(jira)
    widen(jira)
    asked = context(jira, tmp_path)
    _, first = collect(asked)
    later(jira)
    rows = check(asked, jira, first.position)
    assert len(rows["data"]) == 2 + 3
    assert len(rows["data_comments"]) == 3
    _, second = collect(asked, first.position)
    jira.now += timedelta(hours=1)
    rows = check(asked, jira, second.position)
    assert not rows["data"]


def later(one: Jira) -> None:
    """Let an hour pass in which issues change, are commented on, or only touched, and a comment is edited."""
    one.now += timedelta(hours=1)
    first, second, third, *_ = (issue["key"] for issue in known(one).issues)
    one.change(first, field="description", fromString=None)
    one.change(first, at=one.now - timedelta(minutes=20), field="assignee", **{"from": "JIRAUSER10000"})
    one.say(second)
    one.touch(third)
    edited = one.touch(f"{one.key}-8000")["fields"]["comment"]["comments"][3]
    edited |= {"body": "edited", "updated": written(one.now)}
    one.add(9000, 2, 1, at=one.now - timedelta(minutes=30))


@settings(max_examples=25)
@given(st.lists(st.tuples(BEGINNINGS, CHANGES), min_size=1, max_size=4), st.booleans(), st.none() | st.integers(-1, 2))
def test_histories_of_any_kind(
    tmp_path_factory: pytest.TempPathFactory, told: list[Any], is_cloud: bool, since: int | None
) -> None:
    """In several issues, collected whole or after some of what happened."""
    one = JiraCloud() if is_cloud else JiraServer()
    stories = [Story(is_cloud) for _ in told]
    for story, (beginning, changes) in zip(stories, told, strict=True):
        story.tell(beginning, changes)
    tell(one, *stories)
    position = None if since is None else f"{datetime.fromtimestamp(START + since * 3600, UTC):%Y-%m-%d %H:%M}"
    with serving(one.replay):
        check(context(one, tmp_path_factory.mktemp("work")), one, position)
