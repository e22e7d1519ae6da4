"""The schedule of the agent: the periods that a user may set, and a scheduler that copes with changes of the clock."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, tzinfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

TICK_SECONDS = 2.0
"""Interval between two looks at the clock: the most by which a run is late after the clock jumped ahead."""
_JUMP_SECONDS = 60.0
_JITTER_SECONDS = 60

PERIODS: Mapping[str, Mapping[str, str]] = {
    "15min": {"minute": "*/15"},
    "hourly": {"minute": "0"},
    "daily": {"hour": "2", "minute": "0"},
    "weekly": {"day_of_week": "sat", "hour": "3", "minute": "0"},
    "monthly": {"day": "1", "hour": "5", "minute": "0"},
}
"""The fields of a cron expression for each period, with the hours of existing agents' cron (Alpine's)."""


class _Turns(CronTrigger):  # type: ignore[misc]
    """Adds the jitter in UTC: in local time it could move a run back by an hour when daylight saving time ends."""

    def _apply_jitter(self, next_fire_time: datetime | None, jitter: int | None, now: datetime) -> datetime | None:
        exact = next_fire_time.astimezone(UTC) if next_fire_time else None
        moment: datetime | None = super()._apply_jitter(exact, jitter, now)
        return moment.astimezone(self.timezone) if moment else None


def trigger(period: str, zone: tzinfo) -> CronTrigger:
    """The trigger of a period. Each time gets a delay of up to a minute, so that many agents don't start at once."""
    return _Turns(timezone=zone, jitter=_JITTER_SECONDS, **PERIODS[period])


def is_due(period: str, last: datetime | None, now: datetime) -> bool:
    """Whether a time of the period lies between the last run and now. It is true without a last run (None)."""
    if last is None:
        return True
    exact = CronTrigger(timezone=now.tzinfo, **PERIODS[period])
    following = exact.get_next_fire_time(None, last)
    return following is not None and following <= now


class Schedule:
    """Calls jobs periodically: a job never twice at once, and only once after several missed times.

    ``monotonic`` is a clock that never jumps.
    """

    def __init__(self, zone: tzinfo, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._zone = zone
        self._monotonic = monotonic
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = AsyncIOScheduler(timezone=zone, job_defaults=options)
        self._watch: asyncio.Task[None] | None = None
        self._periods: dict[str, str] = {}

    def start(self) -> None:
        """Start. Call it in the event loop that runs the jobs."""
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_clock())

    async def stop(self) -> None:
        """Stop calling jobs. Running jobs continue."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._scheduler.shutdown(wait=False)

    def plan(self, name: str, period: str | None, work: Callable[[], Awaitable[None]]) -> None:
        """Call ``work`` periodically from now on. Without a period, remove the job."""
        if self._periods.get(name) == period:
            return
        if period is None:
            del self._periods[name]
            self._scheduler.remove_job(name)
            return
        self._periods[name] = period
        self._scheduler.add_job(work, trigger(period, self._zone), id=name, replace_existing=True)

    def next(self, name: str) -> datetime | None:
        """When a job will be called next, or None."""
        job = self._scheduler.get_job(name)
        return job.next_run_time if job else None

    async def _watch_clock(self) -> None:
        """Compare the clocks periodically, since the scheduler's own sleep does not notice when the clock jumps."""
        offset = time.time() - self._monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            moved = time.time() - self._monotonic() - offset
            if moved < -_JUMP_SECONDS:  # back: times that were planned by the old clock are too far away
                for name, period in self._periods.items():
                    self._scheduler.reschedule_job(name, trigger=trigger(period, self._zone))
            if abs(moved) > _JUMP_SECONDS:
                offset += moved
            self._scheduler.wakeup()
