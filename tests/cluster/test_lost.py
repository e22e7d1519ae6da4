"""What gets lost on a cluster: a worker, the scheduler or the coordinator. Each part counts once, none is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.agent import Agent, table
from support.controller import wait_until
from support.dask import Running, on, sources
from support.gate import gate
from support.servers import HttpServer


def busy(cluster: Running) -> list[subprocess.Popen[bytes]]:
    """The workers that run a program."""
    return [one for one in cluster.workers if one.poll() is None and children(one.pid)]


def children(process: int) -> str:
    threads = Path("/proc", str(process), "task").iterdir()
    return "".join((thread / "children").read_text() for thread in threads)


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


@pytest.mark.slow
def test_scheduler_that_is_killed(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """Nothing is published, and the error says so. The next scrape plans anew."""
    file, folder = tmp_path / "scheduler.json", certificates / "worker" / "parts.key"
    dask = [sys.executable, "-m"]
    arguments = ["--scheduler-file", str(file), "--no-dashboard"]
    there = ["--host", "127.0.0.1", "--port", "0"]
    local = ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    variables = {**os.environ, "GROS_AGENT_CLUSTER_KEY": str(folder)}
    with (
        subprocess.Popen([*dask, "distributed.cli.dask_scheduler", *there, *arguments]) as one,
        subprocess.Popen([*dask, "distributed.cli.dask_worker", *arguments, *local], env=variables) as worker,
        gate(server.port, 1) as held,
    ):
        try:
            wait_until(file.exists)
            given = ["--cluster", json.loads(file.read_text())["address"]]
            given += ["--cluster-certificates", str(certificates / "coordinator")]
            sent = [*sources(server, "code1"), *sources(HttpServer(held.port), "code2")]
            with ready.start("scrape", "--project", "TEST", *given, *sent) as agent:
                wait_until(lambda: held.held)
                one.kill()
                _, errors = agent.communicate(timeout=90)  # it may come back for a minute
        finally:
            one.kill()
            worker.kill()
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
