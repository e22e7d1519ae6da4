"""A run of many projects on a cluster: all of them at once, each delivered once, each with its own log and history."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gros_agent.errors import ExitStatus
from gros_agent.run.history import History
from support import installation as installation_module
from support.agent import Agent
from support.controller import Controller, controller, wait_until
from support.dask import PASSWORD, Running, on
from support.existing import existing_controller
from support.gate import gate
from support.repository import linear_history
from support.servers import HttpServer, git_http

PROJECTS = [f"P{letter}" for letter in "ABCDEF"]
SOURCES = ("code", "tests", "docs")


@dataclass
class Installation:
    """An agent of several projects with three repositories each, at a controller and a cluster."""

    agent: Agent
    controller: Controller
    variables: dict[str, str]
    port: int

    def list_sources(self, key: str, port: int) -> None:
        folder = self.agent.home / "export" / key
        folder.mkdir(parents=True, exist_ok=True)
        entries = [
            {"type": "git", "name": f"{name}-{key}", "url": f"http://127.0.0.1:{port}/{key}-{name}"} for name in SOURCES
        ]
        (folder / "data_sources.json").write_text(json.dumps(entries))

    def commits(self, key: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for batch in self.controller.inbox(key):
            rows = json.loads((batch / "data_vcs_versions.json").read_text())
            found.update(f"{row['repo_name']} {row['version_id']}" for row in rows)
        return found

    @property
    def history(self) -> History:
        return History(self.agent.home / "state" / "history.sqlite")


@pytest.fixture
def repositories(tmp_path: Path) -> Iterator[HttpServer]:
    for key in PROJECTS:
        for number, name in enumerate(SOURCES, 1):
            linear_history(tmp_path / "origins" / f"{key}-{name}", number)
    with git_http(tmp_path / "origins", "reader", PASSWORD) as server:
        yield server


@pytest.fixture
def installation(
    ready: Agent, tmp_path: Path, repositories: HttpServer, certificates: Path, cluster: Running
) -> Iterator[Installation]:
    with controller(tmp_path / "controller") as one:
        variables = {
            **one.variables(ready.home, " ".join(PROJECTS)),
            "GROS_AGENT_CLUSTER": cluster.address,
            "GROS_AGENT_CLUSTER_CERTIFICATES": str(certificates / "coordinator"),
        }
        found = Installation(ready, one, variables, repositories.port)
        for key in PROJECTS:
            found.list_sources(key, repositories.port)
        yield found


def test_each_is_delivered_once(installation: Installation, cluster: Running) -> None:
    """Twice: the second run has nothing new. Every source says who collected it; no log tells of another project."""
    for _ in range(2):
        done = installation.agent("run", variables=installation.variables)
        assert done.status == 0, done
    for key in PROJECTS:
        assert sorted(installation.commits(key).values()) == [1] * 6, key
        log = (installation.agent.export(key) / "scrape.log").read_text()
        assert set(re.findall(r"project (\w+)", log)) == {key}
        assert set(re.findall(r"(\w+)-P[A-F]: ", log)) == set(SOURCES)
        assert log.endswith("Process ended with status code 0\n")
    runs = installation.history.runs()
    assert Counter(run.project for run in runs) == dict.fromkeys(PROJECTS, 2)
    assert {run.status for run in runs} == {ExitStatus.DONE}
    workers = {source.worker for run in runs for source in run.sources}
    assert len(workers) == 2
    assert len(cluster.spy.workers) == 2
    assert all(f"collected by {worker}" in done.output for worker in workers)


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_at_an_existing_controller(
    agent: Agent, tmp_path: Path, certificates: Path, cluster: Running, seconds: float
) -> None:
    """A registration there clears the folders of other projects, and one import at a time is under way."""
    keys = ["TEST", *PROJECTS[:4]]
    with existing_controller(tmp_path / "controller", "sftp") as there:
        there.imports.seconds = seconds
        found = installation_module.Installation(agent, there, tmp_path, " ".join(keys))
        variables = on(cluster, certificates)
        for _ in range(2):
            found.commit()
            done = found.run(GROS_AGENT_WAIT="30", **variables)
            assert done.status == 0, done
            found.check_all_once()
    assert [found.announced(key) for key in keys] == [2] * len(keys)
    assert len(there.registered) > 2 * len(keys)


def test_one_waits_for_nobody(installation: Installation) -> None:
    """A project with a slow source is the last to be delivered; the others don't wait for it."""
    with gate(installation.port, 1) as held:
        installation.list_sources("PA", held.port)
        with installation.agent.start("run", "--skip-preflight", variables=installation.variables) as agent:
            wait_until(lambda: held.held)
            wait_until(lambda: all(installation.commits(key) for key in PROJECTS[1:]))
            assert not installation.commits("PA")
            held.held[0].close()
            output, errors = agent.communicate(timeout=60)
    assert agent.returncode in {0, 3}, errors
    assert output.index("Project PA") > max(output.index(f"Project {key}") for key in PROJECTS[1:])


def test_no_cluster(installation: Installation) -> None:
    """The outcome of each project says so."""
    gone = {**installation.variables, "GROS_AGENT_CLUSTER": "tcp://127.0.0.1:9"}
    done = installation.agent("run", "--project", "PB", variables=gone)
    assert done.status == 1, done
    assert "can't be reached" in done.output + done.errors
    (run,) = installation.history.runs()
    assert run.status is ExitStatus.UNEXPECTED
    assert "can't be reached" in run.error


def test_local_cluster(ready: Agent, tmp_path: Path, repositories: HttpServer) -> None:
    """The clones are those of this machine, and nothing of the cluster is left."""
    with controller(tmp_path / "controller") as one:
        found = Installation(ready, one, one.variables(ready.home, "PB PC"), repositories.port)
        for key in ("PB", "PC"):
            found.list_sources(key, repositories.port)
        done = ready("run", "--cluster", "local", variables=found.variables)
        assert done.status == 0, done
        assert [sorted(found.commits(key).values()) for key in ("PB", "PC")] == [[1] * 6] * 2
    assert len(list((ready.home / "state" / "repos").glob("P[BC]/*/HEAD"))) == 6
    assert not list((ready.home / "state").glob("cluster-*"))
