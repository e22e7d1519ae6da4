"""Makes the report that the controller's page shows, by ``gros-agent report`` in a process of its own."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.reporting.needs import missing_libraries
from gros_agent.runtime.background import Processes, meaning

VARIABLE = "GROS_AGENT_REPORT_FROM"
_FILE = "report.html"
_FRESH_SECONDS = 60.0
"""A report is made anew when it is asked for after this time."""
_BUSY_SECONDS, _TRIES = 2.0, 5
"""While a load has a file of DuckDB, a report waits."""
_MADE = {ExitStatus.DONE, ExitStatus.PARTLY}


class Reports:
    """The report of all projects in a database, or in an inbox: ``origin`` is a URL or a folder."""

    def __init__(self, folder: Path, origin: str, options: Sequence[str] = ()) -> None:
        self.path = folder / _FILE
        self._origin = origin
        command = (sys.executable, "-m", "gros_agent", *options)
        self._processes = Processes(command, is_silent=True, is_private=True)
        self._lock = asyncio.Lock()
        self.trouble = ""

    async def content(self) -> bytes | None:
        """The page; None if it can't be made, with the reason in ``trouble``."""
        async with self._lock:
            if not self._is_fresh():
                self.trouble = await self._make()
        return None if self.trouble else await asyncio.to_thread(self.path.read_bytes)

    async def end(self) -> None:
        """End a process that is making it."""
        await self._processes.end()

    def _is_fresh(self) -> bool:
        try:
            return 0 <= time.time() - self.path.stat().st_mtime < _FRESH_SECONDS
        except FileNotFoundError:
            return False

    async def _make(self) -> str:
        if missing := missing_libraries():
            return f"a report needs {', '.join(missing)}, which is not installed: install gros-agent[report]"
        environ = {**os.environ, VARIABLE: self._origin}
        status = 0
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_BUSY_SECONDS)
            try:
                ended = await self._processes.start("report", ("report", "--output", str(self.path)), environ)
            except AgentError as error:
                return error.message
            status = await asyncio.shield(ended)
            if status != ExitStatus.NOT_DUE:
                break
        return (
            "" if status in _MADE else f"making the report ended with {meaning(status)}: the controller's log says why"
        )
