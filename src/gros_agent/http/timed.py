"""Connections with a time limit for a complete answer, headers and body together.

The time-out of a socket only limits silence, so a server that sends one byte per second never exceeds it. Here the
remaining time is checked before each read from the socket, for headers as well as for the body.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from gros_agent.runtime import limits

_seconds: ContextVar[float | None] = ContextVar("seconds", default=None)


class TooSlowError(Exception):
    """An answer took too long, although data kept arriving."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the answer was not complete after {seconds:g} s")
        self.seconds = seconds


@contextmanager
def answers_within(seconds: float) -> Iterator[None]:
    """Limit each answer within the block to this many seconds, from its first header to its end."""
    token = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(token)


class _Reader(io.RawIOBase):
    """Reads from a socket until the time limit."""

    def __init__(self, raw: Any, connection: socket.socket, seconds: float | None) -> None:  # noqa: ANN401 (SocketIO)
        super().__init__()
        self._raw = raw
        self._connection = connection
        self._silence = connection.gettimeout()
        self._seconds = seconds
        self._until = None if seconds is None else time.monotonic() + seconds
        self._limit = limits.current()

    @property
    def _sock(self) -> socket.socket:
        """The connection. Libraries that authenticate a connection, for instance with NTLM, look for it here."""
        return self._connection

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 (any buffer)
        """Read available data. Raises :class:`TooSlowError`, or :class:`TimeUpError`."""
        left = self._left()
        if left is None:
            return self._read(buffer)
        self._connection.settimeout(left if self._silence is None else min(left, self._silence))
        try:
            return self._read(buffer)
        except TimeoutError:
            self._left()
            raise
        finally:
            if self._connection.fileno() >= 0:
                self._connection.settimeout(self._silence)

    def _read(self, buffer: Any) -> int | None:  # noqa: ANN401 (any buffer)
        count: int | None = self._raw.readinto(buffer)
        return count

    def _left(self) -> float | None:
        if self._limit is not None and self._limit.is_up:
            raise self._limit.error()
        left = None if self._until is None else self._until - time.monotonic()
        if left is not None and left <= 0:
            raise TooSlowError(self._seconds or 0.0)
        if self._limit is None:
            return left
        return self._limit.left if left is None else min(left, self._limit.left)

    def close(self) -> None:
        """Close the stream."""
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read within the time limit."""

    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (the base's)
        super().__init__(connection, *arguments, **options)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Reader(raw, connection, _seconds.get()))


def _in_time(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    class TimedConnection(pool.ConnectionCls):  # type: ignore[name-defined,misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (the base class's)
            super().__init__(*arguments, **options)
            self.response_class = _Answer

    return type(pool.__name__, (pool,), {"ConnectionCls": TimedConnection})


_USUAL = PoolManager().pool_classes_by_scheme
_POOLS = {"http": _in_time(HTTPConnectionPool), "https": _in_time(HTTPSConnectionPool)}


class TimedAdapter(HTTPAdapter):
    """An adapter whose connections have the time limit, also those through a proxy."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (the base class's signature)
        """Make the pools create such connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> PoolManager:  # noqa: ANN401 (the base class's)
        """The same for a proxy."""
        manager: PoolManager = super().proxy_manager_for(*arguments, **options)
        if manager.pool_classes_by_scheme == _USUAL:  # other pools are for SOCKS
            manager.pool_classes_by_scheme = _POOLS
        return manager
