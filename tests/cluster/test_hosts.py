"""Scrapes by workers on hosts of their own, over TLS, of sources that take their time."""

import json
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.agent import Agent
from support.cluster_hosts import on_hosts
from support.controller import controller
from support.many_projects import many_projects
from support.network import CENTRAL, NetworkHost, network

PROJECTS = 40
ASK = f"import socket, sys; socket.create_connection(({CENTRAL!r}, int(sys.argv[1])), timeout=1).close()"


def test_a_cut_host_gets_no_answer() -> None:
    """Neither a refusal nor a reset, and afterwards it is there again. Other hosts see nothing of it."""
    with network() as net, socket.create_server((CENTRAL, 0)) as server:

        def ask(host: NetworkHost) -> str:
            command = host.command([sys.executable, "-c", ASK, str(server.getsockname()[1])])
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stderr.strip().rpartition("\n")[2]

        one, other = net.add(), net.add()
        assert (ask(one), ask(other)) == ("", "")
        one.cut()
        assert (ask(one), ask(other)) == ("TimeoutError: timed out", "")
        one.mend()
        assert (ask(one), ask(other)) == ("", "")
    assert CENTRAL not in subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_forty_projects_on_four_hosts(agent: Agent, certificates: Path, tmp_path: Path) -> None:
    """200 sources, 50 ms from each request to its answer: the controller gets the rows of a scrape without them."""
    with ExitStack() as stack:
        net = stack.enter_context(network())
        projects = stack.enter_context(many_projects(tmp_path, PROJECTS, net.more_addresses(5)))
        projects.write(agent)
        running = stack.enter_context(controller(tmp_path / "controller"))
        variables = running.variables(agent.home, " ".join(projects.keys))
        assert agent("register", variables=variables).status == 0
        other = Agent(agent.home.with_name("alone"))
        shutil.copytree(agent.home, other.home)
        alone = other("scrape", *projects.chosen)
        assert alone.status == 0, alone
        projects.answer_after(0.05)
        cluster = stack.enter_context(on_hosts(net, tmp_path / "cluster", certificates))
        done = agent("run", "--skip-preflight", variables={**variables, **cluster.variables})
        assert done.status == 0, done
        assert [one.tables() for one in cluster.workers] == [[]] * 4
        assert all(list(one.worker.folder.glob("agent/*/repos/*")) for one in cluster.workers)
    assert sum(len(entries) for entries in projects.entries.values()) == 200
    for key in projects.keys:
        (batch,) = running.inbox(key)
        assert tables(batch) == tables(other.export(key))
        commits = {(row["repo_name"], row["version_id"]) for row in tables(batch)["data_vcs_versions"]}
        assert commits == projects.commits(key)


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of all tables in a folder, sorted: lists of GitHub that are asked for at once come in any order."""
    found = [path for path in folder.glob("data_*.json") if path.name != "data_sources.json"]
    assert found
    return {path.stem: sorted(json.loads(path.read_text()), key=repr) for path in found}
