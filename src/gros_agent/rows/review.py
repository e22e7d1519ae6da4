"""Rows of review systems: GitHub, GitLab and Azure DevOps."""

from typing import Annotated, ClassVar, Self

from msgspec import Meta

from gros_agent.rows.base import (
    NOBODY,
    Account,
    Email,
    Encrypted,
    Flag,
    Identifier,
    Integer,
    Labels,
    Moment,
    MomentOrNone,
    Name,
    Number,
    People,
    RepoName,
    Row,
    Version,
    unit,
)

RequestId = Annotated[Identifier, Meta(description="Identifier of the request, or 0 for none.")]
Branch = Annotated[str, Meta(max_length=255, description="Name of a branch.")]
Votes = Annotated[Number, unit("votes")]


class MergeRequest(Row, kw_only=True, forbid_unknown_fields=True):
    """A merge or pull request."""

    table: ClassVar[str] = "data_merge_request"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "id")
    changed: ClassVar[str] = "updated_at"
    personal: ClassVar[tuple[str, ...]] = ("author", "author_username", "assignee", "assignee_username")
    free_text: ClassVar[tuple[str, ...]] = ("title", "description", "source_branch", "target_branch")

    repo_name: RepoName
    id: Annotated[Identifier, Meta(description="Identifier of the request.")]
    title: Annotated[str, Meta(description="Title of the request.")]
    description: Annotated[str, Meta(description="Description of the request.")]
    status: Annotated[str, Meta(max_length=100, description="State of the request, in the system's own words.")]
    source_branch: Annotated[Branch, Meta(description="Branch whose commits are to be merged, or 0.")]
    target_branch: Annotated[Branch, Meta(description="Branch that they are merged into, or 0.")]
    author: Annotated[Name, Meta(description="Who made the request.")]
    author_username: Annotated[Account, Meta(description="Account name of who made it.")]
    assignee: Annotated[Name, Meta(description="Who is to review it, or 0.")]
    assignee_username: Annotated[Account, Meta(description="Account name of who is to review it, or 0.")]
    upvotes: Annotated[Votes, Meta(description="Positive votes.")]
    downvotes: Annotated[Votes, Meta(description="Negative votes.")]
    created_at: Annotated[Moment, Meta(description="When it was made.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]
    encrypted: Encrypted = "0"


class MergeRequestNote(Row, kw_only=True, forbid_unknown_fields=True):
    """A comment on a merge or pull request as a whole."""

    table: ClassVar[str] = "data_merge_request_note"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "merge_request_id", "thread_id", "note_id")
    changed: ClassVar[str] = "updated_at"
    personal: ClassVar[tuple[str, ...]] = ("author", "author_username")
    free_text: ClassVar[tuple[str, ...]] = ("comment",)

    repo_name: RepoName
    merge_request_id: RequestId
    thread_id: Annotated[Identifier, Meta(description="Thread of the comment, or 0.")]
    note_id: Annotated[Identifier, Meta(description="Identifier of the comment.")]
    parent_id: Annotated[Identifier, Meta(description="Comment that this one replies to, or 0.")]
    author: Annotated[Name, Meta(description="Who wrote it.")]
    author_username: Annotated[Account, Meta(description="Account name of who wrote it.")]
    comment: Annotated[str, Meta(description="Text of the comment.")]
    created_at: Annotated[Moment, Meta(description="When it was written.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]
    encrypted: Encrypted = "0"


class MergeRequestReview(Row, kw_only=True, forbid_unknown_fields=True):
    """A reviewer's vote on a merge or pull request.

    The importer identifies people by display name. It also stores that as the address of a new person, in a short
    column.
    """

    table: ClassVar[str] = "data_merge_request_review"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "merge_request_id", "reviewer")
    rule: ClassVar[str] = "a reviewer's newest vote that takes a side counts"
    folded: ClassVar[tuple[str, ...]] = ("repo_name", "reviewer")
    personal: ClassVar[tuple[str, ...]] = ("reviewer", "reviewer_username")

    repo_name: RepoName
    merge_request_id: RequestId
    reviewer: Annotated[str, Meta(max_length=100, description="Who reviewed it.")]
    reviewer_username: Annotated[Account, Meta(description="Account name of who reviewed it.")]
    vote: Annotated[Integer, Meta(description="The vote: above 0 for, below 0 against.")]
    encrypted: Encrypted = "0"

    def one_of(self, later: Self) -> Self:
        """The later vote, unless it is neutral."""
        return self if later.vote == NOBODY else later


class CommitComment(Row, kw_only=True, forbid_unknown_fields=True):
    """A comment on a commit, or on lines of a merge or pull request."""

    table: ClassVar[str] = "data_commit_comment"
    key_fields: ClassVar[tuple[str, ...]] = (
        *("repo_name", "commit_id", "merge_request_id", "thread_id", "note_id", "parent_id", "author"),
        *("comment", "file", "line", "end_line", "line_type", "created_date"),
    )
    changed: ClassVar[str] = "updated_date"
    folded: ClassVar[tuple[str, ...]] = ("repo_name", "author")
    personal: ClassVar[tuple[str, ...]] = ("author", "author_username")
    free_text: ClassVar[tuple[str, ...]] = ("comment", "file")

    repo_name: RepoName
    commit_id: Annotated[Version, Meta(description="Commit that was commented on, or 0.")]
    merge_request_id: Annotated[RequestId, Meta(description="Request that the comment belongs to, or 0.")]
    thread_id: Annotated[Identifier, Meta(description="Thread of the comment, or 0.")]
    note_id: Annotated[Identifier, Meta(description="Identifier of the comment, or 0.")]
    parent_id: Annotated[Identifier, Meta(description="Comment that this one replies to, or 0.")]
    author: Annotated[Name, Meta(description="Who wrote it.")]
    author_username: Annotated[Account, Meta(description="Account name of who wrote it.")]
    comment: Annotated[str, Meta(description="Text of the comment.")]
    file: Annotated[str, Meta(max_length=1000, description="File that was commented on, or 0.")]
    line: Annotated[Number, Meta(description="First line that was commented on, or 0.")]
    end_line: Annotated[Number, Meta(description="Last line that was commented on, or 0.")]
    line_type: Annotated[str, Meta(pattern="^(old|new|context|0)$", description="Side of the comparison, or 0.")]
    created_date: Annotated[Moment, Meta(description="When it was written.")]
    updated_date: Annotated[Moment, Meta(description="When it last changed.")]
    encrypted: Encrypted = "0"


class VcsEvent(Row, kw_only=True, forbid_unknown_fields=True):
    """A push, or another event of a repository."""

    table: ClassVar[str] = "data_vcs_event"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "version_id", "action", "kind", "ref", "date", "user")
    folded: ClassVar[tuple[str, ...]] = ("repo_name", "user")
    personal: ClassVar[tuple[str, ...]] = ("user", "username", "email")
    free_text: ClassVar[tuple[str, ...]] = ("ref",)

    repo_name: RepoName
    version_id: Annotated[Version, Meta(description="Commit that it brought, or 0.")]
    action: Annotated[str, Meta(max_length=20, description="What was done.")]
    kind: Annotated[str, Meta(max_length=20, description="What it was done to, or 0.")]
    ref: Annotated[str, Meta(max_length=100, description="Branch or tag that it was done to, or 0.")]
    user: Annotated[Name, Meta(description="Who did it.")]
    username: Annotated[Account, Meta(description="Account name of who did it.")]
    email: Annotated[Email, Meta(description="Address of who did it, or 0.")]
    date: Annotated[Moment, Meta(description="When it was done.")]
    encrypted: Encrypted = "0"


class GitHubRepo(Row, kw_only=True, forbid_unknown_fields=True):
    """A repository on GitHub."""

    table: ClassVar[str] = "data_github_repo"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "github_id")
    free_text: ClassVar[tuple[str, ...]] = ("description",)
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    github_id: Annotated[Identifier, Meta(description="GitHub's identifier of the repository.")]
    description: Annotated[str, Meta(description="What it is for, or 0.")]
    create_time: Annotated[Moment, Meta(description="When it was made.")]
    private: Annotated[Flag, Meta(description="Whether the public can't see it: 1 or 0.")]
    forked: Annotated[Flag, Meta(description="Whether it is a fork: 1 or 0.")]
    star_count: Annotated[People, Meta(description="People who starred it.")]
    watch_count: Annotated[People, Meta(description="People who watch it.")]


class GitLabRepo(Row, kw_only=True, forbid_unknown_fields=True):
    """A project on GitLab."""

    table: ClassVar[str] = "data_gitlab_repo"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "gitlab_id")
    free_text: ClassVar[tuple[str, ...]] = ("description",)
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    gitlab_id: Annotated[Identifier, Meta(description="GitLab's identifier of the project.")]
    description: Annotated[str, Meta(description="What it is for, or 0.")]
    create_time: Annotated[Moment, Meta(description="When it was made.")]
    archived: Annotated[Flag, Meta(description="Whether it is archived: 1 or 0.")]
    has_avatar: Annotated[Flag, Meta(description="Whether it has a picture of its own: 1 or 0.")]
    star_count: Annotated[People, Meta(description="People who starred it.")]


class GitHubIssue(Row, kw_only=True, forbid_unknown_fields=True):
    """An issue or pull request on GitHub."""

    table: ClassVar[str] = "data_github_issue"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "id")
    changed: ClassVar[str] = "updated_at"
    personal: ClassVar[tuple[str, ...]] = ("author", "author_username", "assignee", "assignee_username", "closed_by")
    free_text: ClassVar[tuple[str, ...]] = ("title", "description")

    repo_name: RepoName
    id: Annotated[Identifier, Meta(description="Number of the issue.")]
    title: Annotated[str, Meta(description="Title of the issue.")]
    description: Annotated[str, Meta(description="Description of the issue.")]
    status: Annotated[str, Meta(max_length=100, description="State of the issue.")]
    author: Annotated[Account, Meta(description="Account name of who made it.")]
    author_username: Annotated[str, Meta(description="Account name of who made it.")]
    assignee: Annotated[Account, Meta(description="Account name of who is to resolve it, or 0.")]
    assignee_username: Annotated[str, Meta(description="Account name of who is to resolve it, or 0.")]
    created_at: Annotated[Moment, Meta(description="When it was made.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]
    pull_request_id: Annotated[RequestId, Meta(description="Number of the pull request that it is, or 0.")]
    labels: Annotated[Labels, Meta(description="How many labels it has.")]
    closed_at: Annotated[MomentOrNone, Meta(description="When it was closed, or 0.")]
    closed_by: Annotated[Account, Meta(description="Account name of who closed it, or 0.")]
    encrypted: Encrypted = "0"


class GitHubIssueNote(Row, kw_only=True, forbid_unknown_fields=True):
    """A comment on an issue on GitHub."""

    table: ClassVar[str] = "data_github_issue_note"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "issue_id", "note_id")
    changed: ClassVar[str] = "updated_at"
    personal: ClassVar[tuple[str, ...]] = ("author", "author_username")
    free_text: ClassVar[tuple[str, ...]] = ("comment",)

    repo_name: RepoName
    issue_id: Annotated[Identifier, Meta(description="Number of the issue.")]
    note_id: Annotated[Identifier, Meta(description="Identifier of the comment.")]
    author: Annotated[Account, Meta(description="Account name of who wrote it.")]
    author_username: Annotated[str, Meta(description="Account name of who wrote it.")]
    comment: Annotated[str, Meta(description="Text of the comment.")]
    created_at: Annotated[Moment, Meta(description="When it was written.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]
    encrypted: Encrypted = "0"
