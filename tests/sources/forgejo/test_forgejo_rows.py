"""Rows of a Forgejo and a Gitea against the recorded answers, of which they are computed anew."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gros_agent.rows import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
)
from gros_agent.sources.forgejo.shapes import known
from sources.forgejo.replay import READER, Forgejo
from sources.forgejo.sample import context
from support.collecting import collect, columns, local

LATER = "2026-10-05T05:05:0{}Z"
both = pytest.mark.parametrize("forgejo", ["forgejo", "gitea"], indirect=True)
Item = dict[str, Any]


def names(user: Item | None) -> tuple[str, str]:
    return (user["full_name"] or user["login"], user["login"]) if user else ("0", "0")


@both
def test_pull_requests(forgejo: Forgejo, tmp_path: Path) -> None:
    rows, collected = collect(context(forgejo.url, tmp_path))
    votes = {"2": ("1", "0")} if forgejo.recording == "forgejo" else {}  # the other votes were dismissed

    def row(one: Item) -> tuple[str, ...]:
        number = str(one["number"])
        texts = (number, one["title"], one["body"], "merged" if one["merged"] else one["state"])
        branches = (one["head"]["label"], one["base"]["label"])
        moments = (local(one["created_at"]), local(one["updated_at"]))
        return (
            *texts,
            *branches,
            *names(one["user"]),
            *names(one["assignee"]),
            *votes.get(number, ("0", "0")),
            *moments,
        )

    fields = ("id", "title", "description", "status", "source_branch", "target_branch", "author", "author_username")
    more = ("assignee", "assignee_username", "upvotes", "downvotes", "created_at", "updated_at")
    assert columns(rows[MergeRequest], *fields, *more) == Counter(map(row, forgejo.data["pulls"]))
    assert collected.expected == len(forgejo.data["pulls"])
    assert (collected.notes, collected.missing) == ((), ())


@both
def test_issues(forgejo: Forgejo, tmp_path: Path) -> None:
    """Pull requests are among them, as they are among GitHub's."""
    rows, _ = collect(context(forgejo.url, tmp_path))

    def row(one: Item, pull: str) -> tuple[str, ...]:
        people = (one["user"]["login"],) * 2 + ((one["assignee"] or {"login": "0"})["login"],) * 2
        texts = (str(one["number"]), one["title"], one["body"], one["state"])
        closed = local(one["closed_at"]) if one["closed_at"] else "0"
        moments = (local(one["created_at"]), local(one["updated_at"]), closed)
        return (*texts, *people, pull, str(len(one["labels"])), *moments, "0")

    fields = ("id", "title", "description", "status", "author", "author_username", "assignee", "assignee_username")
    more = ("pull_request_id", "labels", "created_at", "updated_at", "closed_at", "closed_by")
    expected = Counter(row(one, "0") for one in forgejo.data["issues"])
    expected.update(row(one, str(one["number"])) for one in forgejo.data["pulls"])
    assert columns(rows[GitHubIssue], *fields, *more) == expected


@both
def test_comments(forgejo: Forgejo, tmp_path: Path) -> None:
    rows, _ = collect(context(forgejo.url, tmp_path))
    expected = Counter(
        (
            *(one["issue_url"].rpartition("/")[2], str(one["id"]), one["user"]["login"], one["user"]["login"]),
            *(one["body"], local(one["created_at"]), local(one["updated_at"])),
        )
        for one in forgejo.data["comments"]
    )
    fields = ("issue_id", "note_id", "author", "author_username", "comment", "created_at", "updated_at")
    assert columns(rows[GitHubIssueNote], *fields) == expected
    assert not rows[MergeRequestNote]


@both
def test_comments_on_lines(forgejo: Forgejo, tmp_path: Path) -> None:
    rows, _ = collect(context(forgejo.url, tmp_path))
    ((number, review),) = (
        (number, one) for number, given in forgejo.data["reviews"].items() for one in given if one["comments_count"]
    )
    (known,) = forgejo.data["review_comments"][str(review["id"])]
    (row,) = rows[CommitComment]
    assert (row.merge_request_id, row.note_id) == (number, str(known["id"]))
    assert (row.thread_id, row.parent_id) == ("0", "0")
    assert (row.commit_id, row.file, row.comment) == (known["commit_id"], known["path"], known["body"])
    assert (row.line, row.end_line, row.line_type) == (str(known["position"]), str(known["position"]), "new")
    assert (row.author, row.author_username) == names(known["user"])
    assert (row.created_date, row.updated_date) == (local(known["created_at"]), local(known["updated_at"]))


@both
def test_reviews(forgejo: Forgejo, tmp_path: Path) -> None:
    """One that was dismissed takes no side."""
    rows, _ = collect(context(forgejo.url, tmp_path))
    votes = {"APPROVED": "1", "REQUEST_CHANGES": "-1", "COMMENT": "0"}
    expected = Counter(
        (number, *names(one["user"]), "0" if one["dismissed"] else votes[one["state"]])
        for number, given in forgejo.data["reviews"].items()
        for one in given
    )
    assert columns(rows[MergeRequestReview], "merge_request_id", "reviewer", "reviewer_username", "vote") == expected


class TestReviews:
    def test_what_is_no_vote(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """Reviews that are asked for, of people and of teams, and one that its author has not sent yet."""
        before, _ = collect(context(forgejo.url, tmp_path))
        forgejo.review(8, LATER.format(1), "REQUEST_REVIEW")
        forgejo.review(8, LATER.format(1), "REQUEST_REVIEW", user=None, team={"id": 1, "name": "team"})
        pending = forgejo.review(8, LATER.format(2), "PENDING")
        forgejo.on_line(8, pending["id"], LATER.format(2))
        rows, _ = collect(context(forgejo.url, tmp_path))
        assert rows[MergeRequestReview] == before[MergeRequestReview]
        assert rows[CommitComment] == before[CommitComment]

    def test_a_vote_that_is_dismissed(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """It takes the place of the vote that was delivered, which the importer updates."""
        review = forgejo.review(8, LATER.format(1), "APPROVED")
        rows, first = collect(context(forgejo.url, tmp_path))
        (row,) = (one for one in rows[MergeRequestReview] if one.merge_request_id == "8")
        assert row.vote == "1"
        review["dismissed"] = True
        forgejo.touch(8, LATER.format(2))
        rows, _ = collect(context(forgejo.url, tmp_path), first.position)
        (row,) = rows[MergeRequestReview]
        assert (row.merge_request_id, row.reviewer, row.vote) == ("8", "reader", "0")
        (request,) = rows[MergeRequest]
        assert (request.upvotes, request.downvotes) == ("0", "0")

    def test_votes(self, forgejo: Forgejo, tmp_path: Path) -> None:
        other = {**READER, "id": 78, "login": "other", "full_name": "An Other"}
        forgejo.review(8, LATER.format(1), "APPROVED")
        forgejo.review(8, LATER.format(2), "REQUEST_CHANGES", user=other)
        rows, _ = collect(context(forgejo.url, tmp_path))
        found = {(row.reviewer, row.vote) for row in rows[MergeRequestReview] if row.merge_request_id == "8"}
        assert found == {("reader", "1"), ("An Other", "-1")}
        (request,) = (row for row in rows[MergeRequest] if row.id == "8")
        assert (request.upvotes, request.downvotes) == ("1", "1")


class TestLines:
    def test_conversations(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """A reply belongs to the review that it replies to, and stands at the same place."""
        review = forgejo.review(8, LATER.format(1))["id"]
        first = forgejo.on_line(8, review, LATER.format(1), "first")
        forgejo.on_line(8, review, LATER.format(2), "its reply")
        forgejo.on_line(8, review, LATER.format(2), "elsewhere", position=4)
        rows, _ = collect(context(forgejo.url, tmp_path))
        parents = {row.comment: row.parent_id for row in rows[CommitComment] if row.merge_request_id == "8"}
        assert parents == {"first": "0", "its reply": str(first["id"]), "elsewhere": "0"}

    @pytest.mark.parametrize(
        ("told", "lines"),
        [
            ({"position": 3}, ("3", "3", "new")),
            ({"position": 0, "original_position": 2, "diff_hunk": "@@ -1,2 +1 @@\n one\n-two"}, ("2", "2", "old")),
            ({"position": 1, "diff_hunk": "@@ -1 +1 @@\n one"}, ("1", "1", "context")),
            ({"diff_hunk": "@@ -2 +2 @@\n-a\n+b\n\\ No newline at end of file"}, ("3", "3", "new")),
            ({"position": 3, "extra_lines_count": 4}, ("3", "7", "new")),
            ({"position": 3, "diff_hunk": ""}, ("3", "3", "new")),
            ({"position": 0, "original_position": 0}, ("0", "0", "0")),
        ],
    )
    def test_sides(self, forgejo: Forgejo, tmp_path: Path, told: Item, lines: tuple[str, str, str]) -> None:
        review = forgejo.review(8, LATER.format(1))["id"]
        forgejo.on_line(8, review, LATER.format(1), **told)
        rows, _ = collect(context(forgejo.url, tmp_path))
        (row,) = (one for one in rows[CommitComment] if one.merge_request_id == "8")
        assert (row.line, row.end_line, row.line_type) == lines

    def test_without_a_commit(self, forgejo: Forgejo, tmp_path: Path) -> None:
        review = forgejo.review(8, LATER.format(1))["id"]
        forgejo.on_line(8, review, LATER.format(1), commit_id="", path="", body="```suggestion\nthis\n```")
        rows, _ = collect(context(forgejo.url, tmp_path))
        (row,) = (one for one in rows[CommitComment] if one.merge_request_id == "8")
        assert (row.commit_id, row.file, row.comment) == ("0", "0", "```suggestion\nthis\n```")


def test_comments_on_a_pull_request(forgejo: Forgejo, tmp_path: Path) -> None:
    """They are comments on the issue that it is, too. Those of the server's own jobs are left out of requests alone."""
    said = forgejo.say(12, LATER.format(1), "said")
    job = {"id": -2, "login": "forgejo-actions", "full_name": "Forgejo Actions", "email": "noreply@forgejo.org"}
    forgejo.say(12, LATER.format(2), "built", user=job)
    forgejo.review(12, LATER.format(3), "APPROVED", user=job)
    rows, collected = collect(context(forgejo.url, tmp_path))
    (row,) = rows[MergeRequestNote]
    assert (row.merge_request_id, row.note_id, row.comment) == ("12", str(said["id"]), "said")
    assert (row.author, row.author_username) == ("reader", "reader")
    on_issue = {note.comment for note in rows[GitHubIssueNote] if note.issue_id == "12"}
    assert on_issue == {"said", "built"}
    assert not [one for one in rows[MergeRequestReview] if one.merge_request_id == "12"]
    assert "2 comments and reviews of the server's own jobs were left out" in collected.notes


class TestPeople:
    def test_who_is_not_there(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """Deleted accounts are Ghost; who is not told is 0."""
        rows, _ = collect(context(forgejo.url, tmp_path))
        (issue,) = (row for row in rows[GitHubIssue] if row.id == "4")
        assert (issue.author, issue.assignee) == ("Ghost", "0")
        forgejo.data["pulls"][0]["user"] = None
        forgejo.data["issues"][0]["user"] = None
        forgejo.say(12, LATER.format(1), "said", user=None)
        rows, _ = collect(context(forgejo.url, tmp_path))
        assert {row.author for row in rows[MergeRequestNote]} == {"0"}
        assert next(row for row in rows[MergeRequest] if row.id == "13").author_username == "0"
        assert next(row for row in rows[GitHubIssue] if row.id == "10").author == "0"

    def test_who_wrote_it_elsewhere(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """What was moved from another system belongs to who wrote it, not to who moved it."""
        forgejo.data["issues"][0] |= {"original_author": "far", "original_author_id": 5}
        forgejo.say(12, LATER.format(1), "said", original_author="away")
        rows, _ = collect(context(forgejo.url, tmp_path))
        issue = next(row for row in rows[GitHubIssue] if row.id == "10")
        assert (issue.author, issue.author_username) == ("far", "far")
        (note,) = rows[MergeRequestNote]
        assert (note.author, note.author_username) == ("away", "away")

    def test_who_merged_it(self, forgejo: Forgejo, tmp_path: Path) -> None:
        forgejo.data["pulls"][1]["merged_by"] = READER
        rows, _ = collect(context(forgejo.url, tmp_path))
        assert next(row for row in rows[GitHubIssue] if row.id == "12").closed_by == "reader"


def test_moments(forgejo: Forgejo, tmp_path: Path) -> None:
    """Servers tell them with the offset of their zone, and write unset ones in several ways."""
    forgejo.data["pulls"][0] |= {"created_at": "2020-09-01T20:03:54+02:00", "updated_at": "2020-09-01T20:04:26+02:00"}
    forgejo.data["pulls"][2] |= {"updated_at": "0001-01-01T00:00:00Z"}
    forgejo.data["pulls"][3] |= {"updated_at": None}
    forgejo.data["pulls"][4] |= {"created_at": "1970-01-01T00:00:00Z"}
    rows, collected = collect(context(forgejo.url, tmp_path))
    moments = {row.id: (row.created_at, row.updated_at) for row in rows[MergeRequest]}
    assert moments["13"] == (local("2020-09-01T18:03:54Z"), local("2020-09-01T18:04:26Z"))
    assert moments["11"] == (local("2020-09-01T17:52:28Z"),) * 2
    assert moments["8"] == (local("2020-09-01T17:43:20Z"),) * 2
    assert moments["7"] == (local("2020-09-01T17:26:08Z"),) * 2
    assert collected.position
    assert known(None).timestamp() == 0


def test_odd_values(forgejo: Forgejo, tmp_path: Path) -> None:
    """A description that is null, labels that are null, a branch without a name, and a long text."""
    forgejo.data["pulls"][0] |= {"body": None, "labels": None, "assignees": [READER], "head": {"label": "", "ref": ""}}
    long = "עברית 👩‍👩‍👧 \u202e" + "x" * 100_000
    forgejo.say(12, LATER.format(1), long)
    rows, _ = collect(context(forgejo.url, tmp_path))
    row = next(one for one in rows[MergeRequest] if one.id == "13")
    assert (row.description, row.source_branch, row.assignee) == ("", "0", "reader")
    assert next(one for one in rows[GitHubIssue] if one.id == "13").labels == "0"
    assert rows[MergeRequestNote][0].comment == long


def test_what_a_server_can_not_read(forgejo: Forgejo, tmp_path: Path) -> None:
    """A Forgejo has null for a pull request whose branches can't be read; a comment that names nothing has no row."""
    forgejo.data["pulls"] += [None, None]
    forgejo.say(12, LATER.format(1), pull_request_url="https://forge.example/elsewhere")
    rows, collected = collect(context(forgejo.url, tmp_path))
    assert len(rows[MergeRequest]) == 6
    assert not rows[MergeRequestNote]
    assert "2 pull requests have no rows: the server can't read them, and its log says why" in collected.notes
    assert "1 comments have no rows: the server does not tell what they are on" in collected.notes
    assert collected.position
