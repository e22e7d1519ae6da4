"""Pages of lists, what is new since a collection, and what changes while lists are read."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.rows import CommitComment, GitHubIssue, GitHubIssueNote, MergeRequest, MergeRequestReview
from gros_agent.sources.forgejo import access
from gros_agent.sources.forgejo.lists import Lists
from gros_agent.sources.forgejo.shapes import Key
from sources.forgejo.replay import READER, Forgejo
from sources.forgejo.sample import context
from support.collecting import Found, collect, local, same
from support.replay import Asked, Strike
from support.web import Answer as Sent

LATER = "2026-10-05T05:05:0{}Z"


def grown(forgejo: Forgejo) -> Forgejo:
    """Some more of everything."""
    for number in range(7):
        forgejo.say(12, LATER.format(number), f"said {number}")
        forgejo.review(8, LATER.format(number), "APPROVED")
    return forgejo


class TestPages:
    @pytest.mark.parametrize("largest", [1, 2, 3, 50])
    @pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
    def test_sizes(self, forgejo: Forgejo, tmp_path: Path, largest: int, *, told: bool) -> None:
        """A server gives pages of its own size, whether it tells the largest or not."""
        whole, first = collect(context(grown(forgejo).url, tmp_path))
        forgejo.data["settings"] |= {"max_response_items": largest, "default_paging_num": max(1, largest // 2)}
        forgejo.has_settings = told
        forgejo.replay.asked.clear()
        rows, second = collect(context(forgejo.url, tmp_path))
        assert same(rows) == same(whole)
        assert second.position == first.position
        assert {one.query.get("limit") for one in forgejo.replay.asked if "page" in one.query} == {
            str(largest) if told else None
        }

    def test_no_page_is_asked_for_in_vain(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        """A list ends with its last item: 6 pull requests, 7 issues, 9 comments, 7 reviews of one pull request."""
        monkeypatch.setattr(access, "PAGE", 3)
        collect(context(grown(forgejo).url, tmp_path))
        counts = Counter((one.route, one.parts[1:]) for one in forgejo.replay.asked)
        assert counts["pulls", ()] == 2
        assert counts["issues", ()] == 3
        assert counts["comments", ()] == 3
        assert counts["reviews", ("8",)] == 3
        assert counts["reviews", ("3",)] == 1

    def test_pending_reviews_leave_gaps(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        """A page that is shorter for what is not shown, or empty, is not the last one."""
        monkeypatch.setattr(access, "PAGE", 2)
        for number in range(4):
            forgejo.review(8, LATER.format(number), "PENDING", user={**READER, "login": "other"})
        forgejo.review(8, LATER.format(4), "APPROVED")
        rows, _ = collect(context(forgejo.url, tmp_path))
        assert [row.vote for row in rows[MergeRequestReview] if row.merge_request_id == "8"] == ["1"]

    @pytest.mark.parametrize("size", [2, None])
    def test_lists_that_tell_nothing(self, size: int | None) -> None:
        """Old releases tell neither the next page nor a number, and some lists have no pages at all."""
        keys = [Key(number, "title", "key") for number in range(4)]

        class Client(WebClient):
            has_pages = True
            asked = 0

            def ask(self, request: Request, _kind: object) -> Any:
                self.asked += 1
                page = int((request.query or {})["page"]) - 1
                found = keys[2 * page : 2 * page + 2] if self.has_pages else keys
                return Answer(found or None, 200, {}, request)

        client = Client()
        assert Lists(client, size).whole("url", Key) == keys
        client.has_pages, client.asked = False, 0
        assert Lists(client, size).whole("url", Key) == [*keys, *keys]
        assert client.asked == 2


class TestIncremental:
    def test_nothing_new(self, forgejo: Forgejo, tmp_path: Path) -> None:
        _, first = collect(context(forgejo.url, tmp_path))
        forgejo.replay.asked.clear()
        rows, second = collect(context(forgejo.url, tmp_path), first.position)
        assert not any(rows.values())
        assert second.position == first.position
        assert set(forgejo.replay.counts().values()) == {1}
        assert not {"reviews", "review comments"} & set(forgejo.replay.counts())

    def test_what_is_new(self, forgejo: Forgejo, tmp_path: Path) -> None:
        _, first = collect(context(forgejo.url, tmp_path))
        forgejo.say(12, LATER.format(1))
        forgejo.touch(2, LATER.format(2))
        forgejo.review(8, LATER.format(3), "APPROVED")
        rows, second = collect(context(forgejo.url, tmp_path), first.position)
        assert counts(rows) == {
            "MergeRequest": 2,
            "MergeRequestNote": 1,
            "MergeRequestReview": 1,
            "GitHubIssue": 3,
            "GitHubIssueNote": 1,
        }
        assert second.position == local(LATER.format(3))
        assert second.expected is None
        rows, _ = collect(context(forgejo.url, tmp_path), second.position)
        assert not any(rows.values())

    def test_a_comment_that_is_edited(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """That does not change its issue, but the list of comments goes by when they changed."""
        _, first = collect(context(forgejo.url, tmp_path))
        forgejo.data["comments"][0] |= {"body": "edited", "updated_at": LATER.format(1)}
        rows, second = collect(context(forgejo.url, tmp_path), first.position)
        assert counts(rows) == {"GitHubIssueNote": 1}
        assert rows[GitHubIssueNote][0].comment == "edited"
        assert second.position == local(LATER.format(1))

    def test_comments_that_wait_for_their_review(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """Who writes them sends them later, when they are older than the last collection."""
        other = {**READER, "login": "other"}
        review = forgejo.review(8, LATER.format(1), "PENDING", user=other)
        comment = forgejo.on_line(8, review["id"], LATER.format(1), user=other)
        forgejo.touch(3, LATER.format(2))
        rows, first = collect(context(forgejo.url, tmp_path))
        assert not [row for row in rows[CommitComment] if row.merge_request_id == "8"]
        assert first.position == local(LATER.format(2))
        review |= {"state": "APPROVED", "updated_at": LATER.format(3)}
        forgejo.touch(8, LATER.format(3))
        rows, second = collect(context(forgejo.url, tmp_path), first.position)
        assert [row.note_id for row in rows[CommitComment]] == [str(comment["id"])]
        forgejo.touch(8, LATER.format(4))
        rows, _ = collect(context(forgejo.url, tmp_path), second.position)
        assert not rows[CommitComment]

    def test_equal_moments(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        """Several that change within one second come once each, however the pages are cut."""
        monkeypatch.setattr(access, "PAGE", 2)
        for number in (3, 7, 8, 11, 13):
            forgejo.say(number, LATER.format(1))
        for number in (1, 2, 4):
            forgejo.touch(number, LATER.format(1))
        rows, first = collect(context(forgejo.url, tmp_path))
        assert counts(rows)["MergeRequest"] == 6
        assert counts(rows)["GitHubIssue"] == 13
        assert counts(rows)["MergeRequestNote"] == 5
        rows, _ = collect(context(forgejo.url, tmp_path), first.position)
        assert not any(rows.values())
        for number in (3, 8):
            forgejo.touch(number, LATER.format(2))
        rows, _ = collect(context(forgejo.url, tmp_path), first.position)
        assert {row.id for row in rows[MergeRequest]} == {"3", "8"}

    def test_the_first_answer_bounds_the_position(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """What changes in the seconds before it, or after it, comes again or comes next time: nothing is lost."""
        forgejo.touch(3, "2099-01-01T00:00:00Z")
        _, first = collect(context(forgejo.url, tmp_path))
        assert first.position is not None
        assert first.position < "2099"
        rows, _ = collect(context(forgejo.url, tmp_path), first.position)
        assert [row.id for row in rows[MergeRequest]] == ["3"]


class TestMeanwhile:
    def test_what_changes_moves_to_the_front(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(access, "PAGE", 2)

        def change(_asked: Asked, honest: Sent) -> Sent:
            forgejo.touch(3, LATER.format(1))
            return honest

        forgejo.replay.strikes["pulls"] = Strike(change, times=1)
        rows, first = collect(context(forgejo.url, tmp_path))
        ids = [row.id for row in rows[MergeRequest]]
        assert len(ids) == len(set(ids)) == 5
        assert any("5 of 6 pull requests" in note for note in first.notes)
        rows, _ = collect(context(forgejo.url, tmp_path), first.position)
        assert [row.id for row in rows[MergeRequest]] == ["3"]

    @pytest.mark.parametrize(("route", "table"), [("pulls", MergeRequest), ("issues", GitHubIssue)])
    def test_what_is_removed_hides_nothing(
        self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any, route: str, table: Any
    ) -> None:
        """What follows moves up, to a page that was read already: the list is read again.

        The reviews of a pull request that is gone are not missing.
        """
        monkeypatch.setattr(access, "PAGE", 2)
        whole, _ = collect(context(forgejo.url, tmp_path))

        def remove(_asked: Asked, honest: Sent) -> Sent:
            del forgejo.data[route][0]
            return honest

        forgejo.replay.strikes[route] = Strike(remove, times=1)
        rows, collected = collect(context(forgejo.url, tmp_path))
        assert Counter(map(repr, rows[table])) == Counter(map(repr, whole[table]))
        assert (collected.notes, collected.missing) == ((), ())

    def test_a_list_without_rest(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(access, "PAGE", 1)
        template = forgejo.data["issues"][0]
        forgejo.data["issues"] += [{**template, "number": 100 + number} for number in range(9)]

        def remove(asked: Asked, honest: Sent) -> Sent:
            if asked.query["page"] == "1":
                del forgejo.data["issues"][-1]
            return honest

        forgejo.replay.strikes["issues"] = Strike(remove)
        _, collected = collect(context(forgejo.url, tmp_path))
        assert any(note.startswith("issues were removed all the time") for note in collected.notes)


def counts(rows: Found) -> dict[str, int]:
    return {table.__name__: len(found) for table, found in rows.items() if found}
