"""A project with a Jira and a Git repository at both kinds of controllers: what arrives, and where a run starts."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gros_agent.sources import sources
from sources.jira.replay import PASSWORD, USER
from sources.jira.server import JiraServer
from sources.jira.test_jira_scrape import people, position, versions
from support.agent import Agent
from support.controller import controller
from support.existing import existing_controller
from support.repository import Repository, linear_history

FILES = tuple(f"{row.table}.json" for row in sources()["jira"].tables)
UNIMPORTED = "Jira: its tables are delivered, but this controller does not say that it imports them: an existing one"


@pytest.fixture
def code(agent: Agent, tmp_path: Path) -> Repository:
    """A repository on the list of the agent's project."""
    linear_history(tmp_path / "code", 5)
    agent.export().mkdir(parents=True)
    one = Repository(tmp_path / "code")
    (agent.export() / "data_sources.json").write_text(json.dumps([{"type": "git", "name": "code", "url": one.url}]))
    return one


def named(one: JiraServer) -> dict[str, str]:
    return {"JIRA_SERVER": one.url, "JIRA_USER": USER, "JIRA_PASSWORD": PASSWORD}


@pytest.mark.usefixtures("code")
def test_at_the_reference_controller(agent: Agent, jira: JiraServer, tmp_path: Path) -> None:
    """Everything arrives, nobody is in it, and the next run starts from the tracker that the controller kept."""
    with controller(tmp_path / "controller") as running:
        variables = running.variables(agent.home, **named(jira))
        done = agent("run", variables=variables)
        assert done.status == 0, done
        assert "does not say" not in done.output
        (batch,) = running.inbox("TEST")
        assert {path.name for path in batch.iterdir()} >= {*FILES, "data_vcs_versions.json", "data_sources.json"}
        assert len(json.loads((batch / "data_vcs_versions.json").read_text())) == 5
        assert len(json.loads((batch / "data.json").read_text())) == len(versions(agent)) > 10
        for name in FILES:
            text = (batch / name).read_text()
            assert not {one for one in people(jira) if f'"{one}"' in text}, name
        (agent.export() / "jira-updated.txt").unlink()
        jira.now += timedelta(hours=1)
        jira.say("TEST-1")
        assert agent("run", variables=variables).status == 0
        assert versions(agent) == []
        assert len(json.loads((running.inbox("TEST")[-1] / "data_comments.json").read_text())) == 1


@pytest.mark.integration
@pytest.mark.usefixtures("code")
class TestExistingController:
    def test_says_that_it_imports_no_issues(self, agent: Agent, jira: JiraServer, tmp_path: Path) -> None:
        """Its database has the position of its own collection: that counts once, as long as there is none of ours."""
        for hours in range(1, 60):
            jira.add(200 + hours, at=jira.now - timedelta(hours=hours))
        with existing_controller(tmp_path / "controller", "scp") as running:
            running.database["TEST"] = {"jira-updated.txt": b"2026-03-01 12:00"}
            variables = running.variables(GROS_AGENT_WAIT="5", **named(jira))
            done = agent("run", variables=variables)
            assert done.status == 0, done
            assert " ".join(done.output.split()).count(UNIMPORTED) == 1
            assert {key for key, _ in versions(agent)} == {f"TEST-{200 + hours}" for hours in range(1, 27)}
            assert len(running.rows("data.json")) == len(versions(agent))
            ours = position(agent)
            jira.now += timedelta(hours=1)
            jira.change("TEST-201", jira.now - timedelta(minutes=5))
            done = agent("run", variables=variables)
            assert done.status == 0, done
            assert versions(agent) == [("TEST-201", "1")]
            assert position(agent) > ours
            assert running.rows("data_vcs_versions.json")

    def test_without_a_position_of_its_own(self, agent: Agent, jira: JiraServer, tmp_path: Path) -> None:
        """It hands no tracker back, since it imports no issues: that does not mean from the start."""
        with existing_controller(tmp_path / "controller", "scp") as running:
            variables = running.variables(GROS_AGENT_WAIT="5", **named(jira))
            assert agent("run", variables=variables).status == 0
            assert len(versions(agent)) > 10
            jira.now += timedelta(hours=1)
            assert agent("run", variables=variables).status == 0
            assert versions(agent) == []
