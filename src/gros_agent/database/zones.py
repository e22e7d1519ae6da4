"""The time zone of a batch, and how its local times become moments."""

import re
import zoneinfo
from dataclasses import dataclass

from gros_agent.database.quoting import constant

UTC = "UTC"
_OFFSET = re.compile(r"UTC(?P<sign>[+-])(?P<hours>[0-9]{2})(?P<minutes>[0-9]{2})")
"""The form that the agent uses for a zone that has no name."""
_NO_ZONE = frozenset({"localtime", "Factory"})
"""Names in the system's list that stand for the zone of the machine, or for none."""
_NAMED = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True)
class Zone:
    """A time zone: its name for databases, and the minutes that local time is ahead of that zone.

    ``note`` says why it is not the zone that the batch names.
    """

    name: str = UTC
    ahead: int = 0
    note: str = ""

    @property
    def title(self) -> str:
        """The name that is stored with a batch."""
        hours, minutes = divmod(abs(self.ahead), 60)
        return f"{self.name}{'-' if self.ahead < 0 else '+'}{hours:02}{minutes:02}" if self.ahead else self.name

    def moment(self, local: str) -> str:
        """The SQL expression for the moment of a local time, which is another expression.

        A time that comes twice in autumn is the later one. A time that is skipped in spring is an hour later. Both
        databases do so.
        """
        if self.ahead:
            local = f"({local} - INTERVAL {constant(f'{self.ahead} minutes')})"
        return f"({local} AT TIME ZONE {constant(self.name)})"


def zone_of(name: str) -> Zone:
    """The zone that a batch names. An unknown zone, or none at all, becomes UTC with a note."""
    if not name:
        return Zone(note="the batch names no time zone: its moments were taken as UTC")
    if match := _OFFSET.fullmatch(name):
        minutes = 60 * int(match["hours"]) + int(match["minutes"])
        return Zone(ahead=minutes if match["sign"] == "+" else -minutes)
    if name == UTC or _is_known(name):
        return Zone(name)
    return Zone(note=f"the time zone {name} is unknown: the moments of the batch were taken as UTC")


def _is_known(name: str) -> bool:
    """Whether the system's list of zones has a name."""
    return _NAMED.fullmatch(name) is not None and name in zoneinfo.available_timezones() - _NO_ZONE
