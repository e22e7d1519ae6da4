"""Another try, later: for what fails for a while, such as a connection that breaks or a server that is busy.

Whoever tries again says so by :class:`PassingError`, and how often with a constant of its own, whose docstring says why
so often. The tries that fail and are followed by another one are counted by :func:`counted`.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from gros_agent.errors import AgentError
from gros_agent.runtime import limits

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


class PassingError(Exception):
    """Another try may succeed; ``error`` is what to raise where there is none.

    ``pause`` are the seconds to wait before that try, if they are known. ``reason`` says why there is one, where that
    is not what the error says.
    """

    def __init__(self, error: AgentError, pause: float | None = None, reason: str = "") -> None:
        super().__init__(reason or str(error))
        self.error = error
        self.pause = pause
        self.reason = reason


class Retries:
    """How many tries were followed by another one."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more; several threads may do that."""
        with self._lock:
            self.count += 1


_counted: ContextVar[Retries | None] = ContextVar("retries", default=None)


@contextmanager
def counted() -> Iterator[Retries]:
    """Count the retries of what happens here, and in threads that are started here with a copy of the context."""
    retries = Retries()
    token = _counted.set(retries)
    try:
        yield retries
    finally:
        _counted.reset(token)


def linear(number: int) -> float:
    """Seconds to wait after a failed try, the first of which is number 1: about one more each time."""
    return random.uniform(0.5, 1.5) * number  # noqa: S311 (jitter, no secret)


def exponential(first: float, longest: float) -> Callable[[int], float]:
    """Waits that double from ``first`` to ``longest`` seconds, each with up to ``first`` more by chance."""
    return lambda number: min(first * 2 ** (number - 1), longest) + random.uniform(0, first)  # noqa: S311 (jitter)


def repeat(
    work: Callable[[], T],
    tries: int,
    tell: Callable[[AgentError | str], object],
    pause: Callable[[int], float] = linear,
) -> T:
    """Do ``work`` up to so many times, until it raises no :class:`PassingError`; ``tell`` why before each wait.

    Raises the error of the last try, and :class:`TimeUpError` where the time is up while it waits.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt  # noqa: PLC0415 (few need it)

    def wait(state: "RetryCallState") -> float:
        error = state.outcome.exception() if state.outcome else None
        known = error.pause if isinstance(error, PassingError) else None
        return pause(state.attempt_number) if known is None else known

    def before(state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PassingError):
            tell(error.reason or error.error)
        if (retries := _counted.get()) is not None:
            retries.add()

    retrying = Retrying(
        stop=stop_after_attempt(tries),
        wait=wait,
        retry=retry_if_exception_type(PassingError),
        before_sleep=before,
        sleep=limits.sleep,
        reraise=True,
    )
    try:
        return retrying(work)
    except PassingError as last:
        raise last.error from None
