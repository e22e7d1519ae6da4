"""Moments as the tables have them: ``YYYY-MM-DD HH:MM:SS`` in the local time zone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

UNKNOWN = "0"
"""A moment that nobody knows."""

_SYSTEM_ZONE = Path("/etc/localtime")

FURTHEST_AHEAD = timedelta(hours=14)
"""How far the clocks that are furthest ahead are before UTC (the zone Pacific/Kiritimati)."""

FIRST, LAST = "1000-01-01 00:00:00", "9999-12-31 23:59:59"
"""The bounds of what the tables can hold: years of four digits."""


def local_time(seconds: int) -> tuple[str, bool]:
    """Seconds since 1970 as local time, and whether that is exact: a moment beyond the bounds becomes the bound."""
    try:
        moment = datetime.fromtimestamp(seconds)  # noqa: DTZ006 (local time is what the tables hold)
    except (ValueError, OverflowError, OSError):
        return (LAST if seconds > 0 else FIRST), False
    text = moment.isoformat(" ")
    return (text, True) if text >= FIRST else (FIRST, False)


def local_zone() -> str:
    """The name of the local time zone, as ``Europe/Amsterdam``; where it has none, its offset now, as ``UTC+0100``."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named:
        return named
    try:
        place = str(_SYSTEM_ZONE.resolve())
    except OSError:
        place = ""
    _, found, name = place.partition("/zoneinfo/")
    return name if found else f"{datetime.now().astimezone():UTC%z}"


@dataclass
class Moments:
    """Local times of everything that one source has, and how many of them are ``inexact``."""

    inexact: int = 0

    def local(self, seconds: int | None, otherwise: str = UNKNOWN) -> str:
        """Seconds since 1970 as local time; ``otherwise`` for what could not be read."""
        moment, exact = local_time(seconds) if seconds is not None else (otherwise, False)
        self.inexact += not exact
        return moment

    def notes(self) -> Iterator[str]:
        """What the reader of the tables has to know."""
        if self.inexact:
            yield f"{self.inexact} moments could not be read or are beyond the year 9999"
