"""Looks on a worker whether the coordinator still wants a part: ends what it no longer wants, and removes its tables.

A part is wanted as long as Dask's worker knows its task. The scheduler releases tasks that the coordinator cancels or
has done with, and those of a coordinator that is gone. A worker that lost its scheduler closes.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dask.typing import Key
from distributed import Status, Worker

from gros_agent.runtime import limits
from gros_agent.settings.environment import SOURCE_MAX

LOOK_SECONDS = 0.5
_LONGEST = 10 * 365 * 86400.0
"""Seconds of the limit that is cut if a part is not wanted any more; the part has a limit of its own."""
_GOES_ON = {Status.running, Status.paused, Status.init}


class Wanted:
    """The parts of one worker that are collected, and those whose tables are left, by the keys of their tasks."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._collected: dict[Key, limits.Limit] = {}
        self._left: dict[Key, Path] = {}
        threading.Thread(target=self._look, name="wanted", daemon=True).start()

    @contextmanager
    def while_wanted(self, key: Key) -> Iterator[limits.Limit]:
        """A limit that ends, with the programs and the requests within it, once the part is not wanted any more."""
        with limits.within(_LONGEST, SOURCE_MAX) as limit:
            self._collected[key] = limit
            try:
                yield limit
            finally:
                del self._collected[key]

    def leave(self, key: Key, folder: Path) -> None:
        """Keep a folder of tables as long as its part is wanted."""
        self._left[key] = folder

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            for key, limit in list(self._collected.items()):
                if not self._is_wanted(key):
                    limit.cut()
            for key, folder in list(self._left.items()):
                if not self._is_wanted(key):
                    del self._left[key]
                    shutil.rmtree(folder, ignore_errors=True)

    def _is_wanted(self, key: Key) -> bool:
        task = self._worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and self._worker.status in _GOES_ON
