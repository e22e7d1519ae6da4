"""When the agent works, by a clock that the test moves."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.service import schedule
from gros_agent.service.schedule import PERIODS, Schedule, is_due, trigger
from gros_agent.settings import environment

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LENGTHS = {"15min": 15, "hourly": 60, "daily": 25 * 60, "weekly": 7 * 25 * 60, "monthly": 32 * 24 * 60}
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_periods_are_those_that_may_be_set() -> None:
    assert tuple(PERIODS) == environment.PERIODS


@given(st.sampled_from(sorted(PERIODS)), moments)
def test_the_next_turn_is_within_a_period(period: str, now: datetime) -> None:
    following = trigger(period, AMSTERDAM).get_next_fire_time(None, now).astimezone(UTC)
    assert now < following + timedelta(seconds=1)
    assert following - now <= timedelta(minutes=LENGTHS[period] + 1)


@pytest.mark.parametrize("period", sorted(PERIODS))
@pytest.mark.parametrize("day", [datetime(2021, 10, 30, 22, tzinfo=UTC), datetime(2021, 3, 27, 22, tzinfo=UTC)])
def test_the_night_in_which_clocks_are_set(period: str, day: datetime) -> None:
    """No turn lies in the past, so that nothing is called again and again."""
    for minutes in range(0, 360, 5):
        now = day + timedelta(minutes=minutes, microseconds=1)
        following = trigger(period, AMSTERDAM).get_next_fire_time(None, now.astimezone(AMSTERDAM)).astimezone(UTC)
        assert now < following <= now + timedelta(minutes=LENGTHS[period] + 1)


@given(st.sampled_from(sorted(PERIODS)), moments, st.timedeltas(timedelta(), timedelta(days=100)))
def test_due(period: str, last: datetime, passed: timedelta) -> None:
    due = is_due(period, last, last.astimezone(AMSTERDAM) + passed)
    if passed > timedelta(minutes=LENGTHS[period]):
        assert due
    if passed < timedelta(seconds=1) and (last.second or last.minute % 15):
        assert not due


def test_due_without_a_run() -> None:
    assert is_due("monthly", None, datetime.now(UTC))


def test_hours_are_local() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    following = trigger("daily", AMSTERDAM).get_next_fire_time(None, now).astimezone(UTC)
    assert following.replace(second=0, microsecond=0) - datetime(2026, 7, 2, tzinfo=UTC) <= timedelta(minutes=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """The clock of the machine, which goes on, and may be moved; the one that never jumps stays as it is."""
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.02)
    with time_machine.travel(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), tick=True) as moved:
        yield moved


def scheduled(work: Callable[[Schedule], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        one = Schedule(UTC)
        one.start()
        try:
            await work(one)
        finally:
            await one.stop()

    asyncio.run(run())


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.01)


def test_a_clock_that_jumps_ahead(clock: time_machine.Traveller) -> None:
    """A laptop that slept for a day: one run at once, not one for each turn that was missed."""
    calls = []

    async def job() -> None:
        calls.append(1)

    async def work(one: Schedule) -> None:
        one.plan("scrape", "hourly", job)
        await asyncio.sleep(0.1)
        assert not calls
        clock.shift(timedelta(days=1))
        await eventually(lambda: bool(calls))
        await asyncio.sleep(0.1)
        assert len(calls) == 1
        planned = one.next("scrape")
        assert planned is not None
        assert timedelta() < planned - datetime.now(UTC) < timedelta(minutes=62)

    scheduled(work)


def test_a_clock_that_jumps_back(clock: time_machine.Traveller) -> None:
    async def job() -> None:
        pass

    async def work(one: Schedule) -> None:
        clock.shift(timedelta(days=300))
        one.plan("scrape", "hourly", job)
        await asyncio.sleep(0.1)
        clock.shift(-timedelta(days=300))

        def is_near() -> bool:
            planned = one.next("scrape")
            return planned is not None and planned - datetime.now(UTC) < timedelta(minutes=62)

        await eventually(is_near)

    scheduled(work)


def test_never_twice_at_once(clock: time_machine.Traveller) -> None:
    running = most = 0

    async def job() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.3)
        running -= 1

    async def work(one: Schedule) -> None:
        one.plan("scrape", "15min", job)
        for _ in range(10):
            clock.shift(timedelta(minutes=16))
            await asyncio.sleep(0.05)
        assert most == 1

    scheduled(work)


def test_another_period_and_none() -> None:
    async def job() -> None:
        pass

    async def work(one: Schedule) -> None:
        assert one.next("scrape") is None
        one.plan("scrape", "monthly", job)
        first = one.next("scrape")
        one.plan("scrape", "15min", job)
        second = one.next("scrape")
        assert first is not None
        assert second is not None
        assert second <= first
        one.plan("scrape", None, job)
        assert one.next("scrape") is None

    scheduled(work)
