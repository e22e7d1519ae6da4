"""Links, components, sub-tasks and comments of an issue."""

import pytest

from gros_agent.rows import JiraComment, JiraIssueComponent, JiraIssueLink, JiraSubtask
from gros_agent.sources.jira.comments import comments
from gros_agent.sources.jira.replay import Replay
from gros_agent.sources.jira.seen import Seen
from sources.jira import state
from sources.jira.changing import ANN, BEA, START, Item, change, item


def links(values: Item, *histories: Item) -> tuple[list[JiraIssueLink], Seen]:
    issue = {"id": "77", "key": "ABC-1", "fields": {"created": "2024-01-01T00:00:00.000+0000"} | values}
    found = state.seen(is_cloud=False)
    return Replay(state.fields(is_cloud=False), found).issue(issue, histories).links, found


@pytest.mark.parametrize(
    ("text", "kind", "direction"),
    [
        ("This issue blocks XY-2", "10000", "1"),
        ("This issue is blocked by XY-2", "10000", "-1"),
        ("This issue relates to XY-2", "10001", "1"),
        ("This issue is related to XY-2", "10002", "-1"),
        ("this issue Blocks XY-2", "10000", "1"),
        ("Dieser Vorgang is blocked by XY-2", "10000", "-1"),
        ("Dieser Vorgang blocks XY-2", "10000", "1"),
    ],
)
def test_the_type_of_a_link_in_a_change(text: str, kind: str, direction: str) -> None:
    """All words count: one type's words may be within another's."""
    (row,), _ = links({}, change(1, "01:00", item("Link", None, "XY-2", shown=(None, text))))
    assert (row.to_key, row.relationshiptype, row.outward) == ("XY-2", kind, direction)
    assert (row.start_date, row.end_date) == ("2024-01-01 00:01:00", "0")


@pytest.mark.parametrize("text", ["This issue no longer blocks XY-2", "This issue adores XY-2", "XY-2", "", None])
def test_links_of_unknown_types_are_counted(text: str | None) -> None:
    rows, found = links({}, change(1, "01:00", item("Link", "XY-2", None, shown=(text, None))))
    assert rows == []
    assert found.odd == {"issuelinks": 1}


def test_a_link_that_is_the_same_in_both_directions() -> None:
    """A link that is there tells its direction."""
    there = {"issuelinks": [state.link(2, "10001", "-1")]}
    added = change(1, "01:00", item("Link", None, "XY-2", shown=(None, "This issue relates to XY-2")))
    (row,), _ = links(there, added)
    assert (row.outward, row.start_date) == ("-1", "2024-01-01 00:01:00")


def test_what_came_and_went_several_times() -> None:
    """It keeps the earliest coming and the latest going. Remote links are no links."""
    gone, back = (item("Component", "5", None), item("Component", None, "5"))
    steps = [change(1, "01:00", back), change(2, "02:00", gone), change(3, "03:00", back), change(4, "04:00", gone)]
    steps.append(change(5, "05:00", item("RemoteIssueLink", None, "9", shown=(None, "This issue links to XY-2"))))
    values = {"created": "2024-01-01T00:00:00.000+0000", "components": [{"id": "6", "name": "six"}]}
    values["subtasks"] = [{"id": "78", "key": "ABC-2"}, {"id": "78"}, {"id": None}]
    found = Replay(state.fields(is_cloud=False), Seen("ABC", is_cloud=False)).issue(
        {"id": "77", "key": "ABC-1", "fields": values}, steps
    )
    assert found.components == [
        JiraIssueComponent(issue_id="77", component_id="6"),
        JiraIssueComponent(
            issue_id="77", component_id="5", start_date="2024-01-01 00:01:00", end_date="2024-01-01 00:04:00"
        ),
    ]
    assert found.links == []
    assert found.subtasks == [JiraSubtask(from_id="77", to_id="78")]


def test_comments() -> None:
    """Those that are new. A missing moment is the other one, and someone unknown is nobody."""
    old, new = "2024-01-01T00:00:00.000+0000", "2024-01-01T00:01:00.000+0000"
    listed: list[Item] = [
        {"id": "1", "body": "one", "author": ANN, "updateAuthor": BEA, "created": old, "updated": new},
        {"id": "2", "body": "two", "author": ANN, "updateAuthor": ANN, "created": old, "updated": old},
        {"id": "3", "body": None, "created": new},
        {"id": "4", "body": "four", "created": "?"},
        {"body": "five", "created": new},
    ]
    found = Seen("ABC", is_cloud=False)
    first, third = comments("77", listed, found, START + 30)
    texts = ("2024-01-01 00:00:00", "2024-01-01 00:01:00")
    assert first == JiraComment(
        id="1", issue_id="77", comment="one", author="ann", created_at=texts[0], updater="bea", updated_at=texts[1]
    )
    assert (third.comment, third.author, third.created_at, third.updated_at) == ("", "0", texts[1], texts[1])
    assert found.odd == {"comment": 2}
    assert [row.id for row in comments("77", listed, Seen("ABC", is_cloud=False))] == ["1", "2", "3"]
