"""Shares the machine's cores and the load on hosts among sources that are collected at the same time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gros_agent.http.traffic import AT_ONCE, Traffic
from gros_agent.runtime import limits


class Capacity:
    """The cores of the machine, shared by the sources that are collected at the same time.

    Everything that needs a core runs inside :meth:`working`, which admits about half as many sources as there are
    cores: each has one program that reads and one that answers. Inside, :meth:`jobs` is the number of reading programs
    allowed. All sources together run fewer than ``cores + 3`` programs at any time. ``requests`` is the number of
    requests to one host at the same time.
    """

    def __init__(self, cores: int | None = None, requests: int = AT_ONCE) -> None:
        self.cores = cores or len(os.sched_getaffinity(0))
        self._places = threading.Semaphore(self.cores // 2 + 1)
        self._lock = threading.Lock()
        self._working = 0
        self._requests = requests
        self._hosts: dict[str, threading.Semaphore] = {}

    def traffic(self, host: str, account: str) -> Traffic:
        """The traffic limits of an account on a host. All accounts there share its places."""
        with self._lock:
            places = self._hosts.setdefault(host.lower(), threading.Semaphore(self._requests))
        return Traffic(host.lower(), account, places)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Wait for a free slot, and hold it for the block."""
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
        """How many reading programs a source may run at the same time, in addition to one that answers."""
        with self._lock:
            return min(self.cores, max(1, (self.cores + 2) // max(1, self._working) - 1))
