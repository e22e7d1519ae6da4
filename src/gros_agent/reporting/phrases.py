"""Numbers, times and lists as words for people."""

from collections.abc import Sequence
from datetime import date, datetime

from gros_agent.reporting.contents import Unit

_HOUR, _DAY = 60.0, 24.0
_FEW = 10
_LONGEST_HOURS = 48
_MOST_LISTED = 6


def number(value: float) -> str:
    """A number with thousands separators, and with two decimals unless it is a whole one."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def counted(count: int, one: str, several: str = "") -> str:
    """A number with the word for what is counted."""
    return f"{number(count)} {words(count, one, several)}"


def words(count: int, one: str, several: str = "") -> str:
    """The word for what is counted."""
    return one if count == 1 else several or f"{one}s"


def duration(hours: float) -> str:
    """A duration in minutes, hours or days."""
    if hours < 1:
        return _with_unit(hours * _HOUR, "minute")
    return _with_unit(hours, "hour") if hours < _LONGEST_HOURS else _with_unit(hours / _DAY, "day")


def _with_unit(value: float, unit: str) -> str:
    text = f"{value:.1f}".removesuffix(".0") if value < _FEW else f"{value:,.0f}"
    return f"{text} {unit}{'' if text == '1' else 's'}"


def period(first: date, unit: Unit) -> str:
    """The name of a period by its first day."""
    if unit is Unit.YEAR:
        return f"{first.year}"
    if unit is Unit.QUARTER:
        return f"{first.year} Q{(first.month + 2) // 3}"
    if unit is Unit.MONTH:
        return f"{first:%Y-%m}"
    return first.isoformat()


def moment(when: datetime) -> str:
    """A moment in UTC."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.0f}%" if whole else "0%"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names as a list in a sentence, the first ones if there are many."""
    if len(names) > _MOST_LISTED:
        names = [*names[:_MOST_LISTED], f"{number(len(names) - _MOST_LISTED)} more"]
    *others, final = names
    return f"{', '.join(others)} {last} {final}" if others else final
