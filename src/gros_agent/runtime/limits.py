"""Limits the total time of some work, including its threads, waits, requests and the programs that it starts.

A limit applies to the code within :func:`within`, and to the threads that :mod:`.parallel` starts there. When its time
is up, the programs that were started under it are killed. :func:`check`, :func:`sleep` and other functions that check
the limit raise :class:`TimeUpError`.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from gros_agent.errors import Own, SourceError

GRACE_SECONDS = 300.0
"""Time that a run has after its limit to report and store its results, before it is ended from outside."""
_LOOK_SECONDS = 0.1
"""Time after which a wait notices that its limit was cut."""


class TimeUpError(SourceError):
    """The time limit of some work is over."""


class Limit:
    """A moment at which work is given up. ``name`` is the variable that sets its ``seconds``.

    ``memory`` is the limit in bytes for each program that is started under it; None for no limit.
    """

    def __init__(self, seconds: float, name: str, until: float | None = None, memory: int | None = None) -> None:
        self.seconds = seconds
        self.name = name
        self.memory = memory
        self.until = time.monotonic() + seconds if until is None else until
        self._lock = threading.Lock()
        self._ends: dict[object, Callable[[], object]] = {}

    @property
    def left(self) -> float:
        """Seconds that are left; 0 if the time is up."""
        return max(0.0, self.until - time.monotonic())

    @property
    def is_up(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def error(self) -> TimeUpError:
        """The error to raise when the time is up."""
        return TimeUpError(
            Own(f"it took longer than {self.seconds:g} s in all, and was given up"),
            f"find out what is slow there; {self.name} allows more",
        )

    def on_end(self, end: Callable[[], object]) -> object:
        """Register ``end`` to be called from another thread when the time is up. Returns a key for :meth:`forget`."""
        key = object()
        with self._lock:
            self._ends[key] = end
        return key

    def forget(self, key: object) -> None:
        """Remove a registration of :meth:`on_end`."""
        with self._lock:
            self._ends.pop(key, None)

    def cut(self) -> None:
        """End the limit now, as if its time were up. Limits within it end, too."""
        self.until = time.monotonic()
        self.end()

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the limit, wherever it ends."""
        until = time.monotonic() + seconds
        while (left := min(until, self.until) - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))  # it may be cut; a wait for an event goes wrong where a clock is faked

    def end(self) -> None:
        """Call all registered functions."""
        with self._lock:
            ends = list(self._ends.values())
        for end in ends:
            with contextlib.suppress(OSError):
                end()


_current: ContextVar[Limit | None] = ContextVar("limit", default=None)


def current() -> Limit | None:
    """The limit that applies here, or None."""
    return _current.get()


def left() -> float | None:
    """Seconds that are left here; None without a limit."""
    limit = _current.get()
    return None if limit is None else limit.left


def check() -> None:
    """Raise :class:`TimeUpError` if the time is up."""
    limit = _current.get()
    if limit is not None and limit.is_up:
        raise limit.error()


def sleep(seconds: float) -> None:
    """Sleep, but not beyond the limit. Raises :class:`TimeUpError`."""
    limit = _current.get()
    if limit is None:
        time.sleep(seconds)
        return
    limit.wait(seconds)
    check()


@contextlib.contextmanager
def within(seconds: float, name: str, memory: int | None = None) -> Iterator[Limit]:
    """Limit the code within to ``seconds`` in total, or to the rest of an outer limit if that is less.

    Each program that is started may use ``memory`` bytes.
    """
    outer = _current.get()
    limit = Limit(seconds, name, memory=memory)
    if outer is not None and outer.until < limit.until:
        limit = Limit(outer.seconds, outer.name, outer.until, memory)
    timer = threading.Timer(limit.left, limit.end)
    timer.daemon = True
    timer.start()
    inner = None if outer is None else outer.on_end(limit.cut)
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)
        timer.cancel()
        if outer is not None:
            outer.forget(inner)


@contextlib.contextmanager
def hard(limit: Limit, end: Callable[[], object], grace: float | None = None) -> Iterator[None]:
    """Call ``end`` from another thread if the code within still runs ``grace`` seconds after the limit."""
    timer = threading.Timer(limit.left + (GRACE_SECONDS if grace is None else grace), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
