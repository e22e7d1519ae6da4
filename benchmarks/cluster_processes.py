"""A cluster as people start it: certificates, a scheduler and one-thread workers, as processes on loopback."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PRELOAD = Path(__file__).with_name("cluster_preload.py")
COMMAND = f"""
import sys
sys.path.insert(0, {str(PRELOAD.parent)!r})
import cluster_preload
from gros_agent.cli import execute
sys.exit(execute(sys.argv[1:]))
"""
_START_SECONDS = 60
_MIB = 1024


@dataclass(frozen=True)
class Started:
    """A cluster that runs."""

    address: str
    certificates: Path
    scheduler: "subprocess.Popen[bytes]"

    @property
    def arguments(self) -> list[str]:
        """What a command is given to use it."""
        return ["--cluster", self.address, "--cluster-certificates", str(self.certificates / "coordinator")]


def agent(home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a command of the agent, which finds the sources of the benchmark, too. What it says is in ``said``."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE") if name in os.environ
    }
    command = [sys.executable, "-c", COMMAND, "--home", str(home), *arguments]
    with (home / "said").open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, env={**kept, "TZ": "UTC"})


def finished(home: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait for a command. Raises :class:`SystemExit` if it failed."""
    if process.wait():
        raise SystemExit(f"{(home / 'said').read_text()[-3000:]}\nfailed with status {process.returncode}")


@contextlib.contextmanager
def started(folder: Path, workers: int) -> Iterator[Started]:
    """Start a cluster over TLS, and wait until all its workers are there."""
    folder.mkdir(parents=True)
    certificates = folder / "certificates"
    finished(folder, agent(folder, "cluster", "certificates", "--to", str(certificates)))
    with contextlib.ExitStack() as stack:
        log = folder / "scheduler.log"
        arguments = ["--protocol", "tls", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = _dask(stack, log, "scheduler", [*arguments, *_tls(certificates, "scheduler")])
        address = _told(log, rb"Scheduler at:\s+(\S+)")
        logs = []
        for number in range(workers):
            logs.append(folder / f"worker-{number}.log")
            arguments = [address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--preload", str(PRELOAD)]
            arguments += ["--local-directory", str(folder / f"worker-{number}"), *_tls(certificates, "worker")]
            _dask(stack, logs[-1], "worker", arguments)
        for log in logs:
            _told(log, rb"(Registered to)")
        yield Started(address, certificates, scheduler)


def _dask(stack: contextlib.ExitStack, log: Path, program: str, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
    stream = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _tls(certificates: Path, role: str) -> list[str]:
    place = certificates / role
    options: Mapping[str, str] = {"ca-file": "authority.pem", "cert": f"{role}.pem", "key": f"{role}.key"}
    return [part for name, file in options.items() for part in (f"--tls-{name}", str(place / file))]


def _told(log: Path, pattern: bytes) -> str:
    """What a program says in its log once it is ready."""
    end = time.monotonic() + _START_SECONDS
    while not (found := re.search(pattern, log.read_bytes())):
        if time.monotonic() > end:
            raise SystemExit(f"not ready in time: {log.read_text()[-3000:]}")
        time.sleep(0.05)
    return found[1].decode()


@dataclass(frozen=True)
class Used:
    """The memory of a process in MiB, and its processor seconds until now."""

    memory: float
    seconds: float


def used(process: "subprocess.Popen[bytes]") -> Used | None:
    """What a process uses, or None once it has ended."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    if not found:
        return None
    counted = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(counted[11]) + int(counted[12])  # of the user and of the system, proc(5)
    return Used(int(found[1]) / _MIB, ticks / os.sysconf("SC_CLK_TCK"))
