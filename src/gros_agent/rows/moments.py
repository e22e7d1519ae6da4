"""Moments as written to tables: ``YYYY-MM-DD HH:MM:SS`` in the local time zone."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

UNKNOWN = "0"
"""The value for an unknown moment."""

_SYSTEM_ZONE = Path("/etc/localtime")
_OFFSET = re.compile(r"UTC(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)")

FURTHEST_AHEAD = timedelta(hours=14)
"""The largest offset of local time from UTC (Pacific/Kiritimati)."""

FIRST, LAST = "1000-01-01 00:00:00", "9999-12-31 23:59:59"
"""The earliest and latest moments that the tables can hold: years have four digits."""


def local_time(seconds: int) -> tuple[str, bool]:
    """Convert seconds since 1970 to local time, and say whether that is exact.

    Moments out of bounds become the bound.
    """
    try:
        moment = datetime.fromtimestamp(seconds)  # noqa: DTZ006 (local time is what the tables hold)
    except (ValueError, OverflowError, OSError):
        return (LAST if seconds > 0 else FIRST), False
    text = moment.isoformat(" ")
    return (text, True) if text >= FIRST else (FIRST, False)


def local_zone(setting: str | None = None) -> str:
    """The name of the local time zone, as ``Europe/Amsterdam``. If it has none, its current offset, as ``UTC+0100``.

    A ``setting`` takes precedence over the zone of this process, as that of one of several projects.
    """
    named = (setting or os.environ.get("TZ", "")).removeprefix(":")
    if named:
        return named
    try:
        place = str(_SYSTEM_ZONE.resolve())
    except OSError:
        place = ""
    _, found, name = place.partition("/zoneinfo/")
    return name if found else f"{datetime.now().astimezone():UTC%z}"


def zone_variable(zone: str) -> str:
    """The value of the variable ``TZ`` for a zone that :func:`local_zone` named."""
    offset = _OFFSET.fullmatch(zone)
    if offset is None:
        return zone
    sign = "-" if offset["sign"] == "+" else "+"  # the variable counts to the west
    return f"<{zone}>{sign}{offset['hours']}:{offset['minutes']}"


@dataclass
class Moments:
    """Converts the moments of one source to local time.

    ``inexact`` counts the moments that could not be converted exactly.
    """

    inexact: int = 0

    def local(self, seconds: int | None, otherwise: str = UNKNOWN) -> str:
        """Convert seconds since 1970 to local time; None becomes ``otherwise``."""
        moment, exact = local_time(seconds) if seconds is not None else (otherwise, False)
        self.inexact += not exact
        return moment

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.inexact:
            yield f"{self.inexact} moments could not be read or are beyond the year 9999"
