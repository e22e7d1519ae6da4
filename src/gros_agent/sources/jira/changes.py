"""Reads the changes of an issue, in whatever order a server gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gros_agent.errors import SourceError
from gros_agent.sources.jira import sprints
from gros_agent.sources.jira.moments import seconds
from gros_agent.sources.jira.parsers import Item


class UnreadableError(SourceError):
    """An issue from which no versions can be made. It must be named, and collected again next time."""


@dataclass(frozen=True)
class Change:
    """A change (Jira: history): when it was made, to the second, by whom, and what it is about."""

    second: int
    number: tuple[int, int]
    author: Any
    items: Sequence[Item]


def grouped(histories: Sequence[Mapping[str, Any]], name: str = "an issue") -> list[list[Change]]:
    """The changes of an issue by second, the oldest first, in any order of the answer.

    Within a second they are sorted by identifier. Raises :class:`UnreadableError` if a change has no moment.
    """
    changes = sorted(
        (_change(one, place, name) for place, one in enumerate(histories)), key=lambda one: (one.second, one.number)
    )
    return [list(group) for _, group in groupby(changes, key=lambda one: one.second)]


def _change(history: Mapping[str, Any], place: int, name: str) -> Change:
    second = seconds(history.get("created"))
    if second is None:
        raise UnreadableError(
            f"{name} has a change ({history.get('id')}) without a moment that can be parsed",
            "its versions can't be numbered without it; look at the issue's history in Jira",
        )
    identifier = sprints.number(history.get("id"))
    items = history.get("items")
    listed = [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []
    return Change(second, (int(identifier or -1), place), history.get("author"), listed)
