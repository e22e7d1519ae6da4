"""Slurm on this machine: munge, a controller and several nodes, which are processes of this test and no services."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.controller import wait_until
from support.servers import free_port

NODES = ("node1", "node2", "node3")
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
_DAEMONS = ("slurmctld", "slurmd", "slurmscriptd")
_START_SECONDS = 60
_CONTROLLER = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SlurmdTimeout=0
MessageTimeout=60
KillWait=5
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2\n"


@dataclass(frozen=True)
class Slurm:
    """A Slurm that runs. ``variables`` lead its commands to it."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *command: str) -> str:
        environment = {**os.environ, **self.variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    def jobs(self) -> list[str]:
        """The identifiers of all jobs in the queue, also of those that are about to end."""
        return self.run("squeue", "--noheader", "--format=%A").split()

    def processes(self) -> list[str]:
        """What runs with variables of this Slurm, and is none of its own daemons: jobs, and whoever submits them."""
        return [name for pid, name in _processes(self.folder) if name not in _DAEMONS]


def missing() -> str:
    """Why Slurm can't run here (empty: it can)."""
    if os.geteuid() != 0:
        return "Slurm starts as root alone"
    search = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    absent = [name for name in _PROGRAMS if shutil.which(name, path=search) is None]
    return f"Slurm is not installed: {', '.join(absent)} missing" if absent else ""


@contextmanager
def slurm() -> Iterator[Slurm]:
    """Start Slurm, and end it with all that its jobs left."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        # the user munge can't see into folders of pytest
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        folder.chmod(0o755)
        _configure(folder)
        found = Slurm(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
        stack.callback(_kill_all, folder)
        _munge(stack, folder)
        _daemon(stack, found, "slurmctld")
        for name in NODES:
            _daemon(stack, found, "slurmd", "-N", name)
        wait_until(lambda: _are_idle(found), _START_SECONDS)
        yield found


def _configure(folder: Path) -> None:
    host = socket.gethostname().split(".")[0]
    nodes = "".join(_NODE.format(name=name, host=host, port=free_port()) for name in NODES)
    text = _CONTROLLER.format(folder=folder, host=host, port=free_port())
    (folder / "slurm.conf").write_text(nodes + text)
    (folder / "cgroup.conf").write_text(_cgroups())


def _cgroups() -> str:
    """Have Slurm do without control groups, or at least without systemd: a machine may have neither for it."""
    told = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.findall(r"\d+", told)[:2]))
    return "CgroupPlugin=disabled\n" if version >= (24, 5) else "IgnoreSystemd=yes\n"


def _munge(stack: ExitStack, folder: Path) -> None:
    """Start munge, by which the programs of Slurm know each other, with a key of its own."""
    home = folder / "munge"
    home.mkdir()
    (home / "key").write_bytes(os.urandom(128))
    (home / "key").chmod(0o600)
    for path in (home, home / "key"):
        shutil.chown(path, "munge", "munge")
    files = [
        f"--{name}={home / name.removesuffix('-file')}" for name in ("key-file", "pid-file", "log-file", "seed-file")
    ]
    command = ["munged", "--foreground", f"--socket={home / 'socket'}", *files]
    log = stack.enter_context((folder / "munged.log").open("wb"))
    process = subprocess.Popen(command, user="munge", group="munge", extra_groups=[], stdout=log, stderr=log)
    stack.callback(_end, process)
    wait_until((home / "socket").exists, _START_SECONDS)


def _daemon(stack: ExitStack, found: Slurm, *command: str) -> None:
    log = stack.enter_context((found.folder / f"{'-'.join(command)}.log").open("wb"))
    environment = {**os.environ, **found.variables}
    process = subprocess.Popen([command[0], "-D", *command[1:]], env=environment, stdout=log, stderr=log)
    stack.callback(_end, process)


def _are_idle(found: Slurm) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError):
        return found.run("sinfo", "--noheader", "--Node", "--format=%T").split() == ["idle"] * len(NODES)
    return False


def _processes(folder: Path) -> list[tuple[int, str]]:
    """The processes whose variables name the folder, with the names of their programs."""
    needle, found = os.fsencode(folder), []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle in (path / "environ").read_bytes():
                found.append((int(path.name), (path / "comm").read_text().strip()))
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _kill_all(folder: Path) -> None:
    """Kill what jobs left, so that a test that fails leaves nothing on this machine."""
    for pid, _ in _processes(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
