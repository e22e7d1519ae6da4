"""What the existing importer takes: each file of a batch against the tables that it ends in.

The tables' keys, types and widths are facts (``tests/schema/database.json``). Which field ends in which column, and how
a value is read, stands in the importer's sources (grip-on-software/monetdb-import at 27c7e6d, the ``Imp…`` classes).
One value that it can't read, or one key that stands twice, loses it the whole file and all trackers of the batch.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from support.schemas import HERE

TABLES: Mapping[str, Any] = json.loads((HERE / "database.json").read_text(encoding="utf-8"))
ONE_OBJECT = ("data_project.json", "data_jenkins.json")
REQUIRED = "data_vcs_versions.json"
LARGEST = 2**31 - 1
Columns = Mapping[str, str]

_PERSON = "vcs_developer.display_name"
_REPOSITORY = {"repo_name": "repo_id"}
_REQUEST = {"merge_request_id": "request_id"}
_COMMENT = {"comment": "comment", "thread_id": "thread_id", "note_id": "note_id", "parent_id": "parent_id"}


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


FILES: Mapping[str, tuple[str, Columns]] = {
    "data_vcs_versions.json": (
        "commits",
        _REPOSITORY
        | {"developer": _PERSON, "developer_email": "vcs_developer.email", "size": "size_of_commit"}
        | _same("version_id", "commit_date", "sprint_id", "message", "insertions", "deletions", "number_of_files")
        | _same("number_of_lines", "type", "author_date", "branch"),
    ),
    "data_change_path.json": (
        "change_path",
        _REPOSITORY | {"change_type": "type"} | _same("version_id", "file", "insertions", "deletions", "size"),
    ),
    "data_tag.json": (
        "tag",
        _REPOSITORY
        | {"tagger": _PERSON, "tagger_email": "vcs_developer.email"}
        | _same("tag_name", "version_id", "message", "tagged_date"),
    ),
    "data_vcs_event.json": (
        "vcs_event",
        _REPOSITORY
        | {"user": _PERSON, "email": "vcs_developer.email"}
        | _same("action", "kind", "version_id", "ref", "date"),
    ),
    "data_merge_request.json": (
        "merge_request",
        _REPOSITORY
        | {"id": "request_id", "author": _PERSON, "assignee": _PERSON}
        | {"created_at": "created_date", "updated_at": "updated_date"}
        | _same("title", "description", "status", "source_branch", "target_branch", "upvotes", "downvotes"),
    ),
    "data_merge_request_note.json": (
        "merge_request_note",
        _REPOSITORY
        | _REQUEST
        | _COMMENT
        | {"author": _PERSON, "created_at": "created_date", "updated_at": "updated_date"},
    ),
    "data_merge_request_review.json": (
        "merge_request_review",
        _REPOSITORY | _REQUEST | {"reviewer": "reviewer_id", "vote": "vote"},
    ),
    "data_commit_comment.json": (
        "commit_comment",
        _REPOSITORY
        | _REQUEST
        | _COMMENT
        | {"commit_id": "version_id", "author": _PERSON}
        | _same("file", "line", "end_line", "line_type", "created_date", "updated_date"),
    ),
    "data_github_repo.json": (
        "github_repo",
        _REPOSITORY
        | {"create_time": "create_date"}
        | _same("github_id", "description", "private", "forked", "star_count", "watch_count"),
    ),
    "data_gitlab_repo.json": (
        "gitlab_repo",
        _REPOSITORY
        | {"create_time": "create_date"}
        | _same("gitlab_id", "description", "archived", "has_avatar", "star_count"),
    ),
    "data_github_issue.json": (
        "github_issue",
        _REPOSITORY
        | {"id": "issue_id", "author": _PERSON, "assignee": _PERSON, "closed_by": _PERSON}
        | {"created_at": "created_date", "updated_at": "updated_date", "closed_at": "closed_date"}
        | _same("title", "description", "status", "pull_request_id", "labels"),
    ),
    "data_github_issue_note.json": (
        "github_issue_note",
        _REPOSITORY
        | {"author": _PERSON, "created_at": "created_date", "updated_at": "updated_date"}
        | _same("issue_id", "note_id", "comment"),
    ),
    "data_tfs_team.json": ("tfs_team", _REPOSITORY | {"team_name": "name", "description": "description"}),
    "data_tfs_team_member.json": (
        "tfs_team_member",
        _REPOSITORY | {"team_name": "team_id", "username": "name", "user": "display_name"},
    ),
    "data_tfs_sprint.json": (
        "tfs_sprint",
        _REPOSITORY | {"team_name": "team_id", "sprint_name": "name"} | _same("start_date", "end_date"),
    ),
    "data_tfs_work_item.json": (
        "tfs_work_item",
        {"issuetype": "type", "created_date": "created"}
        | _same("issue_id", "changelog_id", "title", "priority", "updated", "description", "duedate", "status")
        | _same("reporter", "assignee", "attachments", "additional_information", "updated_by", "labels"),
    ),
    "data_tfs_developer.json": ("tfs_developer", _same("display_name", "email")),
    "data.json": (
        "issue",
        {"issuetype": "type", "fixVersions": "fixversion", "versions": "version", "attachment": "attachments"}
        | {"storypoint": "story_points", "sprint": "sprint_id", "flagged": "impediment"}
        | _same("issue_id", "changelog_id", "key", "title", "priority", "resolution", "bugfix", "watchers", "created")
        | _same("updated", "description", "duedate", "status", "reporter", "assignee", "additional_information")
        | _same("review_comments", "resolution_date", "updated_by", "rank_change", "epic", "ready_status")
        | _same("ready_status_reason", "approved", "approved_by_po", "labels", "expected_ltcs", "expected_phtcs")
        | _same("test_given", "test_when", "test_then", "test_execution", "test_execution_time", "environment")
        | _same("external_project"),
    ),
    "data_comments.json": (
        "comment",
        {"id": "comment_id", "comment": "message", "created_at": "date", "updated_at": "updated_date"}
        | _same("issue_id", "author", "updater"),
    ),
    "data_developer.json": ("developer", _same("name", "display_name", "email")),
    "data_sprint.json": (
        "sprint",
        {"id": "sprint_id"} | _same("name", "start_date", "end_date", "complete_date", "goal", "board_id"),
    ),
    "data_fixVersion.json": (
        "fixversion",
        _same("id", "name", "description", "start_date", "release_date", "released"),
    ),
    "data_component.json": ("component", {"id": "component_id"} | _same("name", "description")),
    "data_issue_component.json": (
        "issue_component",
        _same("issue_id", "component_id", "start_date", "end_date"),
    ),
    "data_issuelinks.json": (
        "issuelink",
        {"relationshiptype": "relationship_type"} | _same("from_key", "to_key", "outward", "start_date", "end_date"),
    ),
    "data_subtasks.json": ("subtask", {"from_id": "id_parent", "to_id": "id_subtask"}),
    "data_issuetype.json": ("issuetype", _same("id", "name", "description")),
    "data_resolution.json": ("resolution", _same("id", "name", "description")),
    "data_priority.json": ("priority", _same("id", "name")),
    "data_status.json": ("status", {"statusCategory": "category_id"} | _same("id", "name", "description")),
    "data_status_category.json": ("status_category", {"id": "category_id"} | _same("key", "name", "color")),
    "data_relationshiptype.json": ("relationshiptype", _same("id", "name")),
    "data_ready_status.json": ("ready_status", _same("id", "name")),
    "data_test_execution.json": ("test_execution", _same("id", "value")),
    "data_metrics.json": (
        "metric_value",
        {"name": "metric.name", "base_name": "metric.base_name", "domain_name": "metric.domain_name"}
        | _same("value", "category", "date", "since_date"),
    ),
    "data_metric_targets.json": (
        "metric_target",
        {"name": "metric.name", "base_name": "metric.base_name", "domain_name": "metric.domain_name"}
        | {"domain_type": "metric.domain_type", "revision": "version_id"}
        | _same("comment", "scale"),
    ),
    "data_metric_versions.json": (
        "metric_version",
        _same("version_id", "developer", "message", "commit_date"),
    ),
    "data_metric_defaults.json": (
        "metric_default",
        {"perfect_value": "perfect", "target_value": "target", "low_target_value": "low_target"}
        | _same("base_name", "version_id", "commit_date", "scale"),
    ),
    "data_jenkins.json": ("jenkins", _same("host", "jobs", "views", "nodes")),
    "data_project.json": (
        "project",
        {"gitlab_group_name": "gitlab_group"}
        | _same("jira_name", "main_project", "github_team", "quality_name", "quality_display_name"),
    ),
    "data_source_ids.json": (
        "source_id",
        _same("domain_name", "url", "source_type", "source_id", "domain_type"),
    ),
    "data_environments.json": (
        "source_environment",
        {"type": "source_type"} | _same("url", "environment", "version"),
    ),
    "data_sources.json": ("repo", {"name": "repo_name", "type": "type", "url": "url"}),
}
"""File → the table that its rows end in, and field → column; ``…_id`` columns stand for what the row is known by."""

MAY_BE_ABSENT = {("data_environments.json", "version"), ("data_environments.json", "url")}
"""Fields that the importer has a value for, or passes over, where they are not there."""
_BY_NAME = {"repo_id": 1000, "reviewer_id": 100, "team_id": 100}
"""Columns of a key that the importer finds by a name, and the width of where that ends: the name of a reviewer ends in
``vcs_developer.email``, too. Those of repositories and people are compared without regard to case.
"""
ESCAPED = re.compile("[\x7f-\x9f\u2000-\u20ff]")
"""What json-simple, which turns an environment back to text, escapes with six characters; a slash gets a backslash."""


_UNKNOWN_IS_0 = {"author_date", "tagged_date", "closed_at"}
"""Moments that may be ``0``; those of Jira's links and versions may be, too."""
_UNKNOWN_IN_JIRA = {"data_issue_component.json", "data_issuelinks.json", "data_fixVersion.json"}
_YES_OR_NO = {"bugfix", "approved", "approved_by_po", "rank_change", "outward", "released"}
"""Fields of Jira in which 1 is yes and -1 no."""
_JSON_NUMBERS = {
    *(("data_status.json", "statusCategory"), ("data_status_category.json", "id")),
    *(("data_jenkins.json", name) for name in ("jobs", "views", "nodes")),
}
"""What is cast to a number of JSON: text there ends the import of the file, as a number does elsewhere."""


BLANKS = "".join(map(chr, range(0x21)))
"""What the importer takes from both ends of a name that it looks for; it stores the name with them."""
_LOOKED_FOR = {"repo_id", "reviewer_id", _PERSON, "metric.name"}


def problems(folder: Path, *, whole_numbers: bool = False) -> list[str]:
    """What the importer would refuse of the batch in a folder, or read in another way than it is meant."""
    found = [] if (folder / REQUIRED).exists() else [f"{REQUIRED} is not there"]
    for name in FILES:
        path = folder / name
        if path.exists() and name != "data_sources.json":  # which is the user's own, and sent in another form
            found += [f"{name}: {problem}" for problem in _file(path, whole_numbers=whole_numbers)]
    return found


def key_fields(name: str) -> tuple[str, ...]:
    """The fields that are the key of a file's table, apart from the project; none where that has no key of its own."""
    table, columns = FILES[name]
    by_column = {column: field for field, column in columns.items()}
    key = [column for column in TABLES[table]["key"] if column != "project_id"]
    return tuple(by_column[column] for column in key) if all(column in by_column for column in key) else ()


def _file(path: Path, *, whole_numbers: bool) -> Iterator[str]:
    content = path.read_bytes()
    if not content.isascii():
        yield "has characters beyond ASCII"
    rows = json.loads(content)
    if path.name in ONE_OBJECT and isinstance(rows, dict):
        rows = [rows]
    elif path.name != "data_sources.json":
        lines = content.decode("utf-8", "replace").splitlines()
        if lines != ["[]"] and (lines[0], lines[-1], len(lines)) != ("[", "]", len(rows) + 2):
            yield "is not one row a line"
    for row in rows:
        yield from _row(path.name, row, whole_numbers=whole_numbers)
    fields = key_fields(path.name)
    keys = Counter(tuple(_compared(path.name, field, row.get(field)) for field in fields) for row in rows if fields)
    yield from (f"{count} rows have the key {key}" for key, count in keys.items() if count > 1)
    doubled = Counter(
        json.dumps(row, sort_keys=True) for row in rows if not fields and path.name != "data_metrics.json"
    )
    yield from (f"{count} rows are {row}" for row, count in doubled.items() if count > 1)


def _compared(name: str, field: str, value: object) -> object:
    _, columns = FILES[name]
    if columns[field] in _BY_NAME or name == "data_sources.json":
        return str(value).strip(BLANKS).upper()
    return json.dumps(value) if isinstance(value, list) else value


def _row(name: str, row: Mapping[str, Any], *, whole_numbers: bool) -> Iterator[str]:
    table, columns = FILES[name]
    if name == "data_environments.json" and "://" in (row["url"] or ""):
        yield from _text("url", f"{row['url']}@#", 255)  # credentials and fragment are emptied, not left out
    for field, column in columns.items():
        other, _, inner = column.rpartition(".")
        kind = TABLES[other or table]["columns"][inner]
        value = row.get(field)
        if value is None or (field == "duedate" and not value):
            optional = kind["null"] or other or (name, field) in MAY_BE_ABSENT
            if not optional and name not in ONE_OBJECT:
                yield f"{field} is not there: {row}"
        elif column in _LOOKED_FOR and value != value.strip(BLANKS):
            yield f"{field} has blanks around it, and is never found again: {row}"
        elif column in _BY_NAME:
            yield from _text(field, value, _BY_NAME[column])
        else:
            if isinstance(value, int) != ((name, field) in _JSON_NUMBERS):
                yield f"{field} is of the wrong kind of JSON: {row}"
            unknown = field in _UNKNOWN_IS_0 or (name in _UNKNOWN_IN_JIRA and field.endswith("_date"))
            problems = _value(field, value, kind["type"], whole=whole_numbers, unknown=unknown)
            yield from (f"{problem}: {row}" for problem in problems)


def _text(field: str, value: object, width: int) -> Iterator[str]:
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
        value = ESCAPED.sub("\\\\u2000", value)
    if not isinstance(value, str):
        yield f"{field} is no text: {value!r}"
    elif "\0" in value or re.search("[\ud800-\udfff]", value):
        yield f"{field} has NUL or half a pair of surrogates: {value!r}"
    elif len(value.encode("utf-16-le")) // 2 > width:
        yield f"{field} is longer than {width}: {value!r}"


def _value(field: str, value: Any, kind: str, *, whole: bool, unknown: bool) -> Iterator[str]:
    if width := re.fullmatch(r"varchar\((\d+)\)", kind):
        yield from _text(field, value, int(width[1]))
    elif kind == "text":
        yield from _text(field, value, 1 << 30)
    elif kind == "integer":
        if not re.fullmatch(r"-?\d+", str(value), re.ASCII) or (abs(int(value)) > LARGEST and not whole):
            yield f"{field} is no whole number of 31 bits: {value!r}"
    elif kind in {"timestamp", "date"}:
        if not (unknown and value == "0") and not _is_moment(
            value, "%Y-%m-%d" if kind == "date" else "%Y-%m-%d %H:%M:%S"
        ):
            yield f"{field} is no {kind}: {value!r}"
    elif kind == "float" or kind.startswith("decimal"):
        if not re.fullmatch(r"-?\d+(\.\d+)?", value, re.ASCII):
            yield f"{field} is no number: {value!r}"
    elif kind == "boolean" and value not in ({"1", "-1"} if field in _YES_OR_NO else {"0", "1"}):
        yield f"{field} is neither yes nor no: {value!r}"


def _is_moment(value: str, form: str) -> bool:
    try:
        return datetime.strptime(value, form).strftime(form) == value  # noqa: DTZ007 (there is no zone in it)
    except ValueError:
        return False
