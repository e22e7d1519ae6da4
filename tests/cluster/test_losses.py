"""Losses at any moment, on hosts of their own: every commit reaches the controller once, and nothing stays behind."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.agent import Agent
from support.cluster_hosts import HostedCluster, WorkerHost, on_hosts
from support.controller import Controller, controller, wait_until
from support.many_projects import ManyProjects, many_projects
from support.network import network
from support.sample import Sample

PROJECTS, WORKERS = 3, 3
LONGEST = 150
"""Seconds after which a run that lost something must have ended, one way or the other."""
TIDY = 30
"""Seconds until a worker has ended what nobody waits for any more."""
ENDS = {0, 1, 3, 6}
"""Statuses of a run that lost something: nothing went wrong, the scheduler is gone, a source or the delivery failed."""

pytestmark = pytest.mark.slow


@dataclass
class Place:
    """Some projects with an agent, a cluster and a controller."""

    agent: Agent
    cluster: HostedCluster
    controller: Controller
    projects: ManyProjects
    grown: int = 0
    seconds: float = 0.0

    @property
    def variables(self) -> dict[str, str]:
        there = self.controller.variables(self.agent.home, " ".join(self.projects.keys))
        return {**there, **self.cluster.variables}

    def run(self) -> "subprocess.Popen[str]":
        """Start a run, after somebody has committed to every history."""
        self.grown += 1
        self.projects.grow(self.grown)
        return self.agent.start("run", "--skip-preflight", variables=self.variables)

    def whole(self) -> None:
        """A run that loses nothing. It takes so many seconds from the first request on."""
        with self.run() as process:
            self.collects(process)
            begun = time.monotonic()
            output, errors = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, (output, errors)
        self.seconds = time.monotonic() - begun

    def collects(self, run: "subprocess.Popen[str]") -> None:
        """Wait until a run asks for something."""
        before = self.projects.requests()
        wait_until(lambda: run.poll() is not None or self.projects.requests() > before)

    def busy(self, run: "subprocess.Popen[str]") -> WorkerHost:
        """A worker that runs a program for this run, as soon as there is one."""
        while run.poll() is None:
            for one in self.cluster.workers:
                if one.programs():
                    return one
        raise AssertionError(run.communicate())

    def arrived(self, key: str) -> Counter[tuple[str, str]]:
        """The commits that the controller has, and how often."""
        found = Counter[tuple[str, str]]()
        for batch in self.controller.inbox(key):
            rows = json.loads((batch / "data_vcs_versions.json").read_text())
            found.update((row["repo_name"], row["version_id"]) for row in rows)
        return found

    def check(self) -> None:
        """After a last run everything is at the controller once, and the workers are as before."""
        self.whole()
        for key in self.projects.keys:
            assert self.arrived(key) == Counter(self.projects.commits(key)), key
        workers = self.cluster.workers
        wait_until(lambda: not any(one.programs() for one in workers), TIDY)
        assert [path for one in workers for path in one.tables()] == []
        assert at_work(self.cluster) == []
        assert any(b"'piece'" in one.worker.log.read_bytes() for one in workers)  # large tables were sent


Loss = Callable[[Place, "subprocess.Popen[str]", random.Random], None]


def worker_is_killed(place: Place, _run: "subprocess.Popen[str]", chance: random.Random) -> None:
    chance.choice(place.cluster.workers).worker.signal()


def scheduler_is_killed(place: Place, _run: "subprocess.Popen[str]", _chance: random.Random) -> None:
    place.cluster.scheduler.signal()


def coordinator_is_killed(_place: Place, run: "subprocess.Popen[str]", _chance: random.Random) -> None:
    run.kill()


def network_is_cut(place: Place, _run: "subprocess.Popen[str]", chance: random.Random) -> None:
    """Some are mended before anybody notices, others after their part was done elsewhere."""
    host = chance.choice(place.cluster.workers).host
    host.cut()
    time.sleep(chance.choice([chance.uniform(0.2, 5), chance.uniform(15, 25)]))
    host.mend()


@pytest.fixture
def place(agent: Agent, certificates: Path, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        net = stack.enter_context(network())
        projects = stack.enter_context(many_projects(tmp_path, PROJECTS, net.more_addresses(3), git=3))
        projects.write(agent)
        projects.answer_after(0.05)
        running = stack.enter_context(controller(tmp_path / "controller"))
        cluster = stack.enter_context(on_hosts(net, tmp_path / "cluster", certificates, WORKERS))
        yield Place(agent, cluster, running, projects)


@pytest.mark.parametrize(
    ("loss", "sample", "whole"),
    [
        (worker_is_killed, 3, 30),
        (scheduler_is_killed, 1, 10),
        (coordinator_is_killed, 2, 10),
        (network_is_cut, 1, 10),
    ],
)
def test_lost_at_any_moment(place: Place, draw: Sample, loss: Loss, sample: int, whole: int) -> None:
    place.whole()
    chance, struck = draw.chance(loss.__name__), 0
    times = draw.times(sample, whole)
    for number in range(times):
        with place.run() as run:
            if number % 4 != 3:  # each fourth may be struck before it collects anything
                place.collects(run)
            moment = chance.uniform(0, place.seconds)
            time.sleep(moment)
            struck += run.poll() is None
            loss(place, run, chance)
            output, errors = run.communicate(timeout=LONGEST)
        told = (number, moment, output, errors)
        assert run.returncode in ENDS or run.returncode == -signal.SIGKILL, told
    assert struck > times / 2
    place.check()


def test_cut_off_until_its_part_was_done_elsewhere(place: Place) -> None:
    """The run does not wait for it. When it is there again, nobody wants what it has."""
    place.whole()
    with place.run() as run:
        cut = place.busy(run)
        cut.host.cut()
        output, errors = run.communicate(timeout=LONGEST)
    assert run.returncode == 0, (output, errors)
    cut.host.mend()
    place.check()


AT_WORK = """
import json, sys, traceback
from distributed import Client
from distributed.security import Security

def stacks():
    import sys, traceback
    found = ["".join(traceback.format_stack(frame)) for frame in sys._current_frames().values()]
    return [one for one in found if "gros_agent" in one and "cluster/wanted.py" not in one]

address, folder = sys.argv[1:]
security = Security(
    require_encryption=True, tls_ca_file=f"{folder}/authority.pem",
    tls_client_cert=f"{folder}/coordinator.pem", tls_client_key=f"{folder}/coordinator.key",
)
with Client(address, security=security, timeout=20) as client:
    print(json.dumps(client.run(stacks)))
"""


def at_work(cluster: HostedCluster) -> list[str]:
    """The threads of the workers that are in the agent's code, but for those that look whether a part is wanted."""
    folder = str(cluster.certificates / "coordinator")
    command = [sys.executable, "-c", AT_WORK, cluster.address, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    assert len(found) == len(cluster.workers)
    return [stack for stacks in found.values() for stack in stacks]
