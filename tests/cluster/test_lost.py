"""What gets lost on a cluster: a worker, or the coordinator. Each part counts once, and nothing is left."""

import signal
import subprocess
import time
from pathlib import Path

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
