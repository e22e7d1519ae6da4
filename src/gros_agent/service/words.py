"""Moments, durations and numbers as people read them."""

import re
from datetime import UTC, datetime, timedelta

from gros_agent.runtime.masking import shown

_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
_SHORT_HASH = 12
_LONGEST = 2000
_NEAR = timedelta(days=180)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def moment(when: datetime, now: datetime | None = None) -> str:
    """A moment in the agent's own zone; the year only where it is not near."""
    is_near = abs((now or datetime.now(UTC)) - when) < _NEAR
    return f"{when.astimezone():{'%a %d %b %H:%M %Z' if is_near else '%a %d %b %Y %H:%M %Z'}}"


def relative(when: datetime, now: datetime | None = None) -> str:
    """How far a moment is from now."""
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    for size, unit in _UNITS:
        count = round(abs(seconds) / size)
        if abs(seconds) >= size and count:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def duration(seconds: float) -> str:
    """How long something took."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def size(count: int) -> str:
    """A number of bytes."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:  # noqa: PLR2004
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def clip(text: str, longest: int = _LONGEST) -> str:
    """The beginning of a text; the API has all of it."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def briefly(meaning: str) -> str:
    """The first part of an explanation, up to its colon."""
    return meaning.partition(": ")[0]


def short_version(version: str) -> str:
    """A version with the hash of its commit shortened, as Git shows it."""
    return _COMMIT.sub(lambda match: match[0][:_SHORT_HASH], version)


def printable(value: object) -> object:
    """A value for a page: a text without secrets, in which what no page can show is spelt out."""
    return shown(value) if type(value) is str else value
