"""Scrapes on a cluster: the same rows as without one, and no secret where the scheduler could show it."""

import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from gros_agent import __version__
from gros_agent.settings.authorities import of_the_system
from support.agent import PEPPER, ROOT, SALT, Agent, Rows, table
from support.controller import wait_until
from support.dask import PASSWORD, Running, on, running, sources
from support.gate import gate
from support.servers import HttpServer

TABLES = ("data_vcs_versions", "data_change_path", "data_tag")


def rows(agent: Agent) -> dict[str, Rows]:
    return {name: table(agent, name) for name in TABLES}


def alone(agent: Agent, server: HttpServer) -> dict[str, Rows]:
    """The rows of the same sources without a cluster, in another home."""
    other = Agent(agent.home.with_name("alone"))
    shutil.copytree(agent.home, other.home)
    shutil.rmtree(other.home / "export", ignore_errors=True)
    shutil.rmtree(other.home / "state", ignore_errors=True)
    done = other.scrape(*sources(server))
    assert done.status == 0, done
    return rows(other)


def test_same_rows(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """Both workers have a part in them, the second scrape brings what is new, and no table is left on a worker."""
    wanted = alone(ready, server)
    done = ready.scrape(*sources(server), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert rows(ready) == wanted
    assert len(cluster.spy.workers) == 2
    assert b"'piece'" in cluster.logged()
    again = ready.scrape(*sources(server), variables=on(cluster, certificates))
    assert again.status == 0, again
    assert table(ready, "data_vcs_versions") == []
    assert not [path for home in cluster.homes for path in home.rglob("parts/*")]


def test_shared_folder(ready: Agent, server: HttpServer, cluster: Running, certificates: Path, tmp_path: Path) -> None:
    wanted = alone(ready, server)
    shared = tmp_path / "shared"
    done = ready.scrape("--shared", shared, *sources(server), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert rows(ready) == wanted
    assert list(shared.iterdir()) == []


def test_no_secret_is_where_the_scheduler_shows_it(
    ready: Agent, server: HttpServer, cluster: Running, certificates: Path
) -> None:
    """Neither in tasks and their states, nor in keys and logs; also when a source fails."""
    arguments = [*sources(server, "code1", "missing"), "--full"]
    done = ready("--log", "DEBUG", "scrape", "--project", "TEST", *arguments, variables=on(cluster, certificates))
    assert done.status == 3, done
    assert "missing" in done.output
    shown = cluster.spy.all() + cluster.logged() + " ".join(cluster.spy.keys).encode()
    assert all(re.fullmatch(r"gros-agent-[0-9a-f]{16}-\d+", key) for key in cluster.spy.keys)
    assert len(cluster.spy.keys) == 2
    for secret in (PASSWORD, SALT, PEPPER, "code1", str(server.port)):
        assert secret.encode() not in shown
    assert PASSWORD not in done.output + done.errors


def test_no_secret_is_on_a_page(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """Of the scheduler's dashboard, while a source is collected: of its task, its worker, its calls, its logs."""
    with gate(server.port, 1) as held:
        arguments = ["scrape", "--project", "TEST", *sources(HttpServer(held.port), "code1")]
        with ready.start(*arguments, variables=on(cluster, certificates)) as agent:
            wait_until(lambda: held.held)
            shown = pages(cluster)
            agent.terminate()
            agent.communicate()
    assert any(key in shown for key in cluster.spy.keys)
    for secret in (PASSWORD, SALT, PEPPER, "code1", str(held.port)):
        assert secret not in shown


def pages(cluster: Running) -> str:
    """All pages of a scheduler about its workers and tasks."""
    names = ["info/main/workers", "info/main/exceptions", "info/main/logs", "json/counts", "json/identity", "metrics"]
    names += [f"info/task/{key}" for key in cluster.spy.keys] + [f"info/call-stack/{key}" for key in cluster.spy.keys]
    for address in requests.get(f"{cluster.spy.pages}/json/identity.json", timeout=30).json()["workers"]:
        names += [f"info/{kind}/{quote(address, safe='')}" for kind in ("worker", "call-stacks", "logs")]
    found = []
    for name in names:
        end = "" if name == "metrics" else ".json" if name.startswith("json") else ".html"
        answer = requests.get(f"{cluster.spy.pages}/{name}{end}", timeout=30)
        assert answer.status_code == 200, name
        found.append(answer.text)
    return "\n".join(found)


def test_cluster_on_this_machine(ready: Agent, server: HttpServer) -> None:
    wanted = alone(ready, server)
    done = ready.scrape("--cluster", "local", *sources(server))
    assert done.status == 0, done
    assert rows(ready) == wanted
    assert not list((ready.home / "state").glob("cluster-*"))


def test_over_tls(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """The key of the tasks lies beside that for TLS. Whoever has certificates of another authority is refused."""
    assert ready("cluster", "certificates", "--to", "others").status == 0
    with running(tmp_path / "cluster", {}, certificates=certificates) as cluster:
        done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
        assert done.status == 0, done
        other = ready.scrape(*sources(server, "code2"), variables=on(cluster, ready.home / "others"))
    assert cluster.address.startswith("tls://")
    assert len(table(ready, "data_vcs_versions")) == 20
    assert other.status == 1, other
    assert "don't trust each other" in other.errors


def test_worker_of_another_version(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    package = tmp_path / "other" / "gros_agent"
    shutil.copytree(ROOT / "src" / "gros_agent", package)
    file = package / "__init__.py"
    file.write_text(file.read_text().replace(__version__, "99.0"))
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, workers=1, packages=[package.parent]) as cluster:
        done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
    assert done.status == 7, done
    assert f"has gros-agent 99.0, and this is {__version__}" in done.output + done.errors


def test_worker_with_another_key(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    assert ready("cluster", "certificates", "--to", "others").status == 0
    key = {"GROS_AGENT_CLUSTER_KEY": str(ready.home / "others" / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, workers=1) as cluster:
        done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
    assert done.status == 7, done
    assert "different keys" in done.output + done.errors


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://192.0.2.1:8786", "plain TCP is for this machine alone"),
        ("tcp://localhost:8786", "plain TCP is for this machine alone"),
        ("http://127.0.0.1:8786", "is not the address of a scheduler"),
        ("tls://scheduler.example", "is not the address of a scheduler"),
        ("tls://scheduler.example:port", "is not the address of a scheduler"),
        ("tls://127.0.0.1:8786", "no certificates of the cluster are named"),
    ],
)
def test_refused_addresses(ready: Agent, address: str, words: str) -> None:
    done = ready.scrape("--source", "git=.", "--cluster", address)
    assert done.status == 7, done
    assert words in done.errors


def test_no_scheduler(ready: Agent, certificates: Path) -> None:
    folder = certificates / "coordinator"
    done = ready.scrape("--source", "git=.", "--cluster", "tcp://127.0.0.1:9", "--cluster-certificates", folder)
    assert done.status == 1, done
    assert "can't be reached" in done.errors


def test_dry_run_is_done_here(ready: Agent) -> None:
    done = ready("scrape", "--project", "TEST", "--source", "git=.", "--dry-run", "--cluster", "local")
    assert done.status == 7
    assert "--dry-run" in done.errors


def test_tasks_are_small(ready: Agent, server: HttpServer, cluster: Running, certificates: Path) -> None:
    """The authorities of the system are 200 kB, which would go with each of thousands of parts."""
    assert of_the_system()
    done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert max(map(len, cluster.spy.seen)) < 32 << 10
