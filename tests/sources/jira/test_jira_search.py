"""The issues of a project, on both deployments: each once, with all histories and comments, in few requests."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from gros_agent.sources.jira import cloud_search, lists, server_search
from gros_agent.sources.jira.gathering import Gathering
from gros_agent.sources.jira.search import condition
from sources.jira.asking import FIELDS, context, expected, gather
from sources.jira.cloud import JiraCloud
from sources.jira.replay import Jira, refused
from sources.jira.server import JiraServer
from support.controller import wait_until
from support.replay import Asked, Strike, status
from support.web import Answer, json_answer


@pytest.fixture(params=["server", "cloud"])
def jira(request: pytest.FixtureRequest) -> Jira:
    found: Jira = request.getfixturevalue(request.param)
    return found


def many(one: Jira, count: int, changes: int = 10, comments: int = 5) -> None:
    """Make the project one of so many issues."""
    one.issues[:] = [one.issues[0]]
    for number in range(1000, 1000 + count):
        one.add(number, changes, comments)
    del one.issues[0]


class TestBoth:
    def test_all(self, jira: Jira, tmp_path: Path) -> None:
        found = gather(context(jira, tmp_path))
        assert found.histories == expected(jira)
        for issue in jira.issues:
            if issue["key"] in found.issues:
                comments = issue["fields"]["comment"]["comments"]
                assert [one["id"] for one in found.issues[issue["key"]].comments] == [one["id"] for one in comments]
                assert found.issues[issue["key"]].fields["summary"] == issue["fields"]["summary"]
        assert found.end.expected == len(found.issues)
        assert not found.end.missing

    def test_pages(self, jira: Jira, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        many(jira, 57, 3, 1)
        for module in (server_search, cloud_search):
            monkeypatch.setattr(module, "PAGE", 10)
        monkeypatch.setattr(cloud_search, "IDENTIFIERS", 7)
        monkeypatch.setattr(cloud_search, "BATCH", 20)
        monkeypatch.setattr(cloud_search, "HISTORIES", 13)
        found = gather(context(jira, tmp_path))
        assert found.histories == expected(jira)
        assert not found.end.missing

    def test_what_changed(self, jira: Jira, tmp_path: Path) -> None:
        many(jira, 20, 2, 1)
        first = gather(context(jira, tmp_path))
        jira.now += timedelta(hours=1)
        assert not gather(context(jira, tmp_path), first.end.position).issues
        jira.change(f"{jira.key}-1003")
        jira.say(f"{jira.key}-1001")
        jira.add(2000, at=jira.now)
        found = gather(context(jira, tmp_path), first.end.position)
        assert set(found.issues) == {f"{jira.key}-{number}" for number in (1001, 1003, 2000)}
        assert found.histories.items() <= expected(jira).items()

    def test_nothing_is_passed_over(self, jira: Jira, tmp_path: Path) -> None:
        """What changes while the first collection asks, or just before it, comes with the second one."""
        many(jira, 3, 1, 0)
        jira.change(f"{jira.key}-1000", jira.now - timedelta(seconds=2 if isinstance(jira, JiraServer) else 299))
        first = gather(context(jira, tmp_path))
        jira.change(f"{jira.key}-1001", jira.now)
        jira.now += timedelta(hours=1)
        second = gather(context(jira, tmp_path), first.end.position)
        assert set(second.issues) == {f"{jira.key}-1000", f"{jira.key}-1001"}

    def test_requests(self, jira: Jira, tmp_path: Path) -> None:
        many(jira, 1000)
        jira.boards = [{"id": 8, "name": "board", "type": "scrum"}]
        jira.sprints = {8: [{"id": number, "name": f"sprint {number}"} for number in range(30)]}
        first = gather(context(jira, tmp_path))
        assert first.histories == expected(jira)
        is_server = isinstance(jira, JiraServer)
        assert len(jira.replay.asked) <= (12 if is_server else 25)
        assert len(jira.replay.asked) == (10 if is_server else 22), jira.replay.counts()
        jira.replay.asked.clear()
        jira.now += timedelta(days=1)
        second = gather(context(jira, tmp_path), first.end.position)
        assert not second.issues
        assert len(jira.replay.asked) == 6, jira.replay.counts()
        jira.replay.asked.clear()
        for number in range(1000, 1003):
            jira.change(f"{jira.key}-{number}")
        third = gather(context(jira, tmp_path), second.end.position)
        assert len(third.issues) == 3
        assert len(jira.replay.asked) <= 12, jira.replay.counts()

    def test_a_condition(self, jira: Jira, tmp_path: Path) -> None:
        kind = jira.issues[0]["fields"]["issuetype"]["name"]
        wanted = {
            one["key"]
            for one in jira.issues
            if one["fields"]["issuetype"]["name"] == kind and one["key"].startswith(f"{jira.key}-")
        }
        found = gather(context(jira, tmp_path, query=f'issuetype = "{kind}"'))
        assert set(found.issues) == wanted
        with pytest.raises(SourceError) as caught:
            gather(context(jira, tmp_path, query="no query at all"))
        assert "check the query" in caught.value.hint

    def test_a_server_that_is_slow(self, jira: Jira, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pages are halved where the server can't answer, and grow again."""
        many(jira, 100, 2, 0)
        for module in (server_search, cloud_search):
            monkeypatch.setattr(module, "PAGE", 40)

        def too_many(asked: Asked, honest: Answer) -> Answer:
            slow = (
                asked.json["maxResults"] > 12 and len(asked.json["fields"]) > 1 and jira.replay.counts()["search"] < 6
            )
            return refused(504, "time-out") if slow else honest

        jira.replay.strikes["search"] = Strike(too_many)
        found = gather(context(jira, tmp_path))
        assert found.histories == expected(jira)
        sizes = [one.json["maxResults"] for one in jira.replay.asked if one.route == "search"]
        assert min(sizes) <= 12
        assert sizes[-1] >= 20

    def test_a_long_list_of_comments(self, jira: Jira, tmp_path: Path) -> None:
        issue = jira.add(5000, 1, 250)
        found = gather(context(jira, tmp_path))
        told = [one["id"] for one in found.issues[issue["key"]].comments]
        assert told == [one["id"] for one in issue["fields"]["comment"]["comments"]]
        assert jira.replay.counts()["comments"] == (0 if isinstance(jira, JiraServer) else 3)

    def test_the_gap_between_list_and_changelog(self, jira: Jira, tmp_path: Path) -> None:
        """An issue that is not there when its details are asked for is left out, and nothing is missing."""
        issue = jira.add(5000, 3, 30)
        if isinstance(jira, JiraServer):
            jira.cut[issue["key"]] = 1
        else:
            assert isinstance(jira, JiraCloud)

        def deleted(_asked: Asked, honest: Answer) -> Answer:
            jira.closed.add(issue["key"])
            return honest

        jira.replay.strikes["search"] = Strike(deleted, after=1 if isinstance(jira, JiraCloud) else 0)
        found = gather(context(jira, tmp_path))
        assert issue["key"] not in found.issues
        assert not found.end.missing
        assert found.end.notes[-1] == "1 issues were deleted or hidden while they were read"
        assert found.end.position

    @pytest.mark.parametrize("position", ["1900-01-01 01:01", "1899-12-30 23:01", None])
    def test_a_first_time(self, jira: Jira, tmp_path: Path, position: str | None) -> None:
        assert gather(context(jira, tmp_path), position).histories == expected(jira)

    def test_a_position_that_is_none(self, jira: Jira, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is not a moment"):
            gather(context(jira, tmp_path), "yesterday")


class TestServer:
    def test_an_issue_that_leaves(self, server: JiraServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those after it move up, and none is passed over, whether another one comes or not."""
        for newcomers in (0, 1, 2):
            many(server, 30, 1, 0)
            server.closed.clear()
            monkeypatch.setattr(server_search, "PAGE", 5)
            before = expected(server)

            def leave(_asked: Asked, honest: Answer, newcomers: int = newcomers) -> Answer:
                page = len(server.closed)
                if page < 6:
                    server.closed.add(f"TST-{1000 + page}")
                    for number in range(newcomers):
                        server.add(3000 + 10 * page + number, 1)
                return honest

            server.replay.strikes["search"] = Strike(leave)
            found = gather(context(server, tmp_path))
            assert set(found.issues) >= set(before) - server.closed, newcomers
            assert not found.end.missing

    def test_most_of_them_leave(self, server: JiraServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        many(server, 20, 1, 0)
        monkeypatch.setattr(server_search, "PAGE", 10)

        def leave(_asked: Asked, honest: Answer) -> Answer:
            server.closed |= {f"TST-{number}" for number in range(1000, 1014)}
            return honest

        server.replay.strikes["search"] = Strike(leave)
        found = gather(context(server, tmp_path))
        assert {f"TST-{number}" for number in range(1014, 1020)} <= set(found.issues)

    def test_what_never_rests(self, server: JiraServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A result that changes all the time ends, and is told."""
        many(server, 200, 0, 0)
        monkeypatch.setattr(server_search, "PAGE", 5)

        def leave(_asked: Asked, honest: Answer) -> Answer:
            gone = len(server.closed)
            server.closed |= {f"TST-{number}" for number in range(1000 + gone, 1002 + gone)}
            return honest

        server.replay.strikes["search"] = Strike(leave)
        found = gather(context(server, tmp_path), "2024-01-01 00:00")
        assert found.end.missing == ("issues: they changed again and again while they were read",)
        assert found.end.position == "2024-01-01 00:00"

    def test_the_next_page_is_asked_for_ahead(
        self, server: JiraServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not more than one: pages are large."""
        many(server, 20, 1, 0)
        monkeypatch.setattr(server_search, "PAGE", 5)
        issues = Gathering(context(server, tmp_path), None).issues(FIELDS)
        for pages in (2, 3, 4):
            next(issues)
            wait_until(partial(_have_come, server, pages))
            assert len([next(issues) for _ in range(4)]) == 4
            assert _have_come(server, pages)

    def test_a_server_with_small_pages(self, server: JiraServer, tmp_path: Path) -> None:
        many(server, 95, 1, 0)
        server.limit = 10
        assert gather(context(server, tmp_path)).histories == expected(server)

    def test_pages_of_one(self, server: JiraServer, tmp_path: Path) -> None:
        """A server that can't give more at once gives all in the end."""
        many(server, 12, 1, 0)

        def one_only(asked: Asked, honest: Answer) -> Answer:
            return honest if asked.json["maxResults"] == 1 else refused(504, "time-out")

        server.replay.strikes["search"] = Strike(one_only)
        for limit in (1, 1000):
            server.limit = limit
            assert gather(context(server, tmp_path)).histories == expected(server)
        server.replay.strikes = {}
        server.limit = 1
        assert gather(context(server, tmp_path)).histories == expected(server)

    def test_a_total_that_is_wrong(self, server: JiraServer, tmp_path: Path) -> None:
        def more(_asked: Asked, honest: Answer) -> Answer:
            return json_answer({**_content(honest), "total": 99})

        server.replay.strikes["search"] = Strike(more)
        found = gather(context(server, tmp_path), "2000-01-01 00:00")
        assert found.end.missing == ("issues: the server says that 99 changed, and gave 2",)
        assert found.end.position == "2000-01-01 00:00"
        assert len(server.replay.asked) < 40

    def test_a_changelog_that_is_cut(self, server: JiraServer, tmp_path: Path) -> None:
        server.cut["TST-1"] = 3
        assert gather(context(server, tmp_path)).histories == expected(server)
        assert server.replay.counts()["issue"] == 1

    def test_a_changelog_that_stays_cut(self, server: JiraServer, tmp_path: Path) -> None:
        """The issue is left out and named, and the position stays before it was made, or where it was."""
        server.cut, server.cut_for_good = {"TST-1": 3}, True
        server.touch("TST-1", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC))
        found = gather(context(server, tmp_path), "2010-01-01 00:00")
        assert set(found.issues) == {"TST-2"}
        assert found.end.missing[0].startswith("issue TST-1: its changelog: 3 of 30 came")
        assert found.end.position == "2010-07-26 11:28"
        assert gather(context(server, tmp_path), "2011-01-01 00:00").end.position == "2011-01-01 00:00"

    def test_an_issue_that_cannot_be_read(self, server: JiraServer, tmp_path: Path) -> None:
        server.cut["TST-1"] = 3
        server.replay.strikes["issue"] = Strike(status(500))
        found = gather(context(server, tmp_path))
        assert "issue TST-1" in found.end.missing[0]
        assert found.end.position == "2010-07-26 11:28"

    def test_a_server_that_cannot_read_anything(self, server: JiraServer, tmp_path: Path) -> None:
        many(server, 60, 2, 0)
        server.cut = dict.fromkeys(expected(server), 1)
        server.replay.strikes["issue"] = Strike(status(500))
        with pytest.raises(SourceError, match="status 500"):
            gather(context(server, tmp_path))


class TestCloud:
    def test_short_and_empty_pages(self, cloud: JiraCloud, tmp_path: Path) -> None:
        many(cloud, 50, 2, 0)
        cloud.shown = [3, 0, 0, 5, 1, 0]
        assert gather(context(cloud, tmp_path)).histories == expected(cloud)

    def test_pages_are_read_ahead(self, cloud: JiraCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Some, and not all: they are large."""
        many(cloud, 60, 1, 0)
        for name in ("PAGE", "BATCH"):
            monkeypatch.setattr(cloud_search, name, 4)
        issues = Gathering(context(cloud, tmp_path), None).issues(FIELDS)
        next(issues)
        wait_until(partial(_have_come, cloud, 1 + 5))
        assert len({next(issues).id for _ in range(3)}) == 3
        assert _have_come(cloud, 1 + 5)
        assert len(list(issues)) == 60 - 4

    def test_long_histories(self, cloud: JiraCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those of fewer issues are asked for together, by what those of the first page are like."""
        many(cloud, 40, 20, 0)
        monkeypatch.setattr(cloud_search, "PAGE", 4)
        for whole, batches in ((1 << 30, [4, 36]), (60_000, [4, 8]), (1, [4, 4])):
            monkeypatch.setattr(cloud_search, "WHOLE", whole)
            cloud.replay.asked.clear()
            assert gather(context(cloud, tmp_path)).histories == expected(cloud)
            asked = [one.json["issueIdsOrKeys"] for one in cloud.replay.asked if one.route == "changelogs"]
            assert [len(issues) for issues in asked[:2]] == batches

    @pytest.mark.parametrize("route", ["search", "changelogs"])
    def test_a_token_that_repeats(self, cloud: JiraCloud, tmp_path: Path, route: str) -> None:
        many(cloud, 5, 2, 0)

        def again(_asked: Asked, honest: Answer) -> Answer:
            return json_answer({**_content(honest), "nextPageToken": "token-0", "isLast": False})

        cloud.replay.strikes[route] = Strike(again)
        with pytest.raises(SourceError, match="repeat in a loop"):
            gather(context(cloud, tmp_path))
        assert cloud.replay.counts()[route] == 2

    def test_pages_without_an_end(self, cloud: JiraCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lists, "EMPTY_PAGES", 4)

        def empty(_asked: Asked, _honest: Answer) -> Answer:
            return json_answer({"issues": [], "nextPageToken": f"token-{len(cloud.replay.asked)}", "isLast": False})

        cloud.replay.strikes["search"] = Strike(empty)
        with pytest.raises(SourceError, match="repeat in a loop"):
            gather(context(cloud, tmp_path))

    def test_a_warning(self, cloud: JiraCloud, tmp_path: Path) -> None:
        cloud.warnings = [{"type": "RESULTS_TRUNCATED", "message": "The result set was truncated."}]
        found = gather(context(cloud, tmp_path))
        assert found.end.missing == ("issues: The result set was truncated.",)
        assert found.end.position is None

    def test_what_the_search_leaves_out(self, cloud: JiraCloud, tmp_path: Path) -> None:
        """Issues that are listed and don't come are asked for one by one."""
        many(cloud, 30, 2, 0)
        cloud.unindexed = {"EE-1003", "EE-1020"}
        found = gather(context(cloud, tmp_path))
        assert found.histories == expected(cloud)
        assert not found.end.missing

    def test_what_cannot_be_given(self, cloud: JiraCloud, tmp_path: Path) -> None:
        many(cloud, 30, 2, 0)
        cloud.unindexed, cloud.faulty = {"EE-1003", "EE-1020"}, {"501003"}
        found = gather(context(cloud, tmp_path))
        assert set(expected(cloud)) - set(found.issues) == {"EE-1003"}
        assert found.end.missing[0].startswith("issue number 501003: The issue is too large.")
        assert found.end.position is None

    def test_histories_by_key(self, cloud: JiraCloud, tmp_path: Path) -> None:
        cloud.by_key = True
        assert gather(context(cloud, tmp_path)).histories == expected(cloud)

    def test_more_histories_than_a_page_has(self, cloud: JiraCloud, tmp_path: Path) -> None:
        many(cloud, 4, 60, 0)
        cloud.histories_on_page = 50
        assert gather(context(cloud, tmp_path)).histories == expected(cloud)
        assert cloud.replay.counts()["changelogs"] == 5

    def test_changelogs_that_are_refused(self, cloud: JiraCloud, tmp_path: Path) -> None:
        """Each issue is asked for its own then."""
        many(cloud, 3, 250, 0)
        cloud.replay.strikes["changelogs"] = Strike(status(403))
        assert gather(context(cloud, tmp_path)).histories == expected(cloud)
        assert cloud.replay.counts()["changelog"] == 9

    def test_issues_without_histories(self, cloud: JiraCloud, tmp_path: Path) -> None:
        many(cloud, 120, 0, 1)
        found = gather(context(cloud, tmp_path))
        assert len(found.issues) == 120
        assert cloud.replay.counts()["issues"] == 0
        cloud.now += timedelta(hours=1)
        cloud.say("EE-1000")
        assert set(gather(context(cloud, tmp_path), found.end.position).issues) == {"EE-1000"}
        assert cloud.replay.counts()["issues"] == 1

    def test_comments_that_cannot_be_read(self, cloud: JiraCloud, tmp_path: Path) -> None:
        cloud.add(5000, 1, 30)
        cloud.replay.strikes["comments"] = Strike(status(500))
        found = gather(context(cloud, tmp_path), "2020-01-01 00:00")
        assert "issue EE-5000" in found.end.missing[0]
        assert found.end.position == "2025-01-04 11:19"

    def test_comments_that_are_not_there(self, cloud: JiraCloud, tmp_path: Path) -> None:
        """While their issue is: then something is missing."""
        cloud.add(5000, 1, 30)
        cloud.replay.strikes["comments"] = Strike(status(404))
        found = gather(context(cloud, tmp_path))
        assert "issue EE-5000" in found.end.missing[0]
        assert not found.end.notes

    def test_the_former_search_is_not_asked(self, cloud: JiraCloud, tmp_path: Path) -> None:
        gather(context(cloud, tmp_path))
        assert not cloud.replay.counts()["former search"]


def _have_come(one: Jira, pages: int) -> bool:
    return one.replay.counts()["search"] == pages


def test_the_condition() -> None:
    order = "ORDER BY created ASC, key ASC"
    assert condition("INT", None, None) == f'project = "INT" {order}'
    assert condition('A"\\', 5, " a or b ") == f'project = "A\\"\\\\" AND updated >= 5 AND (a or b) {order}'


def _content(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer[2])
    return found


@pytest.mark.parametrize("extra", ["a = 1 or (b = 2)", "labels = ')'", 'summary ~ ") or (" and c = 3', "x in (1, (2))"])
def test_one_further_condition(extra: str) -> None:
    assert f" AND ({extra}) ORDER" in condition("ABC", None, extra)


@pytest.mark.parametrize(
    "extra",
    [
        "a) or project = OTHER or (b",
        "(",
        ")(",
        "a = ')",
        'a = "b\\"',
        "a = '\\') or project = X or ('",
        "a\\) or (b",
    ],
)
def test_no_condition_leaves_the_project(extra: str) -> None:
    with pytest.raises(SourceError, match="too many") as caught:
        condition("ABC", None, extra)
    assert "one condition" in caught.value.hint
