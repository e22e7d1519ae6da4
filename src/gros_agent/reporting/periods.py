"""Periods of time: how long those of a chart are, and which there are between two days."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TypeVar

from gros_agent.reporting.contents import Unit

MOST = 132
"""The most periods that a chart has, unless they are years."""
EARLIEST = date(1970, 1, 1)
"""Moments before are taken for clocks that were wrong: a single such commit would squeeze a chart."""
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS, _YEAR = {Unit.MONTH: 1, Unit.QUARTER: 3}, 12
V = TypeVar("V")


def unit_between(first: date, last: date, most: int = MOST) -> Unit:
    """The shortest unit with which there are at most ``most`` periods, or years."""
    shorter = (unit for unit in Unit if unit is not Unit.YEAR)
    return next((unit for unit in shorter if count(first, last, unit) <= most), Unit.YEAR)


def count(first: date, last: date, unit: Unit) -> int:
    """How many periods there are between two days."""
    begun, ended = start(first, unit), start(last, unit)
    if unit in _DAYS:
        return (ended - begun).days // _DAYS[unit] + 1
    months = (ended.year - begun.year) * _YEAR + ended.month - begun.month
    return months // _MONTHS.get(unit, _YEAR) + 1


def start(day: date, unit: Unit) -> date:
    """The first day of the period that a day is in. Weeks begin on Monday, as in SQL."""
    if unit is Unit.DAY:
        return day
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is Unit.MONTH:
        return day.replace(day=1)
    if unit is Unit.QUARTER:
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def end(first: date, unit: Unit) -> date:
    """The first day of the next period."""
    if unit in _DAYS:
        return first + timedelta(days=_DAYS[unit])
    years, month = divmod(first.month - 1 + _MONTHS.get(unit, _YEAR), _YEAR)
    return first.replace(year=first.year + years, month=month + 1)


def between(first: date, last: date, unit: Unit) -> Iterator[date]:
    """The first days of all periods between two days."""
    day = start(first, unit)
    while day <= last:
        yield day
        day = end(day, unit)


def without_gaps(values: Mapping[date, V], unit: Unit, nothing: V) -> dict[date, V]:
    """A value for each period from the first to the last one that has any."""
    if not values:
        return {}
    return {day: values.get(day, nothing) for day in between(min(values), max(values), unit)}
