"""The shapes of the API's answers, as far as they are read. Fields are those of the API, in our spelling."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Shape(msgspec.Struct, rename="camel"):
    """A part of an answer."""


class Listed(Shape, Generic[T]):
    """A list, or a page of one; ``count`` is the number of its items."""

    value: list[T]
    count: int | None = None


class Identity(Shape):
    """A person, or a group of them."""

    id: str = ""
    display_name: str | None = None
    unique_name: str | None = None
    is_container: bool | None = None


class Reviewer(Identity):
    """A person who was asked to review a pull request, and their vote."""

    vote: int = 0


class Commit(Shape):
    """A commit."""

    commit_id: str | None = None


class Project(Shape):
    """A project."""

    id: str
    name: str


class Repository(Shape):
    """A repository."""

    id: str
    name: str
    project: Project


class Neighbour(Shape):
    """A repository in a list. A disabled repository can't be read."""

    name: str
    remote_url: str
    is_disabled: bool = False


class PullRequest(Shape, kw_only=True):
    """A pull request."""

    pull_request_id: int
    status: str
    title: str
    source_ref_name: str
    target_ref_name: str
    creation_date: datetime
    created_by: Identity | None = None
    description: str | None = None
    closed_date: datetime | None = None
    reviewers: list[Reviewer] | None = None
    last_merge_target_commit: Commit | None = None


class Described(Shape, kw_only=True):
    """The description of one pull request."""

    description: str | None = None


class Comment(Shape, kw_only=True):
    """A comment in a thread. A deleted comment has no text."""

    id: int
    published_date: datetime
    last_updated_date: datetime
    parent_comment_id: int | None = None
    author: Identity | None = None
    content: str | None = None
    is_deleted: bool | None = None


class Position(Shape):
    """A place in a file."""

    line: int


class ThreadContext(Shape):
    """The file and lines that a thread is about: in the old file on the left, in the new one on the right."""

    file_path: str | None = None
    left_file_start: Position | None = None
    left_file_end: Position | None = None
    right_file_start: Position | None = None
    right_file_end: Position | None = None


class Thread(Shape, kw_only=True):
    """Comments that belong together."""

    id: int
    last_updated_date: datetime
    comments: list[Comment] | None = None
    thread_context: ThreadContext | None = None
    properties: Mapping[str, Any] | None = None
    is_deleted: bool | None = None


class RefUpdate(Shape):
    """A branch or tag that a push moved from one object to another. Zeros mean that there is no object."""

    old_object_id: str
    new_object_id: str
    name: str | None = None


class Push(Shape, kw_only=True):
    """A push."""

    push_id: int
    date: datetime
    pushed_by: Identity | None = None
    ref_updates: list[RefUpdate] | None = None


class Team(Shape):
    """A team of a project."""

    id: str
    name: str
    description: str | None = None


class Member(Shape):
    """A member of a team. Newer servers put the person into ``identity``, older ones into the member itself."""

    identity: Identity | None = None
    id: str = ""
    display_name: str | None = None
    unique_name: str | None = None

    @property
    def person(self) -> Identity:
        """The person."""
        return self.identity or Identity(self.id, self.display_name, self.unique_name)


class Dates(Shape):
    """The start and end of a sprint."""

    start_date: datetime | None = None
    finish_date: datetime | None = None


class Iteration(Shape):
    """A sprint of a team."""

    id: str
    name: str
    attributes: Dates | None = None


class Revision(Shape):
    """A version of a work item. Its fields have names such as ``System.Title``."""

    id: int
    rev: int
    fields: dict[str, Any]


class Revisions(Shape):
    """A batch of versions of work items, and the position of the next batch."""

    values: list[Revision]
    is_last_batch: bool
    continuation_token: str | None = None
    next_link: str | None = None


class User(Shape):
    """The account that a password belongs to."""

    provider_display_name: str | None = None
    custom_display_name: str | None = None


class Connection(Shape):
    """Information about the client's account."""

    authenticated_user: User
