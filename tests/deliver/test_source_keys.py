"""The agent's public key at the systems that sources lie on: added once, replaced, and left alone where only asked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.agent import Agent, Finished
from support.controller import Controller, controller
from support.github import NAME, OWNER, TOKEN, GitHub
from support.replay import Strike, serving, status
from support.servers import make_key

Register = Callable[..., Finished]
TITLE = "GROS agent for the TEST project"


@pytest.fixture
def github() -> Iterator[GitHub]:
    one = GitHub()
    with serving(one.replay):
        yield one


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller", "--project", "TEST") as one:
        yield one


@pytest.fixture
def register(agent: Agent, github: GitHub, running: Controller) -> Register:
    agent.export().mkdir(parents=True)
    entry = {"type": "github", "name": NAME, "url": f"https://github.example/{OWNER}/{NAME}"}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry, {**entry, "name": "again"}]))
    section = f"[github.example]\ngithub_token = {TOKEN}\ngithub_api_url = {github.api}\n"
    (agent.home / "credentials.cfg").write_text(section)

    def run(*arguments: str) -> Finished:
        return agent("register", "--project", "TEST", *arguments, variables=running.variables(agent.home))

    return run


def test_added_once_and_replaced(register: Register, github: GitHub, agent: Agent) -> None:
    other = {"id": 1, "title": "mine", "key": "ssh-ed25519 AAAAother"}
    github.keys.append(dict(other))
    done = register("--source", "--dry-run")
    assert done.status == 0, done
    assert "github.example" in done.output
    assert "would be made" in done.output
    assert github.keys == [other]
    done = register("--source")
    assert done.status == 0, done
    assert "at github.example: added" in done.output
    kept, added = github.keys
    assert kept == other
    assert added["title"] == TITLE
    line = next(agent.home.rglob("id_*.pub")).read_text().strip()
    assert added["key"] == line
    done = register("--source")
    assert "at github.example: there already" in done.output
    assert len(github.keys) == 2
    done = register("--source", "--dry-run", "--rotate")
    assert len(github.keys) == 2
    done = register("--source", "--rotate")
    assert "at github.example: replaced" in done.output, done
    assert [key["title"] for key in github.keys] == ["mine", TITLE]
    assert github.keys[1]["key"] != line
    known = (agent.home / "state" / "known_hosts").read_text()
    assert known.split()[:2] == ["github.example", "ssh-ed25519"]


def test_not_asked_for(register: Register, github: GitHub) -> None:
    assert register().status == 0
    assert register("--no-source").status == 0
    assert not github.replay.asked


def test_refused(register: Register, github: GitHub) -> None:
    """The controller has the agent all the same; the status says that not all was done."""
    github.replay.strikes["add key"] = Strike(status(403, "Resource not accessible"))
    done = register("--source")
    assert done.status == 3, done
    assert "widen its scopes" in done.output
    assert github.replay.counts()["add key"] == 1
    assert "there already" in register("--source").output, "the key arrived, though its answer did not say so"
    github.keys.clear()
    github.replay.strikes["add key"] = Strike(status(422, "key is already in use"))
    assert "register --rotate" in register("--source").output


@pytest.mark.usefixtures("register")
def test_own_key_of_a_host(github: GitHub, agent: Agent, running: Controller) -> None:
    """A host whose section leads to a key of its own gets that one."""
    key = make_key(agent.home / "own")
    with (agent.home / "credentials.cfg").open("a") as stream:
        stream.write("env = OWN_KEY\n")
    given = running.variables(agent.home) | {"OWN_KEY": str(key)}
    done = agent("register", "--project", "TEST", "--credentials", variables=given)
    assert done.status == 0, done
    assert [one["key"].split()[1] for one in github.keys] == [Path(f"{key}.pub").read_text().split()[1]]


@pytest.mark.usefixtures("register")
def test_run(github: GitHub, agent: Agent, running: Controller) -> None:
    """The whole chain gives it where a variable says so, and a refusal stops nothing."""
    variables = running.variables(agent.home) | {"PREFLIGHT_ARGS": "--skip", "GATHERER_URL_BLACKLIST": "github.example"}
    agent("run", variables=variables)
    assert not github.replay.asked
    (agent.home / "env").write_text("GROS_AGENT_SOURCE_KEYS=1\n")
    variables["GATHERER_URL_BLACKLIST"] = "github.example/*/ants.git"
    github.any_repository = True
    done = agent("run", variables=variables)
    assert "key at github.example: added" in done.errors
    assert [key["title"] for key in github.keys] == [TITLE]
    github.replay.strikes["keys"] = Strike(status(403, "Resource not accessible"))
    done = agent("run", variables=variables)
    assert "github.example did not take the key" in done.errors
    assert "data_github_repo 1" in done.output
