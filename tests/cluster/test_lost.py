"""What gets lost on a cluster: a worker, the scheduler or the coordinator. Each part counts once, none is left."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from support.agent import Agent, table
from support.controller import wait_until
from support.dask import Running, on, sources
from support.gate import gate
from support.servers import HttpServer, free_port


def busy(cluster: Running) -> list[subprocess.Popen[bytes]]:
    """The workers that run a program."""
    return [one for one in cluster.workers if one.poll() is None and children(one.pid)]


def children(process: int) -> str:
    found = ""
    for thread in Path("/proc", str(process), "task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found += (thread / "children").read_text()
    return found


def test_worker_that_is_killed(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """Its part is collected by the other one, once."""
    with gate(server.port, 1) as held:
        arguments = sources(server, "code1", "code2"), sources(HttpServer(held.port), "code3")
        with ready.start(
            "scrape", "--project", "TEST", *arguments[0], *arguments[1], variables=on(cluster, certificates)
        ) as agent:
            wait_until(lambda: held.held)
            wait_until(lambda: (ready.export() / "scrape.log").read_text().count("new items") == 2)
            (worker,) = busy(cluster)
            worker.kill()
            begun = time.monotonic()
            _, errors = agent.communicate(timeout=60)
            assert time.monotonic() - begun < 10
    assert agent.returncode == 0, errors
    found = [row["repo_name"] for row in table(ready, "data_vcs_versions")]
    assert {name: found.count(name) for name in set(found)} == {"code1": 20, "code2": 40, "code3": 60}


class HomeMade:
    """A scheduler and a worker as processes, which can be killed and started again under the same address."""

    def __init__(self, folder: Path, certificates: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.given = ["--cluster", f"tcp://127.0.0.1:{self._port}"]
        self.given += ["--cluster-certificates", str(certificates / "coordinator")]
        self._variables = {**os.environ, "GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        address = f"tcp://127.0.0.1:{self._port}"
        quiet = ("--dashboard-address", "127.0.0.1:0")
        self._begin("dask_scheduler", "--host", "127.0.0.1", "--port", str(self._port), *quiet)
        local = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self._folder))
        self._begin("dask_worker", address, *local, *quiet)

    def _begin(self, program: str, *arguments: str) -> None:
        words = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        with (self._folder / "dask.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(words, env=self._variables, cwd=self._folder, stdout=log, stderr=log)
            )

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    def restart(self) -> None:
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@pytest.mark.slow
def test_scheduler_that_is_killed(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """Nothing is published, and the error says so. The next scrape plans anew."""
    with HomeMade(tmp_path, certificates) as cluster, gate(server.port, 1) as held:
        sent = [*sources(server, "code1"), *sources(HttpServer(held.port), "code2")]
        with ready.start("scrape", "--project", "TEST", *cluster.given, *sent) as agent:
            wait_until(lambda: held.held)
            cluster.kill()
            _, errors = agent.communicate(timeout=90)  # it may come back for a minute
    assert agent.returncode == 1
    assert "the scheduler of the cluster is gone" in errors
    assert not list(ready.export().glob("data_*.json"))
    assert ready.scrape(*sources(server, "code1", "code2")).status == 0
    assert len(table(ready, "data_vcs_versions")) == 60


def test_interrupted(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """The command ends, and so do the programs that the workers run for it. The workers go on."""
    with gate(server.port, 2) as held:
        arguments = sources(HttpServer(held.port), "code1", "code2", "code3")
        variables = on(cluster, certificates)
        with ready.start("scrape", "--project", "TEST", *arguments, variables=variables) as agent:
            wait_until(lambda: len(held.held) == 2)
            begun = time.monotonic()
            agent.send_signal(signal.SIGINT)
            agent.communicate(timeout=30)
        assert agent.returncode == 130
        wait_until(lambda: not busy(cluster))
        assert time.monotonic() - begun < 10
        again = ready.scrape(*arguments, variables=variables)
    assert again.status == 0, again
    assert len(table(ready, "data_vcs_versions")) == 120
    assert not [path for home in cluster.homes for path in home.rglob("parts/*")]


def test_coordinator_that_is_killed(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """Workers end what they collect for it, and remove the tables that they still have. Another run brings all."""
    variables = on(cluster, certificates)
    with gate(server.port, 1) as held:
        arguments = [*sources(server, "code6"), *sources(HttpServer(held.port), "code1")]
        with ready.start("scrape", "--project", "TEST", *arguments, variables=variables) as agent:
            wait_until(lambda: held.held)
            agent.kill()
        wait_until(lambda: not busy(cluster))
        wait_until(lambda: not [path for home in cluster.homes for path in home.rglob("parts/*")])
    again = ready.scrape(*sources(server, "code6", "code1"), variables=variables)
    assert again.status == 0, again
    assert len(table(ready, "data_vcs_versions")) == 1520


def test_local_cluster_that_is_killed(ready: Agent, server: HttpServer) -> None:
    """Its workers end with it, and the next one removes its folder."""
    with gate(server.port, 1) as held:
        arguments = ["--cluster", "local", *sources(HttpServer(held.port), "code1", "code2")]
        with ready.start("scrape", "--project", "TEST", *arguments) as agent:
            wait_until(lambda: held.held)
            processes = [int(one) for one in children(agent.pid).split()]
            agent.kill()
        wait_until(lambda: not any(Path("/proc", str(one)).exists() for one in processes), seconds=10)
    assert list((ready.home / "state").glob("cluster-*"))
    assert ready.scrape("--cluster", "local", *sources(server, "code1", "code2")).status == 0
    assert len(table(ready, "data_vcs_versions")) == 60
    assert not list((ready.home / "state").glob("cluster-*"))


def test_scheduler_that_comes_back(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """The run goes on with new workers, and each part counts once."""
    with HomeMade(tmp_path, certificates) as cluster, gate(server.port, 1) as held:
        arguments = [*sources(server, "code1", "code6"), *sources(HttpServer(held.port), "code2")]
        with ready.start("scrape", "--project", "TEST", *cluster.given, *arguments) as agent:
            wait_until(lambda: held.held)
            cluster.restart()
            _, errors = agent.communicate(timeout=60)
    assert agent.returncode == 0, errors
    assert "Traceback" not in errors
    assert "waiting for it to come back" in errors
    assert len(table(ready, "data_vcs_versions")) == 1560
