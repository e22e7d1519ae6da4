"""Retries after temporary failures, such as a broken connection or a busy server.

Code raises :class:`PassingError` to ask for a retry. Each user has its own constant for the number of tries, whose
docstring gives the reason. :func:`counted` counts the retries.
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
    """A temporary failure: another try may succeed. ``error`` is raised if there is none.

    ``pause`` is the time to wait before the next try in seconds, if known. ``reason`` says why there is another try, if
    the error does not.
    """

    def __init__(self, error: AgentError, pause: float | None = None, reason: str = "") -> None:
        super().__init__(reason or str(error))
        self.error = error
        self.pause = pause
        self.reason = reason


class Retries:
    """The number of retries."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        """Count more retries. Several threads may call this."""
        with self._lock:
            self.count += number


_counted: ContextVar[Retries | None] = ContextVar("retries", default=None)


@contextmanager
def counted() -> Iterator[Retries]:
    """Count the retries of the code within, and of threads that are started there with a copy of the context."""
    retries = Retries()
    token = _counted.set(retries)
    try:
        yield retries
    finally:
        _counted.reset(token)


def count(number: int) -> None:
    """Count retries that were done elsewhere for the code that runs here."""
    if (retries := _counted.get()) is not None:
        retries.add(number)


def linear(number: int) -> float:
    """Seconds to wait after failed try ``number`` (1 is the first): about one second more each time."""
    return random.uniform(0.5, 1.5) * number  # noqa: S311 (jitter, no secret)


def exponential(first: float, longest: float) -> Callable[[int], float]:
    """Waits that double from ``first`` to ``longest`` seconds, plus a random part of up to ``first`` seconds."""
    return lambda number: min(first * 2 ** (number - 1), longest) + random.uniform(0, first)  # noqa: S311 (jitter)


def repeat(
    work: Callable[[], T],
    tries: int,
    tell: Callable[[AgentError | str], object],
    pause: Callable[[int], float] = linear,
) -> T:
    """Call ``work`` up to ``tries`` times, until it raises no :class:`PassingError`. ``tell`` gets each reason to wait.

    Raises the error of the last try, and :class:`TimeUpError` if the time limit is up during a wait.
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
        count(1)

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
