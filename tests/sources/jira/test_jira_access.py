"""Deployments, log-ins, refusals, addresses, and what a check says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from gros_agent.options.hosts import by_name
from gros_agent.options.values import Secret
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.jira import access
from gros_agent.sources.jira.gathering import Gathering
from gros_agent.sources.jira.position import Position
from sources.jira.asking import context, expected, gather
from sources.jira.cloud import ADDRESS, JiraCloud
from sources.jira.cloud import ORIGINS as CLOUD_ORIGINS
from sources.jira.replay import PASSWORD, TOKEN, USER, refused
from sources.jira.server import ORIGINS, JiraServer
from support.hosts import host_with
from support.replay import Strike, serving, status, web_page
from support.web import Answer


def strike(one: Any, route: str, answer: Answer) -> None:
    one.replay.strikes[route] = Strike(lambda _asked, _honest: answer)


class TestLogIn:
    @pytest.mark.parametrize("login", [(USER, PASSWORD), (None, TOKEN)], ids=["basic", "token"])
    def test_on_a_server(self, server: JiraServer, tmp_path: Path, login: tuple[str | None, str]) -> None:
        found = gather(context(server, tmp_path, user=login[0], password=login[1]))
        assert found.histories == expected(server)
        assert not any("credentials" in note for note in found.end.notes)

    def test_anonymous(self, server: JiraServer, tmp_path: Path) -> None:
        asked = context(server, tmp_path, user=None, password=None)
        with pytest.raises(SourceError) as caught:
            gather(asked)
        assert "set username and password, or a token" in caught.value.hint
        server.public = True
        found = gather(asked)
        assert found.histories == expected(server)
        assert found.end.notes[0] == "no credentials are configured: only what is public was collected"

    @pytest.mark.parametrize("user", [USER, None])
    def test_a_wrong_one(self, server: JiraServer, tmp_path: Path, user: str | None) -> None:
        """It is tried once: each failure brings the account nearer to being locked."""
        with pytest.raises(SourceError) as caught:
            gather(context(server, tmp_path, user=user, password="wrong"))
        assert "it may have expired" in caught.value.hint
        assert len(server.replay.asked) == 1
        assert "wrong" not in caught.value.message

    def test_a_captcha(self, server: JiraServer, tmp_path: Path) -> None:
        server.captcha = True
        for ask in (gather, access.check, access.version):
            server.replay.asked.clear()
            with pytest.raises(SourceError) as caught:
                ask(context(server, tmp_path))
            assert "log in once with a browser" in caught.value.hint
            assert len(server.replay.asked) == 1

    def test_a_token_of_cloud_that_expired(self, cloud: JiraCloud, tmp_path: Path) -> None:
        """Searches find nothing then, which is no empty project."""
        with pytest.raises(SourceError) as caught:
            gather(context(cloud, tmp_path, password="expired"), "2024-01-01 00:00")
        assert "it may have expired" in caught.value.hint
        assert [one.route for one in cloud.replay.asked] == ["server", "myself"]

    def test_a_log_in_page(self, server: JiraServer, tmp_path: Path) -> None:
        for route in ("server", "search", "project"):
            server.replay.strikes = {route: Strike(web_page)}
            with pytest.raises(SourceError, match="answers with a web page") as caught:
                gather(context(server, tmp_path))
            assert "this is a log-in page" in caught.value.hint

    def test_a_redirect_to_a_log_in(self, server: JiraServer, tmp_path: Path) -> None:
        strike(server, "server", (302, {"Location": "https://login.example/saml"}, b""))
        with pytest.raises(SourceError, match=r"redirects to https://login.example") as caught:
            gather(context(server, tmp_path))
        assert "this is a log-in page" in caught.value.hint

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            (403, "Basic Authentication has been disabled on this instance."),
            (401, "Basic authentication with passwords is deprecated.  For more information, see: https://x.example"),
        ],
    )
    def test_no_log_in_by_password(self, server: JiraServer, tmp_path: Path, code: int, text: str) -> None:
        """As Jira 11 is installed, and as Cloud refuses a password (texts: atlassian/data-center-helm-charts, Kiwi)."""
        strike(server, "server", (code, {"Content-Type": "text/plain"}, text.encode()))
        with pytest.raises(SourceError) as caught:
            gather(context(server, tmp_path))
        assert "switched off there: use a personal access token" in caught.value.hint
        assert server.replay.counts()["server"] == 1

    @pytest.mark.parametrize(
        ("code", "text", "words"),
        [
            (403, "XSRF check failed", "does a proxy on the way change the User-Agent?"),
            (403, "You do not have the permission to see it.", "Browse Projects"),
            (404, "null for uri", "check the address and the server's path"),
            (410, "The requested API has been removed.", "has removed that part of its API"),
        ],
    )
    def test_a_refused_search(self, server: JiraServer, tmp_path: Path, code: int, text: str, words: str) -> None:
        strike(server, "search", refused(code, text))
        with pytest.raises(SourceError) as caught:
            gather(context(server, tmp_path))
        assert words in caught.value.hint
        assert server.replay.counts()["search"] == 1

    def test_a_token_of_a_site_without_its_user(self, tmp_path: Path) -> None:
        entry = SourceEntry("jira", "sample", "https://site.atlassian.net", None, Secret(TOKEN))
        one = Context(entry=entry, host=_host(), folder=tmp_path, known_hosts=tmp_path, project="ABC")
        with pytest.raises(SourceError) as caught:
            access.client(one)
        assert "e-mail address" in caught.value.hint

    @pytest.mark.parametrize(
        ("url", "user", "scheme"),
        [
            ("https://site.atlassian.net", ADDRESS, "Basic"),
            ("https://api.atlassian.com/ex/jira/0-1-2", ADDRESS, "Basic"),
            ("https://api.atlassian.com/ex/jira/0-1-2", None, "Bearer"),
            ("https://jira.example/jira", None, "Bearer"),
        ],
    )
    def test_schemes(self, tmp_path: Path, url: str, user: str | None, scheme: str) -> None:
        entry = SourceEntry("jira", "sample", url, user, Secret(TOKEN))
        one = Context(entry=entry, host=_host(), folder=tmp_path, known_hosts=tmp_path, project="ABC")
        told = access.client(one).headers["Authorization"]
        assert isinstance(told, Secret)
        assert told.reveal().startswith(scheme)

    def test_a_scoped_token(self, tmp_path: Path) -> None:
        """A site under the path of the gateway."""
        one = JiraCloud(under="/ex/jira/0-1-2")
        with serving(one.replay):
            assert gather(context(one, tmp_path)).histories == expected(one)


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "base", "key"),
        [
            ("https://jira.example", "https://jira.example", "ABC"),
            ("https://jira.example/", "https://jira.example", "ABC"),
            ("http://jira.example:8080/jira/", "http://jira.example:8080/jira", "ABC"),
            ("https://jira.example/jira/projects/DEF", "https://jira.example/jira", "DEF"),
            ("https://jira.example/projects/DEF/issues", "https://jira.example", "DEF"),
            ("https://jira.example/browse/DEF-12", "https://jira.example", "DEF"),
            ("https://jira.example/browse/DEF", "https://jira.example", "DEF"),
            ("https://jira.example/secure/Dashboard.jspa", "https://jira.example", "ABC"),
            ("https://a.atlassian.net/jira/software/c/projects/DEF/boards/1", "https://a.atlassian.net", "DEF"),
            ("https://a.atlassian.net/jira/your-work", "https://a.atlassian.net", "ABC"),
            ("https://api.atlassian.com/ex/jira/0-1-2", "https://api.atlassian.com/ex/jira/0-1-2", "ABC"),
        ],
    )
    def test_places(self, tmp_path: Path, url: str, base: str, key: str) -> None:
        entry = SourceEntry("jira", "sample", url)
        one = Context(entry=entry, host=_host(), folder=tmp_path, known_hosts=tmp_path, project="ABC")
        assert access.place(one) == (base, key)
        found = access.environment(one)
        assert (found.type, found.url, found.identity) == ("jira", base, base)

    def test_no_project(self, tmp_path: Path) -> None:
        entry = SourceEntry("jira", "sample", "https://jira.example")
        with pytest.raises(SourceError, match="names no project"):
            access.place(Context(entry=entry, host=_host(), folder=tmp_path, known_hosts=tmp_path))

    def test_another_path(self, server: JiraServer, tmp_path: Path) -> None:
        one = context(server, tmp_path, entry=SourceEntry("jira", "sample", server.replay.url, USER, Secret(PASSWORD)))
        with pytest.raises(SourceError) as caught:
            gather(one)
        assert "the server's path" in caught.value.hint

    @pytest.mark.parametrize(("option", "found"), [("agile", True), ("greenhopper", True), ("other", False)])
    def test_the_agile_api(self, server: JiraServer, tmp_path: Path, option: str, found: bool) -> None:
        one = Gathering(context(server, tmp_path, options={"agile_rest_path": option}), None)
        assert bool(one.metadata.sprints) == found
        assert bool(one.metadata.notes) != found


class TestCheck:
    def test_a_server(self, server: JiraServer, tmp_path: Path) -> None:
        words = access.check(context(server, tmp_path))
        assert words == f"answers {USER}; Jira Server or Data Center 9.12.7; zone Europe/Warsaw; project TST is visible"
        assert access.version(context(server, tmp_path)) == "9.12.7"

    def test_cloud(self, cloud: JiraCloud, tmp_path: Path) -> None:
        words = access.check(context(cloud, tmp_path))
        assert "; Jira Cloud 1001.0.0-SNAPSHOT; zone Asia/Shanghai; project EE is visible" in words

    def test_what_is_missing(self, server: JiraServer, tmp_path: Path) -> None:
        server.agile = False
        server.project["archived"] = True
        strike(server, "assignable", refused(403, "You are not authorized to perform this operation."))
        words = access.check(context(server, tmp_path))
        assert "archived" in words
        assert words.endswith("; boards are refused; assignable users are refused")

    def test_nobody(self, server: JiraServer, tmp_path: Path) -> None:
        server.public = True
        words = access.check(context(server, tmp_path, user=None, password=None))
        assert words.startswith("answers anonymous users; ")
        assert words.endswith("no credentials are configured, so only what is public is seen")

    def test_a_project_that_is_not_visible(self, server: JiraServer, tmp_path: Path) -> None:
        for ask in (access.check, gather):
            with pytest.raises(SourceError, match=rf"is not visible to {USER}"):
                ask(context(server, tmp_path, project="SECRET"))

    def test_another_system(self, server: JiraServer, tmp_path: Path) -> None:
        strike(server, "server", (200, {"Content-Type": "application/json"}, b'{"name": "something else"}'))
        with pytest.raises(SourceError, match="could not be parsed"):
            access.check(context(server, tmp_path))


class TestLimits:
    def test_a_bucket_of_tokens(self, server: JiraServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every answer tells the bucket; one that is empty says for how long."""
        held = _held(monkeypatch)
        told = {"X-RateLimit-Limit": "100", "X-RateLimit-Interval-Seconds": "1", "X-RateLimit-FillRate": "10"}
        left = iter(["99", "0", *["9"] * 50])

        def limited(_asked: Any, honest: Answer) -> Answer:
            remaining = next(left)
            headers = {**told, "X-RateLimit-Remaining": remaining, "retry-after": "1" if remaining == "0" else "0"}
            return honest[0], {**honest[1], **headers}, honest[2]

        server.replay.strikes = {name: Strike(limited) for name in server.replay.names()}
        gather(context(server, tmp_path))
        assert [seconds for _, seconds in held] == [1.0]

    def test_a_burst(self, cloud: JiraCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is that of one endpoint: others go on."""
        held = _held(monkeypatch)
        reset = f"{cloud.now + timedelta(seconds=90):%Y-%m-%dT%H:%MZ}"
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset, "RateLimit-Reason": "jira-burst-based"}
        date = f"{cloud.now:%a, %d %b %Y %H:%M:%S} GMT"
        cloud.replay.strikes["changelogs"] = Strike(status(429, "", **headers, Date=date), times=1)
        assert gather(context(cloud, tmp_path)).histories == expected(cloud)
        assert held == [("POST changelog/bulkfetch", 91.0)]


class TestPositions:
    def test_the_servers_clock(self) -> None:
        date = {"Date": "Sun, 01 Mar 2026 12:00:01 GMT"}
        for is_cloud, told, text in (
            (False, None, "2026-03-01 11:59"),
            (False, "2026-03-01T13:00:30.000+0200", "2026-03-01 11:00"),
            (False, "never", "2026-03-01 11:59"),
            (True, "2026-03-01T12:00:00.000Z", "2026-03-01 11:55"),
        ):
            one = Position(None)
            one.began(date, told, is_cloud=is_cloud)
            assert one.next() == text

    def test_never_back(self) -> None:
        one = Position("2026-03-01 11:58")
        one.began({"Date": "Sun, 01 Mar 2026 12:00:01 GMT"}, None, is_cloud=False)
        one.hold(datetime(2020, 1, 1, tzinfo=UTC))
        assert one.next() == "2026-03-01 11:58"

    @pytest.mark.parametrize("held", [None, datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)])
    def test_what_could_not_be_read(self, held: datetime | None) -> None:
        one = Position("2026-03-01 11:50")
        one.began({"Date": "Sun, 01 Mar 2026 12:10:01 GMT"}, None, is_cloud=False)
        one.hold(held)
        assert one.next() == ("2026-03-01 11:58" if held else "2026-03-01 11:50")

    def test_milliseconds(self) -> None:
        assert Position("2024-11-29 10:38").milliseconds() == 1_732_876_680_000
        assert Position("1900-01-01 01:01").milliseconds() is None


@pytest.mark.parametrize(("made", "origins"), [(JiraServer, ORIGINS), (JiraCloud, CLOUD_ORIGINS)])
def test_every_route_has_an_origin(made: Callable[[], Any], origins: dict[str, str]) -> None:
    assert set(made().replay.names()) == set(origins)


def _host() -> Any:

    return host_with("jira.example", {}).limited_to(by_name(sources()["jira"].host_options))


def _held(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """The pauses that are asked for, which are not made."""
    held: list[tuple[str, float]] = []
    monkeypatch.setattr(
        "gros_agent.http.traffic.Traffic.hold", lambda _self, budget, seconds: held.append((budget, seconds))
    )
    return held
