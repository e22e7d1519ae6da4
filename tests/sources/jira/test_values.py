"""Values of fields of each type: as they are now, and as they were before a change."""

from typing import Any

import pytest

from gros_agent.rows import JiraDeveloper, JiraPriority, JiraReadyStatus, JiraStatus, JiraStatusCategory
from gros_agent.sources.jira import columns
from gros_agent.sources.jira.fields import Column
from gros_agent.sources.jira.mapping import Entry, built_in
from gros_agent.sources.jira.people import People, address
from gros_agent.sources.jira.seen import Seen

Item = dict[str, Any]


def column(name: str) -> Column:
    entry = built_in().columns[name]
    return Column(name, entry, ("f",))


def now(name: str, value: object, found: Seen | None = None) -> str | None:
    return columns.now(column(name), {"f": value}, found or Seen("ABC", is_cloud=False))


def before(name: str, item: Item, found: Seen | None = None) -> str | None:
    return columns.before(
        column(name), {"from": None, "fromString": None, **item}, found or Seen("ABC", is_cloud=False)
    )


NOW: list[tuple[str, Any, str | None]] = [
    ("title", "a\tb", "a\tb"),
    ("title", 5, "5"),
    ("description", "", ""),
    ("expected_ltcs", 3.0, "3"),
    ("expected_ltcs", "12.7", "12"),
    ("expected_ltcs", "", None),
    ("status", {"id": "3"}, "3"),
    ("status", {"id": "0010"}, "10"),
    ("status", {"id": ""}, None),
    ("watchers", {"watchCount": 4}, "4"),
    ("bugfix", {"value": "Yes"}, "1"),
    ("bugfix", {"value": "No"}, "-1"),
    ("bugfix", {"value": ""}, None),
    ("storypoint", 3, "3.0"),
    ("storypoint", 0.5, "0.5"),
    ("storypoint", 1e22, "10000000000000000000000.0"),
    ("storypoint", 1e-7, "0.0000001"),
    ("created", "2024-11-29T10:31:31.123+0000", "2024-11-29 10:31:31"),
    ("created", "2024-11-29", "2024-11-29 00:00:00"),
    ("duedate", "2024-11-29", "2024-11-29"),
    ("duedate", "2024-11-29T10:31:31.123+0000", "2024-11-29"),
    ("assignee", {"name": "ann", "displayName": "A"}, "ann"),
    ("assignee", {"accountId": "5e97:1"}, "5e97:1"),
    ("assignee", {"displayName": "Former user"}, None),
    ("attachment", [{"id": "1"}, {"id": "2"}], "2"),
    ("attachment", [], "0"),
    ("labels", ["a", "b"], "2"),
    ("labels", "a b  c", "3"),
    ("flagged", [{"value": "Impediment"}], "1"),
    ("flagged", "Impediment", "1"),
    ("flagged", [], "0"),
    ("flagged", "", "0"),
    ("flagged", False, "0"),
    ("rank_change", "0|i000ef:", None),
    ("epic", "AB_2-12", "AB_2-12"),
    ("epic", {"key": "ABC-1"}, "ABC-1"),
    ("epic", "", None),
    ("ready_status", {"id": "7", "value": '<font color="red"><b>Not ready</b></font>'}, "7"),
    ("project", {"id": "1", "key": "ABC"}, None),
    ("project", {"id": "2", "key": "X_1"}, "X_1"),
    ("sprint", [{"id": 3, "name": "a"}, {"id": 5, "name": "b"}], "5"),
    ("sprint", [], None),
    ("sprint", {"id": 3, "name": "a"}, "3"),
]


@pytest.mark.parametrize(("name", "value", "text"), NOW)
def test_now(name: str, value: object, text: str | None) -> None:
    found = Seen("ABC", is_cloud=False)
    assert now(name, value, found) == text
    assert not list(found.notes())


ODD: list[tuple[str, Any]] = [
    *(("title", one) for one in ({"displayName": "Ann", "name": "ann"}, ["a"], True)),
    *(("expected_ltcs", one) for one in ("a", -1, [1], {"value": 3}, "\u0663", "1e5")),
    *(("status", one) for one in ("3", [{"id": "3"}], {"id": "x"}, {"id": -3})),
    *(("bugfix", one) for one in ({"value": "Perhaps"}, {"value": ["Yes"]}, "Yes", [{"value": "Yes"}])),
    *(("storypoint", one) for one in (-1.0, "many", "1_0", "inf", float("inf"), [3], True)),
    *(("assignee", one) for one in ([{"name": "ann"}],)),
    *(("epic", one) for one in ("no key", "abc-1", "ABCDEFGHIJKLMNOPQRS-12", ["ABC-1"], {"key": 5})),
    *(("ready_status", one) for one in ("7", ["7"], {"id": "x"})),
    *(("project", one) for one in ("X", {"id": "2"}, {"id": "2", "key": "lower"}, ["X"])),
    *(("sprint", one) for one in ("Sprint 5", ["x"], [{"name": "a"}])),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_values_of_another_kind_are_left_out_and_counted(name: str, value: object) -> None:
    """A custom field may be text here and a list there. An object may be a person, so it is never taken as text."""
    found = Seen("ABC", is_cloud=False)
    assert now(name, value, found) is None
    assert list(found.notes()) == [f"{name}: 1 values are not of the kind that the column holds, and were left out"]


def test_dates_that_can_not_be_parsed_are_counted() -> None:
    found = Seen("ABC", is_cloud=False)
    assert now("created", "29/Nov/24", found) is None
    assert found.dates.left_out == 1


BEFORE: list[tuple[str, Item, str | None]] = [
    ("title", {"fromString": "old"}, "old"),
    ("title", {"from": "a", "fromString": "b"}, "a"),
    ("description", {"fromString": ""}, ""),
    ("description", {}, None),
    ("key", {"fromString": "OLD-1"}, "OLD-1"),
    ("status", {"from": "3", "fromString": "Open"}, "3"),
    ("status", {"from": "", "fromString": "Open"}, None),
    ("status", {}, None),
    ("bugfix", {"from": "10", "fromString": "No"}, "-1"),
    ("bugfix", {"from": "", "fromString": ""}, None),
    ("storypoint", {"fromString": "3"}, "3.0"),
    ("storypoint", {"fromString": "1,457"}, "1.457"),
    ("storypoint", {"from": "", "fromString": ""}, None),
    ("expected_ltcs", {"fromString": "4"}, "4"),
    ("duedate", {"from": "2024-11-29", "fromString": "2024-11-29 00:00:00.0"}, "2024-11-29"),
    ("duedate", {}, None),
    ("sprint", {"from": "12, 13", "fromString": "A, B"}, "13"),
    ("sprint", {"from": "", "fromString": ""}, None),
    ("labels", {"fromString": "a b"}, "2"),
    ("labels", {"fromString": ""}, "0"),
    ("labels", {}, "0"),
    ("flagged", {"from": "[10019]", "fromString": "Impediment"}, "1"),
    ("flagged", {"fromString": "Impediment"}, "1"),
    ("flagged", {"from": "", "fromString": ""}, "0"),
    ("flagged", {}, "0"),
    ("epic", {"from": "10073", "fromString": "ABC-7"}, "ABC-7"),
    ("epic", {"from": "", "fromString": ""}, None),
    ("ready_status", {"from": "7", "fromString": "<font color=x><b>Ready</b></font>"}, "7"),
    ("ready_status", {"fromString": "Ready"}, None),
    ("project", {"from": "1", "fromString": "Own"}, None),
    ("project", {"from": "2", "fromString": "Other"}, "OTHER"),
    ("project", {"from": "3", "fromString": "Unknown"}, None),
    ("assignee", {"from": "ann", "fromString": "Ann"}, "ann"),
    ("assignee", {"from": "", "fromString": ""}, None),
    ("assignee", {}, None),
]


@pytest.mark.parametrize(("name", "item", "text"), BEFORE)
def test_before(name: str, item: Item, text: str | None) -> None:
    found = Seen("ABC", is_cloud=True)
    found.projects.update({"1": "ABC", "2": "OTHER"})
    assert before(name, item, found) == text
    assert not list(found.notes())


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("status", {"from": "Open"}),
        ("bugfix", {"fromString": "Ja"}),
        ("storypoint", {"fromString": "a lot"}),
        ("title", {"from": ["x"]}),
    ],
)
def test_old_values_of_another_kind(name: str, item: Item) -> None:
    found = Seen("ABC", is_cloud=False)
    assert before(name, item, found) is None
    assert found.odd == {name: 1}


def test_a_mapping_may_give_a_column_another_type() -> None:
    """What the column can't hold is left out all the same."""
    found = Seen("ABC", is_cloud=False)
    own = Column("bugfix", Entry(type="unicode", field="f"), ("f",))
    assert [columns.now(own, {"f": value}, found) for value in ("1", "-1", "Yes", "")] == ["1", "-1", None, None]
    assert found.odd == {"bugfix": 1}


def test_the_first_field_with_a_value_counts() -> None:
    found = Seen("ABC", is_cloud=True)
    two = Column("storypoint", Entry(type="decimal"), ("a", "b"))
    assert columns.now(two, {"a": None, "b": 3}, found) == "3.0"
    assert columns.now(two, {"a": 0, "b": 3}, found) == "0.0"
    assert columns.now(two, {}, found) is None


def test_things_with_a_name_are_noted() -> None:
    found = Seen("ABC", is_cloud=False)
    category = {"id": 3, "key": "done", "name": "Done", "colorName": "green"}
    now("status", {"id": "5", "name": "Closed", "description": "gone", "statusCategory": category}, found)
    now("status", {"id": "6", "name": "Open", "description": "", "statusCategory": {"id": "x"}}, found)
    now("status", {"id": "7", "name": "Done", "description": None}, found)
    now("priority", {"id": "1", "name": "High", "description": "not a column"}, found)
    now("ready_status", {"id": "7", "value": '<font color="red"><b>Not ready</b></font>'}, found)
    before("ready_status", {"from": "8", "fromString": "plain"}, found)
    before("status", {"from": "6", "fromString": "Open"}, found)
    before("status", {"from": "9", "fromString": "Waiting"}, found)
    rows = [row for block in found.rows() for row in block]
    assert rows == [
        JiraPriority(id="1", name="High"),
        JiraStatus(id="5", name="Closed", description="gone", statusCategory=3),
        JiraStatus(id="6", name="Open", description=""),
        JiraStatus(id="7", name="Done", description="0"),
        JiraStatusCategory(id=3, key="done", name="Done", color="green"),
        JiraReadyStatus(id="7", name="Not ready"),
        JiraReadyStatus(id="8", name="plain"),
    ]
    assert found.undescribed() == {"status": {"9"}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a@b.example", "a@b.example"),
        (" a@b ", "a@b"),
        *((one, None) for one in ("", None, "0", "?", "a at b dot example", "a b@c", "@", f"{'x' * 60}@{'y' * 60}")),
    ],
)
def test_addresses(value: object, text: str | None) -> None:
    assert address(value) == text


def test_people_of_a_data_center() -> None:
    """A change has the key of a person, who may have been seen, may be known by that name, or is asked for once."""
    asked: list[str] = []

    def lookup(key: str) -> dict[str, Any] | None:
        asked.append(key)
        return {"key": key, "name": "bea", "displayName": "Bea"} if key == "JIRAUSER2" else None

    people = People(is_cloud=False, lookup=lookup)
    assert (
        people.account({"name": "ann", "key": "JIRAUSER1", "displayName": "Ann", "emailAddress": "a@x.example"})
        == "ann"
    )
    assert people.account({"name": "old"}) == "old"
    items = [
        {"from": key, "fromString": shown} for key, shown in (("JIRAUSER1", "A"), ("JIRAUSER2", "B"), ("old", "O"))
    ]
    assert [people.before(item) for item in items * 2] == ["ann", "bea", "old"] * 2
    assert people.before({"from": "JIRAUSER3", "fromString": "Gone"}) == "JIRAUSER3"
    assert asked == ["JIRAUSER2", "JIRAUSER3"]
    assert people.rows() == [
        JiraDeveloper(name="ann", display_name="Ann", email="a@x.example"),
        JiraDeveloper(name="old", display_name="old"),
        JiraDeveloper(name="bea", display_name="Bea"),
        JiraDeveloper(name="JIRAUSER3", display_name="Gone"),
    ]
    assert len(list(people.notes())) == 1


def test_people_of_the_cloud() -> None:
    """Someone who is in changes alone has a row, too, and a better one once they are seen elsewhere."""
    people = People(is_cloud=True)
    assert people.before({"from": "1:a", "fromString": "Guess"}) == "1:a"
    assert people.rows() == [JiraDeveloper(name="1:a", display_name="Guess")]
    assert people.account({"accountId": "1:a", "name": "x", "displayName": "Ann", "emailAddress": ""}) == "1:a"
    assert people.account({"accountId": "1:a", "displayName": "Ann", "emailAddress": "a@x.example"}) == "1:a"
    assert people.account({"accountId": "1:a", "displayName": "Ann"}) == "1:a"
    assert people.rows() == [JiraDeveloper(name="1:a", display_name="Ann", email="a@x.example")]
    assert people.account({"accountId": "", "displayName": "Nobody"}) is None
    assert not list(people.notes())
