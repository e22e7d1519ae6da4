"""The shapes of the answers, as far as they are read; fields are the API's own.

Whatever a server may leave out or send as null has a default: fields came one after another with its releases.
"""

from datetime import UTC, datetime

import msgspec

from gros_agent.sources.common.api import exact

_EPOCH = datetime.fromtimestamp(0, UTC)


def known(*moments: datetime | None) -> datetime:
    """The first of these moments that is one, in UTC.

    Servers write an unset moment as null, as the year 1 or as the beginning of 1970. The latter stands for none.
    """
    told = (exact(one) for one in moments if one is not None)
    return next((one for one in told if one > _EPOCH), _EPOCH)


class User(msgspec.Struct):
    """An account. Accounts of the system itself have negative identifiers."""

    login: str
    full_name: str = ""
    id: int = 0

    @property
    def name(self) -> str:
        """The name that is shown."""
        return self.full_name.strip() or self.login


class Label(msgspec.Struct):
    """A label."""

    id: int = 0


class Item(msgspec.Struct, kw_only=True):
    """What an issue and a pull request have in common."""

    number: int
    title: str
    state: str
    body: str | None = None
    user: User | None = None
    assignee: User | None = None
    assignees: list[User] | None = None
    labels: list[Label] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def created(self) -> datetime:
        """When it was made."""
        return known(self.created_at, self.updated_at)

    @property
    def updated(self) -> datetime:
        """When it last changed."""
        return known(self.updated_at, self.created_at)

    @property
    def assigned(self) -> User | None:
        """The first of those who are to work on it."""
        return next(iter(self.assignees or ()), self.assignee)


class PullMark(msgspec.Struct):
    """What a pull request in a list of issues is known by."""

    merged: bool = False


class Issue(Item, kw_only=True):
    """An issue. ``original_author`` is who wrote it on the system that it was moved from, where ``user`` is not."""

    original_author: str = ""
    pull_request: PullMark | None = None


class Branch(msgspec.Struct):
    """One end of a pull request: its branch is the label, also where it was deleted and ``ref`` is another name."""

    label: str = ""
    ref: str = ""

    @property
    def name(self) -> str:
        """The name of the branch."""
        return self.label or self.ref


class PullRequest(Item, kw_only=True):
    """A pull request."""

    merged: bool = False
    merged_by: User | None = None
    base: Branch = msgspec.field(default_factory=Branch)
    head: Branch = msgspec.field(default_factory=Branch)


class Review(msgspec.Struct):
    """A review. One that a team is asked for has no user. It changes when its author sends it, and others see it."""

    id: int
    state: str
    user: User | None = None
    dismissed: bool = False
    comments_count: int = 0
    updated_at: datetime | None = None


class LineComment(msgspec.Struct):
    """A comment on lines; it stands in the new or in the old version of a file, the other line is 0."""

    id: int
    body: str = ""
    user: User | None = None
    path: str = ""
    commit_id: str = ""
    original_commit_id: str = ""
    diff_hunk: str = ""
    position: int = 0
    original_position: int = 0
    extra_lines_count: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def created(self) -> datetime:
        """When it was written."""
        return known(self.created_at, self.updated_at)

    @property
    def updated(self) -> datetime:
        """When it last changed."""
        return known(self.updated_at, self.created_at)

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands."""
        return self.path, self.position, self.original_position


class Comment(msgspec.Struct):
    """A comment on an issue or a pull request, one of whose addresses it has."""

    id: int
    body: str = ""
    user: User | None = None
    original_author: str = ""
    issue_url: str = ""
    pull_request_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def created(self) -> datetime:
        """When it was written."""
        return known(self.created_at, self.updated_at)

    @property
    def updated(self) -> datetime:
        """When it last changed."""
        return known(self.updated_at, self.created_at)


class Permissions(msgspec.Struct):
    """What the token's user may do in a repository."""

    admin: bool = False
    push: bool = False


class ExternalTracker(msgspec.Struct):
    """An issue tracker elsewhere, which a repository has instead of issues."""

    external_tracker_url: str = ""


class Repository(msgspec.Struct):
    """A repository."""

    full_name: str
    has_issues: bool = True
    has_pull_requests: bool = True
    external_tracker: ExternalTracker | None = None
    permissions: Permissions = msgspec.field(default_factory=Permissions)

    @property
    def has_own_issues(self) -> bool:
        """Whether there are issues here: with a tracker elsewhere they are switched off, though it has some."""
        return self.has_issues and self.external_tracker is None


class Listed(msgspec.Struct):
    """A repository in the list of an owner."""

    name: str
    clone_url: str
    archived: bool = False


class Settings(msgspec.Struct):
    """The limits of the API."""

    max_response_items: int = 0


class Version(msgspec.Struct):
    """The version of the server."""

    version: str


class Key(msgspec.Struct):
    """A public SSH key of a user."""

    id: int
    title: str
    key: str
