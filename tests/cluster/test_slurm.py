"""A scrape whose workers are Slurm jobs, by the script that is shipped; Slurm runs on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from cluster.test_cluster import alone, rows
from cluster.test_lost import children
from support.agent import ROOT, Agent
from support.controller import wait_until
from support.dask import sources
from support.gate import gate
from support.servers import HttpServer
from support.slurm import Slurm, slurm

SCRIPT = ROOT / "deploy" / "slurm" / "run_on_slurm.py"
CANARY = "canary-in-a-variable"
pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def queue() -> Iterator[Slurm]:
    with slurm() as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_left(queue: Slurm) -> Iterator[None]:
    """Whatever a test does, the script takes its jobs back, and they leave no process."""
    yield
    wait_until(lambda: not queue.jobs(), 60)
    wait_until(lambda: not queue.processes(), 60)


def started(
    queue: Slurm,
    agent: Agent,
    certificates: Path,
    *arguments: str,
    script: tuple[str, ...],
    queue_name: str | None = None,
) -> subprocess.Popen[str]:
    """The script, with the configuration that is shipped, changed to what this Slurm can do."""
    shipped = yaml.safe_load((SCRIPT.parent / "jobqueue.yaml").read_text())
    here = {"memory": "1GiB", "interface": "lo", "job-directives-skip": ["--mem"], "queue": queue_name}
    shipped["jobqueue"]["slurm"].update(here, **{"log-directory": str(agent.home / "jobs")})
    (agent.home / "dask").mkdir(exist_ok=True)
    (agent.home / "dask" / "jobqueue.yaml").write_text(yaml.safe_dump(shipped))
    variables = {**queue.variables, "DASK_CONFIG": str(agent.home / "dask"), "SOURCE_PASSWORD": CANARY}
    folder = agent.home / "nodes"
    given = ["--certificates", str(certificates), "--folder", str(folder), *script, "--", *arguments]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *given],
        cwd=agent.home,
        env=agent.environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def variables_of_jobs() -> bytes:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            content = (path / "environ").read_bytes()
            found += [content] if b"SLURM_JOB_ID=" in content else []
    return b"".join(found)


def ended(script: subprocess.Popen[str]) -> tuple[int, str]:
    output, errors = script.communicate(timeout=300)
    return script.returncode, output + errors


def test_same_rows(queue: Slurm, ready: Agent, server: HttpServer, certificates: Path) -> None:
    """Each node has a worker, with clones of its own, and no variable that it does not need."""
    wanted, seen, jobs = alone(ready, server), b"", set[str]()
    arguments = ("scrape", "--project", "TEST", *sources(server))
    with started(queue, ready, certificates, *arguments, script=("--workers", "3")) as script:
        while script.poll() is None:
            seen += variables_of_jobs()
            jobs |= set(queue.jobs())
            time.sleep(0.2)
        status, told = ended(script)
    assert status == 0, told
    assert rows(ready) == wanted
    assert len(jobs) == 3
    assert "3 of 3 workers are there" in told
    assert b"GROS_AGENT_CLUSTER_KEY=" in seen
    assert CANARY.encode() not in seen
    assert list((ready.home / "nodes").glob("node*/*/repos"))


def test_job_that_ends_before(queue: Slurm, ready: Agent, server: HttpServer, certificates: Path) -> None:
    """As one whose time limit is over: it is submitted anew, and its source is collected again."""
    wanted = alone(ready, server)
    with gate(server.port, 1) as held:
        arguments = ("scrape", "--project", "TEST", *sources(HttpServer(held.port)))
        options = ("--workers", "1", "--processes", "2", "--look", "1")
        with started(queue, ready, certificates, *arguments, script=options) as script:
            wait_until(lambda: held.held or script.poll() is not None, 120)
            first = queue.jobs()
            queue.run("scancel", *first)
            status, told = ended(script)
    assert status == 0, told
    assert f"job {first[0]} is gone, and submitted anew" in told
    assert "2 of 2 workers are there" in told
    assert rows(ready) == wanted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal(queue: Slurm, ready: Agent, server: HttpServer, certificates: Path, number: signal.Signals) -> None:
    """The agent ends, and the jobs are taken back, within 10 seconds."""
    with gate(server.port, 1) as held:
        arguments = ("scrape", "--project", "TEST", *sources(HttpServer(held.port), "code1"))
        with started(queue, ready, certificates, *arguments, script=("--workers", "2")) as script:
            wait_until(lambda: held.held or script.poll() is not None, 120)
            assert len(queue.jobs()) == 2
            begun = time.monotonic()
            script.send_signal(number)
            status, told = ended(script)
            seconds = time.monotonic() - begun
    assert status == 128 + number, told
    assert seconds < 10
    assert "jobs may be left" not in told


def test_killed(queue: Slurm, ready: Agent, server: HttpServer, certificates: Path) -> None:
    """As when the machine that the script runs on is gone: the workers end by themselves."""
    with gate(server.port, 1) as held:
        arguments = ("scrape", "--project", "TEST", *sources(HttpServer(held.port), "code1"))
        with started(queue, ready, certificates, *arguments, script=("--workers", "2")) as script:
            wait_until(lambda: held.held or script.poll() is not None, 120)
            agents = [int(pid) for pid in children(script.pid).split()]
            script.kill()
            for pid in agents:
                os.kill(pid, signal.SIGKILL)
            ended(script)
    assert agents


def test_refused_job(queue: Slurm, ready: Agent, certificates: Path) -> None:
    """The words of Slurm are shown, and no job is left."""
    options = ("--workers", "2")
    with started(queue, ready, certificates, "version", script=options, queue_name="no-such-one") as script:
        status, told = ended(script)
    assert status == 1
    assert "invalid partition" in told


@pytest.mark.parametrize("damage", ["others can read", "has no key", "a meaning in a shell"])
def test_refused_certificates(queue: Slurm, ready: Agent, certificates: Path, damage: str) -> None:
    match damage:
        case "others can read":
            certificates.chmod(0o755)
        case "has no key":
            (certificates / "worker" / "worker.key").unlink()
        case _:
            certificates = certificates.rename(certificates.with_name("my certificates"))
    with started(queue, ready, certificates, "version", script=("--workers", "1")) as script:
        status, told = ended(script)
    assert status == 2
    assert damage in told
