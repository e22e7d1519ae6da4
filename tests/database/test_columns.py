"""The columns of tables in a database: their types, what stands for nothing, and what people read about them."""

import re

import pytest

from gros_agent.database.columns import Column, Kind, about, by_file, columns, name
from gros_agent.rows import TABLES, Row, Tag, VcsVersion, numbers

WITHOUT_UNIT = {
    "vote",  # a side
    *("changelog_id", "line", "end_line", "rank_change", "priority"),  # places in an order
    *("impact", "business_value", "test_execution_time"),  # what a team means by its field
}
EVERY = [pytest.param(row, column, id=f"{name(row)}.{column.name}") for row in TABLES for column in columns(row)]


def column(table: str, field: str) -> Column:
    return next(one for one in columns(by_file()[f"{table}.json"]) if one.name == field)


def test_names_differ_without_regard_to_case() -> None:
    """As identifiers of databases do."""
    names = [name(row) for row in TABLES]
    assert len({one.lower() for one in names}) == len(names)
    assert all(re.fullmatch("[a-z_]+", one) for one in names)
    for row in TABLES:
        fields = [one.name.lower() for one in columns(row)]
        assert len(set(fields)) == len(fields)


@pytest.mark.parametrize(("row", "one"), EVERY)
def test_columns_are_described_as_they_are(row: type[Row], one: Column) -> None:
    """A number has a unit if it counts something, and no description speaks of a 0 that is not there."""
    assert re.fullmatch(r".+\.", one.meaning), one.meaning
    if one.is_key:
        assert one.is_personal or not one.nothing
    else:
        assert not re.search(r"\bor (0|-1)\b|: 1 or", one.meaning)
    counts = one.kind is Kind.DECIMAL or numbers(row).get(one.name) == "count" or row.table == "data_jenkins"
    if counts and one.kind is not Kind.TEXT:
        assert one.unit or one.name in WITHOUT_UNIT
    assert one.name not in WITHOUT_UNIT or not one.unit


@pytest.mark.parametrize(
    ("table", "field", "kind", "nothing"),
    [
        ("data_vcs_versions", "size", Kind.INTEGER, ()),
        ("data_vcs_versions", "sprint_id", Kind.INTEGER, ("0",)),
        ("data_vcs_versions", "developer", Kind.TEXT, ("0",)),
        ("data_vcs_versions", "commit_date", Kind.MOMENT, ()),
        ("data_vcs_versions", "author_date", Kind.MOMENT, ("0",)),
        ("data_vcs_versions", "encrypted", Kind.BOOLEAN, ()),
        ("data_tag", "version_id", Kind.TEXT, ("0",)),
        ("data_commit_comment", "thread_id", Kind.INTEGER, ()),
        ("data_merge_request_review", "vote", Kind.INTEGER, ()),
        ("data", "rank_change", Kind.INTEGER, ()),
        ("data", "approved", Kind.BOOLEAN, ()),
        ("data", "duedate", Kind.DATE, ()),
        ("data", "storypoint", Kind.DECIMAL, ()),
        ("data_fixVersion", "release_date", Kind.DATE, ("0",)),
        ("data_issue_component", "end_date", Kind.MOMENT, ("0",)),
        ("data_status", "statusCategory", Kind.INTEGER, ()),
        ("data_metrics", "value", Kind.DECIMAL, ("-1",)),
        ("data_metric_targets", "target", Kind.DECIMAL, ("",)),
        ("data_metric_targets", "direction", Kind.INTEGER, ()),
        ("data_jenkins", "jobs", Kind.INTEGER, ()),
        ("data_project", "is_support_team", Kind.BOOLEAN, ()),
    ],
)
def test_types(table: str, field: str, kind: Kind, nothing: tuple[str, ...]) -> None:
    one = column(table, field)
    assert (one.kind, one.nothing) == (kind, frozenset(nothing))


def test_what_may_be_missing() -> None:
    """A field with a default is always there, a field that may be left out is not."""
    assert (column("data_tag", "encrypted").default, column("data_tag", "encrypted").can_be_null) == ("0", False)
    assert column("data_project", "is_support_team").default == "false"
    assert column("data_project", "main_project").can_be_null
    assert column("data_vcs_versions", "size").can_be_null
    assert not column("data_change_path", "size").can_be_null


def test_words() -> None:
    assert about(VcsVersion) == "A commit or revision. With skip_stats the fields from branch to size are left out."
    assert column("data_issue_component", "start_date").meaning == "When it was added; empty since the beginning."
    assert column("data_metrics", "value").meaning == "What was measured; empty if nothing could be."
    assert column("data_github_repo", "private").meaning == "Whether the public can't see it."
    assert column("data_change_path", "insertions").words == "Lines added. Unit: lines."
    assert column("data_tag", "message").words == "Message of the tag. Free text: it may name people."
    assert column("data_tag", "tagger").words == "Name of the tagger. Pseudonym, if the row is encrypted."
    assert about(Tag).startswith("A tag.")
