"""Azure DevOps: rows against the recorded answers, requests counted, and what its API does to those who ask."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Secret, Value
from gros_agent.rows import (
    CommitComment,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    TfsDeveloper,
    TfsSprint,
    TfsTeam,
    TfsTeamMember,
    TfsWorkItem,
    VcsEvent,
)
from gros_agent.sources import sources
from gros_agent.sources.azure_devops import access, boards, fields
from gros_agent.sources.azure_devops.place import place
from gros_agent.sources.base import Collected, Context, Discoverer, SourceEntry
from support import schemas
from support.agent import Agent
from support.azure_devops import TOKEN, ZEROS, AzureDevOps
from support.collecting import Found, collect, columns, local, same
from support.hosts import host_with
from support.ntlm import guarded
from support.replay import Strike, serving, web_page
from support.repository import linear_history
from support.servers import git_http

LATER = "2024-05-05T05:05:0{}Z"
SNAPSHOTS = {"TfsTeam": 2, "TfsTeamMember": 6, "TfsSprint": 6}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def azure() -> Iterator[AzureDevOps]:
    one = AzureDevOps()
    with serving(one.replay):
        yield one


def context(azure: AzureDevOps, folder: Path, url: str = "", **options: str) -> Context:
    given = {"password": TOKEN, **options}
    host = host_with("azure.example", {name: Value(text, "test") for name, text in given.items()})
    entry = SourceEntry("tfs", "fabrikam", url or azure.url)
    return Context(entry=entry, host=host, folder=folder / "tfs", known_hosts=folder / "known", silence=2)


def counts(rows: Found) -> dict[str, int]:
    return {table.__name__: len(found) for table, found in rows.items() if found}


class TestRows:
    """Each table against the recorded answers, of which it is computed anew."""

    @pytest.fixture
    def found(self, azure: AzureDevOps, tmp_path: Path) -> tuple[Found, Collected]:
        return collect(context(azure, tmp_path))

    def test_pull_requests(self, azure: AzureDevOps, found: tuple[Found, Collected]) -> None:
        def activity(one: dict[str, Any]) -> str:
            threads = azure.data["threads"].get(str(one["pullRequestId"]), [])
            found = [one.get("closedDate") or one["creationDate"], *(each["lastUpdatedDate"] for each in threads)]
            return str(max(found))

        expected = Counter(
            (
                *(str(one["pullRequestId"]), one["title"], one.get("description") or "", one["status"]),
                *(one["sourceRefName"], one["targetRefName"]),
                *(one["createdBy"]["displayName"], one["createdBy"]["uniqueName"], "0", "0"),
                str(sum(each["vote"] > 0 for each in one["reviewers"])),
                str(sum(each["vote"] < 0 for each in one["reviewers"])),
                *(local(one["creationDate"]), local(activity(one))),
            )
            for one in azure.data["pulls"]
        )
        names = ("id", "title", "description", "status", "source_branch", "target_branch", "author", "author_username")
        more = ("assignee", "assignee_username", "upvotes", "downvotes", "created_at", "updated_at")
        assert columns(found[0][MergeRequest], *names, *more) == expected
        assert found[1].expected == len(expected) == 4
        assert {row.source_branch.split("/")[1] for row in found[0][MergeRequest]} == {"heads"}

    def test_reviews(self, azure: AzureDevOps, found: tuple[Found, Collected]) -> None:
        people = [
            (str(one["pullRequestId"]), each["displayName"], each["uniqueName"], str(each["vote"]))
            for one in azure.data["pulls"]
            for each in one["reviewers"]
            if not each.get("isContainer")
        ]
        rows = found[0][MergeRequestReview]
        assert columns(rows, "merge_request_id", "reviewer", "reviewer_username", "vote") == Counter(people)
        assert "10" in {row.vote for row in rows}
        assert any(each.get("isContainer") for one in azure.data["pulls"] for each in one["reviewers"])

    def test_comments(self, found: tuple[Found, Collected]) -> None:
        """Of eight threads six are the server's own; one comment was deleted."""
        (note,) = found[0][MergeRequestNote]
        assert (note.merge_request_id, note.thread_id, note.note_id, note.parent_id) == ("22", "147", "1", "0")
        assert (note.author, note.author_username) == ("Normal Paulk", "fabrikamfiber16@hotmail.com")
        assert (note.comment, note.created_at) == ("This new feature looks good!", local("2016-11-01T16:30:48Z"))
        (comment,) = found[0][CommitComment]
        assert (comment.merge_request_id, comment.thread_id, comment.note_id) == ("22", "148", "1")
        assert (comment.file, comment.line, comment.end_line, comment.line_type) == (
            "/new_feature.cpp",
            "5",
            "5",
            "new",
        )
        assert comment.commit_id == "f47bbc106853afe3c1b07a81754bce5f4b8dbf62"
        assert comment.comment == "Should we add a comment about what this value means?"

    def test_pushes(self, azure: AzureDevOps, found: tuple[Found, Collected]) -> None:
        expected: Counter[tuple[str, ...]] = Counter()
        for push in azure.data["pushes"]:
            who = push["pushedBy"]
            for update in push["refUpdates"]:
                old, new = update["oldObjectId"], update["newObjectId"]
                action = "pushed new" if old == ZEROS else "deleted" if new == ZEROS else "pushed to"
                version = old if new == ZEROS else new
                user = (who["displayName"], who["uniqueName"], who["uniqueName"])
                expected[(version, action, "push", update["name"], *user, local(push["date"]))] += 1
        names = ("version_id", "action", "kind", "ref", "user", "username", "email", "date")
        assert columns(found[0][VcsEvent], *names) == expected
        assert {row.action for row in found[0][VcsEvent]} == {"pushed to", "pushed new", "deleted"}
        assert expected.total() == 23

    def test_teams(self, azure: AzureDevOps, found: tuple[Found, Collected]) -> None:
        rows = found[0]
        teams = {(one["name"], one["description"]) for one in azure.data["teams"]}
        assert set(columns(rows[TfsTeam], "team_name", "description")) == teams
        people = {(one["identity"]["displayName"], one["identity"]["uniqueName"]) for one in azure.data["members"]}
        assert columns(rows[TfsTeamMember], "team_name", "user", "username") == Counter(
            (team, *person) for team, _ in teams for person in people
        )
        assert {row.sprint_name for row in rows[TfsSprint]} == {"Sprint 2", "Child_Itr_000004", "Child_Itr_000005"}
        assert counts(rows) | SNAPSHOTS == counts(rows)

    def test_work_items(self, azure: AzureDevOps, found: tuple[Found, Collected]) -> None:
        plain = {
            "status": "System.State",
            "issuetype": "System.WorkItemType",
            "title": "System.Title",
            "description": "System.Description",
            "project_name": "System.TeamProject",
            "team_name": "System.NodeName",
            "sprint_name": "System.IterationPath",
            "priority": "Microsoft.VSTS.Common.Priority",
            "rank_change": "Microsoft.VSTS.Common.BacklogPriority",
            "severity": "Microsoft.VSTS.Common.Severity",
        }
        versions = {(str(one["id"]), str(one["rev"])): one["fields"] for one in azure.data["revisions"]}
        rows = {(row.issue_id, row.changelog_id): msgspec.to_builtins(row) for row in found[0][TfsWorkItem]}
        assert rows.keys() == versions.keys()
        for key, recorded in versions.items():
            row = rows[key]
            told = {column: str(recorded[name]) for column, name in plain.items() if name in recorded}
            assert {column: row[column] for column in plain if column in row} == told
            assert (row["created_date"], row["updated"]) == (
                local(recorded["System.CreatedDate"]),
                local(recorded["System.ChangedDate"]),
            )
            assert (row["reporter"], row["attachments"]) == ("Jamal Hartnett", "0")
        assert rows["1001", "9"]["labels"] == rows["299", "7"]["labels"] == "2"
        assert rows["1001", "1"]["labels"] == "0"
        assert rows["297", "1"]["story_points"] == "8.0"
        assert rows["299", "7"]["assignee"] == "Johnnie McLeod"
        assert rows["297", "1"]["assignee"] == "0"

    def test_developers(self, found: tuple[Found, Collected]) -> None:
        """Each person once, whether a server tells of them in a text, in an object, or in an object with a text."""
        assert columns(found[0][TfsDeveloper], "display_name", "email") == Counter(
            [
                ("Jamal Hartnett", "fabrikamfiber4@hotmail.com"),
                ("Normal Paulk", "fabrikamfiber16@hotmail.com"),
                ("Johnnie McLeod", "fabrikamfiber2@hotmail.com"),
                ("Christie Church", "fabrikamfiber1@hotmail.com"),
                ("Chuck Reinhart", "fabrikamfiber3@hotmail.com"),
            ]
        )

    @pytest.mark.usefixtures("found")
    def test_requests(self, azure: AzureDevOps) -> None:
        assert azure.replay.counts() == {
            "repository": 1,
            "pulls": 1,
            "threads": 4,
            "pushes": 1,
            "teams": 1,
            "members": 2,
            "sprints": 2,
            "work items": 1,
        }


class TestIncremental:
    def test_nothing_new(self, azure: AzureDevOps, tmp_path: Path) -> None:
        _, first = collect(context(azure, tmp_path))
        azure.replay.asked.clear()
        rows, second = collect(context(azure, tmp_path), first.position)
        assert counts(rows) == SNAPSHOTS
        assert second.position == first.position
        asked = azure.replay.counts()
        assert asked.pop("threads") == 3, "those of pull requests that are open"
        assert asked.pop("members") == asked.pop("sprints") == len(azure.data["teams"])
        assert set(asked.values()) == {1}

    def test_three_changes(self, azure: AzureDevOps, tmp_path: Path) -> None:
        _, first = collect(context(azure, tmp_path))
        azure.say(21, LATER.format(1))
        azure.push(LATER.format(2))
        azure.change(297, LATER.format(3), **{"System.AssignedTo": "Somebody <EXAMPLE\\some>"})
        rows, second = collect(context(azure, tmp_path), first.position)
        changed = {"MergeRequest": 1, "MergeRequestReview": 1, "MergeRequestNote": 1, "VcsEvent": 1, "TfsWorkItem": 1}
        assert counts(rows) == {**SNAPSHOTS, **changed, "TfsDeveloper": 2}
        assert rows[MergeRequest][0].updated_at == local(LATER.format(1))
        assert (rows[TfsWorkItem][0].changelog_id, rows[TfsWorkItem][0].assignee) == ("2", "Somebody")
        assert ("Somebody", "EXAMPLE\\some") in columns(rows[TfsDeveloper], "display_name", "email")
        assert second.position == local(LATER.format(3))

    def test_closed_requests(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """One that was closed is new, and is looked at for comments for two weeks more; then no longer."""
        _, first = collect(context(azure, tmp_path))
        pull = azure.pull(21)
        pull["status"], pull["closedDate"] = "abandoned", "2024-05-01T00:00:00.1234567Z"
        rows, second = collect(context(azure, tmp_path), first.position)
        assert [(row.id, row.status) for row in rows[MergeRequest]] == [("21", "abandoned")]
        azure.say(21, "2024-05-09T00:00:00Z")
        rows, third = collect(context(azure, tmp_path), second.position)
        assert counts(rows) == {**SNAPSHOTS, "MergeRequest": 1, "MergeRequestReview": 1, "MergeRequestNote": 1}
        azure.push("2024-05-16T00:00:00Z")
        _, fourth = collect(context(azure, tmp_path), third.position)
        azure.replay.asked.clear()
        collect(context(azure, tmp_path), fourth.position)
        assert {one.parts[0] for one in azure.replay.asked if one.route == "threads"} == {"1", "22"}

    def test_small_pages(self, azure: AzureDevOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the size of a page, the rows are the same, and none comes twice."""
        whole, first = collect(context(azure, tmp_path))
        monkeypatch.setattr(access, "PAGE", 2)
        monkeypatch.setattr(boards, "BATCH", 3)
        azure.replay.asked.clear()
        rows, second = collect(context(azure, tmp_path))
        assert same(rows) == same(whole)
        assert second.position == first.position
        asked = azure.replay.counts()
        assert (asked["pulls"], asked["pushes"], asked["work items"]) == (3, 12, 6)

    def test_pages_shorter_than_asked(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """A server may give fewer than it is asked for; what follows comes, too."""
        pull = azure.data["pulls"][0]
        azure.data["pulls"] = [{**pull, "pullRequestId": number} for number in range(250, 0, -1)]
        azure.longest = 100
        rows, collected = collect(context(azure, tmp_path))
        assert len(rows[MergeRequest]) == collected.expected == 250
        assert azure.replay.counts()["pulls"] == 3

    def test_what_is_made_while_paging(
        self, azure: AzureDevOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What moves on to the next page comes once, and what was made meanwhile comes next time."""
        monkeypatch.setattr(access, "PAGE", 2)

        def make(_asked: object, honest: Any) -> Any:
            azure.data["pulls"].insert(0, {**azure.pull(22), "pullRequestId": 23, "creationDate": LATER.format(1)})
            return honest

        azure.replay.strikes["pulls"] = Strike(make, times=1)
        rows, first = collect(context(azure, tmp_path))
        assert sorted(int(row.id) for row in rows[MergeRequest]) == [1, 20, 21, 22]
        rows, _ = collect(context(azure, tmp_path), first.position)
        assert [row.id for row in rows[MergeRequest]] == ["23"]

    def test_what_changes_in_the_same_second(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """The tracker stays behind a change of this very moment, so that another one of it is not missed."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        azure.say(22, now)
        _, first = collect(context(azure, tmp_path))
        azure.say(21, now)
        rows, _ = collect(context(azure, tmp_path), first.position)
        assert "21" in {row.id for row in rows[MergeRequest]}


class TestPeopleAndText:
    def test_deleted_and_empty(self, azure: AzureDevOps, tmp_path: Path) -> None:
        pull = azure.pull(22)
        pull["description"], pull["createdBy"], pull["reviewers"] = None, None, None
        long = "עברית 👩‍👩‍👧 \u202e" + "x" * 100_000
        azure.say(22, LATER.format(1), long)["comments"][0]["author"] = None
        azure.say(22, LATER.format(2), None)
        azure.say(22, LATER.format(3), "gone", isDeleted=True)
        azure.data["teams"][0]["description"] = None
        azure.change(297, LATER.format(4), **{"System.ChangedBy": None, "System.CreatedBy": "", "System.Title": None})
        rows, _ = collect(context(azure, tmp_path))
        request = next(row for row in rows[MergeRequest] if row.id == "22")
        assert (request.description, request.author, request.author_username, request.upvotes) == ("", "0", "0", "0")
        notes = {row.thread_id: row for row in rows[MergeRequestNote] if row.thread_id != "147"}
        assert {len(row.comment) for row in notes.values()} == {0, len(long)}
        assert {row.author for row in notes.values()} == {"0", "Christie Church"}
        assert "0" in {row.description for row in rows[TfsTeam]}
        item = next(row for row in rows[TfsWorkItem] if (row.issue_id, row.changelog_id) == ("297", "2"))
        assert (item.title, item.reporter, item.updated_by) == ("", "0", "0")

    def test_sides_of_a_comparison(self, azure: AzureDevOps, tmp_path: Path) -> None:
        old = {"filePath": "/a", "leftFileStart": {"line": 3, "offset": 1}, "leftFileEnd": {"line": 7, "offset": 1}}
        own = {"CodeReviewTargetCommit": {"$type": "System.String", "$value": "ab" * 20}}
        azure.say(1, LATER.format(1), threadContext=old, properties=own)
        azure.say(1, LATER.format(2), threadContext={"filePath": "/b"}, properties=None)
        rows, _ = collect(context(azure, tmp_path))
        found = {row.file: row for row in rows[CommitComment] if row.merge_request_id == "1"}
        assert [found["/a"].line, found["/a"].end_line, found["/a"].line_type] == ["3", "7", "old"]
        assert found["/a"].commit_id == "ab" * 20
        assert [found["/b"].line, found["/b"].end_line, found["/b"].line_type] == ["0", "0", "0"]
        assert found["/b"].commit_id == azure.pull(1)["lastMergeTargetCommit"]["commitId"]

    def test_votes(self, azure: AzureDevOps, tmp_path: Path) -> None:
        people = [{"displayName": f"p{vote}", "uniqueName": f"p{vote}", "vote": vote} for vote in (10, 5, 0, -5, -10)]
        group = {"displayName": "[A]\\B", "uniqueName": "vstfs:///1", "vote": 10, "isContainer": True}
        azure.pull(22)["reviewers"] = [*people, group, {**group, "isContainer": None}]
        rows, _ = collect(context(azure, tmp_path))
        request = next(row for row in rows[MergeRequest] if row.id == "22")
        assert (request.upvotes, request.downvotes) == ("2", "2")
        votes = [row.vote for row in rows[MergeRequestReview] if row.merge_request_id == "22"]
        assert votes == ["10", "5", "0", "-5", "-10"]

    def test_pushes(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """The server's own are left out; an account of a Windows domain is no address."""
        azure.push(LATER.format(1))
        azure.data["pushes"][0]["pushedBy"] = {"displayName": "x", "uniqueName": "vstfs:///Framework/1"}
        azure.push(LATER.format(2))
        azure.data["pushes"][0]["pushedBy"] = {"displayName": "x", "uniqueName": "EXAMPLE\\x"}
        azure.push(LATER.format(3))
        azure.data["pushes"][0]["refUpdates"] = None
        rows, collected = collect(context(azure, tmp_path), local("2024-01-01T00:00:00Z"))
        assert columns(rows[VcsEvent], "user", "username", "email") == {("x", "EXAMPLE\\x", "0"): 1}
        assert collected.notes == ("1 pushes have no rows: the server does not list their branches",)

    def test_older_members(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """Older servers tell members without the wrapping of newer ones."""
        whole, _ = collect(context(azure, tmp_path))
        azure.data["members"] = [one["identity"] for one in azure.data["members"]]
        rows, _ = collect(context(azure, tmp_path))
        assert same(rows) == same(whole)

    def test_sprints(self, azure: AzureDevOps, tmp_path: Path) -> None:
        dates = {"startDate": "2015-01-05T00:00:00Z", "finishDate": "0001-01-01T00:00:00"}
        azure.data["iterations"] = [{"id": "1", "name": "a", "attributes": dates}, {"id": "2", "name": "b"}]
        rows, _ = collect(context(azure, tmp_path))
        found = {row.sprint_name: row for row in rows[TfsSprint]}
        assert found["a"].start_date == local("2015-01-05T00:00:00Z")
        assert not found["a"].end_date
        assert not found["b"].start_date


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (fields.whole, 2.0, "2"),
        (fields.whole, "1000063244.5", "1000063244"),
        (fields.whole, -1, None),
        (fields.whole, "many", None),
        (fields.whole, "1e999", None),
        (fields.decimal, 8, "8.0"),
        (fields.decimal, 0.5, "0.5"),
        (fields.decimal, 100, "100.0"),
        (fields.decimal, "nan", None),
        (fields.tags, "", "0"),
        (fields.tags, "a; b;c", "3"),
        (fields.moment, "9999-01-01T00:00:00Z", local("9999-01-01T00:00:00+00:00")),
        (fields.moment, "0001-01-01T00:00:00", None),
        (fields.moment, "soon", None),
        (fields.person, "A B <E\\ab>", ("A B", "E\\ab")),
        (fields.person, "A B", ("A B", "0")),
        (fields.person, "<a@b.example>", ("a@b.example", "a@b.example")),
        (fields.person, {"displayName": "A", "uniqueName": "a@b.example"}, ("A", "a@b.example")),
        (fields.person, {"displayName": "A"}, ("A", "0")),
        (fields.person, {"uniqueName": "A <a@b.example>"}, ("A", "a@b.example")),
        (fields.person, {}, None),
        (fields.person, " ", None),
    ],
)
def test_values(write: Any, value: object, text: object) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("url", "options", "collection", "project", "repository"),
    [
        ("https://dev.azure.com/org/a%20project/_git/repo", {}, "https://dev.azure.com/org", "a project", "repo"),
        ("https://org@dev.azure.com/org/_git/repo/", {}, "https://dev.azure.com/org", "repo", "repo"),
        ("git@ssh.dev.azure.com:v3/org/a%20project/repo", {}, "https://dev.azure.com/org", "a project", "repo"),
        ("ssh://git@ssh.dev.azure.com/v3/org/project/repo", {}, "https://dev.azure.com/org", "project", "repo"),
        ("org@vs-ssh.visualstudio.com:v3/org/project/repo", {}, "https://dev.azure.com/org", "project", "repo"),
        ("https://org.visualstudio.com/project/_git/repo", {}, "https://org.visualstudio.com", "project", "repo"),
        ("https://org.visualstudio.com/_git/repo", {}, "https://org.visualstudio.com", "repo", "repo"),
        (
            *("https://org.visualstudio.com/DefaultCollection/project/_git/repo", {}),
            *("https://org.visualstudio.com/DefaultCollection", "project", "repo"),
        ),
        ("http://h:8080/tfs/C/project/_git/r.git", {}, "http://h:8080/tfs/C", "project", "r.git"),
        ("http://h:8080/tfs/C/_git/repo", {"tfs": "true"}, "http://h:8080/tfs/C", "repo", "repo"),
        ("http://h/a/b/c/project/_git/repo", {"tfs": "A/b/c"}, "http://h/a/b/c", "project", "repo"),
        ("ssh://h:22/tfs/C/project/_git/repo", {"web_port": "8080"}, "https://h:8080/tfs/C", "project", "repo"),
        ("ssh://h:22/tfs/C/project/_ssh/repo", {"protocol": "http"}, "http://h/tfs/C", "project", "repo"),
        ("https://h/under/tfs/C/project/_git/repo", {"strip": "under"}, "https://h/under/tfs/C", "project", "repo"),
        ("ssh://h/tfs/C/project/_git/repo", {"strip": "/under/"}, "https://h/under/tfs/C", "project", "repo"),
    ],
)
def test_places(
    tmp_path: Path, url: str, options: dict[str, str], collection: str, project: str, repository: str
) -> None:
    found = place(context(AzureDevOps(), tmp_path, url, **options))
    assert (found.url, found.project, found.repository) == (collection, project, repository)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://dev.azure.com/org/project/repo", "names no repository"),
        ("https://dev.azure.com/_git/repo", "names no repository"),
        ("https://h/tfs/_git/repo", "names no repository"),
        ("https://h/org/project/_git/", "names no repository"),
        ("git@ssh.dev.azure.com:org/project/repo", "names no repository"),
        ("https://h/other/project/_git/repo", "lies outside of the collection"),
    ],
)
def test_no_places(tmp_path: Path, url: str, words: str) -> None:
    options = {"tfs": "mine"} if "other" in url else {}
    with pytest.raises(SourceError, match=words) as caught:
        place(context(AzureDevOps(), tmp_path, url, **options))
    assert caught.value.hint


@pytest.mark.parametrize("collection", ["tfs/Default Collection", "fabrikam"])
def test_layouts(tmp_path: Path, collection: str) -> None:
    """A collection of a server, and an organisation; names with spaces and signs, as they are sent."""
    one = AzureDevOps(collection=collection)
    one.data["repository"] = {"id": "1-2", "name": "a & b", "project": {"id": "3-4", "name": "ü #1"}}
    one = AzureDevOps(data=one.data, collection=collection)
    with serving(one.replay):
        rows, _ = collect(context(one, tmp_path, tfs=collection.lower()))
    assert len(rows[MergeRequest]) == 4
    assert "" not in one.replay.counts(), "every address is one that the server knows"


class TestVersions:
    @pytest.mark.parametrize(("newest", "version"), [("7.2", "7.1"), ("6.1", "5.0"), ("4.1", "4.1"), ("3.2", "3.0")])
    def test_newest_that_the_server_knows(self, tmp_path: Path, newest: str, version: str) -> None:
        one = AzureDevOps(newest=newest)
        with serving(one.replay):
            rows, _ = collect(context(one, tmp_path))
        assert counts(rows)["MergeRequestNote"] == 1
        used = {asked.query["api-version"] for asked in one.replay.asked if asked.route != "repository"}
        assert used == {version}

    def test_before_threads(self, tmp_path: Path) -> None:
        """TFS 2015: comments are missing, and a note says so; the way through the history is a link."""
        one = AzureDevOps(newest="2.3", batch=4)
        with serving(one.replay):
            rows, collected = collect(context(one, tmp_path))
        assert not rows[MergeRequestNote]
        assert len(rows[TfsWorkItem]) == 17
        assert collected.notes == ("comments of pull requests are not collected: the server is older than TFS 2017",)

    def test_first_addresses(self, tmp_path: Path) -> None:
        one = AzureDevOps(newest="2.0", is_first=True)
        with serving(one.replay):
            rows, _ = collect(context(one, tmp_path))
        assert len(rows[MergeRequest]) == 4
        assert len(rows[TfsWorkItem]) == 17

    def test_no_history_of_work_items(self, azure: AzureDevOps, tmp_path: Path) -> None:
        azure.replay.strikes["work items"] = Strike(lambda _asked, _honest: (404, {}, b"{}"))
        rows, collected = collect(context(azure, tmp_path))
        assert len(rows[MergeRequest]) == 4
        assert collected.position is None, "the next collection asks for all of them again"
        (missing,) = collected.missing
        assert "TFS 2015 Update 2" in missing


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"WWW-Authenticate": 'Basic realm="x"'}, b""), "check the password (personal access token): it may"),
        ((401, {"WWW-Authenticate": "Bearer, Basic, NTLM"}, b""), "check the password (personal access token): it may"),
        ((401, {"WWW-Authenticate": "NTLM, Negotiate"}, b""), "write username = DOMAIN"),
        ((203, {"Content-Type": "text/html"}, b"<html>Sign In</html>"), "redirects to a sign-in page"),
        ((302, {"Location": "https://login.example/_signin"}, b""), "redirects to a sign-in page"),
        ((403, {}, b'{"message": "TF401027: You need the Git permission"}'), "may not do this"),
        ((404, {}, b'{"message": "TF401019: The Git repository does not exist"}'), "collection, project, repository"),
        ((451, {}, b"{}"), "legal reasons"),
        (web_page(None, None), "check the address and the credentials"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("route", ["repository", "pulls"])
def test_refusals(azure: AzureDevOps, tmp_path: Path, route: str, answer: Any, words: str) -> None:
    azure.replay.strikes[route] = Strike(lambda _asked, _honest: answer)
    if route == "pulls" and answer[0] in {403, 404}:
        rows, collected = collect(context(azure, tmp_path))
        assert rows[TfsWorkItem]
        assert not rows[MergeRequest]
        assert [one.partition(",")[0] for one in collected.missing] == ["pull requests"]
        assert words in collected.missing[0]
        return
    with pytest.raises(SourceError) as caught:
        collect(context(azure, tmp_path))
    assert words in caught.value.hint
    assert TOKEN not in caught.value.message + caught.value.hint
    assert azure.replay.counts()[route] == 1, "asked once: another try would end alike"


def test_a_wrong_password(azure: AzureDevOps, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="refuses the credentials"):
        collect(context(azure, tmp_path, password="another"))
    with pytest.raises(SourceError, match="there is no password") as caught:
        collect(context(azure, tmp_path, password=""))
    assert "set password in [azure.example]" in caught.value.hint


def test_credentials(azure: AzureDevOps, tmp_path: Path) -> None:
    """A user's name goes with the password; a token needs none; those of the URL count where none is configured."""
    one = context(azure, tmp_path, password="")
    in_url = replace(one, entry=replace(one.entry, username="anybody", password=Secret(TOKEN)))
    for given in (in_url, context(azure, tmp_path, username="EXAMPLE\\ü"), context(azure, tmp_path)):
        sources()["tfs"].check(given)
    sent = [asked.headers["Authorization"].split()[1] for asked in azure.replay.asked if asked.route == "repository"]
    users = [base64.b64decode(one).decode().partition(":")[0] for one in sent]
    assert users == ["anybody", "EXAMPLE\\ü", ""]


class TestWindows:
    """A server that takes Windows accounts alone."""

    ACCOUNT = "EXAMPLE\\reader"
    BASIC = f"Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}"

    @pytest.fixture
    def accounts(self, tmp_path: Path) -> Path:
        path = tmp_path / "accounts"
        path.write_text(f"EXAMPLE:reader:{TOKEN}\n")
        return path

    def test_account(self, azure: AzureDevOps, tmp_path: Path, accounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The connection is proved once, and never told the password; all else is as elsewhere."""
        whole, _ = collect(context(azure, tmp_path))
        with guarded(azure.replay, accounts, monkeypatch, self.BASIC) as server:
            url = azure.url.replace(azure.replay.url, server.url)
            rows, _ = collect(context(azure, tmp_path, url, username=self.ACCOUNT))
            assert same(rows) == same(whole)
            assert server.messages == ["negotiate", "authenticate"]
            assert server.let_in == 1
            messages = [one.partition(" ") for one in server.told if one]
            assert {kind for kind, _, _ in messages} == {"NTLM"}
            for _, _, given in messages:
                said = base64.b64decode(given)
                assert TOKEN.encode() not in said
                assert TOKEN.encode("utf-16-le") not in said

    def test_wrong_password(
        self, azure: AzureDevOps, tmp_path: Path, accounts: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with guarded(azure.replay, accounts, monkeypatch, self.BASIC) as server:
            url = azure.url.replace(azure.replay.url, server.url)
            with pytest.raises(SourceError, match="refuses the credentials") as caught:
                collect(context(azure, tmp_path, url, username=self.ACCOUNT, password="another"))
            assert "does not accept this Windows account" in caught.value.hint
            with pytest.raises(SourceError, match="refuses the credentials") as caught:
                collect(context(azure, tmp_path, url, username="reader"))
            assert r"write username = DOMAIN\USER" in caught.value.hint

    def test_broken_off(
        self, azure: AzureDevOps, tmp_path: Path, accounts: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with guarded(azure.replay, accounts, monkeypatch, self.BASIC, breaks=True) as server:
            url = azure.url.replace(azure.replay.url, server.url)
            with pytest.raises(SourceError, match="broke off the proof of the Windows account"):
                collect(context(azure, tmp_path, url, username=self.ACCOUNT))

    def test_a_server_that_takes_passwords(self, azure: AzureDevOps, tmp_path: Path) -> None:
        """It is asked how first, without the password."""
        assert collect(context(azure, tmp_path, username=self.ACCOUNT))[0][MergeRequest]
        assert "Authorization" not in azure.replay.asked[0].headers
        azure.replay.strikes["neighbours"] = Strike(web_page)
        assert collect(context(azure, tmp_path, username=self.ACCOUNT))[0][MergeRequest]


def test_the_same_page_again(azure: AzureDevOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "PAGE", 2)
    azure.replay.strikes["pushes"] = Strike(lambda _asked, _honest: azure.listed(azure.data["pushes"][:2]))
    with pytest.raises(SourceError, match="the same page again") as caught:
        collect(context(azure, tmp_path))
    assert caught.value.hint


def test_the_same_token_again(azure: AzureDevOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "BATCH", 3)

    def circle(_asked: Any, honest: Any) -> Any:
        content = {**json.loads(honest[2]), "continuationToken": "3;1;1", "isLastBatch": False}
        return honest[0], honest[1], json.dumps(content).encode()

    azure.replay.strikes["work items"] = Strike(circle)
    with pytest.raises(SourceError, match="in a loop"):
        collect(context(azure, tmp_path))


def test_no_way_to_the_next_batch(azure: AzureDevOps, tmp_path: Path) -> None:
    azure.replay.strikes["work items"] = Strike(
        lambda _asked, _honest: (200, {}, b'{"values": [], "nextLink": null, "isLastBatch": false}')
    )
    with pytest.raises(SourceError, match="says that there is more"):
        collect(context(azure, tmp_path))


def test_a_count_that_is_wrong(azure: AzureDevOps, tmp_path: Path) -> None:
    """A page with fewer items than it says is an error: nothing is lost in silence."""
    pulls = {"count": 4, "value": azure.data["pulls"][:3]}
    azure.replay.strikes["pulls"] = Strike(lambda _asked, _honest: (200, {}, json.dumps(pulls).encode()))
    with pytest.raises(SourceError, match="says that there are 4 items, and has 3"):
        collect(context(azure, tmp_path))


def test_budget(azure: AzureDevOps, tmp_path: Path) -> None:
    """A server that is used too much asks to wait, and is heard."""
    azure.replay.strikes["pulls"] = strike = Strike(
        lambda _asked, _honest: (429, {"Retry-After": "1"}, b'{"message": "TF400733"}'), times=1
    )
    started = time.monotonic()
    assert len(collect(context(azure, tmp_path))[0][MergeRequest]) == 4
    assert strike.struck == 1
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("length", [399, 400, 615])
def test_descriptions_are_whole(azure: AzureDevOps, tmp_path: Path, length: int) -> None:
    """The list has their first 400 characters; whoever has as many is asked for by itself."""
    pull = azure.data["pulls"][0]
    pull["description"] = "x" * length
    rows, _ = collect(context(azure, tmp_path))
    (found,) = (row for row in rows[MergeRequest] if row.id == str(pull["pullRequestId"]))
    assert len(found.description) == length
    assert azure.replay.counts()["pull"] == (length >= 400)


def test_a_description_that_is_refused(azure: AzureDevOps, tmp_path: Path) -> None:
    """The list's part of it stays, and the outcome names it."""
    pull = azure.data["pulls"][0]
    pull["description"] = "x" * 615
    azure.replay.strikes["pull"] = Strike(lambda _asked, _honest: (403, {}, b"{}"))
    rows, collected = collect(context(azure, tmp_path))
    (found,) = (row for row in rows[MergeRequest] if row.id == str(pull["pullRequestId"]))
    assert len(found.description) == 400
    assert [one.partition(",")[0] for one in collected.missing] == ["whole descriptions of pull requests"]
    assert collected.position is None


def test_check(azure: AzureDevOps, tmp_path: Path) -> None:
    said = sources()["tfs"].check(context(azure, tmp_path))
    assert said == "answers reader; API 7.1; repository 2016_10_31 of project 2016_10_31"


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("http://h:8080/tfs/Coll/_git/Dummy", ("http://h:8080", "tfs/coll")),
        ("http://h:8080/tfs/Coll/A%20Project/_git/Repo", ("http://h:8080", "tfs/coll", "a%20project")),
        ("https://org@dev.azure.com/Org/Project/_git/Repo", ("https://dev.azure.com", "org", "project")),
        ("git@ssh.dev.azure.com:v3/Org/Project/Repo", ("https://dev.azure.com", "org", "project")),
        ("https://org.visualstudio.com/Project/_git/Repo", ("https://org.visualstudio.com", "project")),
        ("ssh://h:22/tfs/Coll/_git/Dummy", ("https://h", "tfs/coll")),
    ],
)
def test_environment(tmp_path: Path, url: str, identity: tuple[str, ...]) -> None:
    """As installations know it: the host, and collection and project in small letters."""
    found = sources()["tfs"]
    assert isinstance(found, Discoverer)
    environment = found.environment(context(AzureDevOps(), tmp_path, url))
    assert environment.identity == identity
    assert environment.url is not None
    assert environment.url.lower() == "/".join(identity)


@pytest.mark.parametrize(("newest", "is_first"), [("7.1", False), ("2.0", True)])
def test_neighbours(agent: Agent, tmp_path: Path, newest: str, is_first: bool) -> None:
    """A seed stands for all repositories of its collection, at the host by which it is known here."""
    azure = AzureDevOps(newest=newest, is_first=is_first)
    azure.neighbours = [
        {"id": "1", "name": name, "remoteUrl": f"http://inner.example/tfs/Fabrikam/P/_git/{name}", **more}
        for name, more in (("first", {}), ("second", {"isDisabled": False}), ("third", {"isDisabled": True}))
    ]
    for name in ("first", "second"):
        linear_history(tmp_path / "served" / "tfs" / "Fabrikam" / "P" / "_git" / name, 3)
    agent.export().mkdir(parents=True)
    listed = agent.export() / "data_sources.json"
    with serving(azure.replay), git_http(tmp_path / "served", "reader", TOKEN) as server:
        base = f"http://127.0.0.1:{server.port}/tfs/Fabrikam"
        listed.write_text(json.dumps([{"type": "git", "name": "tfs on 127.0.0.1", "url": f"{base}/_git/Dummy"}]))
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = {TOKEN}\ntfs = tfs/Fabrikam\nweb_port = {azure.replay.port}\n"
        )
        done = agent.scrape("--make-secrets")
    assert "repositories in its environment: 2" in done.output
    found = {(one["type"], one["name"], one["url"]) for one in json.loads(listed.read_text())[1:]}
    assert found == {("tfs", name, f"{base}/P/_git/{name}") for name in ("first", "second")}
    rows = json.loads((agent.export() / "data_vcs_versions.json").read_text())
    assert {row["repo_name"] for row in rows} == {"first", "second"}


def test_scrape(agent: Agent, azure: AzureDevOps, tmp_path: Path) -> None:
    """The whole way: Git and the API of one entry, files that are valid, and no person in them outside free text."""
    path = azure.url.removeprefix(f"{azure.replay.url}/")
    origin = tmp_path / "served" / path
    origin.parent.mkdir(parents=True)
    linear_history(origin, 5)
    with git_http(tmp_path / "served", "reader", TOKEN) as server:
        entry = {"type": "git", "name": "fabrikam", "url": f"http://127.0.0.1:{server.port}/{path}"}
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = {TOKEN}\ntfs = tfs/Fabrikam\nweb_port = {azure.replay.port}\n"
        )
        done = agent.scrape("--make-secrets", "--log", "DEBUG")
        assert done.status == 0, done
        people = names(azure)
        seen = 0
        for table in sources()["tfs"].tables:
            for row in json.loads((agent.export() / f"{table.table}.json").read_text()):
                seen += 1
                assert row.get("encrypted", "1") == "1"
                for field, value in row.items():
                    if field not in table.free_text:
                        assert value not in people, f"{table.table} {field}"
        again = agent.scrape()
    assert seen == 4 + 3 + 1 + 1 + 23 + 2 + 6 + 6 + 17 + 5
    assert again.status == 0, again
    assert not schemas.errors(agent.export())
    assert TOKEN not in done.output + done.errors
    assert base64.b64encode(f"reader:{TOKEN}".encode()).decode() not in done.output + done.errors
    manifest = json.loads((agent.export() / ".batch.json").read_text())
    assert manifest["tables"]["data_merge_request.json"] == 0
    assert manifest["tables"]["data_tfs_team.json"] == 2
    assert json.loads((agent.export() / "tfs_update.json").read_text()) == {"fabrikam": local("2017-09-04T02:43:24Z")}


def names(azure: AzureDevOps) -> set[str]:
    """Every name and account of the recordings."""
    found: set[str] = set()

    def look(content: Any) -> None:
        if isinstance(content, dict):
            found.update(content[key] for key in ("displayName", "uniqueName") if key in content)
            for value in content.values():
                look(value)
        elif isinstance(content, list):
            for value in content:
                look(value)

    look(azure.data)
    return found | {"Johnnie McLeod", "Jamal Hartnett", "fabrikamfiber2@hotmail.com", "fabrikamfiber4@hotmail.com"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ada <ada@h.example>", ("Ada", "ada@h.example")),
        (" Ada  Lovelace\n<HOST\\ada> ", ("Ada  Lovelace", "HOST\\ada")),
        ("<ada>", ("", "ada")),
        ("A <b> <c>", ("A <b>", "c")),
        ("Ada <ada> x", ("Ada <ada> x", "")),
        ("Ada <a>b>", ("Ada <a>b>", "")),
        ("Ada", ("Ada", "")),
    ],
)
def test_names_with_accounts(value: str, expected: tuple[str, str]) -> None:
    assert fields._split(value) == expected
    begun = time.process_time()
    fields._split("<" * 200_000 + " " * 200_000)
    assert time.process_time() - begun < 1
