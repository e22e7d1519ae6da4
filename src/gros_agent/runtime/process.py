"""Runs other programs: with a list of arguments and never a shell, with time-outs, and with bounded output.

A program is started in a process group of its own, so that it can be ended together with what it started.
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

from gros_agent.errors import SourceError
from gros_agent.runtime import limits

MAX_OUTPUT = 64 << 20
"""Bytes of standard output that :func:`run` takes."""
MAX_ERRORS = 64 << 10
"""Bytes of standard error that are kept, the last ones."""
BUSY_SHARE = 0.1
"""The share of a silence in which a program has to use a processor to be taken for one that works."""
MAX_SILENCES = 30
"""Silences in a row after which a program is ended, whatever it does: an hour with the usual time-out."""
_BLOCK = 64 << 10
_ENDING_TIMES, _ENDING_PAUSE = 100, 0.02
"""How often programs are looked for that should have ended, and the seconds in between."""

_lock = threading.Lock()
_started: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()
_refused = 0


@dataclass(frozen=True)
class Completed:
    """What a program did. ``stalled`` is true if it was ended because it showed no sign of life."""

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
    """Start a program whose standard output is a pipe. Raises :class:`SourceError` if it is not there.

    It is ended when the time of what it was started for is up.
    """
    limits.check()
    try:
        with _lock:
            if _refused:
                raise SourceError(f"{arguments[0]} was not started: all is being ended")
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
        raise SourceError(
            f"the program {arguments[0]} is not there", f"install {arguments[0]}, or put it on the PATH"
        ) from None
    return process


def _end_in_time(process: subprocess.Popen[bytes]) -> None:
    """Have a program ended when the time of what it was started for is up."""
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
    """Have a program, and those that it starts, end when they want more memory than they may have.

    That is what they write to: files that they map to read them, such as the packs of a repository, do not count.
    """
    limit = limits.current()
    if limit is not None and limit.memory is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        memory = limit.memory if most == resource.RLIM_INFINITY else min(limit.memory, most)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or became another user's
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (memory, memory))


def memory_of_a_program() -> int:
    """Bytes that one program may use where nothing else is said: half of the machine's, from 512 MiB to 4 GiB.

    In a container its memory is the machine's.
    """
    return max(512 << 20, min(4 << 30, _memory() // 2))


def _memory(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that there are for this process, as far as its control groups (versions 1 and 2) limit them.

    The kernel's documentation has the files: admin-guide/cgroup-v2 (``memory.max``, a number or ``max``) and
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
            with contextlib.suppress(OSError, ValueError):  # none there, or no limit
                found.append(int((one / name).read_text()))
            if one == folder:
                break
    return min(found)


@contextlib.contextmanager
def none_left() -> Iterator[None]:
    """End all programs that were started, and start no others meanwhile: for ending threads that wait for them."""
    global _refused  # noqa: PLW0603 (as many programs as the process has)
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
    """End a program and what it started, at once, and close its pipes."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def end_forgotten(name: str, value: str) -> None:
    """End programs that have this variable: those that an agent which was killed could not end any more.

    The variable has to be one that nobody but the agent sets, and the caller the only one who may have such programs.
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
    except OSError:  # it belongs to another user, or ended meanwhile
        return False


class _Signs:
    """Signs of life of a process group that prints nothing."""

    def __init__(self, group: int, silence: float) -> None:
        self._group = group
        self._enough = silence * BUSY_SHARE
        self._used = 0.0
        self._times = 0

    def heard(self) -> None:
        """It printed something."""
        self._times = 0

    def computes(self) -> bool:
        """Whether it used a processor since it was asked last; false if it was asked too often in a row."""
        before, self._used = self._used, _processor_seconds(self._group)
        self._times += 1
        return self._used - before >= self._enough and self._times <= MAX_SILENCES


def _processor_seconds(group: int) -> float:
    """The processor time of all processes of a group, and of those that they waited for: proc_pid_stat(5)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
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
    """Run a program to its end and return what it printed.

    It is ended when it prints nothing for ``silence`` seconds in which it did not compute either: git checks a history
    of a million commits without a word. ``on_errors`` gets each piece of standard error, which is where programs show
    their progress. Raises :class:`SourceError` when it prints more than :data:`MAX_OUTPUT`.
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
