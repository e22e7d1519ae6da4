"""What is measured: the metrics that have a good and a bad side, and how they are scaled."""

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
"""The types of metrics whose values are numbers."""
_PERFECT = {"RATING": "1", "WORK_DUR": "0"}
"""The best value that there is; less is better."""
_NO_NUMBERS = frozenset({"BOOL", "DATA", "DISTRIB", "LEVEL", "STRING"})
_QUALITIES = "software_quality_"
"""How metrics of the qualities begin that SonarQube judges by since 10.8. Their numbers of issues are told as not
qualitative, like sizes, though they have a direction."""
_NEW_CODE = "new_"
"""How metrics of new code alone begin: they have no history."""
_ROOM = 100
"""Characters of a name in the table ``metric`` of the installations' database."""
_DIGITS = 16


@dataclass(frozen=True)
class Kind:
    """A metric. ``direction`` is 1 if more is better, -1 if less is, ``perfect`` the best value, where there is one."""

    key: str
    scale: str
    direction: str
    perfect: str | None = None

    @property
    def has_history(self) -> bool:
        """Whether its past values are kept."""
        return not self.key.startswith(_NEW_CODE)


def kinds(definitions: Iterable[Definition]) -> tuple[Sequence[Kind], Sequence[str]]:
    """The metrics to collect, and the names of those whose type is not known."""
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
    """The name by which installations know a metric of a project, or of a branch that the source's URL names.

    The table has room for 100 characters. What is longer ends in a digest of the whole, since names that are alike up
    to there would be one metric. No key of a project has an ``@`` in it.
    """
    name = f"{metric}_{component}" + (f"@{branch}" if branch else "")
    if len(name) <= _ROOM:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _ROOM - _DIGITS - 1]}~{digest}"
