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

_everywhere = threading.BoundedSemaphore(AT_ONCE_EVERYWHERE)

Tell = Callable[[str], None]


class Traffic:
    """The requests to one host, from all threads and sources.

    A host may have several budgets, each with a name; a request counts against one of them.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._resumes: dict[str, float] = {}

    @contextmanager
    def request(self, budget: str, host: str, tell: Tell) -> Iterator[None]:
        """Wait until the budget allows another request and a slot is free. Hold the slot for the block."""
        self._wait(budget, host, tell)
        with self._places, _everywhere:
            yield

    def hold(self, budget: str, seconds: float) -> None:
        """Start no request on a budget for this many seconds."""
        with self._lock:
            self._resumes[budget] = max(self._resumes.get(budget, 0.0), time.monotonic() + seconds)

    def _wait(self, budget: str, host: str, tell: Tell) -> None:
        told = 0.0
        while True:
            with self._lock:
                resume = self._resumes.get(budget, 0.0)
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
