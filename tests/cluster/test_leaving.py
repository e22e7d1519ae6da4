"""Workers that leave while they collect: no source fails because of that."""

from functools import partial
from pathlib import Path

import pytest
from distributed import Client

from support.agent import Agent, table
from support.controller import wait_until
from support.dask import Running, on, running, sources
from support.gate import Gate, gate
from support.servers import HttpServer


def holds(held: Gate, number: int) -> bool:
    return len(held.held) == number


@pytest.mark.parametrize("is_removed", [True, False], ids=["at once", "later"])
def test_worker_that_retires(
    ready: Agent, server: HttpServer, cluster: Running, certificates: Path, is_removed: bool
) -> None:
    """As when there are to be fewer of them: it ends what it collects, and another one collects it."""
    with gate(server.port, 1) as held:
        arguments = sources(HttpServer(held.port), "code1")
        with ready.start("scrape", "--project", "TEST", *arguments, variables=on(cluster, certificates)) as agent:
            wait_until(lambda: held.held)
            busy = [one.address for one in list(cluster.spy._scheduler.workers.values()) if one.processing]
            with Client(cluster.address, set_as_default=False) as client:
                client.retire_workers(busy, close_workers=is_removed, remove=is_removed)
            output, errors = agent.communicate(timeout=60)
    assert agent.returncode == 0, (output, errors)
    assert len(table(ready, "data_vcs_versions")) == 20


def test_only_worker_that_can_is_gone_again_and_again(
    ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path
) -> None:
    """The one that stays lacks git. The source has failed the third time, and does not wait for a fourth worker."""
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, of_first={"PATH": str(tmp_path)}) as cluster, gate(server.port, 9) as held:
        arguments = sources(HttpServer(held.port), "code1")
        with ready.start("scrape", "--project", "TEST", *arguments, variables=on(cluster, certificates)) as agent:
            for number in range(1, 4):
                wait_until(partial(holds, held, number))
                cluster.workers[-1].kill()
                if number < 3:
                    cluster.start(tmp_path / f"worker-{number + 3}", key)
            output, errors = agent.communicate(timeout=30)
    assert agent.returncode == 3, errors
    assert "its worker was gone 3 times" in output
