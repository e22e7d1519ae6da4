"""Versions of an issue: rule by rule, and as recorded servers tell them."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from gros_agent.rows import JiraIssue
from gros_agent.sources.jira.changes import UnreadableError
from gros_agent.sources.jira.fields import match
from gros_agent.sources.jira.mapping import built_in
from gros_agent.sources.jira.replay import Replay
from gros_agent.sources.jira.seen import Seen
from sources.jira import state
from sources.jira.changing import ANN, BEA, START, Item, change, item

RECORDINGS = Path(__file__).parent.parent.parent / "recordings" / "jira"


def versions(values: Item, *histories: Item, since: int | None = None, found: Seen | None = None) -> list[JiraIssue]:
    """The versions of an issue, the first one first."""
    created = {"created": "2024-01-01T00:00:00.000+0000", "updated": "2024-01-02T00:00:00.000+0000", "creator": ANN}
    issue = {"id": "77", "key": "ABC-1", "fields": created | values}
    found = found or Seen("ABC", is_cloud=False)
    replay = Replay(state.fields(is_cloud=False), found, since)
    return replay.issue(issue, histories).versions[::-1]


def test_without_changes() -> None:
    """Version 0 is the only one, and as old as the issue, whatever was written to it since."""
    (row,) = versions({"summary": "t", "watches": None})
    assert (row.changelog_id, row.updated, row.updated_by) == ("0", "2024-01-01 00:00:00", "ann")
    assert (row.watchers, row.attachment, row.labels, row.flagged, row.title) == ("0", "0", "0", "0", "t")
    assert row.reporter is UNSET


def test_moments_and_people_of_versions() -> None:
    """The last version is as new as the issue. Someone who is deleted or unknown is left out."""
    rows = versions({}, change(1, "01:00", author=BEA), change(2, "02:00"), change(3, "03:00", author=ANN))
    assert [row.updated[8:16] for row in rows] == ["01 00:00", "01 00:01", "01 00:02", "02 00:00"]
    assert [row.updated_by for row in rows] == ["ann", "bea", UNSET, "ann"]
    assert [row.changelog_id for row in rows] == ["0", "1", "2", "3"]


def test_changes_that_are_about_nothing_that_is_collected_count() -> None:
    rows = versions({}, change(1, "01:00", item("Workflow", "1", "2")), change(2, "02:00"))
    assert len(rows) == 3


@pytest.mark.parametrize("is_reversed", [False, True])
def test_two_changes_within_a_second(is_reversed: bool) -> None:
    """One version, made by whoever changed last, from what was before the first."""
    first = change(9, "01:00", item("status", "1", "2"), item("summary", shown=("a", "b")), author=ANN)
    second = change(10, "01:00", item("status", "2", "3"), item("labels", shown=("", "x")), author=BEA)
    both = [second, first] if is_reversed else [first, second]
    rows = versions({"status": {"id": "3"}, "summary": "b", "labels": ["x"]}, *both)
    assert [(row.status, row.title, row.labels) for row in rows] == [("1", "a", "0"), ("3", "b", "1")]
    assert rows[1].updated_by == "bea"


def test_fractions_of_a_second_and_offsets_are_one_second() -> None:
    moments = ("2024-01-01T00:01:00.999+0000", "2024-01-01T01:01:00.001+0100", "1704067260500", 1704067260000)
    histories = [change(number, "", author=ANN) | {"created": moment} for number, moment in enumerate(moments)]
    assert len(versions({}, *histories)) == 2


def test_a_rank_is_of_its_change_alone() -> None:
    """In another language nothing is known about it."""
    ranks = ("Ranked higher", None, "Ranked lower", "Höher eingestuft")
    histories = [
        change(number, f"0{number}:00", *([item("Rank", "", "", shown=("", rank), kind="custom")] if rank else []))
        for number, rank in enumerate(ranks, 1)
    ]
    assert [row.rank_change for row in versions({}, *histories)] == [UNSET, "1", UNSET, "-1", UNSET]
    assert [
        row.rank_change for row in versions({}, change(1, "01:00", item("status", shown=("", "Ranked higher"))))
    ] == [
        UNSET,
        UNSET,
    ]


def test_versions_of_the_product_are_a_list() -> None:
    """Adding one to another leaves the other; what was removed comes back at the end. The last one counts."""
    now = {"fixVersions": [{"id": "3", "name": "c", "released": True}], "versions": None}
    steps = [
        change(1, "01:00", item("Fix Version", None, "1")),
        change(2, "02:00", item("Fix Version", None, "2")),
        change(3, "03:00", item("Fix Version", "1"), item("Fix Version", "2"), item("Fix Version", None, "3")),
        change(4, "04:00", item("Version", "9", None)),
    ]
    rows = versions(now, *steps)
    assert [row.fixVersions for row in rows] == [UNSET, "1", "2", "3", "3"]
    assert [row.versions for row in rows] == ["9", "9", "9", "9", UNSET]


def test_files_of_two_changes_within_a_second_add_up() -> None:
    """Their number is never below 0, even if the account can't see all of them."""
    added, removed = item("Attachment", None, "5"), item("Attachment", "4", None)
    rows = versions(
        {"attachment": [{"id": "5"}]}, change(1, "01:00", added, added), change(2, "01:00", removed, removed)
    )
    assert [row.attachment for row in rows] == ["1", "1"]
    rows = versions({}, change(1, "01:00", removed, removed), change(2, "02:00", added))
    assert [row.attachment for row in rows] == ["2", "0", "0"]


def test_the_sprint_that_an_issue_was_made_in() -> None:
    """Undone like everything else, also in version 0."""
    steps = [item("Sprint", old, new, kind="custom") for old, new in (("3", "3, 4"), ("3, 4", ""), ("", "5"))]
    histories = [change(number, f"0{number}:00", one) for number, one in enumerate(steps, 1)]
    rows = versions({"customfield_7": [{"id": 5, "name": "e"}]}, *histories)
    assert [row.sprint for row in rows] == ["3", "4", UNSET, "5"]


def test_what_is_not_replayed_is_as_of_now() -> None:
    values = {"watches": {"watchCount": 2}, "resolutiondate": "2024-01-01T00:09:00Z"}
    rows = versions(values, change(1, "01:00", item("resolution", None, "1")))
    assert {(row.watchers, row.resolution_date) for row in rows} == {("2", "2024-01-01 00:09:00")}


@pytest.mark.parametrize(
    ("since", "numbers"),
    [(None, "012"), (START, "012"), (START + 1, "12"), (START + 60, "12"), (START + 61, "2"), (START + 121, "")],
)
def test_what_is_new(since: int | None, numbers: str) -> None:
    rows = versions({}, change(1, "01:00"), change(2, "02:00"), since=since)
    assert "".join(row.changelog_id for row in rows) == numbers


@pytest.mark.parametrize("name", ["Key", "project"])
def test_an_issue_that_was_moved_here_is_new_as_a_whole(name: str) -> None:
    moved = change(2, "02:00", item(name, "2", "1", shown=("XY-4", "ABC-1")))
    found = Seen("ABC", is_cloud=False)
    found.projects["2"] = "XY"
    values = {"project": {"id": "1", "key": "ABC"}}
    rows = versions(values, change(1, "01:00"), moved, since=START + 90, found=found)
    assert [row.changelog_id for row in rows] == ["0", "1", "2"]
    assert [row.key for row in rows] == (["XY-4", "XY-4", "ABC-1"] if name == "Key" else ["ABC-1"] * 3)
    assert [row.project for row in rows] == ([UNSET] * 3 if name == "Key" else ["XY", "XY", UNSET])
    assert [row.changelog_id for row in versions(values, change(1, "01:00"), moved, since=START + 121)] == []


def test_without_moments_of_its_own() -> None:
    """The first change is the latest moment at which it can have been made."""
    found = Seen("ABC", is_cloud=False)
    rows = versions({"created": "?", "updated": None}, change(1, "01:00"), found=found)
    assert [row.updated for row in rows] == ["2024-01-01 00:01:00"] * 2
    assert found.odd == {"created": 1}


@pytest.mark.parametrize(
    ("issue", "histories", "problem"),
    [
        ({"id": "1", "key": "ABC-1", "fields": {}}, [], "ABC-1 has no moment"),
        ({"id": "x", "key": "ABC-1", "fields": {}}, [], "ABC-1 has no identifier"),
        ({"id": "1", "key": "abc", "fields": {}}, [], "abc is not a key"),
        ({"id": "1", "key": "ABCDEFGHIJKLMNOPQRS-12"}, [], "is not a key that the tables can hold"),
        ({"id": "1", "key": "ABC-1", "fields": {"created": 1}}, [{"id": "5"}], r"ABC-1 has a change \(5\) without"),
    ],
)
def test_issues_that_can_not_be_read(issue: Item, histories: list[Item], problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        Replay(state.fields(is_cloud=False), Seen("ABC", is_cloud=False)).issue(issue, histories)


KINDS_OF_ISSUES: list[tuple[Item, int, bool]] = [
    ({"subtask": False}, 1, True),
    ({"subtask": False, "hierarchyLevel": 0}, 1, True),
    ({"subtask": True, "hierarchyLevel": -1}, 0, False),
    ({"subtask": False, "hierarchyLevel": 1}, 2, False),
]


@pytest.mark.parametrize(("kind", "above", "has_epic"), KINDS_OF_ISSUES)
def test_the_parent_is_the_epic_unless_the_issue_is_a_subtask_or_an_epic(
    kind: Item, above: int, has_epic: bool
) -> None:
    parent = {"key": "ABC-9", "fields": {"issuetype": {"hierarchyLevel": above}}}
    values = {"created": 1704067200000, "parent": parent, "issuetype": {"id": "5", **kind}}
    moved = change(1, "01:00", item("IssueParentAssociation", "1", "2", shown=("ABC-8", "ABC-9")))
    fields = match(built_in(), [], is_cloud=True)
    replay = Replay(fields, Seen("ABC", is_cloud=True))
    rows = replay.issue({"id": "1", "key": "ABC-1", "fields": values}, [moved]).versions[::-1]
    assert [row.epic for row in rows] == (["ABC-8", "ABC-9"] if has_epic else [UNSET, UNSET])


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text())


def test_a_recorded_cloud() -> None:
    """Seven issues with 87 changes, newest first; each value in a change is that of the version after it."""
    agile = "com.pyxis.greenhopper.jira"
    listed = [
        {"id": f"customfield_{number}", "name": name, "schema": {"custom": f"{agile}:{kind}"}}
        for number, name, kind in ((10020, "Sprint", "gh-sprint"), (10014, "Epic Link", "gh-epic-link"))
    ]
    found = Seen("EE", is_cloud=True)
    replay = Replay(match(built_in(), listed, is_cloud=True), found)
    for issue in recorded("cloud_issues.json")["issues"]:
        rows = replay.issue(issue, issue["histories"]).versions[::-1]
        assert [int(row.changelog_id) for row in rows] == list(range(len(rows)))
        assert len(rows) == 1 + len({one["created"][:19] for one in issue["histories"]})
        check_each(issue["histories"], rows, {"status": "status", "assignee": "assignee", "resolution": "resolution"})
        assert rows[-1].title == issue["fields"]["summary"]
        assert rows[0].updated == rows[0].created
    people = next(block for block in found.rows() if type(block[0]).__name__ == "JiraDeveloper")
    assert len(people) > 3
    assert not list(found.notes())


def check_each(histories: list[Item], rows: list[JiraIssue], names: dict[str, str]) -> None:
    """What a change says that a field is after it stands in its version, and what it was in the one before."""
    oldest = sorted(histories, key=lambda one: int(one["id"]))
    numbers: dict[str, int] = {}
    for one in oldest:
        number = numbers.setdefault(one["created"][:19], len(numbers) + 1)
        for change_item in one["items"]:
            if name := names.get(change_item["field"]):
                assert getattr(rows[number], name) == (change_item["to"] or UNSET)
                assert getattr(rows[number - 1], name) == (change_item["from"] or UNSET)


def test_a_recorded_cloud_epic() -> None:
    """Two changes of one second have the parent and the epic."""
    found = Seen("K5", is_cloud=True)
    replay = Replay(match(built_in(), [], is_cloud=True), found)
    stories = {issue["key"]: issue for issue in recorded("cloud_issues.json")["issues"]}
    rows = replay.issue(stories["K5-2"], stories["K5-2"]["histories"]).versions[::-1]
    assert [row.epic for row in rows] == [UNSET, "K5-1"]
    rows = replay.issue(stories["EE-25"], stories["EE-25"]["histories"]).versions[::-1]
    assert {row.epic for row in rows} == {UNSET}, "the parent of a sub-task is no epic"


def test_recorded_servers() -> None:
    """An old one with files, links and components, and one with due dates and a change by nobody."""
    first, second = recorded("server_issues.json")
    found = Seen("TST", is_cloud=False)
    (issue,) = first["issues"]
    rows = Replay(match(built_in(), first["fields"], is_cloud=False), found).issue(issue, issue["histories"])
    files = [int(row.attachment) for row in rows.versions[::-1]]
    assert files[:9] == [0, 1, 2, 3, 4, 5, 6, 5, 6]
    assert files[-1] == len(issue["fields"]["attachment"]) == 7
    assert [(row.to_key, row.outward, row.end_date) for row in rows.links] == [
        ("TST-1", "1", "0"),
        ("TST-1", "-1", "0"),
    ]
    assert len({row.start_date for row in rows.components}) == 2
    assert {row.name for block in found.rows() for row in block if type(row).__name__ == "JiraComponent"} == {  # type: ignore[attr-defined]
        "Component A",
        "Component B",
    }
    (issue,) = second["issues"]
    replay = Replay(match(built_in(), None, is_cloud=False), Seen("HST", is_cloud=False))
    versions = replay.issue(issue, issue["histories"]).versions[::-1]
    assert [row.duedate for row in versions] == [UNSET, "2012-04-12", "2012-04-12", "2012-04-13"]
    assert [row.assignee for row in versions] == ["user1", "user1", "user2", "user2"]
    assert [row.updated_by for row in versions] == [UNSET, "user1", UNSET, "user2"]
    assert [row.description for row in versions] == ["Initial Description"] * 3 + ["Modified Description"]
