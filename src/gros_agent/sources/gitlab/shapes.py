"""The shapes of GitLab's answers, as far as they are read. The fields are those of the API."""

from datetime import datetime

import msgspec


class User(msgspec.Struct):
    """An account."""

    name: str
    username: str


class Project(msgspec.Struct):
    """A project."""

    id: int
    created_at: datetime
    description: str | None = None
    archived: bool = False
    avatar_url: str | None = None
    star_count: int = 0
    merge_requests_enabled: bool = True
    merge_requests_access_level: str = ""

    @property
    def has_merge_requests(self) -> bool:
        """Whether merge requests are enabled. If not, requesting their list is answered with 403."""
        return self.merge_requests_enabled and self.merge_requests_access_level != "disabled"


class Request(msgspec.Struct):
    """A merge request; ``iid`` is its number within the project."""

    id: int
    iid: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    source_branch: str
    target_branch: str
    description: str | None = None
    author: User | None = None
    assignee: User | None = None
    assignees: list[User] = []
    upvotes: int = 0
    downvotes: int = 0


class End(msgspec.Struct):
    """One end of a range of lines."""

    old_line: int | None = None
    new_line: int | None = None


class Range(msgspec.Struct):
    """The lines that a note is on."""

    start: End = msgspec.field(default_factory=End)
    end: End = msgspec.field(default_factory=End)


class Position(msgspec.Struct):
    """The location of a note on a comparison. A line on one side has either number, a line on both sides has both."""

    head_sha: str | None = None
    old_path: str | None = None
    new_path: str | None = None
    old_line: int | None = None
    new_line: int | None = None
    line_range: Range | None = None


class Note(msgspec.Struct):
    """A note. GitLab itself writes ``system`` notes when something happens."""

    id: int
    created_at: datetime
    body: str | None = None
    author: User | None = None
    updated_at: datetime | None = None
    system: bool = False
    position: Position | None = None
    commit_id: str | None = None


class Discussion(msgspec.Struct):
    """A note and its replies."""

    notes: list[Note]


class Approval(msgspec.Struct):
    """An approval by a user."""

    user: User


class Approvals(msgspec.Struct):
    """The current approvals of a merge request."""

    approved_by: list[Approval]


class Push(msgspec.Struct):
    """The content of a push. The first or last commit is missing if the branch did not exist before, or was deleted."""

    ref_type: str
    commit_count: int = 0
    ref: str | None = None
    commit_from: str | None = None
    commit_to: str | None = None
    ref_count: int | None = None


class Event(msgspec.Struct):
    """An event in a project."""

    action_name: str
    created_at: datetime
    id: int = 0
    author: User | None = None
    author_username: str | None = None
    push_data: Push | None = None


class Commit(msgspec.Struct):
    """A commit."""

    id: str


class Comparison(msgspec.Struct):
    """The commits between two others."""

    commits: list[Commit] = []


class CommitNote(msgspec.Struct):
    """A comment on a commit."""

    note: str
    created_at: datetime
    author: User | None = None
    path: str | None = None
    line: int | None = None
    line_type: str | None = None


class Key(msgspec.Struct):
    """A public SSH key of a user."""

    id: int
    title: str
    key: str


class Token(msgspec.Struct):
    """The properties of a token."""

    scopes: list[str] = []
    expires_at: str | None = None


class Version(msgspec.Struct):
    """The version of the system."""

    version: str


class Listed(msgspec.Struct):
    """A project in the list of a group."""

    name: str
    http_url_to_repo: str
    archived: bool = False
