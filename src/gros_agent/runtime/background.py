"""Commands of the agent in processes in the background: one of each name at a time; all are ended with their owner."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping, Sequence

from gros_agent.errors import AgentError, BusyError, ExitStatus

log = logging.getLogger(__name__)

STOP_SECONDS = 7.0
"""Time that processes have to end after SIGTERM."""


class Processes:
    """Runs commands of the agent. ``command`` is their prefix: program and options.

    If ``is_silent``, what they write to standard output is discarded. If ``is_private``, only the owner can access the
    files that they make.
    """

    def __init__(self, command: Sequence[str], *, is_silent: bool = False, is_private: bool = False) -> None:
        self._command = tuple(command)
        self._umask = 0o077 if is_private else -1  # -1: that of this process
        self._output = asyncio.subprocess.DEVNULL if is_silent else None
        self._running: dict[str, asyncio.subprocess.Process] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._running

    async def start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> "asyncio.Task[int]":
        """Start a command under a name, and return a task that ends with its exit status.

        Raises :class:`BusyError` if a process of that name is running, :class:`AgentError` if it can't be started.
        """
        if name in self._running:
            raise BusyError(f"a {name} is running", "wait until it is done")
        try:
            process = await asyncio.create_subprocess_exec(
                *(*self._command, *arguments),
                env=dict(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output,
                start_new_session=True,
                umask=self._umask,
            )
        except OSError as error:
            raise AgentError(f"the {name} can't be started: {error.strerror}", "see the machine's limits") from error
        self._running[name] = process
        return asyncio.create_task(self._until_end(name, process))

    async def end(self) -> None:
        """Terminate all processes, and kill those that have not ended after :data:`STOP_SECONDS`."""
        waiting = dict(self._running)
        for process in waiting.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if waiting:
            log.info("waiting until the %s has ended", " and the ".join(waiting))
            await asyncio.wait([asyncio.create_task(one.wait()) for one in waiting.values()], timeout=STOP_SECONDS)
        for name, process in waiting.items():
            if process.returncode is None:
                log.warning("the %s did not end in time, and is killed: the next one continues from there", name)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def _until_end(self, name: str, process: asyncio.subprocess.Process) -> int:
        try:
            status = await process.wait()
        finally:
            del self._running[name]
        log.log(_level(status), "the %s ended: %s", name, meaning(status))
        return status


def meaning(status: int) -> str:
    """The meaning of a process's exit status, as text. A negative status is the signal that ended it."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    known = status in ExitStatus.__members__.values()
    return f"status {status}, {ExitStatus(status).meaning}" if known else f"status {status}"


def _level(status: int) -> int:
    return logging.INFO if status in {ExitStatus.DONE, ExitStatus.NOT_DUE, ExitStatus.INTERRUPTED} else logging.WARNING
