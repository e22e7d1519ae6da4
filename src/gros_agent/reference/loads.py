"""Loads the inbox into a database whenever batches were taken, by ``controller load`` in a process of its own.

So a load takes neither memory nor time from the answers to agents. It can be killed at any moment, as any load can.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.runtime.background import Processes, meaning

VARIABLE = "GROS_AGENT_CONTROLLER_LOAD_TO"
"""The URL goes to the process by this variable, since other users see arguments."""
FIRST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""Time until a failed load is repeated: doubled with each failure."""
_ENDED = {ExitStatus.DONE, ExitStatus.PARTLY}
"""With these, nothing is left to be loaded: ``PARTLY`` tells of refused batches, which the log of the load names."""
_log = logging.getLogger(__name__)


class Loads:
    """Loads an inbox into the database at ``url``. ``options`` are those of every command.

    ``taken`` is set when there are new batches. ``trouble`` says why the last load failed; it is empty if none did.
    """

    def __init__(self, inbox: Path, url: str, options: Sequence[str] = ()) -> None:
        self._url = url
        self._arguments = ("controller", "load", "--inbox", str(inbox))
        command = (sys.executable, "-m", "gros_agent", *options)
        self._processes = Processes(command, is_silent=True, is_private=True)
        self.taken = asyncio.Event()
        self.taken.set()  # what came while no controller ran
        self.trouble = ""

    async def run(self) -> None:
        """Load until cancelled. A failed load is repeated later, or when the next batch was taken."""
        seconds = FIRST_SECONDS
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.taken.wait(), seconds if self.trouble else None)
                self.taken.clear()
                self.trouble = await self._load()
                seconds = min(2 * seconds, MOST_SECONDS) if self.trouble else FIRST_SECONDS
                if self.trouble:
                    _log.error("the inbox was not loaded: %s", self.trouble)
        finally:
            await self._processes.end()

    async def _load(self) -> str:
        try:
            ended = await self._processes.start("load", self._arguments, {**os.environ, VARIABLE: self._url})
        except AgentError as error:
            return error.message
        status = await asyncio.shield(ended)
        return "" if status in _ENDED else f"the load ended with {meaning(status)}; the log has its error"
