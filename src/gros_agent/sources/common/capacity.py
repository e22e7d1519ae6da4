"""How much of the machine, and of a host, a source may use while others are collected beside it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gros_agent.http.traffic import Traffic
from gros_agent.runtime import limits


class Capacity:
    """The cores of the machine, shared by the sources that are collected at once.

    Everything that takes a core does so in :meth:`working`, which lets about half as many in as there are cores: each
    has a program that reads and one that answers beside it. In there :meth:`jobs` tells how many programs may read, so
    that all sources together run fewer than ``cores + 3`` programs at any time.
    """

    def __init__(self, cores: int | None = None) -> None:
        self.cores = cores or len(os.sched_getaffinity(0))
        self._places = threading.Semaphore(self.cores // 2 + 1)
        self._lock = threading.Lock()
        self._working = 0
        self._traffic: dict[str, Traffic] = {}

    def traffic(self, host: str) -> Traffic:
        """What all sources of a host share."""
        with self._lock:
            return self._traffic.setdefault(host.lower(), Traffic())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Wait for a place, and keep it."""
        while not self._places.acquire(timeout=limits.left()):
            limits.check()
        try:
            with self._lock:
                self._working += 1
            try:
                yield
            finally:
                with self._lock:
                    self._working -= 1
        finally:
            self._places.release()

    def jobs(self) -> int:
        """How many programs a source may have that read at the same time, beside one that answers."""
        with self._lock:
            return min(self.cores, max(1, (self.cores + 2) // max(1, self._working) - 1))
