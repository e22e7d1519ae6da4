"""What a Forgejo or a Gitea refuses, what a check says, the repositories of an owner, and keys."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from gros_agent.rows import CommitComment, GitHubIssue, GitHubIssueNote, MergeRequest, MergeRequestReview
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.forgejo import access, discovery
from sources.forgejo.replay import NOT_FOUND, ORIGINS, RECORDINGS, UNDER, Forgejo, refused
from sources.forgejo.sample import context
from support.collecting import collect, same
from support.replay import Strike, status

SCOPE = "token does not have at least one of required scope(s): [read:issue]"
LATER = "2026-10-05T05:05:0{}Z"


def strike(forgejo: Forgejo, route: str, answer: Any) -> None:
    forgejo.replay.strikes[route] = Strike(lambda _asked, _honest: answer)


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (refused(401, "invalid username, password or token"), "check forgejo_token"),
            (refused(403, SCOPE), "the token lacks a scope: read:repository and read:issue"),
            (refused(403, "user should have a permission"), "let its user read the code, issues and pull requests"),
            (NOT_FOUND, "be private and hidden from this token"),
        ],
    )
    def test_the_repository(self, forgejo: Forgejo, tmp_path: Path, answer: Any, words: str) -> None:
        strike(forgejo, "repository", answer)
        with pytest.raises(SourceError) as caught:
            collect(context(forgejo.url, tmp_path))
        assert words in caught.value.hint
        assert forgejo.replay.counts()["repository"] == 1

    def test_a_wrong_token(self, forgejo: Forgejo, tmp_path: Path) -> None:
        with pytest.raises(SourceError) as caught:
            collect(context(forgejo.url, tmp_path, forgejo_token="another"))
        assert "check forgejo_token" in caught.value.hint
        assert "another" not in caught.value.message

    def test_a_server_of_another_kind(self, forgejo: Forgejo, tmp_path: Path) -> None:
        strike(forgejo, "repository", (200, {"Content-Type": "application/json"}, b'{"name": "something else"}'))
        for ask in (access.check, collect):
            with pytest.raises(SourceError) as caught:
                ask(context(forgejo.url, tmp_path))
            assert "check the address" in caught.value.hint

    @pytest.mark.parametrize(
        ("route", "what", "empty", "full"),
        [
            ("pulls", "pull requests", MergeRequest, GitHubIssue),
            ("issues", "issues", None, MergeRequest),
            ("comments", "comments", GitHubIssueNote, MergeRequest),
            ("reviews", "reviews of pull requests", MergeRequestReview, MergeRequest),
            ("review comments", "comments on lines", CommitComment, MergeRequestReview),
        ],
    )
    def test_a_list(self, forgejo: Forgejo, tmp_path: Path, route: str, what: str, empty: Any, full: Any) -> None:
        """The rest is collected, and the next collection asks for all of it again."""
        strike(forgejo, route, refused(403, SCOPE))
        rows, collected = collect(context(forgejo.url, tmp_path))
        assert not rows.get(empty)
        assert rows[full]
        assert [words.partition(",")[0] for words in collected.missing] == [what]
        assert "the token lacks a scope" in collected.missing[0]
        assert collected.position is None

    def test_reviews_that_are_not_there(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """While their pull request is."""
        strike(forgejo, "reviews", NOT_FOUND)
        _, collected = collect(context(forgejo.url, tmp_path))
        assert [words.partition(",")[0] for words in collected.missing] == ["reviews of pull requests"]
        assert forgejo.replay.counts()["pull"] == 6

    @pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
    def test_pull_requests_that_are_switched_off(self, forgejo: Forgejo, tmp_path: Path, *, told: bool) -> None:
        forgejo.data["repository"]["has_pull_requests"] = not told
        strike(forgejo, "pulls", NOT_FOUND)
        rows, collected = collect(context(forgejo.url, tmp_path))
        assert rows[GitHubIssue]
        if told:
            assert collected.notes == ("pull requests are switched off there",)
            assert collected.position
        else:
            assert collected.missing
            assert collected.position is None

    @pytest.mark.parametrize(
        "told", [{"has_issues": False}, {"external_tracker": {"external_tracker_url": "https://tracker.example"}}]
    )
    def test_issues_that_are_switched_off(self, forgejo: Forgejo, tmp_path: Path, told: Any) -> None:
        """Comments on pull requests are there all the same."""
        forgejo.data["repository"] |= told
        strike(forgejo, "issues", NOT_FOUND)
        rows, collected = collect(context(forgejo.url, tmp_path))
        assert len(rows[GitHubIssue]) == len(rows[MergeRequest]) == 6
        assert rows[GitHubIssueNote]
        assert collected.notes == ("issues are switched off there",)
        assert collected.position

    def test_a_server_at_fault(self, forgejo: Forgejo, tmp_path: Path, monkeypatch: Any) -> None:
        """Some releases fail where nobody in particular asks for reviews of which one is pending."""
        monkeypatch.setattr("gros_agent.sources.common.api.TRIES", 2)
        forgejo.public = True
        forgejo.replay.strikes["reviews"] = Strike(status(500))
        with pytest.raises(SourceError) as caught:
            collect(context(forgejo.url, tmp_path, forgejo_token=""))
        assert "some releases can't list reviews without a token" in caught.value.hint


class TestWithoutAToken:
    def test_what_is_public(self, forgejo: Forgejo, tmp_path: Path) -> None:
        whole, _ = collect(context(forgejo.url, tmp_path))
        forgejo.public = True
        rows, collected = collect(context(forgejo.url, tmp_path, forgejo_token=""))
        assert same(rows) == same(whole)
        assert not collected.missing

    def test_what_is_not(self, forgejo: Forgejo, tmp_path: Path) -> None:
        with pytest.raises(SourceError) as caught:
            collect(context(forgejo.url, tmp_path, forgejo_token=""))
        assert "set forgejo_token" in caught.value.hint

    def test_what_is_told_to_nobody(self, forgejo: Forgejo, tmp_path: Path) -> None:
        forgejo.public = True
        strike(forgejo, "comments", refused(401, "token is required"))
        rows, collected = collect(context(forgejo.url, tmp_path, forgejo_token=""))
        assert rows[MergeRequest]
        assert collected.notes == ("comments are only available with forgejo_token: set it, and use --full",)
        assert collected.position


class TestAddresses:
    @pytest.mark.parametrize("url", ["git@127.0.0.1:{path}.git", "ssh://git@127.0.0.1:2222/{path}.git"])
    def test_ssh(self, forgejo: Forgejo, tmp_path: Path, url: str) -> None:
        options = {"protocol": "http", "web_port": str(forgejo.replay.port)}
        one = context(url.format(path=forgejo.path), tmp_path, **options)
        assert access.resolve(one).url == f"{forgejo.replay.url}/{UNDER}/api/v1/repos/{forgejo.path}"

    @pytest.mark.parametrize("path", ["", "/owner", "/forge/owner", "/forge/owner/name/src"])
    def test_that_name_nothing(self, tmp_path: Path, path: str) -> None:
        with pytest.raises(SourceError, match="names no repository") as caught:
            access.resolve(context(f"https://forge.example{path}", tmp_path))
        assert "strip of the host" in caught.value.hint

    def test_escapes(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """Git takes them off; so does whoever asks the API."""
        rows, _ = collect(context(forgejo.url.replace("test_repo", "test%5Frepo") + ".git", tmp_path))
        assert rows[MergeRequest]


class TestCheck:
    @pytest.mark.parametrize("forgejo", ["forgejo"], indirect=True)
    def test_forgejo(self, forgejo: Forgejo, tmp_path: Path) -> None:
        assert sources()["forgejo"].check(context(forgejo.url, tmp_path)) == (
            "answers reader; version 17.0.0-dev-576-994e539b55; 3 pull requests and 1 issues; "
            "its user may write to the repository: read access is enough"
        )

    def test_gitea(self, forgejo: Forgejo, tmp_path: Path) -> None:
        known = "version 1.26.0+dev-489-gc9a038bc4e; 6 pull requests and 7 issues"
        assert access.check(context(forgejo.url, tmp_path)) == f"answers reader; {known}"
        forgejo.public = True
        without = f"answers; {known}; no token is configured, so only what is public is seen"
        assert access.check(context(forgejo.url, tmp_path, forgejo_token="")) == without

    def test_less(self, forgejo: Forgejo, tmp_path: Path) -> None:
        forgejo.data["repository"]["has_pull_requests"] = False
        for route in ("user", "version", "issues"):
            strike(forgejo, route, refused(403, SCOPE))
        assert access.check(context(forgejo.url, tmp_path)) == (
            "answers; pull requests are switched off and issues are refused, for which the token needs read:issue; "
            "the token does not say whose it is, for which it needs read:user"
        )

    @pytest.mark.parametrize(
        ("told", "version"),
        [
            ("1.22.3", "1.22.3"),
            ("11.0.1+gitea-1.22.0", "11.0.1+gitea-1.22.0"),
            ("11.0.1-dev-12345-0123456789+gitea-1.22.0", "11.0.1-dev-12345-0123456789"),
            ("1" * 40, "1" * 32),
        ],
    )
    def test_versions(self, forgejo: Forgejo, tmp_path: Path, told: str, version: str) -> None:
        forgejo.data["version"]["version"] = told
        assert access.version(context(forgejo.url, tmp_path)) == version
        strike(forgejo, "version", refused(403, "Only signed in user is allowed to call APIs."))
        assert access.version(context(forgejo.url, tmp_path)) == ""


class TestDiscovery:
    @pytest.fixture(autouse=True)
    def _repositories(self, forgejo: Forgejo) -> None:
        forgejo.repositories = [
            {
                "name": f"r{number}",
                "clone_url": f"https://forge.example/{UNDER}/gitea/r{number}.git",
                "archived": number % 2 == 1,
            }
            for number in range(130)
        ]

    def found(self, one: Context) -> list[SourceEntry]:
        return list(discovery.repositories(one))

    @pytest.mark.parametrize("route", ["orgs", "users"])
    def test_all(self, forgejo: Forgejo, tmp_path: Path, route: str) -> None:
        forgejo.is_organisation = route == "orgs"
        found = self.found(context(forgejo.url, tmp_path))
        assert len(found) == len({one.url for one in found}) == 130
        assert found[0] == SourceEntry("forgejo", "r0", f"https://forge.example/{UNDER}/gitea/r0")
        assert forgejo.replay.counts()[route] == 3
        assert forgejo.replay.asked[-1].parts == ("gitea",)

    def test_some(self, forgejo: Forgejo, tmp_path: Path) -> None:
        found = self.found(context(forgejo.url, tmp_path, skip_archived="true", group="others"))
        assert len(found) == 65
        assert forgejo.replay.asked[-1].parts == ("others",)

    def test_an_organisation_that_is_hidden(self, forgejo: Forgejo, tmp_path: Path) -> None:
        strike(forgejo, "orgs", refused(403, "token does not have at least one of required scope(s)"))
        assert len(self.found(context(forgejo.url, tmp_path))) == 130

    def test_refusals(self, forgejo: Forgejo, tmp_path: Path) -> None:
        strike(forgejo, "orgs", refused(401, "invalid username, password or token"))
        with pytest.raises(SourceError) as caught:
            self.found(context(forgejo.url, tmp_path))
        assert "check forgejo_token" in caught.value.hint
        one = context(forgejo.url, tmp_path)
        with pytest.raises(SourceError, match="names no owner"):
            self.found(replace(one, entry=replace(one.entry, url="https://forge.example/")))

    def test_environment(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """It is known without asking; of a type that the published schema has."""
        environment = discovery.environment(context(forgejo.url, tmp_path))
        web = f"{forgejo.replay.url}/{UNDER}"
        assert (environment.url, environment.identity) == (f"{web}/gitea", (web, "gitea"))
        assert environment.type == "git"
        assert not forgejo.replay.asked


class TestKeys:
    """A user can't have two keys of one title, as the server's source has it."""

    ONE, TWO, THREE = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{name}" for name in ("aaaa", "bbbb", "cccc"))

    def publish(self, one: Context, line: str, *, dry_run: bool = False) -> str:
        publisher: Any = sources()["forgejo"]
        return str(publisher.publish_key(one, "title", line, dry_run=dry_run))

    def test_keys(self, forgejo: Forgejo, tmp_path: Path) -> None:
        one = context(forgejo.url, tmp_path)
        forgejo.keys = [
            {"id": 1000 + number, "title": f"own {number}", "key": f"ssh-rsa {number}"} for number in range(60)
        ]
        assert self.publish(one, f"{self.ONE} me", dry_run=True) == "would be added"
        assert self.publish(one, f"{self.ONE} me") == "added"
        assert self.publish(one, self.ONE) == "there already"
        assert self.publish(one, self.TWO, dry_run=True) == "would be replaced"
        assert self.publish(one, self.TWO) == "replaced"
        assert [key["key"] for key in forgejo.keys[60:]] == [self.TWO]
        assert re.fullmatch(r"title SHA256:[A-Za-z0-9+/]{43}", forgejo.keys[60]["title"])
        order = [asked.method for asked in forgejo.replay.asked if asked.method != "GET"]
        assert order == ["POST", "POST", "DELETE"], "the new one first"

    def test_a_key_of_the_very_title(self, forgejo: Forgejo, tmp_path: Path) -> None:
        """As somebody gave it by hand; one whose title only begins like ours stays."""
        forgejo.keys = [
            {"id": 1, "title": "title", "key": self.ONE},
            {"id": 2, "title": "title of another", "key": self.TWO},
        ]
        assert self.publish(context(forgejo.url, tmp_path), self.THREE) == "replaced"
        assert [key["key"] for key in forgejo.keys] == [self.TWO, self.THREE]

    def test_a_key_of_somebody_else(self, forgejo: Forgejo, tmp_path: Path) -> None:
        strike(forgejo, "add key", refused(422, "Key content has been used as non-deploy key"))
        with pytest.raises(SourceError) as caught:
            self.publish(context(forgejo.url, tmp_path), self.ONE)
        assert "register --rotate" in caught.value.hint
        forgejo.keys.clear()
        strike(forgejo, "add key", refused(403, "token does not have at least one of required scope(s): [write:user]"))
        with pytest.raises(SourceError):
            self.publish(context(forgejo.url, tmp_path), self.ONE)

    def test_host_keys(self, forgejo: Forgejo, tmp_path: Path) -> None:
        publisher: Any = sources()["forgejo"]
        assert publisher.host_keys(context(forgejo.url, tmp_path)) == ()


def test_every_route_has_an_origin(forgejo: Forgejo) -> None:
    """A recording is one of ours; nothing else is answered."""
    assert set(forgejo.replay.names()) == set(ORIGINS)
    for origin in ORIGINS.values():
        assert re.match(r"source: [\w-]+/[\w-]+, ", origin)
        for name in re.findall(r"recording: ([\w.]+)", origin):
            assert (RECORDINGS / name).is_file()
    for path in ("/", f"/{UNDER}/api/v1/nothing", "/a/b/c/d/e/f/g"):
        answer = forgejo.replay.answer("GET", path, {}, b"")
        assert answer is not None
        assert answer[0] == 404
