"""The whole path between the real agent and the real reference controller, on loopback."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent import Agent, Finished
from support.controller import Controller, controller
from support.repository import Repository, linear_history
from support.sample import Sample


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller") as one:
        yield one


def chain(agent: Agent, running: Controller, project: str, repository: Repository, keys: str) -> list[Finished]:
    """What a run does for one project after the other."""
    given = running.variables(agent.home, keys)
    source = ("--source", f"git={repository.path}")
    calls = (("register",), ("preflight",), ("scrape", *source), ("export",))
    done = [agent(*call, "--project", project, variables=given) for call in calls]
    assert [one.status for one in done] == [0, 0, 0, 0], done
    return done


def rows(running: Controller, project: str) -> list[dict[str, str]]:
    found = []
    for batch in running.inbox(project):
        found += json.loads((batch / "data_vcs_versions.json").read_text())
    return found


def test_two_projects_have_different_pseudonyms(agent: Agent, running: Controller, tmp_path: Path) -> None:
    """One agent, two keys, each its own salts: nobody can join the tables of the two by a person."""
    repositories = {}
    for project, count in (("ABC", 3), ("DEF", 2)):
        repositories[project] = Repository.make(tmp_path / project)
        for number in range(count):
            repositories[project].commit(f"{project} {number}", {"a": str(number)})
    for number in range(2):
        repository.commit(f"afterwards {number}", {"afterwards": str(number)})
        assert agent("scrape", *source, variables=given).status == 0
        assert agent("export", variables=given).status == 0
    arrived = Counter(row["version_id"] for row in rows(running, "TEST"))
    assert set(arrived) == set(repository.git("rev-list", "HEAD").splitlines())
    assert set(arrived.values()) == {1}
    assert len(running.inbox("TEST")) > 1
    for batch in running.inbox("TEST"):
        for path in batch.glob("*.json"):
            json.loads(path.read_text())
