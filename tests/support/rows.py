"""Rows with values that mean little, for tests that are about what becomes of rows."""

from gros_agent.rows import (
    ChangePath,
    CommitComment,
    JiraIssue,
    MergeRequest,
    MergeRequestReview,
    Metric,
    Tag,
    VcsVersion,
)

AUTHOR = "a" * 64
OTHER = "b" * 64


def change(name: str = "a.py", **values: str) -> ChangePath:
    given = {"repo_name": "code", "version_id": "abc", "change_type": "M", "insertions": "1", "deletions": "0"}
    return ChangePath(**{**given, "size": "5", **values, "file": name})


def commit(version: str = "abc", **values: str) -> VcsVersion:
    given = {"repo_name": "code", "sprint_id": "0", "message": "a message", "type": "commit", "developer": AUTHOR}
    given |= {"developer_username": "0", "developer_email": "0", "commit_date": "2024-05-01 12:00:00"}
    return VcsVersion(**{**given, "author_date": "0", **values, "version_id": version})


def request(number: int = 1, updated: str = "2024-05-01 12:00:00", **values: str) -> MergeRequest:
    given = {"repo_name": "code", "title": "a title", "description": "0", "status": "open", "source_branch": "b"}
    given |= {"target_branch": "main", "author": "0", "author_username": "0", "assignee": "0", "upvotes": "0"}
    given |= {"assignee_username": "0", "downvotes": "0", "created_at": "2024-05-01 12:00:00"}
    return MergeRequest(**{**given, "updated_at": updated, **values, "id": str(number)})


def tag(name: str, repository: str = "code") -> Tag:
    given = {"version_id": "abc", "message": "0", "tagged_date": "0", "tagger": "0", "tagger_email": "0"}
    return Tag(**given, repo_name=repository, tag_name=name)


def review(vote: str, reviewer: str = AUTHOR, username: str = "0") -> MergeRequestReview:
    return MergeRequestReview(
        repo_name="code", merge_request_id="1", reviewer=reviewer, reviewer_username=username, vote=vote
    )


def comment(text: str, author: str = "0") -> CommitComment:
    numbers = dict.fromkeys(("merge_request_id", "thread_id", "note_id", "parent_id", "line", "end_line"), "0")
    dates = dict.fromkeys(("created_date", "updated_date"), "2024-05-01 12:00:00")
    given = {"repo_name": "code", "commit_id": "abc", "author_username": "0", "file": "0", "line_type": "0"}
    return CommitComment(**given, **numbers, **dates, author=author, comment=text)


def issue(number: int, **values: str) -> JiraIssue:
    given = {"changelog_id": "0", "key": f"ABC-{number}", "title": "a title", "created": "2024-05-01 12:00:00"}
    given |= {"updated": "2024-05-01 12:00:00", "watchers": "0", "attachment": "0", "labels": "0", "flagged": "0"}
    return JiraIssue(**{**given, **values, "issue_id": str(number)})


def measurement(value: str = "1.5", moment: str = "2024-05-01 12:00:00") -> Metric:
    return Metric(name="coverage", value=value, category="red", date=moment)
