"""Sprints as objects and as texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from gros_agent.rows import JiraSprint
from gros_agent.sources.jira.moments import Dates
from gros_agent.sources.jira.seen import Seen
from gros_agent.sources.jira.sprints import last, number, parts, sprint

CLASS = "com.atlassian.greenhopper.service.sprint.Sprint@1c9a44"
FIRST = f"{CLASS}[id=3,rapidViewId=2,state=CLOSED,name=%s,startDate=2013-11-04T12:19:54.263Z,endDate=<null>,goal=%s]"
LAST = f"{CLASS}[rapidViewId=2,state=CLOSED,name=%s,startDate=2013-11-04T12:19:54.263Z,endDate=<null>,id=3]"


@pytest.mark.parametrize("name", ["Sprint 1", "a, b", "a=b", "[x] ]", "id=4", "x,id=5", "a,name=b", "x,state=y z", ""])
@pytest.mark.parametrize("goal", ["", "do, this", "goal=x, id=9", "a]b[c", "x,name=y", "x\ny"])
def test_texts(name: str, goal: str) -> None:
    for text in (FIRST % (name, goal), LAST % name):
        found = parts(text)
        assert (found["id"], found["name"], found["rapidViewId"], found["endDate"]) == ("3", name, "2", "<null>")
        assert found.get("goal", goal) == goal


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_name_and_goal(name: str, goal: str) -> None:
    """What looks like a part with a value of its kind can't be told from one; anything else is text."""
    if ",goal=" in name or any(f",{one}=" in name for one in ("startDate", "endDate")):
        return
    found = parts(FIRST % (name, goal))
    assert (found["id"], found["name"], found["goal"]) == ("3", name, goal)


@pytest.mark.parametrize("text", ["", "Sprint 1", "12", "[id=1]", f"{CLASS}[]", f"{CLASS}[id=1", "Sprint@zz[id=1]"])
def test_what_is_no_sprint(text: str) -> None:
    assert sprint(text, Dates()) is None


@given(st.text("id=,[]Sprint@1c9a.<null>", max_size=60))
def test_anything_ends(text: str) -> None:
    parts(f"{CLASS}[{text}]")


NONE: list[Any] = [{"name": "B"}, {"id": "x"}, {"id": True}, 7, None, [], {"id": -1}]
ROWS: list[tuple[Any, JiraSprint | None]] = [
    (
        FIRST % ("A", "win"),
        JiraSprint(id="3", name="A", start_date="2013-11-04 12:19:54", goal="win", board_id="2"),
    ),
    (
        {"id": 7, "name": "B", "state": "active", "boardId": 8, "startDate": "2020-06-12T00:38:51.882Z", "goal": ""},
        JiraSprint(id="7", name="B", start_date="2020-06-12 00:38:51", goal="", board_id="8"),
    ),
    (
        {"id": "07", "name": "B", "originBoardId": 9, "rapidViewId": 8, "boardId": 7, "completeDate": "04/Nov/13"},
        JiraSprint(id="7", name="B", board_id="9"),
    ),
    ({"id": 7}, JiraSprint(id="7", name="7")),
    *((one, None) for one in NONE),
]


@pytest.mark.parametrize(("value", "row"), ROWS)
def test_rows(value: object, row: JiraSprint | None) -> None:
    assert sprint(value, Dates()) == row


def test_what_is_not_known_is_left_out() -> None:
    found = sprint(LAST % "A", Dates())
    assert found is not None
    assert (found.end_date, found.complete_date, found.goal) == (UNSET, UNSET, UNSET)


@pytest.mark.parametrize(
    ("value", "found"), [("12, 13", "13"), ("12", "12"), ("", None), (None, None), (12, None), ("a, 4, b", "4")]
)
def test_the_last_sprint_of_a_change(value: object, found: str | None) -> None:
    assert last(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(5, "5"), ("007", "7"), (" 8 ", "8"), (-1, None), ("-1", None), ("\u0663", None), (1.0, None), ("9" * 40, None)],
)
def test_identifiers(value: object, found: str | None) -> None:
    assert number(value) == found


OPEN, SHUT = "[id=3,rapidViewId=2,name=A]", "[id=3,rapidViewId=2,name=B,completeDate=2013-11-18T12:19:54.263Z]"
TOLD: list[list[Any]] = [
    [f"{CLASS}{OPEN}", f"{CLASS}f{OPEN}", f"{CLASS}{SHUT}"],
    [*({"id": 3, "boardId": 2, "name": "A"} for _ in range(2)), {"id": 3, "completeDate": "2013-11-18T12:19:54.263Z"}],
    [{"id": 3, "boardId": 2, "name": "A", "more": [1]}] * 2 + [f"{CLASS}{SHUT}"],
]


@pytest.mark.parametrize("told", TOLD)
def test_sprints_that_come_again(told: list[Any]) -> None:
    """The first one counts, and others add what it lacks."""
    seen = Seen("ABC", is_cloud=False)
    assert [seen.add_sprint(one) for one in (*told, told[0])] == ["3"] * 4
    (rows,) = seen.rows()
    assert list(rows) == [JiraSprint(id="3", name="A", complete_date="2013-11-18 12:19:54", board_id="2")]


@pytest.mark.parametrize("told", NONE)
def test_what_is_no_sprint_is_none_again(told: Any) -> None:
    seen = Seen("ABC", is_cloud=False)
    seen.add_sprint({"id": 1, "name": "A"})
    assert [seen.add_sprint(told) for _ in range(2)] == [None, None]
