"""How long something may take in all, whoever works for it: threads, waits, requests and programs that it started.

A limit counts for the code within :func:`within`, and for the threads that :mod:`.parallel` starts there.
When its time is up, the programs that were started under it are ended, and :func:`check`, :func:`sleep` and whatever
else looks at it raise :class:`TimeUpError`.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from gros_agent.errors import Own, SourceError

GRACE_SECONDS = 300.0
"""How long a run whose time is up may take to tell and keep what it has, before it is ended from outside."""


class TimeUpError(SourceError):
    """The time for all of something is over."""


class Limit:
    """A moment at which something is given up. ``name`` is the variable that sets how many ``seconds`` it has.

    A program that is started there may have as many bytes of ``memory`` of its own, if that is said.
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
        """Seconds that are left, 0 where the time is up."""
        return max(0.0, self.until - time.monotonic())

    @property
    def is_up(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0

    def error(self) -> TimeUpError:
        """What is raised when the time is up."""
        return TimeUpError(
            Own(f"it took longer than {self.seconds:g} s in all, and was given up"),
            f"find out what is slow there; {self.name} allows more",
        )

    def on_end(self, end: Callable[[], object]) -> object:
        """Have ``end`` called from another thread when the time is up; :meth:`forget` takes it back."""
        key = object()
        with self._lock:
            self._ends[key] = end
        return key

    def forget(self, key: object) -> None:
        """Take back what :meth:`on_end` noted."""
        with self._lock:
            self._ends.pop(key, None)

    def end(self) -> None:
        """Call what waits for the end."""
        with self._lock:
            ends = list(self._ends.values())
        for end in ends:
            with contextlib.suppress(OSError):
                end()


_current: ContextVar[Limit | None] = ContextVar("limit", default=None)


def current() -> Limit | None:
    """The limit that counts here."""
    return _current.get()


def left() -> float | None:
    """Seconds that are left here; None where there is no limit."""
    limit = _current.get()
    return None if limit is None else limit.left


def check() -> None:
    """Raise :class:`TimeUpError` if the time is up."""
    limit = _current.get()
    if limit is not None and limit.is_up:
        raise limit.error()


def sleep(seconds: float) -> None:
    """Wait, but no longer than there is time. Raises :class:`TimeUpError`."""
    limit = _current.get()
    if limit is None:
        time.sleep(seconds)
        return
    time.sleep(min(seconds, limit.left))
    check()


@contextlib.contextmanager
def within(seconds: float, name: str, memory: int | None = None) -> Iterator[Limit]:
    """Give what happens here so many seconds in all, or what is left of an outer limit if that is less.

    Each program that is started may use so many bytes of ``memory``.
    """
    outer = _current.get()
    limit = Limit(seconds, name, memory=memory)
    if outer is not None and outer.until < limit.until:
        limit = Limit(outer.seconds, outer.name, outer.until, memory)
    timer = threading.Timer(limit.left, limit.end)
    timer.daemon = True
    timer.start()
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)
        timer.cancel()


@contextlib.contextmanager
def hard(limit: Limit, end: Callable[[], object], grace: float | None = None) -> Iterator[None]:
    """Call ``end`` from another thread where what happens here goes on for long after its time is up."""
    timer = threading.Timer(limit.left + (GRACE_SECONDS if grace is None else grace), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
