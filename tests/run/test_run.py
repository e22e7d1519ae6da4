"""The whole chain in one command, against the reference controller and an imitation of existing ones."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import ExitStatus
from gros_agent.run.history import History
from support.agent import Agent, Finished
from support.controller import Controller, controller
from support.repository import Repository


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller") as one:
        yield one


class Installation:
    """An agent at a controller, with a repository for each project."""

    def __init__(self, agent: Agent, running: Controller, folder: Path, keys: str = "TEST") -> None:
        self.agent = agent
        self.variables = running.variables(agent.home, keys)
        self.repositories = {}
        for key in keys.split():
            self.repositories[key] = Repository.make(folder / f"repository-{key}")
            self.repositories[key].commit("one", {"a": "1"})
            self.list_sources(key, [{"type": "git", "name": "code", "url": self.repositories[key].url}])

    def list_sources(self, key: str, sources: list[dict[str, str]]) -> None:
        folder = self.agent.home / "export" / key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data_sources.json").write_text(json.dumps(sources))

    def run(self, *arguments: str, **variables: str) -> Finished:
        return self.agent("run", *arguments, variables=self.variables | variables)

    @property
    def history(self) -> History:
        return History(self.agent.home / "state" / "history.sqlite")

    def log(self, key: str = "TEST") -> list[str]:
        return (self.agent.home / "export" / key / "scrape.log").read_text().splitlines()


def commits(running: Controller, project: str = "TEST") -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in running.inbox(project):
        found.update(row["version_id"] for row in json.loads((batch / "data_vcs_versions.json").read_text()))
    return found


def test_everything_arrives_once(agent: Agent, running: Controller, tmp_path: Path) -> None:
    installation = Installation(agent, running, tmp_path, "ABC DEF")
    for _ in range(2):
        done = installation.run()
        assert done.status == 0, done
        # this controller knows a batch by its identifier: nothing waits for an import
        assert not list((agent.home / "state" / "deliveries").iterdir())
    for project in ("ABC", "DEF"):
        assert list(commits(running, project).values()) == [1]
    runs = installation.history.runs()
    assert [(run.project, run.status, run.trigger) for run in runs] == [
        ("DEF", ExitStatus.DONE, "command"),
        ("ABC", ExitStatus.DONE, "command"),
    ] * 2
    assert runs[-1].sources[0].items == 1
    assert runs[-1].delivered_bytes > 0
    assert runs[-1].tables["data_vcs_versions"] == 1


def test_log_of_the_whole_chain(agent: Agent, running: Controller, tmp_path: Path) -> None:
    """Each line as the dashboards read it, the last one with the status; the controller has it too."""
    installation = Installation(agent, running, tmp_path)
    assert installation.run().status == 0
    lines = installation.log()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}:[A-Z]+:.", line) for line in lines)
    assert lines[-1].endswith(":INFO:Process ended with status code 0")
    assert any("registered as agent-TEST" in line for line in lines)
    assert any("preflight: TEST: total: ok" in line for line in lines)
    (batch,) = running.inbox("TEST")
    assert (batch / "scrape.log").read_text().splitlines() == lines


def test_log_of_a_failure_arrives(agent: Agent, running: Controller, tmp_path: Path) -> None:
    installation = Installation(agent, running, tmp_path)
    installation.list_sources("TEST", [{"type": "git", "name": "gone", "url": (tmp_path / "nowhere").as_uri()}])
    done = installation.run()
    assert done.status == 4, done
    assert "1 of" in done.output
    assert "TEST: gone" in done.output
    sent = running.home("TEST") / "export" / "TEST" / "scrape.log"
    assert sent.read_text().splitlines()[-1].endswith(":ERROR:Process ended with status code 4")
    (run,) = installation.history.runs()
    assert run.status is ExitStatus.PREFLIGHT
    assert run.stage == "preflight"


def test_a_project_that_fails_does_not_stop_the_next(agent: Agent, running: Controller, tmp_path: Path) -> None:
    installation = Installation(agent, running, tmp_path, "ABC DEF")
    installation.list_sources("ABC", [])
    done = installation.run()
    assert done.status == 7, done
    assert "project ABC has no sources" in done.output
    assert len(commits(running, "DEF")) == 1


def test_a_source_of_a_type_that_nothing_collects(agent: Agent, running: Controller, tmp_path: Path) -> None:
    installation = Installation(agent, running, tmp_path)
    known = {"type": "git", "name": "code", "url": installation.repositories["TEST"].url}
    installation.list_sources("TEST", [known, {"type": "tfvc", "name": "old", "url": "http://server.example"}])
    done = installation.run()
    assert done.status == 3, done
    assert "collects no sources of type tfvc" in done.output
    assert len(commits(running)) == 1


def test_not_due_yet(agent: Agent, tmp_path: Path) -> None:
    """The controller is asked before anything is done: nothing is registered anew, and the last log stays."""
    with controller(tmp_path / "controller", "--days", "1") as running:
        installation = Installation(agent, running, tmp_path)
        assert installation.run().status == 0
        before = installation.log()
        registered = running.log.read_text().count("registered for TEST")
        for _ in range(3):
            assert installation.run().status == 5
        assert installation.log() == before
        assert running.log.read_text().count("registered for TEST") == registered
        assert [run.status for run in installation.history.runs()] == [ExitStatus.NOT_DUE, ExitStatus.DONE]
        assert installation.run("--skip-preflight").status == 0


@pytest.mark.slow
def test_controller_that_is_away(agent: Agent, tmp_path: Path) -> None:
    """What was collected stays, and arrives once when the controller is back."""
    with controller(tmp_path / "controller") as running:
        installation = Installation(agent, running, tmp_path)
        assert installation.run().status == 0
        installation.repositories["TEST"].commit("two", {"a": "2"})
        assert agent("scrape", "--no-ssh", variables=installation.variables).status == 0
    done = installation.run()
    assert done.status == 6, done
    assert "the controller is away since" in done.output
    assert "TEST was collected into the outbox, 2 batches wait: " in done.output
    with controller(
        tmp_path / "controller", "--https-port", str(running.https), "--ssh-port", str(running.ssh)
    ) as again:
        done = installation.run()
        assert done.status == 0, done
        assert sorted(commits(again).values()) == [1, 1]


def test_collected_before_the_first_registration(agent: Agent, running: Controller, tmp_path: Path) -> None:
    """It is delivered as soon as there is a key to deliver it with."""
    installation = Installation(agent, running, tmp_path)
    assert agent("scrape", "--no-ssh", "--no-secrets", variables=installation.variables).status == 0
    done = installation.run()
    assert done.status == 0, done
    assert list(commits(running).values()) == [1]


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("--nonsense", "No such option"),
            ("--project OTHER", "--project is not allowed there"),
            ("--home /", "--home is not allowed there"),
            ("--help", "--help checks nothing"),
            ("--no-secrets --secrets x", "contradict"),
            ("surplus", "unexpected extra argument (surplus)"),
            ("'open", "No closing quotation"),
        ],
    )
    def test_that_make_no_sense(
        self, agent: Agent, running: Controller, tmp_path: Path, arguments: str, words: str
    ) -> None:
        installation = Installation(agent, running, tmp_path)
        done = installation.run(PREFLIGHT_ARGS=arguments)
        assert done.status == 7, done
        assert words in done.errors
        assert "PREFLIGHT_ARGS" in done.errors

    def test_each_is_honoured(self, agent: Agent, running: Controller, tmp_path: Path) -> None:
        installation = Installation(agent, running, tmp_path)
        done = installation.run(PREFLIGHT_ARGS="--no-secrets --no-ssh --json --log DEBUG --timeout 7.5")
        assert done.status == 0, done
        start = done.output.index("[")
        checks: list[dict[str, Any]] = json.JSONDecoder().raw_decode(done.output[start:])[0]
        found = {check["name"]: check["status"] for check in checks}
        assert found["secrets"] == found["SSH key"] == found["SSH log-in"] == "skipped"
        assert " DEBUG " in done.errors
        (batch,) = running.inbox("TEST")
        (row,) = json.loads((batch / "data_vcs_versions.json").read_text())
        assert row["encrypted"] == "1"

    def test_skip(self, agent: Agent, running: Controller, tmp_path: Path) -> None:
        installation = Installation(agent, running, tmp_path)
        known = {"type": "git", "name": "code", "url": installation.repositories["TEST"].url}
        installation.list_sources("TEST", [known, {"type": "git", "name": "gone", "url": "file:///nowhere/at/all"}])
        assert installation.run().status == 4
        assert installation.run(PREFLIGHT_ARGS="--skip").status == 3
        assert len(commits(running)) == 1


def test_two_at_once(agent: Agent, running: Controller, tmp_path: Path) -> None:
    installation = Installation(agent, running, tmp_path)
    for number in range(300):
        installation.repositories["TEST"].commit(f"more {number}", {"a": str(number)})
    process = agent.start("run", variables=installation.variables)
    while installation.history.current() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # however busy the machine is, it is still running
    done = installation.run()
    process.send_signal(signal.SIGCONT)
    assert done.status == 5, done
    assert "another run of this agent is running" in done.errors
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("stage", ["register", "preflight", "scrape", "export"])
def test_stopped_in_each_stage(agent: Agent, running: Controller, tmp_path: Path, stage: str) -> None:
    """A SIGTERM ends it within seconds, and the next run goes on; each commit arrives once."""
    installation = Installation(agent, running, tmp_path)
    for number in range(40):
        installation.repositories["TEST"].commit(f"more {number}", {"a": str(number)})
    process = agent.start("run", variables=installation.variables)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        current = installation.history.current()
        if current is not None and current.stage == stage:
            break
        time.sleep(0.002)
    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - before < 10
    assert process.returncode in {130, 0}, (output, errors)
    if process.returncode == 130:
        status = installation.history.runs()[0].status
        # on a busy machine the signal may come when all is done, but the process has not ended yet
        assert status is ExitStatus.INTERRUPTED or (status is ExitStatus.DONE and len(commits(running)) == 41)
    done = installation.run()
    assert done.status == 0, done
    found = commits(running)
    assert len(found) == 41
    assert set(found.values()) == {1}
