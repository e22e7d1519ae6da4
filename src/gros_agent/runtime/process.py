"""Runs other programs with a list of arguments, without a shell, with time-outs and limited output.

Each program gets its own process group, so that it can be killed together with its child processes.
"""

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gros_agent.errors import MachineError, SourceError
from gros_agent.runtime import limits

MAX_OUTPUT = 64 << 20
"""Limit of standard output for :func:`run`, in bytes."""
MAX_ERRORS = 64 << 10
"""How many of the last bytes of standard error are kept."""
BUSY_SHARE = 0.1
"""Share of a silent period in which a program must use a processor to count as working."""
MAX_SILENCES = 30
"""Silent periods in a row after which a program is killed even if it computes: an hour with the default time-out."""
DISK_IS_FULL = (r"No space left on device|Disk quota exceeded", "the disk is full", "free some space, and run again")
"""What a program says if the disk is full, what that means, and what to do."""
NO_SSH = "the program ssh is not installed"
OF_MACHINE = frozenset({DISK_IS_FULL[1], NO_SSH})
"""Reasons of a program's failure that are those of this machine."""
_BLOCK = 64 << 10
_ENDING_TIMES, _ENDING_PAUSE = 100, 0.02
"""How often to check whether killed programs have ended, and the seconds between two checks."""

_lock = threading.Lock()
_started: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()
_refused = 0


@dataclass(frozen=True)
class Completed:
    """The result of a program. ``stalled`` is true if it was killed because it showed no sign of life."""

    status: int
    output: bytes
    errors: str
    stalled: bool = False


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a program with a pipe as standard output. Raises :class:`SourceError` if it is not installed.

    It is killed when the current time limit is up.
    """
    limits.check()
    try:
        with _lock:
            if _refused:
                raise SourceError(f"{arguments[0]} was not started, since the work is being stopped")
            process = subprocess.Popen(
                arguments,
                env=dict(environment),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,
            )
            _started.add(process)
            _end_in_time(process)
            _bound(process)
    except FileNotFoundError:
        raise MachineError(
            f"the program {arguments[0]} is not there", f"install {arguments[0]}, or put it on the PATH"
        ) from None
    return process


def _end_in_time(process: subprocess.Popen[bytes]) -> None:
    """Register a program to be killed when the current time limit is up."""
    limit = limits.current()
    if limit is None:
        return
    reference = weakref.ref(process)

    def end() -> None:
        running = reference()
        if running is not None and running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)

    key = limit.on_end(end)
    weakref.finalize(process, limit.forget, key)
    if limit.is_up:
        end()


def _bound(process: subprocess.Popen[bytes]) -> None:
    """Limit the memory of a program and its child processes.

    The limit is for memory that they write to. Files that they map for reading, such as the packs of a repository,
    don't count.
    """
    limit = limits.current()
    if limit is not None and limit.memory is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        memory = limit.memory if most == resource.RLIM_INFINITY else min(limit.memory, most)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or became another user's
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (memory, memory))


def memory_of_a_program() -> int:
    """Default memory limit of one program in bytes: half of the machine's memory, at least 512 MiB, at most 4 GiB.

    In a container the memory of the container is used.
    """
    return max(512 << 20, min(4 << 30, _memory() // 2))


def _memory(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> int:
    """Memory in bytes that this process may use: the machine's, or less by its control groups (versions 1 and 2).

    The kernel's documentation describes the files: admin-guide/cgroup-v2 (``memory.max``, a number or ``max``) and
    admin-guide/cgroup-v1/memory (``memory.limit_in_bytes``).
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if controllers not in {"", "memory"}:
            continue
        folder, name = (root, "memory.max") if not controllers else (root / "memory", "memory.limit_in_bytes")
        inner = folder / place.strip("/")
        for one in (inner, *inner.parents):
            with contextlib.suppress(OSError, ValueError):  # no such file, or no limit
                found.append(int((one / name).read_text()))
            if one == folder:
                break
    return min(found)


@contextlib.contextmanager
def none_left() -> Iterator[None]:
    """Kill all started programs, and refuse to start others meanwhile, so that threads that wait for them end."""
    global _refused  # noqa: PLW0603 (one count for the whole process)
    with _lock:
        _refused += 1
        for process in list(_started):
            with contextlib.suppress(ProcessLookupError):
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
    try:
        yield
    finally:
        with _lock:
            _refused -= 1


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its child processes, and close its pipes."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def end_forgotten(name: str, value: str) -> None:
    """Kill programs with this environment variable, which a killed agent left running.

    Only the agent may set the variable, and no process but the caller may have such programs.
    """
    wanted = f"{name}={value}".encode()
    for _ in range(_ENDING_TIMES):
        found = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if _has_variable(path, wanted)]
        if not found:
            return
        for number in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        time.sleep(_ENDING_PAUSE)


def _has_variable(path: Path, wanted: bytes) -> bool:
    try:
        return wanted in path.read_bytes().split(b"\0")
    except OSError:  # belongs to another user, or has ended
        return False


class _Signs:
    """Signs of life of a process group that prints nothing."""

    def __init__(self, group: int, silence: float) -> None:
        self._group = group
        self._enough = silence * BUSY_SHARE
        self._used = 0.0
        self._times = 0

    def heard(self) -> None:
        """Note that it printed something."""
        self._times = 0

    def computes(self) -> bool:
        """Whether it used a processor since the last call; false after too many calls without output."""
        before, self._used = self._used, _processor_seconds(self._group)
        self._times += 1
        return self._used - before >= self._enough and self._times <= MAX_SILENCES


def _processor_seconds(group: int) -> float:
    """Processor time in seconds of all processes of a group and their ended children: proc_pid_stat(5)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    silence: float,
    on_errors: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run a program to its end, and return its output.

    It is killed if it neither prints nor computes for ``silence`` seconds; git, for instance, checks a history of a
    million commits without output. ``on_errors`` gets each piece of standard error, where programs show their progress.
    Raises :class:`SourceError` if it prints more than :data:`MAX_OUTPUT`.
    """
    process = start(arguments, environment)
    assert process.stdout is not None  # noqa: S101 (for the type checker: start makes pipes)
    assert process.stderr is not None  # noqa: S101
    output, errors = bytearray(), bytearray()
    stalled = False
    signs = _Signs(process.pid, silence)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, output)
            selector.register(process.stderr, selectors.EVENT_READ, errors)
            while selector.get_map():
                ready = selector.select(silence)
                if not ready:
                    if signs.computes():
                        continue
                    stalled = True
                    break
                signs.heard()
                for key, _ in ready:
                    block = os.read(key.fd, _BLOCK)
                    if not block:
                        selector.unregister(key.fileobj)
                        continue
                    key.data.extend(block)
                    if key.data is errors:
                        del errors[:-MAX_ERRORS]
                        if on_errors:
                            on_errors(block)
                    elif len(output) > MAX_OUTPUT:
                        raise SourceError(f"{arguments[0]} printed more than {MAX_OUTPUT} bytes")
        if not stalled:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(silence)
    finally:
        stop(process)
    return Completed(process.returncode, bytes(output), errors.decode(errors="replace"), stalled)
