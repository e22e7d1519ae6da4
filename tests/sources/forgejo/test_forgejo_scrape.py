"""The whole way, by the command: Git and the API of one entry, what leaves, and what comes the next time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gros_agent.sources import sources
from sources.forgejo.replay import TOKEN, UNDER, Forgejo
from support import schemas
from support.agent import Agent, table
from support.controller import controller
from support.repository import linear_history
from support.servers import git_http

LATER = "2026-10-05T05:05:0{}Z"
PERSON = {"id": 78, "login": "canary.login", "full_name": "Canary van Person", "email": "canary@person.example"}


@contextmanager
def entry(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> Iterator[None]:
    """An entry of type git on a host with a token: the repository is served beside the API, at another port."""
    served = tmp_path / "served"
    path = served / f"{forgejo.path}.git"
    path.parent.mkdir(parents=True)
    linear_history(path, 5)
    with git_http(served, "reader", "word") as server:
        listed = {"type": "git", "name": "code", "url": f"http://127.0.0.1:{server.port}/{forgejo.path}.git"}
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(json.dumps([listed]))
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = word\nforgejo_token = {TOKEN}\n"
            f"web_port = {forgejo.replay.port}\nstrip = {UNDER}\n"
        )
        yield


def tables(agent: Agent) -> dict[str, list[dict[str, Any]]]:
    return {row.table: table(agent, row.table) for row in sources()["forgejo"].tables}


@pytest.mark.parametrize("forgejo", ["forgejo", "gitea"], indirect=True)
def test_scrape(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> None:
    """Files that are valid, no person in them outside free text, and no row twice."""
    number = forgejo.data["pulls"][0]["number"]
    forgejo.say(number, LATER.format(1), "said", user=PERSON)
    review = forgejo.review(number, LATER.format(2), "APPROVED", user=PERSON)["id"]
    forgejo.on_line(number, review, LATER.format(3), user=PERSON)
    forgejo.data["issues"][0] |= {"user": PERSON, "original_author": "away.canary"}
    forgejo.data["pulls"][0] |= {"assignees": [PERSON], "merged_by": PERSON, "merged": True}
    with entry(agent, forgejo, tmp_path):
        done = agent.scrape("--make-secrets", "--log", "DEBUG")
        assert done.status == 0, done
        assert not schemas.errors(agent.export())
        assert TOKEN not in done.output + done.errors
        first = tables(agent)
        assert len(table(agent, "data_vcs_versions")) == 5
        written = {path: path.read_text(errors="replace") for path in agent.export().rglob("*") if path.is_file()}
        for text in (*written.values(), done.output, done.errors):
            for person in (*(str(PERSON[name]) for name in ("login", "full_name", "email")), "away.canary"):
                assert person not in text
        people = {str(one[name]) for one in users(forgejo.data) for name in ("login", "full_name", "email")} - {""}
        for row in sources()["forgejo"].tables:
            assert first[row.table], row.table
            for one in first[row.table]:
                assert one.get("encrypted") == "1"
                # some logins are numbers, which identifiers are, too
                assert not [name for name in row.personal if one[name] in people]
        forgejo.replay.asked.clear()
        again = agent.scrape()
        assert again.status == 0, again
        assert not any(tables(agent).values())
        assert "reviews" not in forgejo.replay.counts()
        forgejo.say(number, LATER.format(4), "more")
        third = agent.scrape()
        assert third.status == 0, third
        assert {name: len(rows) for name, rows in tables(agent).items() if rows} == {
            "data_merge_request": 1,
            "data_merge_request_note": 1,
            "data_merge_request_review": 1,
            "data_github_issue": 1,
            "data_github_issue_note": 1,
        }


def users(content: Any) -> Iterator[dict[str, Any]]:
    """Every account in what was recorded."""
    if isinstance(content, dict):
        if "login" in content:
            yield content
        for one in content.values():
            yield from users(one)
    elif isinstance(content, list):
        for one in content:
            yield from users(one)


def test_the_repositories_of_an_owner(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> None:
    """An entry that stands for all of them brings them to the list, and to the tables."""
    with entry(agent, forgejo, tmp_path):
        path = agent.export() / "data_sources.json"
        (listed,) = json.loads(path.read_text())
        forgejo.repositories = [{"name": "code", "clone_url": listed["url"], "archived": False}]
        seed = {**listed, "name": "dummy", "url": listed["url"].replace("test_repo", "dummy")}
        path.write_text(json.dumps([seed]))
        done = agent.scrape("--make-secrets")
        assert done.status == 0, done
        assert [one["name"] for one in json.loads(path.read_text())] == ["dummy", "code"]
    assert {row["repo_name"] for row in table(agent, "data_merge_request")} == {"code"}
    assert {row["repo_name"] for row in table(agent, "data_vcs_versions")} == {"code"}
    (environment,) = table(agent, "data_environments")
    assert environment["type"] == "git"
    assert environment["version"] == "1.26.0+dev-489-gc9a038bc4e"


def test_the_key_goes_to_the_system(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> None:
    """Of a project's sources, those with a token there get the agent's key."""
    section = f"[127.0.0.1:{forgejo.replay.port}]\nforgejo_token = {TOKEN}\nstrip = {UNDER}\n"
    (agent.home / "credentials.cfg").write_text(section)
    agent.export().mkdir(parents=True)
    listed = [{"type": "git", "name": "code", "url": forgejo.url}]
    (agent.export() / "data_sources.json").write_text(json.dumps(listed))
    with controller(tmp_path / "controller", "--project", "TEST") as one:
        variables = one.variables(agent.home)
        for more, outcome in (([], "added"), ([], "there already"), (["--rotate"], "replaced")):
            done = agent("register", "--project", "TEST", "--source", *more, variables=variables)
            assert done.status == 0, done
            assert f"at 127.0.0.1: {outcome}" in done.output
    (key,) = forgejo.keys
    assert key["title"].startswith("GROS agent for the TEST project SHA256:")


def test_a_list_that_is_refused(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> None:
    """The status says that something is missing, and the next scrape brings it."""
    with entry(agent, forgejo, tmp_path):
        del forgejo.data["issues"][0]["title"]
        assert agent.scrape("--make-secrets").status == 3
        assert not table(agent, "data_github_issue"), "an answer that can't be read: the rows are taken back"
        forgejo.data["issues"][0]["title"] = "title"
        assert agent.scrape().status == 0
        assert len(table(agent, "data_github_issue")) == 13


def test_a_dry_run(agent: Agent, forgejo: Forgejo) -> None:
    """It shows each field before and after, and writes nothing."""
    forgejo.say(12, LATER.format(1), "said", user=PERSON)
    section = f"[127.0.0.1:{forgejo.replay.port}]\nforgejo_token = {TOKEN}\nstrip = {UNDER}\n"
    (agent.home / "credentials.cfg").write_text(section)
    done = agent.scrape("--source", f"forgejo:code={forgejo.url}", "--dry-run", "--json")
    shown = {one["table"]: one for source in json.loads(done.output) for one in source["tables"]}
    field = shown["data_merge_request_note"]["fields"]["author"]
    assert field["before"] == PERSON["full_name"]
    assert len(field["after"]) == 64
    assert not list(agent.export().glob("data_merge_request*.json"))


def test_preflight(agent: Agent, forgejo: Forgejo) -> None:
    section = f"[127.0.0.1:{forgejo.replay.port}]\nforgejo_token = {TOKEN}\nstrip = {UNDER}\n"
    (agent.home / "credentials.cfg").write_text(section)
    agent.export().mkdir(parents=True)
    listed = [{"type": "forgejo", "name": "code", "url": forgejo.url}]
    (agent.export() / "data_sources.json").write_text(json.dumps(listed))
    done = agent("preflight", "--project", "TEST", "--no-ssh")
    assert "answers reader; version 1.26.0+dev-489-gc9a038bc4e; 6 pull requests and 7 issues" in done.output
    assert TOKEN not in done.output + done.errors


def test_the_token_opens_the_repository(agent: Agent, forgejo: Forgejo, tmp_path: Path) -> None:
    """Git goes over HTTP with the token alone: as the password, beside a name that servers take for no user's."""
    served = tmp_path / "served"
    path = served / f"{forgejo.path}.git"
    path.parent.mkdir(parents=True)
    linear_history(path, 2)
    with git_http(served, "x-oauth-basic", TOKEN) as server:
        section = f"[127.0.0.1]\nforgejo_token = {TOKEN}\nweb_port = {forgejo.replay.port}\nstrip = {UNDER}\n"
        (agent.home / "credentials.cfg").write_text(section)
        source = f"git:code=http://127.0.0.1:{server.port}/{forgejo.path}.git"
        done = agent.scrape("--make-secrets", "--source", source)
    assert done.status == 0, done
    assert len(table(agent, "data_vcs_versions")) == 2
    assert len(table(agent, "data_merge_request")) == 6
