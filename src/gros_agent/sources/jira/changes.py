"""Reads the changes of an issue, in whatever order a server gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gros_agent.errors import SourceError
from gros_agent.sources.jira import sprints
from gros_agent.sources.jira.fields import Column
from gros_agent.sources.jira.moments import seconds
from gros_agent.sources.jira.parsers import Item


class UnreadableError(SourceError):
    """An issue from which no versions can be made. It must be named, and collected again next time."""


@dataclass(frozen=True)
class Change:
    """A change (Jira: history): when it was made, to the second, and by whom.

    ``changed`` are the columns that it is about, each with the item that says what they were.
    """

    second: int
    number: tuple[int, int]
    author: Any
    changed: Sequence[tuple[Column, Item]]


def grouped(
    histories: Sequence[Mapping[str, Any]],
    columns_of: Callable[[Item], Sequence[Column]],
    name: str = "an issue",
) -> list[list[Change]]:
    """The changes of an issue by second, the oldest first, in any order of the answer.

    Within a second they are sorted by identifier. ``columns_of`` tells which columns an item is about. Raises
    :class:`UnreadableError` if a change has no moment.
    """
    changes = sorted(
        (_change(one, place, columns_of, name) for place, one in enumerate(histories)),
        key=lambda one: (one.second, one.number),
    )
    return [list(group) for _, group in groupby(changes, key=lambda one: one.second)]


def _change(
    history: Mapping[str, Any], place: int, columns_of: Callable[[Item], Sequence[Column]], name: str
) -> Change:
    second = seconds(history.get("created"))
    if second is None:
        raise UnreadableError(
            f"{name} has a change ({history.get('id')}) without a moment that can be parsed",
            "its versions can't be numbered without it; look at the issue's history in Jira",
        )
    identifier = sprints.number(history.get("id"))
    items = history.get("items")
    listed = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    changed = [(column, item) for item in listed for column in columns_of(item)]
    return Change(second, (int(identifier or -1), place), history.get("author"), changed)
