"""The mapping of fields, and how its fields are found on a server."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import gros_agent
from gros_agent.errors import ConfigurationError, Problems
from gros_agent.rows import JiraIssue
from gros_agent.sources.jira.fields import Fields, match
from gros_agent.sources.jira.mapping import SPECIAL, built_in, parsed, read
from support.schemas import HERE

REQUIRED: dict[str, Any] = {
    "updated": {"field": "updated", "changelog_primary": "created", "type": "date"},
    "updated_by": {"changelog_primary": "author", "type": "developer"},
}
AGILE = "com.pyxis.greenhopper.jira:"


def custom(number: int, name: str, kind: str = "", shape: str = "string") -> dict[str, Any]:
    return {"id": f"customfield_{number}", "name": name, "custom": True, "schema": {"type": shape, "custom": kind}}


def found(*listed: dict[str, Any], is_cloud: bool = False) -> Fields:
    return match(built_in(), listed, is_cloud=is_cloud)


def read_from(fields: Fields, name: str) -> tuple[str, ...] | None:
    return next((column.fields for column in fields.columns if column.name == name), None)


def test_the_built_in_mapping_is_in_the_published_form() -> None:
    content = json.loads((Path(gros_agent.__file__).parent / "sources/jira/fields.json").read_text())
    schema = json.loads((HERE / "jira" / "fields.json").read_text())
    schema["$defs"]["jira_fields"]["patternProperties"][".+"]["properties"]["table"]["$ref"] = "#/$defs/table"
    assert not list(Draft202012Validator(schema).iter_errors(content))
    assert set(built_in().columns) == set(JiraIssue.__struct_fields__) - {"encrypted"}
    assert tuple(built_in().special) == SPECIAL
    assert built_in().unknown == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": 3}, "status: Expected `object`"),
        ({"status": {"type": "number"}}, "status: Invalid enum value 'number'"),
        ({"status": {"type": ["str", "x"]}}, "status: Invalid enum value 'x'"),
        ({"status": {"type": []}}, "status: type is an empty list"),
        ({"status": {"property": "id"}}, "status: property is the part of a field"),
        ({"status": {"primary": "id", "field": "status"}}, "status: primary and field exclude each other"),
        ({"status": {"table": {"name": "x"}}}, "status: Invalid enum value 'x'"),
        ({"status": {"special_parser": "comment"}}, "status: a special_parser is only possible for comment"),
        ({"comment": {"special_parser": "subtasks"}}, "comment: special_parser must be comment"),
        ({"status": {"changelog_primary": "author"}}, "status: changelog_primary is only possible for updated"),
        ({"updated": {"field": "updated"}}, "updated: changelog_primary must be created"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(REQUIRED | change))
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert raised.value.message.startswith(f"{path}: {problem}")
    assert raised.value.hint


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Problems) as raised:
        parsed(b'{"status": 1, "title": {"property": "x"}}', "m")
    assert len(raised.value.problems) == 4


@pytest.mark.parametrize(
    ("content", "problem"), [(b"{", "valid JSON"), (b"[]", "is not a JSON object"), (b"\xff", "JSON")]
)
def test_what_is_no_mapping(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem):
        read(path)
    with pytest.raises(ConfigurationError, match=r"none.json can't be read: No such file"):
        read(tmp_path / "none.json")


def test_a_mapping_of_the_users_own() -> None:
    """Columns that the tables do not have are named, unknown keys are ignored, and left out is what is left out."""
    own = REQUIRED | {"severity": {"field": "customfield_1", "type": "str"}, "title": {"field": "summary", "more": 1}}
    fields = match(parsed(json.dumps(own).encode(), "own"), [], is_cloud=True)
    assert [column.name for column in fields.columns] == ["updated", "updated_by", "title"]
    assert fields.notes == ("the mapping of fields has columns that the tables do not have: severity",)
    assert fields.requested == ("created", "creator", "issuetype", "summary", "updated")
    assert not fields.has("comment")


def test_an_identifier_of_another_organisation_is_another_field() -> None:
    fields = found(custom(10002, "Team"), custom(10203, "Release notes"), custom(77, "given "))
    assert read_from(fields, "storypoint") is None
    assert read_from(fields, "test_given") == ("customfield_77",)
    assert "customfield_10002" not in fields.requested
    (note,) = fields.notes
    assert "has no fields for them" in note
    assert "storypoint" in note
    assert "Given" not in note


def test_the_identifier_of_the_mapping_is_taken_where_it_is_the_same_field() -> None:
    """By its name, or by a kind that has one meaning only."""
    fields = found(custom(10002, "Story Points", shape="number"), custom(9, "Story Points", shape="number"))
    assert read_from(fields, "storypoint") == ("customfield_10002",)
    assert not any("several" in note for note in fields.notes)
    fields = found(custom(10207, "Planung", f"{AGILE}gh-sprint", "array"))
    assert read_from(fields, "sprint") == ("customfield_10207",)


def test_of_several_fields_of_one_name_the_one_whose_values_fit_is_taken() -> None:
    fields = found(custom(5, "Story Points"), custom(8, "Story Points", shape="number"), custom(7, "Story Points"))
    assert read_from(fields, "storypoint") == ("customfield_8",)
    assert any("customfield_8 is used, and not customfield_5, customfield_7" in note for note in fields.notes)
    fields = found(custom(6, "Approved", shape="option"), custom(5, "Approved", shape="option"))
    assert read_from(fields, "approved") == ("customfield_5",)


def test_fields_of_a_kind_are_found_in_each_language() -> None:
    fields = found(
        custom(1, "Sprint", "text"),
        custom(2, "Planung", f"{AGILE}gh-sprint", "array"),
        custom(3, "Rang", f"{AGILE}gh-lexo-rank", "any"),
        custom(4, "Epos", f"{AGILE}gh-epic-link", "any"),
        custom(5, "Schätzung", f"{AGILE}jsw-story-points", "number"),
    )
    names = ("sprint", "rank_change", "epic", "storypoint")
    assert [read_from(fields, name) for name in names] == [(f"customfield_{number}",) for number in (2, 3, 4, 5)]
    item = {"field": "Planung", "fieldtype": "custom"}
    assert [column.name for column in fields.changed_by(item)] == ["sprint"]


def test_a_field_of_another_kind_is_not_the_sprint() -> None:
    """Whatever its name and its identifier are."""
    fields = found(custom(10207, "Sprint", "text"), custom(2, "Planung", f"{AGILE}gh-sprint", "array"))
    assert read_from(fields, "sprint") == ("customfield_2",)
    assert read_from(found(custom(10207, "Sprint", "text")), "sprint") is None


def test_team_managed_projects_have_story_points_of_their_own() -> None:
    fields = found(custom(1, "Story Points", shape="number"), custom(2, "Story point estimate", shape="number"))
    assert read_from(fields, "storypoint") == ("customfield_1", "customfield_2")


def test_without_the_list_of_fields() -> None:
    fields = match(built_in(), None, is_cloud=False)
    assert not any(name.startswith("customfield") for name in fields.requested)
    assert "does not list its fields" in fields.notes[-1]
    assert read_from(fields, "status") == ("status",)


@pytest.mark.parametrize(
    ("item", "names"),
    [
        ({"field": "status", "fieldtype": "jira"}, ["status"]),
        ({"field": "Status", "fieldtype": "jira", "fieldId": "status"}, ["status"]),
        ({"field": "Key", "fieldtype": "jira"}, ["key"]),
        ({"field": "Version", "fieldtype": "jira"}, ["versions"]),
        ({"field": "Fix Version", "fieldtype": "jira", "fieldId": "fixVersions"}, ["fixVersions"]),
        ({"field": "Component", "fieldtype": "jira"}, ["components"]),
        ({"field": "Link", "fieldtype": "jira", "fieldId": "issuelinks"}, ["issuelinks"]),
        ({"field": "Given", "fieldtype": "custom"}, ["test_given"]),
        ({"field": "Given", "fieldtype": "custom", "fieldId": "customfield_1"}, ["test_given"]),
        ({"field": "Given", "fieldtype": "custom", "fieldId": "customfield_2"}, []),
        ({"field": "Given", "fieldtype": "jira"}, []),
        ({"field": "status", "fieldtype": "custom"}, []),
        ({"field": "Given"}, ["test_given"]),
        ({"field": "status"}, ["status"]),
        ({"field": "Workflow", "fieldtype": "jira"}, []),
        ({"field": "RemoteIssueLink", "fieldtype": "jira"}, []),
        ({"fieldtype": "jira"}, []),
        ({"field": 3, "fieldId": ""}, []),
    ],
)
def test_which_column_a_change_is_about(item: dict[str, Any], names: list[str]) -> None:
    fields = found(custom(1, "Given"), custom(2, "Given"))
    assert [column.name for column in fields.changed_by(item)] == names


@pytest.mark.parametrize("is_cloud", [True, False])
def test_the_parent_is_the_epic_in_the_cloud(is_cloud: bool) -> None:
    fields = found(is_cloud=is_cloud)
    assert ("parent" in fields.requested) is is_cloud
    assert (read_from(fields, "epic") is not None) is is_cloud
    for name in ("IssueParentAssociation", "Parent"):
        item = {"field": name, "fieldtype": "jira"}
        assert [column.name for column in fields.changed_by(item)] == ["epic"] * is_cloud


def test_what_is_asked_for() -> None:
    fields = found()
    assert set(fields.requested) >= {"comment", "components", "issuelinks", "subtasks", "creator", "watches", "created"}
