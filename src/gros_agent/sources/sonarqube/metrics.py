"""The metrics to collect: those that have a better and a worse side, and their scales."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gros_agent.sources.sonarqube.shapes import Definition

_SCALES = {
    "INT": "count",
    "FLOAT": "count",
    "PERCENT": "percentage",
    "RATING": "rating",
    "WORK_DUR": "duration",
    "MILLISEC": "duration",
}
"""Types of metrics with numbers as values, and their scales."""
_PERFECT = {"RATING": "1", "WORK_DUR": "0"}
"""The best possible value. Less is better."""
_NO_NUMBERS = frozenset({"BOOL", "DATA", "DISTRIB", "LEVEL", "STRING"})
_QUALITIES = "software_quality_"
"""Prefix of metrics for the software qualities that SonarQube uses since 10.8.

Their numbers of issues are not marked as qualitative, like sizes, although they have a direction.
"""
_NEW_CODE = "new_"
"""Prefix of metrics for new code only. They have no history."""
_ROOM = 100
"""The length of names in the table ``metric`` of the installations' database, in characters."""
_DIGITS = 16


@dataclass(frozen=True)
class Kind:
    """A metric. ``direction`` is 1 if more is better, -1 if less is. ``perfect`` is the best value, if there is one."""

    key: str
    scale: str
    direction: str
    perfect: str | None = None

    @property
    def has_history(self) -> bool:
        """Whether the server keeps past values."""
        return not self.key.startswith(_NEW_CODE)


def kinds(definitions: Iterable[Definition]) -> tuple[Sequence[Kind], Sequence[str]]:
    """The metrics to collect, and the names of those with an unknown type."""
    found: list[Kind] = []
    strange: list[str] = []
    for one in definitions:
        is_wanted = one.qualitative or (one.key.startswith(_QUALITIES) and one.direction != 0)
        if one.hidden or not is_wanted or one.type in _NO_NUMBERS:
            continue
        if one.type not in _SCALES:
            strange.append(f"{one.key} ({one.type})")
            continue
        perfect = _PERFECT.get(one.type)
        direction = "1" if one.direction == 1 and perfect is None else "-1"
        found.append(Kind(one.key, _SCALES[one.type], direction, perfect))
    return found, strange


def name_of(metric: str, component: str, branch: str | None) -> str:
    """The name of a metric in existing installations, for a project or for a branch that the source's URL names.

    The table has room for 100 characters. A longer name ends with a digest of the whole name, since otherwise names
    with the same beginning would be one metric. No key of a project contains an ``@``.
    """
    name = f"{metric}_{component}" + (f"@{branch}" if branch else "")
    if len(name) <= _ROOM:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _ROOM - _DIGITS - 1]}~{digest}"
