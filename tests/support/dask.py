"""A Dask cluster as people have it: a scheduler, which can be looked into here, and workers as processes."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security

from support.servers import HttpServer

PASSWORD = "canary-in-a-password"
_START_SECONDS = 30


class Spy(SchedulerPlugin):
    """Keeps whatever the scheduler has of each task, in each state: as it is shown, and as bytes."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.keys: set[str] = set()
        self.seen: list[bytes] = []
        self.workers: set[str] = set()

    @property
    def pages(self) -> str:
        """Where the scheduler shows its pages."""
        return f"http://127.0.0.1:{self._scheduler.http_server.port}"

    def all(self) -> bytes:
        """What it has seen, and what workers told each other through the scheduler."""
        events = self._scheduler._broker._topics.items()
        return b"".join((*self.seen, *(repr((name, list(topic.events))).encode() for name, topic in events)))

    def transition(self, key: Any, start: Any, finish: Any, *_arguments: Any, **more: Any) -> None:
        task = self._scheduler.tasks.get(key)
        self.keys.add(str(key))
        if finish == "memory" and more.get("worker"):
            self.workers.add(more["worker"])
        for one in (task, task and task.run_spec, more, (start, finish)):
            self.seen.append(repr(one).encode())
        if task is not None:
            self.seen.append(pickle.dumps(task.run_spec))


@dataclass
class Running:
    """A cluster that runs. ``logs`` are the files of the workers."""

    address: str
    spy: Spy
    certificates: Path | None = None
    logs: list[Path] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    homes: list[Path] = field(default_factory=list)

    def logged(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.logs)

    def start(self, home: Path, variables: Mapping[str, str], first: Sequence[str] = (), threads: int = 1) -> None:
        """Start a worker in a new folder; ``first`` is a command that starts its command."""
        home.mkdir(parents=True)
        self.homes.append(home)
        self.logs.append(home.with_suffix(".log"))
        arguments = [
            *first,
            *(sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", str(threads)),
            *("--no-nanny", "--no-dashboard", "--local-directory", str(home)),
            *tls(self.certificates, "worker"),
        ]
        with self.logs[-1].open("wb") as log:
            environment = {**os.environ, **variables}
            self.workers.append(
                subprocess.Popen(arguments, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT)
            )

    def end(self) -> None:
        for process in self.workers:
            process.kill()
            process.wait()


def tls(folder: Path | None, role: str) -> list[str]:
    if folder is None:
        return []
    place = folder / role
    return [
        *("--tls-ca-file", str(place / "authority.pem")),
        *("--tls-cert", str(place / f"{role}.pem"), "--tls-key", str(place / f"{role}.key")),
    ]


def _security(folder: Path | None) -> Security | None:
    if folder is None:
        return None
    place = folder / "scheduler"
    return Security(
        require_encryption=True,
        tls_ca_file=str(place / "authority.pem"),
        tls_scheduler_cert=str(place / "scheduler.pem"),
        tls_scheduler_key=str(place / "scheduler.key"),
        tls_client_cert=str(place / "scheduler.pem"),
        tls_client_key=str(place / "scheduler.key"),
    )


@contextmanager
def running(
    folder: Path,
    variables: Mapping[str, str],
    *,
    workers: int = 2,
    certificates: Path | None = None,
    packages: Sequence[Path] = (),
    first: Sequence[str] = (),
    of_first: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """A scheduler here, and workers with one thread each; ``packages`` are searched first by theirs.

    ``first`` is a command that starts the first worker's, and ``of_first`` are variables of that one alone.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=0,
                host="127.0.0.1",
                protocol="tls" if certificates else "tcp",
                security=_security(certificates),
                dashboard_address="127.0.0.1:0",
            )
        )
        spy = Spy(cluster.scheduler)
        cluster.scheduler.add_plugin(spy)
        found = Running(cluster.scheduler_address, spy, certificates)
        stack.callback(found.end)
        for number in range(workers):
            own = (of_first or {}) if number == 0 else {}
            environment = {"PYTHONPATH": os.pathsep.join(map(str, packages)), **variables, **own}
            found.start(folder / f"worker-{number}", environment, first if number == 0 else ())
        if workers:
            cluster.wait_for_workers(workers, timeout=_START_SECONDS)
        yield found


def sources(server: HttpServer, *names: str) -> list[str]:
    chosen = names or [f"code{number}" for number in range(1, 7)]
    return [part for name in chosen for part in ("--source", f"git:{name}=http://127.0.0.1:{server.port}/{name}")]


def on(cluster: Running, certificates: Path) -> dict[str, str]:
    return {
        "GROS_AGENT_CLUSTER": cluster.address,
        "GROS_AGENT_CLUSTER_CERTIFICATES": str(certificates / "coordinator"),
    }
