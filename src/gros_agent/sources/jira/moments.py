"""Parses dates of Jira: moments with an offset, milliseconds since 1970, and days.

Moments become local time, to the second. Days are never shifted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gros_agent.rows.moments import local_time

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MILLISECONDS = re.compile(r"-?[0-9]{1,20}")
_START = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FIRST_YEAR = 1000
"""Tables can't hold earlier years."""


def seconds(value: object) -> int | None:
    """The seconds since 1970 of a moment, rounded down. None if the value is not a moment.

    A moment without an offset is taken as local time.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value // 1000) if abs(value) < float("inf") else None
    text = value.strip() if isinstance(value, str) else ""
    if not _MOMENT.fullmatch(text):
        return int(text) // 1000 if _MILLISECONDS.fullmatch(text) else None
    try:
        found = datetime.fromisoformat(text)
        return (found.astimezone(UTC) - _START) // _SECOND
    except (ValueError, OverflowError):
        return None


def day(value: object) -> str | None:
    """A plain date, ``YYYY-MM-DD``, as it is. None if the value is something else."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        return text if _DAY.fullmatch(text) and date.fromisoformat(text).year >= _FIRST_YEAR else None
    except ValueError:
        return None


@dataclass
class Dates:
    """Converts dates to the form of the tables. ``left_out`` counts values that could not be converted."""

    left_out: int = 0

    def text(self, value: object) -> str | None:
        """A moment in local time, ``YYYY-MM-DD HH:MM:SS``, or a day as it is. None for anything else."""
        plain = day(value)
        return self.local(seconds(value), value) if plain is None else plain

    def moment(self, value: object) -> str | None:
        """A moment in local time. A day begins at midnight, local time."""
        found = self.text(value)
        return found if found is None or " " in found else f"{found} 00:00:00"

    def date(self, value: object) -> str | None:
        """A day as it is, or the local date of a moment."""
        found = self.text(value)
        return None if found is None else found.partition(" ")[0]

    def local(self, since_1970: int | None, value: object = "?") -> str | None:
        """Convert seconds since 1970. None if there is no moment, or the tables can't hold it.

        An empty ``value`` is not counted: it says that there is no date.
        """
        moment, is_exact = local_time(since_1970) if since_1970 is not None else ("", False)
        if is_exact:
            return moment
        self.left_out += value not in {None, ""} if isinstance(value, (str, type(None))) else 1
        return None

    def bounded(self, since_1970: int) -> str:
        """Convert seconds since 1970. Beyond what tables can hold it is their first or last moment."""
        moment, is_exact = local_time(since_1970)
        self.left_out += not is_exact
        return moment

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.left_out:
            yield f"{self.left_out} dates could not be parsed, or their year has not four digits, and were left out"
