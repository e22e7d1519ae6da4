"""Formats moments, durations and numbers for people."""

import re
from datetime import UTC, datetime, timedelta

from gros_agent.runtime.masking import shown

_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
_SHORT_HASH = 12
_LONGEST = 2000
_NEAR = timedelta(days=180)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def moment(when: datetime, now: datetime | None = None) -> str:
    """A moment in the agent's time zone. The year is shown only if it is more than 180 days away."""
    is_near = abs((now or datetime.now(UTC)) - when) < _NEAR
    return f"{when.astimezone():{'%a %d %b %H:%M %Z' if is_near else '%a %d %b %Y %H:%M %Z'}}"


def relative(when: datetime, now: datetime | None = None) -> str:
    """A moment relative to now, like ``2 hours ago``."""
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    for size, unit in _UNITS:
        count = round(abs(seconds) / size)
        if abs(seconds) >= size and count:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def duration(seconds: float) -> str:
    """A duration."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(value: int) -> str:
    """A number with thousands separators."""
    return f"{value:,}"


def size(count: int) -> str:
    """A size in bytes, with a unit."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:  # noqa: PLR2004
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def clip(text: str, longest: int = _LONGEST) -> str:
    """The beginning of a long text. The API has all of it."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def briefly(meaning: str) -> str:
    """The first part of an explanation, up to its colon."""
    return meaning.partition(": ")[0]


def short_version(version: str) -> str:
    """A version with the hash of its commit shortened, as Git shows it."""
    return _COMMIT.sub(lambda match: match[0][:_SHORT_HASH], version)


def printable(value: object) -> object:
    """A value for a page: secrets in texts are masked, and characters that can't be shown are escaped."""
    return shown(value) if type(value) is str else value
