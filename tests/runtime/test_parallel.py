"""Several sources at once: limits, order, and what happens when one fails or somebody interrupts."""

import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from gros_agent.errors import AgentError
from gros_agent.runtime import parallel, process
from gros_agent.sources.common.capacity import Capacity
from support.agent import Agent, give_secrets, table
from support.controller import wait_until
from support.repository import Repository


def _children() -> str:
    return "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).strip()


class Watched:
    """Work that notes how many are at it, altogether and in each lane; the first ones wait for so many others."""

    def __init__(self, together: int) -> None:
        self.together = together
        self.full = threading.Event()
        self.lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def __call__(self, task: str) -> str:
        for name in ("all", task[0]):
            with self.lock:
                self.now[name] += 1
                self.most[name] = max(self.most[name], self.now[name])
        if self.now["all"] >= self.together:
            self.full.set()
        self.full.wait(60)
        time.sleep(0.01)  # for one that should not be there
        for name in ("all", task[0]):
            with self.lock:
                self.now[name] -= 1
        return task.upper()


def test_limits_and_order() -> None:
    watched = Watched(4)
    tasks = [f"{lane}{number}" for number in range(10) for lane in "aab"]
    done = parallel.run(tasks, watched, at_once=5, lane=lambda task: task[0], per_lane=2)
    assert done == [task.upper() for task in tasks]
    assert watched.most["all"] == 4
    assert watched.most["a"] == watched.most["b"] == 2


def test_more_at_once_than_in_the_beginning() -> None:
    """As when workers join: the limit is that of the moment when a task ends."""
    watched = Watched(4)
    limits = iter([2, 2, 4])
    held = threading.Semaphore(0)

    def work(task: str) -> str:
        if task == "a0":
            held.acquire(timeout=60)
        elif task == "a1":
            held.release()
            return "A1"
        return watched(task) if task != "a0" else "A0"

    tasks = [f"a{number}" for number in range(8)]
    parallel.run(tasks, work, at_once=lambda: next(limits, 4), lane=lambda _: None, per_lane=1)
    assert watched.most["all"] == 4


def test_no_lane_has_no_limit() -> None:
    watched = Watched(5)
    parallel.run(["c"] * 12, watched, at_once=5, lane=lambda _: None, per_lane=1)
    assert watched.most["c"] == 5


def test_one_alone_is_done_here() -> None:
    (thread,) = parallel.run([1], lambda _: threading.current_thread(), at_once=8, lane=str, per_lane=1)
    assert thread is threading.current_thread()


def test_started() -> None:
    """Work begins at once, and its end is waited for."""
    begun, goes_on = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        goes_on.wait(60)
        return "done"

    wait = parallel.started(work)
    assert begun.wait(60)
    goes_on.set()
    assert [wait(), wait()] == ["done", "done"]


def test_an_error_of_what_was_started() -> None:
    def fail() -> None:
        raise AgentError("the disk is full")

    wait = parallel.started(fail)
    with pytest.raises(AgentError, match="full"):
        wait()


def test_an_error_ends_the_others_with_their_programs() -> None:
    """No later one begins, and nobody waits for a program that would sleep on."""
    begun = []
    before = set(_children().split())  # another test may have left this process a helper

    def work(task: int) -> None:
        begun.append(task)
        if task == 1:
            wait_until(lambda: len(begun) == 3)
            raise AgentError("the disk is full")
        process.run(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, silence=60)

    start = time.monotonic()
    with pytest.raises(AgentError, match="the disk is full"):
        parallel.run(list(range(9)), work, at_once=3, lane=lambda _: None, per_lane=1)
    assert time.monotonic() - start < 10
    assert sorted(begun) == [0, 1, 2]
    assert set(_children().split()) <= before
    assert process.run(["true"], {"PATH": "/usr/bin:/bin"}, silence=60).status == 0


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 8, 64])
def test_fewer_programs_than_cores_and_three(cores: int) -> None:
    capacity = Capacity(cores)
    working, entered = threading.Semaphore(0), []
    end = threading.Event()

    def work() -> None:
        with capacity.working():
            entered.append(1)
            working.release()
            end.wait(30)

    threads = [threading.Thread(target=work) for _ in range(cores + 5)]
    for count, thread in enumerate(threads, start=1):
        thread.start()
        if count <= cores // 2 + 1:
            assert working.acquire(timeout=30)
            assert len(entered) * (capacity.jobs() + 1) < cores + 3
            assert 1 <= capacity.jobs() <= cores
    assert not working.acquire(timeout=0.05)
    end.set()
    for thread in threads:
        thread.join(30)
    assert len(entered) == cores + 5
    assert capacity.jobs() == cores


def test_many_sources(agent: Agent, repository: Repository) -> None:
    """Rows are those of one after the other, in the order of the list, and one that fails takes back its own alone."""
    repository.commit("one", {"a": "1"})
    repository.commit("two", {"a": "2"})
    give_secrets(agent)
    sources = [argument for number in range(12) for argument in ("--source", f"git:s{number:02}={repository.path}")]
    missing = ("--source", f"git:missing={repository.path}-not")
    assert agent.scrape(*sources[:10], *missing, *sources[10:]).status == 3
    rows = table(agent, "data_vcs_versions")
    commits = [row["version_id"] for row in rows if row["repo_name"] == "s00"]
    assert len(commits) == 2
    found = [(row["repo_name"], row["version_id"]) for row in rows]
    assert found == [(f"s{number:02}", commit) for number in range(12) for commit in commits]
    assert not list(agent.export().glob("part-*"))
    assert agent.scrape(*sources, *missing).status == 3
    assert table(agent, "data_vcs_versions") == []


def test_interrupted_with_several_at_once(agent: Agent, repository: Repository) -> None:
    """All that was started ends within seconds, though each source waits for a host that says nothing."""
    repository.commit("one", {"a": "1"})
    give_secrets(agent)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"=git://127.0.0.1:{server.getsockname()[1]}/x"
        sources = [argument for name in "abc" for argument in ("--source", f"git:{name}{url}{name}")]
        running = agent.start("scrape", "--project", "TEST", *sources, "--source", f"git={repository.path}")
        connections = [server.accept()[0] for _ in range(3)]
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
        for connection in connections:
            connection.settimeout(10)
            while connection.recv(4096):  # nothing more comes: git has ended
                pass
            connection.close()
    assert running.returncode == 130
    assert "interrupted" in errors
    assert not list(agent.export().glob(".staging-*"))
