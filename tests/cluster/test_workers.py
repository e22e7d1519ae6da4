"""Workers that can't do what others can: their parts go elsewhere, and the log says why."""

import signal
import time
from pathlib import Path

import pytest
from distributed import Client

from gros_agent.cluster import workers as module
from gros_agent.cluster.sealing import ClusterKey, make_key
from gros_agent.cluster.workers import Workers
from gros_agent.errors import AgentError
from support.agent import Agent, table
from support.controller import wait_until
from support.dask import on, running, sources
from support.mounts import skip_unless_mountable
from support.servers import HttpServer

SMALL = ("unshare", "-rm", "sh", "-ec", 'mount -t tmpfs -o size=48k none "$SMALL"; exec "$@"', "sh")


def test_full_disk(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """What does not fit on one worker is collected by the other one."""
    skip_unless_mountable()
    small = tmp_path / "small"
    small.mkdir()
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    full = {"SMALL": str(small), "GROS_AGENT_CLUSTER_FOLDER": str(small)}
    with running(tmp_path / "cluster", key, first=SMALL, of_first=full) as cluster:
        done = ready.scrape(*sources(server), variables=on(cluster, certificates))
        workers = cluster.spy.workers
    assert done.status == 0, done
    assert len(table(ready, "data_vcs_versions")) == 20 + 40 + 60 + 80 + 100 + 1500
    assert len(workers) == 2
    assert "is collected by another worker, since" in done.errors


def test_missing_program(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """A worker without git gets no repository."""
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, of_first={"PATH": str(tmp_path)}) as cluster:
        done = ready.scrape(*sources(server), variables=on(cluster, certificates))
        workers = cluster.spy.workers
    assert done.status == 0, done
    assert len(workers) == 1
    assert "lacks git" in done.errors


def test_no_worker_has_the_program(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """Then the source has failed, and says what is missing, and where."""
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key"), "PATH": str(tmp_path)}
    with running(tmp_path / "cluster", key, workers=1) as cluster:
        done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
    assert done.status == 3, done
    assert "git" in done.output
    assert "collected by tcp://" in done.output


def test_folder_that_is_not_shared(ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """The worker that does not see it gets nothing; if none does, nothing is collected."""
    skip_unless_mountable()
    shared = tmp_path / "shared"
    shared.mkdir()
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    for count, status in ((2, 0), (1, 7)):
        folder = tmp_path / f"cluster-{count}"
        with running(folder, key, workers=count, first=SMALL, of_first={"SMALL": str(shared)}) as cluster:
            arguments: list[str | Path] = ["--full", "--shared", shared, *sources(server)]
            done = ready.scrape(*arguments, variables=on(cluster, certificates))
            assert done.status == status, done
            assert len(cluster.spy.workers) == count - 1
        assert "it does not see the folder of --shared" in done.errors


READ_ONLY = (*("unshare", "-rm", "sh", "-ec"), 'mount --bind "$X" "$X"; mount -o remount,ro,bind "$X"; exec "$@"', "sh")


def test_folder_that_one_worker_can_only_read(
    ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path
) -> None:
    """That is no fault of the sources, which the other worker collects."""
    skip_unless_mountable()
    shared = tmp_path / "shared"
    shared.mkdir()
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, first=READ_ONLY, of_first={"X": str(shared)}) as cluster:
        done = ready.scrape("--shared", shared, *sources(server), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert "is collected by another worker, since" in done.errors
    assert not [path for path in shared.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("variables", "threads", "words"),
    [
        ({"GROS_AGENT_CLUSTER_FOLDER": "/dev/null"}, 1, "this is a file, but must be a folder"),
        ({}, 2, "it has 2 threads"),
        ({"GROS_AGENT_CLUSTER_KEY": "/nowhere"}, 1, "there is no such key of a cluster"),
    ],
)
def test_worker_that_can_not_be_used(
    *,
    ready: Agent,
    server: HttpServer,
    certificates: Path,
    tmp_path: Path,
    variables: dict[str, str],
    threads: int,
    words: str,
) -> None:
    """The reason is told, with what to do about it there."""
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", {}, workers=0) as cluster:
        cluster.start(tmp_path / "worker", {**key, **variables}, threads=threads)
        done = ready.scrape(*sources(server, "code1"), variables=on(cluster, certificates))
    assert done.status == 7, done
    assert words in done.errors
    assert "Error" not in done.errors


def test_worker_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs since it came. Nobody waits for it, others can be used, and so can it once it answers."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    make_key(tmp_path / "key")
    key, variables = ClusterKey.read(tmp_path / "key"), {"GROS_AGENT_CLUSTER_KEY": str(tmp_path / "key")}
    with (
        running(tmp_path / "cluster", variables) as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        cluster.workers[0].send_signal(signal.SIGSTOP)
        found, begun = Workers(client, key, None), time.monotonic()
        for _ in range(3):
            found.look()
        assert found.threads == 1
        assert time.monotonic() - begun < 5
        cluster.workers[0].send_signal(signal.SIGCONT)
        wait_until(lambda: found.look() and found.threads == 2)


def test_no_worker_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody comes, or the only one has gone."""
    monkeypatch.setattr(module, "WORKER_SECONDS", 1.0)
    make_key(tmp_path / "key")
    key = ClusterKey.read(tmp_path / "key")
    with (
        running(tmp_path / "cluster", {}, workers=0) as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        found = Workers(client, key, None)
        found.look()
        time.sleep(1.1)
        with pytest.raises(AgentError, match="no worker for 1 s") as error:
            found.look()
        assert error.value.hint
