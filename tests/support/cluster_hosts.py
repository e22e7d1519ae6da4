"""A cluster on hosts of their own, over TLS: a scheduler on the central host, and workers, each under a supervisor."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.controller import wait_until
from support.dask import tls
from support.network import CENTRAL, DIES_WITH_US, Network, NetworkHost

PAUSE = 0.5
"""Seconds until a supervisor starts again what ended."""
PORT = 8786
SILENCE = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
"""Dask gives up a connection on which nothing comes after half a minute; a test has it do so as early as it can."""


class Supervised:
    """A program that is started again whenever it ends, half a second later."""

    def __init__(self, command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._variables = variables
        self._ends = threading.Event()
        self._lock = threading.Lock()
        folder.mkdir(parents=True)
        self._thread = threading.Thread(target=self._supervise)
        self._thread.start()

    def _supervise(self) -> None:
        with self.log.open("ab") as log:
            while not self._ends.is_set():
                with self._lock:
                    process = subprocess.Popen(
                        self._command,
                        cwd=self.folder,
                        env={**os.environ, "PYTHONPATH": "", **self._variables},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                    self.process = process
                    self.starts += 1
                process.wait()
                self._ends.wait(PAUSE)

    def signal(self, number: int = signal.SIGKILL) -> bool:
        """Send a signal to the program. Returns whether it ran."""
        with self._lock:
            process = self.process
            if process is None or process.poll() is not None:
                return False
            process.send_signal(number)
            return True

    def stop(self) -> None:
        self._ends.set()
        while self._thread.is_alive():  # it may be about to start it once more
            self.signal()
            self._thread.join(0.1)


@dataclass
class WorkerHost:
    """A worker on a host of its own."""

    host: NetworkHost
    worker: Supervised

    def tables(self) -> list[Path]:
        """What collected parts left in the worker's folder: tables, and the files that they were given."""
        return [*self.worker.folder.rglob("parts/*"), *self.worker.folder.rglob("files/*")]

    def programs(self) -> list[str]:
        """The programs that run on this host, apart from the worker and what keeps the host."""
        own = {self.host.keeper.pid, self.worker.process.pid if self.worker.process else 0}
        there = _network_of(self.host.keeper.pid)
        return [_title(pid) for pid in _processes() if pid not in own and _network_of(pid) == there]


@dataclass
class HostedCluster:
    """The cluster, and what an agent is given that uses it."""

    scheduler: Supervised
    certificates: Path
    workers: list[WorkerHost] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tls://{CENTRAL}:{PORT}"

    @property
    def variables(self) -> dict[str, str]:
        folder = str(self.certificates / "coordinator")
        return {"GROS_AGENT_CLUSTER": self.address, "GROS_AGENT_CLUSTER_CERTIFICATES": folder, **SILENCE}


@contextmanager
def on_hosts(one: Network, folder: Path, certificates: Path, count: int = 4) -> Iterator[HostedCluster]:
    """Start the scheduler, and a worker with one thread on each of so many new hosts."""
    python = (sys.executable, "-m")
    command = [*DIES_WITH_US, *python, "distributed.cli.dask_scheduler", "--protocol", "tls", "--no-dashboard"]
    command += ["--host", CENTRAL, "--port", str(PORT), *tls(certificates, "scheduler")]
    cluster = HostedCluster(Supervised(command, folder / "scheduler", SILENCE), certificates)
    try:
        for number in range(count):
            host, home = one.add(), folder / f"worker{number}"
            command = [*python, "distributed.cli.dask_worker", cluster.address, "--nthreads", "1", "--no-nanny"]
            command += ["--no-dashboard", "--local-directory", str(home), "--death-timeout", "30"]
            command += tls(certificates, "worker")
            there = {**SILENCE, "GROS_AGENT_CLUSTER_FOLDER": str(home / "agent")}
            cluster.workers.append(WorkerHost(host, Supervised(host.command(command), home, there)))
        wait_until(lambda: all(b"Registered to" in one.worker.log.read_bytes() for one in cluster.workers))
        yield cluster
    finally:
        for started in (*(one.worker for one in cluster.workers), cluster.scheduler):
            started.stop()


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _network_of(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink()
    except OSError:  # it has ended
        return None


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
