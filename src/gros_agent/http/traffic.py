"""Limits all requests to one host: how many at the same time, and when the next may start.

Servers announce limits in headers: ``Retry-After`` (RFC 9110, section 10.2.3) in seconds or as a date; the remaining
budget and its reset in ``X-RateLimit-Remaining`` and ``X-RateLimit-Reset`` (GitHub, Azure DevOps) or
``RateLimit-Remaining`` and ``RateLimit-Reset`` (GitLab), in seconds since 1970 or as a date of ISO 8601 (Jira Cloud).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from gros_agent.runtime import limits

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Requests to one host at the same time."""
AT_ONCE_EVERYWHERE = 64
"""Requests to all hosts at the same time."""
_SOON = 2.0
"""Waits of up to this many seconds are not reported."""
_SAME = 0.5
"""A pause that ends so many seconds later than a known one is the same."""

_everywhere = threading.BoundedSemaphore(AT_ONCE_EVERYWHERE)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """A rate limit of a host. Each account has its own, and may have several, each with a name.

    ``host`` is a name with a port, if it has one. ``account`` tells accounts apart; it need not be a name.
    """

    host: str
    account: str
    name: str


class Pauses:
    """When the next request on each budget may start. What one source learns of a limit, all of them respect."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Budget, float] = {}
        self._told: Callable[[Budget, float], object] = lambda _budget, _seconds: None

    def tell(self, told: Callable[[Budget, float], object]) -> None:
        """Call a function for each pause that a server asks for from now on, with its length in seconds."""
        self._told = told

    def begin(self, budget: Budget, seconds: float) -> None:
        """Start no request on a budget for so many seconds, since its server asks for that."""
        if self.add(budget, seconds):
            self._told(budget, seconds)

    def add(self, budget: Budget, seconds: float) -> bool:
        """The same for a pause that another machine learned of. Returns whether it is news."""
        until = time.monotonic() + seconds
        with self._lock:
            before = self._until.get(budget, 0.0)
            self._until[budget] = max(before, until)
        return until > before + _SAME

    def until(self, budget: Budget) -> float:
        """The end of a pause, by the monotonic clock; 0 if there was none."""
        with self._lock:
            return self._until.get(budget, 0.0)

    def left(self) -> dict[Budget, float]:
        """The pauses that go on, and the seconds that are left of each. Those that are over are forgotten."""
        now = time.monotonic()
        with self._lock:
            self._until = {budget: until for budget, until in self._until.items() if until > now}
            return {budget: until - now for budget, until in self._until.items()}


pauses = Pauses()
"""The pauses of this process. A limit is that of an account, whichever project uses it."""


class Traffic:
    """The requests of one account to one host, from all threads and sources.

    Several accounts may share the ``places`` of their host, which are :data:`AT_ONCE` by default.
    """

    def __init__(self, host: str = "", account: str = "", places: threading.Semaphore | None = None) -> None:
        self._host = host
        self._account = account
        self._places = places or threading.Semaphore(AT_ONCE)
        self._pauses = pauses if host else Pauses()

    @contextmanager
    def request(self, budget: str, host: str, tell: Tell) -> Iterator[None]:
        """Wait until the budget allows another request and a slot is free. Hold the slot for the block."""
        self._wait(self._budget(budget), host, tell)
        with self._places, _everywhere:
            yield

    def hold(self, budget: str, seconds: float) -> None:
        """Start no request on a budget for this many seconds."""
        self._pauses.begin(self._budget(budget), seconds)

    def _budget(self, name: str) -> Budget:
        return Budget(self._host, self._account, name)

    def _wait(self, budget: Budget, host: str, tell: Tell) -> None:
        told = 0.0
        while True:
            resume = self._pauses.until(budget)
            left = resume - time.monotonic()
            if left <= 0:
                return
            if left > _SOON and resume > told:
                moment = datetime.now(UTC).astimezone() + timedelta(seconds=left)
                log.warning("%s asks to wait; continuing at %s", host, f"{moment:%H:%M:%S}")
                tell(f"waiting for {host} until {moment:%H:%M:%S}")
                told = resume
            limits.sleep(left)


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """The pause in seconds that an answer asks for, or None."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - server_time(headers)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def exhausted_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds until an exhausted budget is reset, by the server's clock. None if some of it is left."""
    for prefix in ("X-RateLimit", "RateLimit"):
        reset = _reset(headers.get(f"{prefix}-Reset", "").strip())
        if headers.get(f"{prefix}-Remaining", "").strip() == "0" and reset is not None:
            return max(0.0, reset - server_time(headers).timestamp()) + 1
    return None


def _reset(text: str) -> float | None:
    """The moment of a reset in seconds since 1970, or None if it is missing or invalid."""
    if text.isdecimal():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def server_time(headers: Mapping[str, str]) -> datetime:
    """The time of an answer by the server's clock, or by ours if the server does not send it."""
    try:
        moment = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
