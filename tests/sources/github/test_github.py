"""GitHub: rows against the recorded answers, requests counted, and what its API does to those who ask."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Value
from gros_agent.rows import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    GitHubRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
)
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, SourceEntry, Versioned
from gros_agent.sources.github import queries
from support import schemas
from support.agent import Agent
from support.collecting import Found, collect, columns, local
from support.github import NAME, OWNER, TOKEN, GitHub
from support.hosts import host_with
from support.replay import Strike, serving
from support.repository import Repository, linear_history
from support.servers import git_http

LATER = "2023-05-05T05:05:0{}Z"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def github() -> Iterator[GitHub]:
    one = GitHub()
    with serving(one.replay):
        yield one


def context(github: GitHub, folder: Path, **options: str) -> Context:
    given = {"github_token": TOKEN, "github_api_url": github.api, **options}
    host = host_with("github.example", {name: Value(text, "test") for name, text in given.items()})
    entry = SourceEntry("github", "ants", f"https://github.example/{OWNER}/{NAME}.git")
    return Context(entry=entry, host=host, folder=folder / "github", known_hosts=folder / "known", silence=2)


def is_bot(item: dict[str, Any]) -> bool:
    return bool(item["user"]["type"] == "Bot")


class TestRows:
    """Each table against the recorded REST answers, of which it is computed anew."""

    @pytest.fixture
    def found(self, github: GitHub, tmp_path: Path) -> tuple[Found, Collected]:
        return collect(context(github, tmp_path))

    def test_repository(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        (row,) = found[0][GitHubRepo]
        known = github.data["repository"]
        assert (row.github_id, row.description) == (str(known["id"]), known["description"])
        assert (row.create_time, row.private, row.forked) == (local(known["created_at"]), "0", "0")
        assert (row.star_count, row.watch_count) == ("12", "3")

    def test_pull_requests(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        votes = Counter((one["pull"], one["state"]) for one in github.data["reviews"])
        expected = Counter(
            (
                *(str(one["number"]), one["title"], one["body"] or ""),
                "merged" if one["merged_at"] else one["state"],
                *(one["head"], one["base"], one["user"]["login"], one["user"]["login"]),
                *([one["assignee"]["login"]] * 2 if one["assignee"] else ["0", "0"]),
                *(str(votes[one["number"], state]) for state in ("APPROVED", "CHANGES_REQUESTED")),
                *(local(one["created_at"]), local(one["updated_at"])),
            )
            for one in github.data["pulls"]
        )
        names = ("id", "title", "description", "status", "source_branch", "target_branch", "author", "author_username")
        more = ("assignee", "assignee_username", "upvotes", "downvotes", "created_at", "updated_at")
        assert columns(found[0][MergeRequest], *names, *more) == expected

    def test_issues(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        pulls = [{**one, "is_pull": True} for one in github.data["pulls"]]
        expected = Counter(
            (
                *(str(one["number"]), one["title"], one["body"] or "", one["state"], one["user"]["login"]),
                *(str(one["number"]) if one["is_pull"] else "0", str(one["labels"])),
                *(local(one["created_at"]), local(one["updated_at"])),
                local(one["closed_at"]) if one["closed_at"] else "0",
            )
            for one in (*github.real_issues(), *pulls)
        )
        names = ("id", "title", "description", "status", "author", "pull_request_id", "labels")
        assert columns(found[0][GitHubIssue], *names, "created_at", "updated_at", "closed_at") == expected
        assert found[1].expected == len(expected) == 75

    def test_comments(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        pulls = {one["number"] for one in github.data["pulls"]}

        def row(one: dict[str, Any]) -> tuple[str, ...]:
            moments = (local(one["created_at"]), local(one["updated_at"]))
            return (str(one["issue"]), str(one["id"]), one["user"]["login"], one["body"], *moments)

        comments = github.data["issue_comments"]
        names = ("note_id", "author_username", "comment", "created_at", "updated_at")
        assert columns(found[0][GitHubIssueNote], "issue_id", *names) == Counter(map(row, comments))
        of_people = [one for one in comments if one["issue"] in pulls and not is_bot(one)]
        notes = found[0][MergeRequestNote]
        assert columns(notes, "merge_request_id", *names) == Counter(map(row, of_people))
        assert {(one.thread_id, one.parent_id) for one in notes} == {("0", "0")}
        bots = sum(one["issue"] in pulls and is_bot(one) for one in comments)
        assert bots > 0
        assert f"{bots} comments and reviews of bots were left out" in found[1].notes

    def test_reviews(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        votes = {"APPROVED": "1", "CHANGES_REQUESTED": "-1"}
        expected = Counter(
            (str(one["pull"]), one["user"]["login"], one["user"]["login"], votes.get(one["state"], "0"))
            for one in github.reviews()
        )
        rows = found[0][MergeRequestReview]
        assert columns(rows, "merge_request_id", "reviewer", "reviewer_username", "vote") == expected

    def test_line_comments(self, github: GitHub, found: tuple[Found, Collected]) -> None:
        sides = {"+": "new", "-": "old"}
        expected = Counter(
            (
                *(one["commit_id"], str(one["pull"]), str(one["id"]), str(one["in_reply_to_id"] or 0)),
                *(one["user"]["login"], one["body"], one["path"]),
                str(one["start_line"] or one["line"] or one["original_start_line"] or one["original_line"]),
                str(one["line"] or one["original_line"]),
                sides.get(one["diff_hunk"].split("\n")[-1][:1], "context"),
                *(local(one["created_at"]), local(one["updated_at"])),
            )
            for one in github.data["review_comments"]
        )
        names = ("commit_id", "merge_request_id", "note_id", "parent_id", "author_username", "comment", "file")
        more = ("line", "end_line", "line_type", "created_date", "updated_date")
        assert columns(found[0][CommitComment], *names, *more) == expected

    @pytest.mark.usefixtures("found")
    def test_requests(self, github: GitHub) -> None:
        """49 pull requests and 26 issues with all that belongs to them come with one query."""
        assert github.replay.counts() == {"First": 1}


def test_comments_on_commits(github: GitHub, tmp_path: Path) -> None:
    for number in range(5):
        github.say_on_commit(LATER.format(number), None if number == 2 else number + 1)
    one = context(github, tmp_path)
    rows, collected = collect(one)
    found = [row for row in rows[CommitComment] if row.merge_request_id == "0"]
    assert [row.commit_id for row in found] == [item["commit_id"] for item in github.commit_comments]
    assert [(row.line, row.end_line, row.file) for row in found][1:3] == [("2", "2", "pool.go"), ("0", "0", "0")]
    rows, again = collect(one, collected.position)
    assert not rows[CommitComment]
    github.say_on_commit(LATER.format(9))
    rows, last = collect(one, again.position)
    assert [row.note_id for row in rows[CommitComment]] == [str(github.commit_comments[-1]["id"])]
    assert last.position == local(LATER.format(9))


def test_a_note_of_a_run_that_was_lost_does_not_count(github: GitHub, tmp_path: Path) -> None:
    """The entity tag of a collection whose tracker was never published hides nothing from the next one."""
    one = context(github, tmp_path)
    before = collect(one)[1].position
    github.say_on_commit(LATER.format(1))
    assert len(collect(one, before)[0][CommitComment]) == 1
    assert len(collect(one, before)[0][CommitComment]) == 1


class TestIncremental:
    def test_nothing_new(self, github: GitHub, tmp_path: Path) -> None:
        github.say_on_commit(LATER.format(1))
        one = context(github, tmp_path)
        _, first = collect(one)
        github.replay.asked.clear()
        before = github.remaining
        rows, second = collect(one, first.position)
        assert {table.__name__ for table, found in rows.items() if found} == {"GitHubRepo"}
        assert second.position == first.position
        assert github.replay.counts() == {"First": 1, "commit comments": 1}
        assert before - github.remaining == 1, "an unchanged list of comments is not charged"

    def test_three_changes(self, github: GitHub, tmp_path: Path) -> None:
        one = context(github, tmp_path)
        _, first = collect(one)
        pull, issue = github.data["pulls"][3]["number"], github.real_issues()[2]["number"]
        github.say(pull, LATER.format(1))
        github.touch(issue, LATER.format(2))
        github.touch(github.data["pulls"][0]["number"], LATER.format(3))
        rows, second = collect(one, first.position)
        counts = {table.__name__: len(found) for table, found in rows.items() if found}
        expected = {"MergeRequest": 2, "GitHubIssue": 3, "MergeRequestNote": 1, "GitHubIssueNote": 1, "GitHubRepo": 1}
        assert counts == expected
        assert second.position == local(LATER.format(3))

    def test_a_comment_after_a_vote(self, github: GitHub, tmp_path: Path) -> None:
        """A row takes the place of the reviewer's old one, so that the vote comes again; those of others do not."""
        pull = github.data["pulls"][0]["number"]
        for number, (user, state) in enumerate((("anna", "APPROVED"), ("bob", "APPROVED"))):
            github.judge(pull, LATER.format(number), user, state)
        one = context(github, tmp_path)
        _, first = collect(one)
        github.judge(pull, LATER.format(3), "anna", "COMMENTED")
        rows, _ = collect(one, first.position)
        votes = [(row.merge_request_id, row.reviewer, row.vote) for row in rows[MergeRequestReview]]
        assert votes == [(str(pull), "anna", "1"), (str(pull), "anna", "0")]

    def test_many_pages(self, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the size of a page, the rows are the same, and none comes twice."""
        whole, _ = collect(context(github, tmp_path))
        for name in ("PAGE", "MORE"):
            monkeypatch.setattr(queries, name, 7)
        for name in ("COMMENTS", "REVIEWS", "REVIEW_COMMENTS"):
            for attribute in ("FIRST", "PULLS", "ISSUES"):
                text = getattr(queries, attribute)
                size = getattr(queries, name)
                monkeypatch.setattr(queries, attribute, text.replace(f"(first: {size}", "(first: 2"))
        rows, collected = collect(context(github, tmp_path))
        assert {table: Counter(map(repr, found)) for table, found in rows.items()} == {
            table: Counter(map(repr, found)) for table, found in whole.items()
        }
        assert not [note for note in collected.notes if " of " in note and "bots" not in note]
        counts = github.replay.counts()
        assert counts["Pulls"] == 6
        assert (
            min(counts[name] for name in ("Issues", "PullComments", "IssueComments", "Reviews", "ReviewComments")) > 0
        )

    def test_what_changes_while_paging_comes_next_time(
        self, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "PAGE", 7)
        oldest = min(github.data["pulls"], key=lambda one: one["updated_at"])["number"]

        def change(_asked: object, honest: Any) -> Any:
            github.say(oldest, LATER.format(1))
            return honest

        github.replay.strikes["Pulls"] = strike = _once(change)
        rows, first = collect(context(github, tmp_path))
        assert strike.struck == 1
        assert str(oldest) not in {row.id for row in rows[MergeRequest]}
        assert any("48 of 49 pull requests" in note for note in first.notes)
        rows, _ = collect(context(github, tmp_path), first.position)
        assert [row.id for row in rows[MergeRequest]] == [str(oldest)]
        assert len(rows[MergeRequestNote]) == 1

    def test_what_changes_in_the_same_second(self, github: GitHub, tmp_path: Path) -> None:
        """The tracker stays behind a change of this very moment, so that another one of it is not missed."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        github.touch(github.data["pulls"][0]["number"], now)
        _, first = collect(context(github, tmp_path))
        github.touch(github.data["pulls"][1]["number"], now)
        rows, _ = collect(context(github, tmp_path), first.position)
        assert str(github.data["pulls"][1]["number"]) in {row.id for row in rows[MergeRequest]}


def _once(fault: Any) -> Any:
    return Strike(fault, times=1)


class TestPeopleAndText:
    def test_deleted_and_empty(self, github: GitHub, tmp_path: Path) -> None:
        pull, issue = github.data["pulls"][0], github.real_issues()[0]
        pull["user"], pull["body"], issue["user"], issue["body"] = None, None, None, None
        long = "עברית 👩‍👩‍👧 \u202e" + "x" * 100_000
        github.say(pull["number"], LATER.format(1), long)
        github.data["issue_comments"][-1]["user"] = None
        rows, _ = collect(context(github, tmp_path))
        request = next(row for row in rows[MergeRequest] if row.id == str(pull["number"]))
        assert (request.author, request.author_username, request.description) == ("ghost", "ghost", "")
        note = max(rows[MergeRequestNote], key=lambda row: len(row.comment))
        assert (note.comment, note.author) == (long, "ghost")
        assert int(note.note_id) > 2**31

    def test_bots_by_name(self, github: GitHub, tmp_path: Path) -> None:
        github.say(github.data["pulls"][0]["number"], LATER.format(1), user="robot")
        rows, _ = collect(context(github, tmp_path, github_bots="other, robot"))
        assert "robot" not in {row.author for row in rows[MergeRequestNote]}
        assert "robot" in {row.author for row in rows[GitHubIssueNote]}

    def test_who_closed_it(self, github: GitHub, tmp_path: Path) -> None:
        closed = next(one for one in github.real_issues() if one["closed_at"])
        closed["closed_by"] = {"login": "janitor", "type": "User"}
        rows, _ = collect(context(github, tmp_path))
        assert {row.closed_by for row in rows[GitHubIssue] if row.id == str(closed["number"])} == {"janitor"}

    def test_an_older_server(self, github: GitHub, tmp_path: Path) -> None:
        """One that does not know long identifiers yet is asked for the short ones."""

        def older(asked: Any, honest: Any) -> Any:
            if b"fullDatabaseId" not in asked.content:
                return honest
            words = "Field 'fullDatabaseId' doesn't exist on type 'IssueComment'"
            return 200, {}, json.dumps({"errors": [{"message": words}]}).encode()

        github.replay.strikes["First"] = Strike(older)
        rows, _ = collect(context(github, tmp_path))
        assert len(rows[GitHubIssueNote]) == len(github.data["issue_comments"])


class TestLimits:
    def test_budget(self, github: GitHub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A budget that is used up is waited for, and the moment when it goes on is told."""
        caplog.set_level("INFO")
        github.remaining, github.reset = 0, time.time() + 3
        told: list[str] = []
        one = replace(context(github, tmp_path), progress=lambda what, _done, _total: told.append(what))
        rows, _ = collect(one)
        assert len(rows[MergeRequest]) == 49
        assert any(record.message.startswith("127.0.0.1 asks to wait; continuing at ") for record in caplog.records)
        assert any(what.startswith("waiting for 127.0.0.1 until") for what in told)

    def test_secondary(self, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_client, "SECONDARY_LIMIT", 0.1)
        words = json.dumps({"message": "You have exceeded a secondary rate limit."}).encode()
        github.replay.strikes["First"] = _once(lambda _asked, _honest: (403, {}, words))
        assert len(collect(context(github, tmp_path))[0][MergeRequest]) == 49

    def test_query_limit(self, github: GitHub, tmp_path: Path) -> None:
        """GraphQL tells of its limits with status 200."""
        words = json.dumps({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}).encode()
        asked: list[float] = []

        def limited(_asked: Any, honest: Any) -> Any:
            asked.append(time.monotonic())
            return (200, {"Retry-After": "1"}, words) if len(asked) < 3 else honest

        github.replay.strikes["First"] = Strike(limited)
        assert len(collect(context(github, tmp_path))[0][MergeRequest]) == 49
        assert [later - one >= 1 for one, later in pairwise(asked)] == [True, True], "each waits until the limit ends"

    def test_query_limit_that_ends_late(self, github: GitHub, tmp_path: Path) -> None:
        words = json.dumps({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}).encode()
        github.replay.strikes["First"] = Strike(lambda _asked, _honest: (200, {"Retry-After": "7200"}, words))
        with pytest.raises(SourceError, match="asks to wait 7200 s"):
            collect(context(github, tmp_path))
        assert github.replay.counts()["First"] == 1

    def test_query_limit_without_an_end(self, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A minute, as GitHub's documentation asks for; here a tenth of a second."""
        monkeypatch.setattr(http_client, "SECONDARY_LIMIT", 0.1)
        words = {"errors": [{"message": "You have exceeded a secondary rate limit"}]}
        github.replay.strikes["First"] = _once(lambda _asked, _honest: (200, {}, json.dumps(words).encode()))
        assert len(collect(context(github, tmp_path))[0][MergeRequest]) == 49

    @pytest.mark.parametrize("code", [200, 502, 504])
    def test_too_much_at_once(self, github: GitHub, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A query that takes GitHub too long is asked again for smaller pages, whatever status says so."""
        monkeypatch.setattr(http_client, "BACKOFF", 0.01)
        sizes: list[int] = []

        def slow(asked: Any, honest: Any) -> Any:
            sizes.append(asked.json["variables"]["size"])
            words = "Something went wrong while executing your query. This may be the result of a timeout."
            fault: Any = code, {}, json.dumps({"data": None, "errors": [{"message": words}]}).encode()
            return fault if sizes[-1] > 12 else honest

        github.replay.strikes["First"] = Strike(slow)
        assert len(collect(context(github, tmp_path))[0][MergeRequest]) == 49
        assert sizes == [50, 25, 6]

    @pytest.mark.parametrize(("name", "words"), [("issues", "issues"), ("pullRequests", "pull requests")])
    def test_a_list_that_the_token_may_not_read(self, github: GitHub, tmp_path: Path, name: str, words: str) -> None:
        """The rest is collected, and the outcome says what is missing."""

        def forbidden(asked: Any, honest: Any) -> Any:
            if asked.json["variables"].get({"issues": "hasIssues", "pullRequests": "hasPulls"}[name], True):
                error = {"type": "FORBIDDEN", "path": ["repository", name], "message": "Resource not accessible"}
                return 200, {}, json.dumps({"data": {"repository": None}, "errors": [error]}).encode()
            return honest

        github.replay.strikes["First"] = Strike(forbidden)
        rows, collected = collect(context(github, tmp_path))
        assert len(rows[GitHubRepo]) == 1
        assert bool(rows[MergeRequest]) == (name == "issues")
        assert rows[GitHubIssue]
        assert [one.partition(":")[0] for one in collected.missing] == [words]
        assert collected.position is None, "the next collection asks for all of it again"

    @pytest.mark.parametrize("tells", [True, False])
    def test_an_item_that_can_not_be_given(self, github: GitHub, tmp_path: Path, tells: bool) -> None:
        """The others are collected, and the outcome counts it; GitHub tells of it as an error, or leaves a gap."""

        def gap(_asked: Any, honest: Any) -> Any:
            answer = json.loads(honest[2])
            answer["data"]["repository"]["issues"]["nodes"][1] = None
            error = {"message": "Could not resolve to a node", "type": "NOT_FOUND"}
            if tells:
                answer["errors"] = [{**error, "path": ["repository", "issues", "nodes", 1]}]
            return honest[0], honest[1], json.dumps(answer).encode()

        whole, _ = collect(context(github, tmp_path))
        github.replay.strikes["First"] = Strike(gap)
        rows, collected = collect(context(github, tmp_path))
        assert len(rows[GitHubIssue]) == len(whole[GitHubIssue]) - 1
        assert collected.missing == ("1 items that GitHub could not return completely",)
        assert collected.position is None, "the next collection asks for it again"

    def test_an_item_that_is_not_given_whole(self, github: GitHub, tmp_path: Path) -> None:
        """What may be empty is empty then, so that nothing but the error says that something is missing."""

        def gap(_asked: Any, honest: Any) -> Any:
            answer = json.loads(honest[2])
            node = answer["data"]["repository"]["pullRequests"]["nodes"][0]
            node["author"] = node["mergedBy"] = None
            error = {"message": "Resource not accessible", "type": "FORBIDDEN"}
            path = ["repository", "pullRequests", "nodes", 0]
            answer["errors"] = [{**error, "path": [*path, name]} for name in ("author", "mergedBy")]
            return honest[0], honest[1], json.dumps(answer).encode()

        github.replay.strikes["First"] = Strike(gap)
        rows, collected = collect(context(github, tmp_path))
        assert rows[MergeRequest]
        assert collected.missing == ("1 items that GitHub could not return completely",)
        assert collected.position is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {}, b'{"message": "Bad credentials"}'), "check github_token"),
        ((403, {"X-GitHub-SSO": "required; url=https://sso.example/x?t=1"}, b"{}"), "at https://sso.example/x"),
        ((403, {}, b'{"message": "Your IP is not on the ip allow list"}'), "have this machine's added"),
        ((403, {"X-Accepted-OAuth-Scopes": "repo"}, b"{}"), "it needs repo"),
        ((404, {}, b"{}"), "it may have moved"),
        ((451, {}, b"{}"), "legal reasons"),
    ],
)
def test_refusals(github: GitHub, tmp_path: Path, answer: Any, words: str) -> None:
    github.replay.strikes["First"] = Strike(lambda _asked, _honest: answer)
    with pytest.raises(SourceError) as caught:
        collect(context(github, tmp_path))
    assert words in caught.value.hint
    assert github.replay.counts() == {"First": 1}, "asked once: another try would end alike"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"type": "FORBIDDEN", "message": "Resource not accessible", "path": ["repository"]}, "the token may not"),
        ({"type": "NOT_FOUND", "message": "Could not resolve"}, "hidden from this token"),
        ({"message": "Field 'x' doesn't exist"}, "check the system's version"),
    ],
)
def test_refused_queries(github: GitHub, tmp_path: Path, error: Any, words: str) -> None:
    """A part that is missing is an error: nothing is lost in silence."""
    github.error = error
    with pytest.raises(SourceError) as caught:
        collect(context(github, tmp_path))
    assert words in caught.value.hint


def test_a_circle_of_pages(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 7)

    def circle(asked: Any, honest: Any) -> Any:
        content = json.loads(honest[2])
        content["data"]["repository"]["pullRequests"]["pageInfo"]["endCursor"] = asked.json["variables"]["pulls"]
        return honest[0], honest[1], json.dumps(content).encode()

    github.replay.strikes["Pulls"] = Strike(circle)
    with pytest.raises(SourceError, match="repeats in a loop"):
        collect(context(github, tmp_path))


def test_an_empty_page_in_the_middle(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no end: what follows it comes, too."""
    monkeypatch.setattr(queries, "PAGE", 7)

    def empty(asked: Any, honest: Any) -> Any:
        content = json.loads(honest[2])
        page = content["data"]["repository"]["pullRequests"]
        page["nodes"], page["pageInfo"] = [], {"hasNextPage": True, "endCursor": asked.json["variables"]["pulls"] + "="}
        return honest[0], honest[1], json.dumps(content).encode()

    github.replay.strikes["Pulls"] = _once(empty)
    assert len(collect(context(github, tmp_path))[0][MergeRequest]) == 49


def test_no_token(github: GitHub, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no token") as caught:
        collect(context(github, tmp_path, github_token=""))
    assert "set github_token" in caught.value.hint


def test_app(github: GitHub, tmp_path: Path) -> None:
    """An app proves itself with its key, and renews its token before it expires."""
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "app.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    claims: list[dict[str, Any]] = []

    def installation(asked: Any) -> Any:
        token = asked.headers["Authorization"].removeprefix("Bearer ")
        claims.append(jwt.decode(token, key.public_key(), algorithms=["RS256"]))
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + (60 if len(claims) == 1 else 3600)))
        return 201, {}, json.dumps({"token": TOKEN, "expires_at": expires}).encode()

    github.replay.route("app", "/api/v3/app/installations/77/access_tokens", installation, "POST")
    options = {"github_token": "", "github_app_id": "5", "github_app_installation": "77"}
    one = context(github, tmp_path, **options)
    one = replace(one, host=replace(one.host, files={"github_app_key": path}))
    github.say_on_commit(LATER.format(1))
    assert len(collect(one)[0][MergeRequest]) == 49
    assert [claim["iss"] for claim in claims] == ["5", "5"]
    with pytest.raises(SourceError, match="there is no private key"):
        collect(replace(one, host=replace(one.host, files={"github_app_key": tmp_path / "none"})))


def test_check(github: GitHub, tmp_path: Path) -> None:
    said = sources()["github"].check(context(github, tmp_path))
    assert said == (
        "answers reader; 49 pull requests and 26 issues; scopes repo, delete_repo: delete_repo is more than needed; "
        "the token expires 2030-01-01 00:00:00 UTC"
    )


def test_version(github: GitHub, tmp_path: Path) -> None:
    """An Enterprise Server tells its version; github.com has none and is not asked for it."""
    source, one = sources()["github"], context(github, tmp_path)
    assert isinstance(source, Versioned)
    assert source.version(one) == "3.14.2"
    assert github.replay.counts() == {"meta": 1}
    public = replace(one, host=host_with(), entry=replace(one.entry, url=f"https://github.com/{OWNER}/{NAME}"))
    assert source.version(public) == ""


def test_scrape(agent: Agent, github: GitHub, tmp_path: Path) -> None:
    """The whole way: Git and the API of one entry, files that are valid, and no person in them outside free text."""
    origin = tmp_path / "served" / OWNER / f"{NAME}.git"
    origin.parent.mkdir(parents=True)
    linear_history(origin, 5)
    github.say_on_commit(LATER.format(1))
    with git_http(tmp_path / "served", "reader", "word") as server:
        entry = {
            "type": "git",
            "name": "ants",
            "url": f"http://127.0.0.1:{server.port}/{OWNER}/{NAME}.git",
            "vcsdev_type": "git",
        }
        (agent.export()).mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = word\ngithub_token = {TOKEN}\ngithub_api_url = {github.api}\n"
        )
        done = agent.scrape("--make-secrets", "--log", "DEBUG")
        assert done.status == 0, done
        again = agent.scrape()
    assert not schemas.errors(agent.export())
    assert TOKEN not in done.output + done.errors
    manifest = json.loads((agent.export() / ".batch.json").read_text())
    assert again.status == 0, again
    assert manifest["tables"]["data_github_issue.json"] == 0
    assert json.loads((agent.export() / "github_update.json").read_text()) == {"ants": local(LATER.format(1))}


def people(github: GitHub) -> set[str]:
    """Every name, login and address of the recordings."""
    found = {value for one in github.data["people"] for value in one.values() if value}
    for name in ("pulls", "issues", "issue_comments", "review_comments", "reviews"):
        found |= {one["user"]["login"] for one in github.data[name]}
    return found


def test_no_person_outside_free_text(agent: Agent, github: GitHub, tmp_path: Path) -> None:
    origin = tmp_path / "served" / OWNER / f"{NAME}.git"
    origin.parent.mkdir(parents=True)
    Repository.make(origin, "--bare")
    with git_http(tmp_path / "served", "reader", "word") as server:
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = word\ngithub_token = {TOKEN}\ngithub_api_url = {github.api}\n"
        )
        done = agent.scrape(
            "--source", f"github:ants=http://127.0.0.1:{server.port}/{OWNER}/{NAME}.git", "--make-secrets"
        )
    assert done.status == 0, done
    names = people(github)
    seen = 0
    for table in sources()["github"].tables:
        for row in json.loads((agent.export() / f"{table.table}.json").read_text()):
            seen += 1
            assert row.get("encrypted", "1") == "1"
            for field, value in row.items():
                if field not in table.free_text:
                    assert value not in names, f"{table.table} {field}"
    assert seen > 200
