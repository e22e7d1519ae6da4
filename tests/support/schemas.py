"""Validates written files against the published schemas, with the formats checked as the formats page says."""

import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

HERE = Path(__file__).parent.parent / "schema"
CHECKOUT = Path(__file__).parent.parent.parent
BESIDE = Path(os.environ.get("GROS_SCHEMA_DIR") or CHECKOUT.parent / "shared" / "schema")
"""Where all of the published schemas lie, on a machine that has them."""

_SCHEMAS = {
    "vcs": (
        *("vcs_versions", "change_path", "tag", "merge_request", "merge_request_note", "merge_request_review"),
        *("commit_comment", "vcs_event", "github_repo", "github_issue", "github_issue_note", "gitlab_repo"),
    ),
    "quality": ("metrics", "metric_targets", "metric_versions", "metric_defaults"),
    "tfs": ("team", "team_member", "sprint", "work_item", "developer"),
    "jira": (
        *("comments", "developer", "sprint", "component", "issue_component", "issuelinks", "subtasks", "issuetype"),
        *("resolution", "priority", "status", "status_category", "relationshiptype", "ready_status", "test_execution"),
    ),
}
_TRACKERS = {
    "latest_vcs_versions.json": "vcs/latest_vcs_versions.json",
    "github_update.json": "vcs/github_update.json",
    "gitlab_update.json": "vcs/gitlab_update.json",
    "tfs_update.json": "tfs/tfs_update.json",
    "metric_names.json": "quality/metric_names.json",
}
FILES = (
    {
        f"data_{'tfs_' if folder == 'tfs' else ''}{name}.json": f"{folder}/{name}.json"
        for folder, names in _SCHEMAS.items()
        for name in names
    }
    | _TRACKERS
    | {"data.json": "jira/issue.json", "data_fixVersion.json": "jira/version.json"}
    | {"data_jenkins.json": "jenkins/statistics.json"}
    | {"data_environments.json": "project/environments.json", "data_sources.json": "project/sources.json"}
    | {"data_project.json": "project/metadata.json", "data_source_ids.json": "project/source_ids.json"}
)
"""File of an export → its published schema."""

_formats = FormatChecker(formats=())


@_formats.checks("email")
def _is_address(value: object) -> bool:
    """A pseudonym counts as an address."""
    return isinstance(value, str) and ("@" in value or re.fullmatch("[0-9a-f]{64}", value) is not None)


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    """Without this, ``0`` would be a date as well as none, and match two of alternatives that exclude each other."""
    return isinstance(value, str) and bool(date.fromisoformat(value))


def errors(folder: Path, schemas: Path = HERE) -> list[str]:
    """What is wrong with the files of a project, by the schemas in a folder."""
    contents = [_relaxed(json.loads(path.read_text(encoding="utf-8"))) for path in schemas.rglob("*.json")]
    resources = [(one["$id"], Resource.from_contents(one)) for one in contents if "$id" in one]
    registry: Registry[Any] = Registry().with_resources(resources)
    found = []
    written = [name for name in FILES if (folder / name).exists()]
    assert written, f"there is nothing to validate in {folder}"
    for name in written:
        content = _relaxed(json.loads((schemas / FILES[name]).read_text(encoding="utf-8")))
        validator = Draft202012Validator(content, registry=registry, format_checker=_formats)
        instance = json.loads((folder / name).read_text(encoding="utf-8"))
        found += [f"{name} {list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(instance)]
    return found


def is_number(text: str) -> bool:
    """Whether a text is a number by the published schema."""
    definitions = json.loads((HERE / "utils.json").read_text())["$defs"]
    return re.search(definitions["float"]["pattern"], text) is not None


def _relaxed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without limits that its own authors' agent does not keep.

    Identifiers of today's systems have more than nine digits, comments on lines that a request leaves as they are
    have ``context`` as their type, an environment is a list, and metrics and subjects of Quality-time have names with
    dashes and spaces in them. Keys of projects in Jira may have digits and underscores.
    """
    definitions = schema.get("$defs", {})
    if "positive_integer" in definitions:
        definitions["positive_integer"]["pattern"] = "^[0-9]+$"
    if "jira_project" in definitions:
        definitions["jira_project"]["pattern"] = "^[A-Z][A-Z0-9_]*$"
        definitions["jira_issue"]["pattern"] = "^[A-Z][A-Z0-9_]*-[0-9]+$"
    if "source_environment" in definitions:
        definitions["source_environment"]["properties"]["environment"] = {"type": ["string", "array"]}
    if "metric_name" in definitions:
        del definitions["name"]["pattern"]
    if "commit_comment" in definitions:
        definitions["commit_comment"]["properties"]["line_type"]["enum"].append("context")
    return schema
