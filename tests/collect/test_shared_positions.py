"""A tracker with one position for several sources: it never passes over what one of them has not given."""

from types import SimpleNamespace
from typing import Any

import pytest

from gros_agent.collect import new_positions
from gros_agent.collect.engine import Gathered, LeftOff
from gros_agent.project.report import Outcome
from gros_agent.sources.base import Collected, Part, SourceEntry

NAME = "jira-updated.txt"
EARLY, LATE, LATER = "2026-01-05 10:00", "2026-01-05 11:00", "2026-01-05 12:00"


def gathered(name: str, position: str | None, *, failed: bool = False) -> Gathered[Any]:
    """A part that was collected up to a position, or failed."""
    source: Any = SimpleNamespace(kind="jira", tracker=NAME, documents=())
    task = Part(SourceEntry("jira", name, f"https://{name}.example"), source)
    return Gathered(task, Outcome(source=name, kind="jira"), None, None if failed else Collected(position=position))


@pytest.mark.parametrize(
    ("before", "done", "after"),
    [
        (None, [gathered("one", LATE)], LATE),
        (EARLY, [gathered("one", LATE)], LATE),
        (EARLY, [gathered("one", LATER), gathered("other", LATE)], LATE),
        (EARLY, [gathered("one", LATER), gathered("other", None)], EARLY),
        (EARLY, [gathered("one", LATER), gathered("other", None, failed=True)], EARLY),
        (None, [gathered("one", LATER), gathered("other", None, failed=True)], None),
    ],
)
def test_the_earlier_one(before: str | None, done: list[Gathered[Any]], after: str | None) -> None:
    known = LeftOff({NAME: {"project": before} if before else {}}, {})
    files = new_positions.encoded(new_positions.moved(known, done), done)
    assert files == ({NAME: after.encode()} if after else {})
