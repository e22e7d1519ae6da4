"""The other repositories of an owner: found by a seed, written down, collected, and taken off when they are gone."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.project.discovery import discover, is_seed
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.project.source_list import SourceList
from gros_agent.settings.load import load
from gros_agent.sources.base import SourceEntry
from support import schemas
from support.agent import Agent, Finished
from support.certificates import certificate
from support.github import OWNER, TOKEN, GitHub
from support.replay import Strike, serving, status
from support.repository import linear_history
from support.servers import git_http


class Site:
    """Git repositories of one owner behind HTTP, and what GitHub's API says of them."""

    def __init__(self, agent: Agent, folder: Path, github: GitHub, port: int) -> None:
        self.agent, self.folder, self.github = agent, folder, github
        self.base = f"http://127.0.0.1:{port}/{OWNER}"
        agent.export().mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, more: str = "", token: str = TOKEN) -> None:
        text = f"[127.0.0.1]\nusername = reader\npassword = word\ngithub_api_url = {self.github.api}\n{more}"
        (self.agent.home / "credentials.cfg").write_text(text + f"github_token = {token}\n")

    def add(self, name: str, *, archived: bool = False) -> None:
        linear_history(self.folder / OWNER / f"{name}.git", 3)
        self.github.repositories.append({"name": name, "url": f"{self.base}/{name}", "isArchived": archived})

    def listed(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.file.read_text())
        return found

    @property
    def file(self) -> Path:
        return self.agent.export() / "data_sources.json"

    def seed(self, name: str = "first") -> None:
        entry = {"type": "github", "name": f"dummy {name} 127.0.0.1", "url": f"{self.base}/{name}"}
        self.file.write_text(json.dumps([entry]))

    def scrape(self, *arguments: str) -> Finished:
        return self.agent.scrape("--make-secrets", *arguments)

    def collected(self) -> set[str]:
        rows = json.loads((self.agent.export() / "data_vcs_versions.json").read_text())
        return {row["repo_name"] for row in rows}


@pytest.fixture
def site(agent: Agent, tmp_path: Path) -> Iterator[Site]:
    github = GitHub()
    for name in ("pulls", "issues"):
        github.data[name] = []
    github.any_repository = True
    (tmp_path / "served").mkdir()
    with serving(github.replay), git_http(tmp_path / "served", "reader", "word") as server:
        one = Site(agent, tmp_path / "served", github, server.port)
        for name in ("first", "second"):
            one.add(name)
        one.seed()
        yield one


def test_all_of_an_owner(site: Site) -> None:
    """The seed stays in the file, since it is read back from there, and is not collected beside what it stands for."""
    for number in range(101):
        site.github.repositories.append({"name": f"old{number}", "url": f"{site.base}/old{number}", "isArchived": True})
    site.configure("skip_archived = true\n")
    done = site.scrape()
    assert done.status == 0, done
    assert "repositories in its environment: 2" in done.output
    assert [one["name"] for one in site.listed()] == ["dummy first 127.0.0.1", "first", "second"]
    assert site.collected() == {"first", "second"}
    assert not schemas.errors(site.agent.export())
    (environment,) = json.loads((site.agent.export() / "data_environments.json").read_text())
    host = site.base.split("/")[2]
    expected = {"type": "github", "url": site.base, "environment": [host, OWNER, None], "version": "3.14.2"}
    assert environment == expected
    before = site.file.stat().st_mtime_ns
    assert site.scrape().status == 0
    assert site.file.stat().st_mtime_ns == before


def test_comes_and_goes(site: Site) -> None:
    """What was found there goes when it is gone there; what somebody put on the list stays."""
    site.file.write_text(json.dumps([*site.listed(), {"type": "git", "name": "mine", "url": f"{site.base}/first.git"}]))
    assert site.scrape().status == 0
    names = [one["name"] for one in site.listed()]
    assert names == ["dummy first 127.0.0.1", "mine", "second"], "the same repository is not listed twice"
    site.add("third")
    del site.github.repositories[:2]
    assert site.scrape().status == 0
    assert [one["name"] for one in site.listed()] == ["dummy first 127.0.0.1", "mine", "third"]


def test_refused(site: Site) -> None:
    """An outcome; what was found before is still collected, and the list stays as it is."""
    assert site.scrape().status == 0
    before = site.file.read_text()
    site.github.replay.strikes["Owned"] = Strike(status(403, "Resource not accessible"))
    done = site.scrape("--full")
    assert done.status == 3, done
    assert "what was found there before is still collected" in " ".join(done.output.split())
    assert site.collected() == {"first", "second"}
    assert site.file.read_text() == before


def test_no_api(site: Site) -> None:
    """Without a token a seed of type git is collected as it is."""
    site.configure(token="")
    site.file.write_text(json.dumps([{"type": "git", "name": "dummy first", "url": f"{site.base}/first.git"}]))
    done = site.scrape()
    assert done.status == 0, done
    assert site.collected() == {"dummy first"}
    assert len(site.listed()) == 1


def test_preflight(site: Site) -> None:
    """What is checked is the owner: a seed need not be a repository."""
    site.file.write_text(json.dumps([{"type": "github", "name": "dummy", "url": f"{site.base}/nothing"}]))
    (site.agent.home / "settings.cfg").write_text("[projects]\nTEST = Test\n")
    done = site.agent("preflight", "--project", "TEST", "--no-ssh", "--no-secrets", "--json")
    (result,) = (one for one in json.loads(done.output) if one["name"] == "TEST: dummy")
    assert (result["status"], result["detail"]) == ("ok", f"stands for {site.base}: first and others")
    site.github.replay.strikes["Owned"] = Strike(status(403, "Resource not accessible"))
    done = site.agent("preflight", "--project", "TEST", "--no-ssh", "--no-secrets", "--json")
    (result,) = (one for one in json.loads(done.output) if one["name"] == "TEST: dummy")
    assert result["status"] == "failed"


def test_block_list_and_dry_run(site: Site) -> None:
    (site.agent.home / "env").write_text(f"GATHERER_URL_BLACKLIST=*/{OWNER}/second\n")
    before = site.file.read_text()
    done = site.agent.scrape("--dry-run")
    assert done.status == 0, done
    assert site.file.read_text() == before
    assert not (site.agent.home / "state" / "discovered").exists()
    assert site.scrape().status == 0
    assert [one["name"] for one in site.listed()] == ["dummy first 127.0.0.1", "first"]


def test_team(site: Site) -> None:
    settings = site.agent.home / "settings.cfg"
    settings.write_text("[teams]\nTEST = The Team\n")
    assert site.scrape().status == 0
    assert [one["name"] for one in site.listed()] == ["dummy first 127.0.0.1", "first"]
    settings.write_text("[teams]\nTEST = Nobody\n")
    done = site.scrape()
    assert done.status == 3
    assert "has no team nobody" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("{base}/first.git", ["{base}/first.git"]),
        ("ssh://git@127.0.0.1:1/first.git", ["ssh://git@127.0.0.1:1/first.git"]),
        ("http://user:hunter2@127.0.0.1:1/first.git", ["http://127.0.0.1:1/first.git"]),
        ("http://hunter2@127.0.0.1:1/first.git", ["http://127.0.0.1:1/first.git"]),
        ("{base}/" + "x" * 255, []),
    ],
)
def test_the_list_leaves_without_credentials(site: Site, url: str, sent: list[str]) -> None:
    """It belongs to the tables, as long as the importer's columns hold."""
    entry = {"type": "git", "name": "mine", "url": url.format(base=site.base)}
    site.file.write_text(json.dumps([*site.listed(), entry]))
    site.scrape()
    leaves = (site.agent.export() / ".data_sources.json").read_text()
    assert "hunter2" not in leaves
    assert [one["url"] for one in json.loads(leaves) if one["name"] == "mine"] == [
        one.format(base=site.base) for one in sent
    ]
    assert entry in site.listed(), "the list that is read keeps what it has"
    certificate(site.agent.home / "own.crt", timedelta(days=-1), timedelta(days=1), ("127.0.0.1",))
    variables = {"SSH_HOST": "127.0.0.1", "SSH_HTTPS_CERT": "own.crt", "JIRA_KEY": "TEST"}
    done = site.agent("export", "--project", "TEST", "--dry-run", "--json", variables=variables)
    assert "data_sources.json" in done.output, done
    assert "data_environments.json" in done.output


@pytest.mark.parametrize(
    ("name", "url", "seed"),
    [
        ("dummy x", "https://h.example/o/r", True),
        ("tfs repository on h", "http://h.example:8080/tfs/C/_git/Dummy", True),
        ("gitlab repository on h", "https://h.example/group/group.git", True),
        ("group", "https://h.example/group/group.git", False),
        ("r", "https://h.example/group/r", False),
        ("r", "git@h.example:group/r.git", False),
    ],
)
def test_seeds(name: str, url: str, seed: bool) -> None:
    assert is_seed(SourceEntry("git", name, url)) is seed


URLS = st.lists(st.sampled_from([f"https://h.example/o/{name}" for name in "abcde"]), unique=True)


@given(URLS, URLS, URLS)
def test_any_change(mine: list[str], first: list[str], second: list[str]) -> None:
    """However an environment changes: what somebody listed stays, and all that is there is listed once."""
    now = SourceList([{"type": "git", "name": url[-1], "url": url} for url in mine], {})
    for there in (first, second):
        now = now.updated({"key": [SourceEntry("github", url[-1], url) for url in there]})
        urls = [one["url"] for one in now.listed]
        assert sorted(urls) == sorted({*mine, *there})
        assert len({one["name"] for one in now.listed}) == len(now.listed)


@given(URLS, st.lists(st.tuples(st.dictionaries(st.sampled_from("AB"), URLS)), max_size=5))
def test_several_finders(mine: list[str], rounds: list[tuple[dict[str, list[str]]]]) -> None:
    """What one finds no more stays as long as another one knows it; who could not look keeps what it found."""
    now = SourceList([{"type": "git", "name": url[-1], "url": url} for url in mine], {})
    last: dict[str, list[str]] = {}
    for (there,) in rounds:
        last |= there
        now = now.updated({name: [SourceEntry("github", url[-1], url) for url in urls] for name, urls in there.items()})
        assert {one["url"] for one in now.listed} == {*mine, *(url for urls in last.values() for url in urls)}


def test_an_option_that_gets_another_name_is_no_seed(tmp_path: Path) -> None:
    """It names one repository: its environment is not asked, which nothing answers for here."""
    settings = load(tmp_path, {"JIRA_KEY": "ABC"}, None, "ABC")
    path = settings.home.export / "ABC" / "data_sources.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"type": "git", "name": "Foo", "url": "https://one.example/x/Foo"}]))
    options = ScrapeOptions(extra=(SourceEntry("gitlab", "foo", "http://127.0.0.1:1/foo/foo"),))
    found = discover(settings.project("ABC"), options, keep=False)
    assert [one.name for one in found.extra] == ["foo-gitlab"]
    assert found.extra[0] in found.entries
    assert not found.outcomes


@pytest.mark.parametrize("address", ["file:///etc", "/etc", "ext::sh -c true", "ftp://h.example/x"])
def test_what_is_no_address_of_a_server_is_not_taken(site: Site, address: str) -> None:
    """A server that names a path has the agent read no folder of this machine."""
    site.github.repositories.append({"name": "third", "url": address, "isArchived": False})
    done = site.scrape()
    assert done.status == 0, done
    assert "repositories in its environment: 2" in done.output
    assert "third" not in [one["name"] for one in site.listed()]
