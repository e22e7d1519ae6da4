"""The folder of a worker process: its clones, which are a cache, and the tables that it has not handed over yet."""

import fcntl
import os
import secrets
import shutil
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from gros_agent.cluster.sealing import new_name
from gros_agent.runtime.storage import is_held, make_private, replace_file, storage_errors

FOLDER_VARIABLE = "GROS_AGENT_CLUSTER_FOLDER"
"""Names the folder for the clones of all workers on a machine. Without it they are lost with the worker."""
_IDENTITY = "identity"
_LEAST_BYTES = 1 << 20


@dataclass(frozen=True)
class Slot:
    """A numbered folder that one process has for itself. ``identity`` is that of the folder, for as long as it exists.

    So the coordinator knows which worker has a clone, whatever the address of the process is.
    """

    path: Path
    identity: str
    descriptor: int

    @property
    def clones(self) -> Path:
        """The folder of the clones."""
        return self.path / "repos"

    @property
    def tables(self) -> Path:
        """The folder of the tables that are left until they are handed over."""
        return self.path / "parts"

    def new_tables(self, shared: Path | None) -> Path:
        """A new folder for tables, there where all machines see it if they share a folder. It is not made yet.

        What a killed process with this slot left there is removed before.
        """
        if shared is None:
            return self.tables / new_name()
        _clear(shared, self.identity)
        return shared / f"worker-{self.identity}-{new_name()}"

    @property
    def cores(self) -> int:
        """The cores for this worker: those of the machine, shared by all workers with folders beside this one."""
        others = sum(is_held(lock) for lock in self.path.parent.glob("*/lock"))
        return max(1, len(os.sched_getaffinity(0)) // max(1, others))

    @property
    def is_full(self) -> bool:
        """Whether the disk is as good as full: programs meet that in many places, and don't always say so."""
        return shutil.disk_usage(self.path).free < _LEAST_BYTES

    @property
    def files(self) -> Path:
        """The folder of the files that parts need while they are collected: keys, certificates and mappings."""
        return self.path / "files"


@cache
def _clear(shared: Path, identity: str) -> None:
    for left in shared.glob(f"worker-{identity}-*"):
        shutil.rmtree(left, ignore_errors=True)


def take_slot(folder: Path) -> Slot:
    """The first folder that no other process has, until this one ends. What a killed one left there is removed.

    Raises :class:`AgentError` if the folder can't be written.
    """
    with storage_errors(folder):
        make_private(folder)
        for number in count():
            path = folder / str(number)
            make_private(path)
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            slot = Slot(path, _identity(path / _IDENTITY), descriptor)
            for left in (slot.tables, slot.files):
                shutil.rmtree(left, ignore_errors=True)
                make_private(left)
            return slot
    raise AssertionError("there is no last number")


def _identity(path: Path) -> str:
    if not path.exists():
        replace_file(path, secrets.token_hex(8).encode())
    return path.read_text()
