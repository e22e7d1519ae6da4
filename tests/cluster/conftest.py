"""What the tests of the cluster share: repositories behind a password, certificates, and a cluster on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent import Agent, give_secrets
from support.dask import PASSWORD, Running, running
from support.repository import linear_history
from support.servers import HttpServer, git_http


@pytest.fixture
def ready(agent: Agent) -> Agent:
    give_secrets(agent)
    (agent.home / "credentials.cfg").write_text(f"[127.0.0.1]\nusername=reader\npassword={PASSWORD}\n")
    return agent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    for number in range(1, 7):
        commits = 20 * number if number < 6 else 1500  # whose tables are too large to come with the answer
        linear_history(tmp_path / "origins" / f"code{number}", commits).git("tag", f"v{number}")
    with git_http(tmp_path / "origins", "reader", PASSWORD) as found:
        yield found


@pytest.fixture
def certificates(agent: Agent) -> Path:
    assert agent("cluster", "certificates", "--to", "certificates").status == 0
    return agent.home / "certificates"


@pytest.fixture
def cluster(tmp_path: Path, certificates: Path) -> Iterator[Running]:
    """On loopback, without TLS: the tasks are sealed all the same."""
    key = certificates / "worker" / "parts.key"
    with running(tmp_path / "cluster", {"GROS_AGENT_CLUSTER_KEY": str(key)}) as found:
        yield found
