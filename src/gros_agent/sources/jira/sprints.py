"""Parses sprints: the objects of today's servers and of the agile API, and the texts of older Data Centers.

Such a text is ``com.atlassian.greenhopper.service.sprint.Sprint@1c9a[id=3,state=CLOSED,name=Sprint 1,goal=,...]``, with
its parts in any order. Names and goals may contain commas, brackets and equals signs.
"""

import re

from gros_agent.rows import JiraSprint
from gros_agent.sources.jira.moments import Dates

_BEGIN = re.compile(r"[\w.$]*Sprint@[0-9a-fA-F]+\[")
_END = r"(?:,|\Z)"
_PART = re.compile(
    "(?:^|,)(?:"
    rf"(?P<number>id|rapidViewId|sequence|incompleteIssuesDestinationId)=(?=(?:[0-9]+|<null>)?{_END})"
    rf"|(?P<date>startDate|endDate|completeDate|activatedDate)=(?=(?:[0-9][^,]*|<null>)?{_END})"
    rf"|(?P<word>state|synced|autoStartStop)=(?=(?:[A-Za-z]+|<null>)?{_END})"
    "|(?P<text>name|goal)=)"
)
"""The beginning of a part: its name, before a value of its kind."""
_BOARDS = ("originBoardId", "rapidViewId", "boardId")
_NOTHING = {None, "", "<null>", "null"}
_DIGITS, _PLAIN = re.compile("[0-9]{1,18}"), re.compile("[1-9][0-9]{0,17}")


def parts(text: str) -> dict[str, str]:
    """The parts of a sprint that is written as a text. Empty if it is not one.

    A new part begins only where a known name follows a comma. If a name stands several times, the first one counts,
    since the others are within a name or a goal. An identifier is the first or the last part.
    """
    begin = _BEGIN.match(text.strip())
    if begin is None or not text.rstrip().endswith("]"):
        return {}
    inner = text.strip()[begin.end() : -1]
    found: dict[str, re.Match[str]] = {}
    for match in _PART.finditer(inner):
        name = match[match.lastgroup or 0]
        if name not in found or (name == "id" and not inner.startswith("id=")):
            found[name] = match
    starts = sorted(found.items(), key=lambda one: one[1].start())
    ends = [*(match.start() for _, match in starts), len(inner)][1:]
    return {name: inner[match.end() : end] for (name, match), end in zip(starts, ends, strict=True)}


def sprint(value: object, dates: Dates) -> JiraSprint | None:
    """The row of a sprint, or None if the value is not one."""
    content = parts(value) if isinstance(value, str) else value if isinstance(value, dict) else {}
    identifier = number(content.get("id"))
    if identifier is None:
        return None
    row = JiraSprint(id=identifier, name=str(content.get("name") or identifier))
    for column, name in (("start_date", "startDate"), ("end_date", "endDate"), ("complete_date", "completeDate")):
        moment = dates.moment(_known(content.get(name)))
        if moment is not None:
            setattr(row, column, moment)
    goal = content.get("goal")
    if _known(goal) is not None or (goal == "" and isinstance(value, dict)):  # texts have it also if nothing is known
        row.goal = str(goal)
    board = next((board for name in _BOARDS if (board := number(content.get(name))) is not None), None)
    if board is not None:
        row.board_id = board
    return row


def last(value: object) -> str | None:
    """The last identifier of a text like ``12, 13``, as changes have it. None if there is none."""
    found = [one for part in value.split(",") if (one := number(part))] if isinstance(value, str) else []
    return found[-1] if found else None


def number(value: object) -> str | None:
    """An identifier as text, without leading zeros. None if the value is something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value).strip()
    return str(int(text)) if _DIGITS.fullmatch(text) else None


def _known(value: object) -> object:
    return None if isinstance(value, str) and value in _NOTHING else value
