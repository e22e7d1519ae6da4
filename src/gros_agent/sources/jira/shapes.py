"""The shapes of answers, as far as they are needed to find issues. What becomes rows stays as the server wrote it."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from gros_agent.runtime.decoding import decoder

Item = dict[str, Any]
"""An object of an answer."""

_CLOUD = 1000
"""The first number of the versions that Cloud has."""


class ServerInfo(msgspec.Struct, rename="camel"):
    """What a server says of itself to everybody."""

    base_url: str
    version: str
    version_numbers: list[int] = []
    deployment_type: str | None = None
    server_time: str | None = None

    @property
    def is_cloud(self) -> bool:
        """Whether this is Jira Cloud. Servers older than 7.2 do not say what they are."""
        if self.deployment_type is not None:
            return self.deployment_type.casefold() == "cloud"
        return bool(self.version_numbers) and self.version_numbers[0] >= _CLOUD


class Account(msgspec.Struct, rename="camel"):
    """The account that asks."""

    name: str | None = None
    account_id: str | None = None
    display_name: str | None = None
    time_zone: str | None = None

    @property
    def shown(self) -> str:
        """What the account is called; empty if it says nothing of itself."""
        return self.name or self.display_name or self.account_id or ""


class Project(msgspec.Struct, rename="camel"):
    """A project with its versions, components and issue types."""

    id: str
    key: str
    name: str
    versions: list[Item] = []
    components: list[Item] = []
    issue_types: list[Item] = []
    archived: bool = False


class Board(msgspec.Struct):
    """A board. A server that is too old to have types of boards gives none."""

    id: int
    name: str = ""
    type: str | None = None


class LinkTypes(msgspec.Struct, rename="camel"):
    """The types of links between issues."""

    issue_link_types: list[Item]


class RawLog(msgspec.Struct):
    """The changelog of an issue within an answer, which may have less than all histories."""

    total: int | None = None
    histories: list[Item] = []


class RawIssue(msgspec.Struct):
    """An issue as a search gives it."""

    id: str
    key: str = ""
    fields: Item = {}
    changelog: RawLog | None = None

    @property
    def name(self) -> str:
        """The key for messages."""
        return self.key or f"number {self.id}"

    @property
    def created(self) -> datetime | None:
        """When the issue was made."""
        return moment_of(self.fields.get("created"))


class Listed(msgspec.Struct):
    """A list within an issue, which may have fewer items than there are."""

    total: int
    comments: list[msgspec.Raw]


class Outlined(msgspec.Struct):
    """The moments of an issue, and whether all of its comments came with it. Comments themselves are not kept."""

    created: str | None = None
    updated: str | None = None
    comment: msgspec.Raw = msgspec.Raw()
    has_all_comments: bool = True

    def __post_init__(self) -> None:
        """Count the comments. If they can't be counted, some may be missing."""
        raw, self.comment = bytes(self.comment), msgspec.Raw()
        try:
            listed = decoder(Listed).decode(raw) if raw else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.has_all_comments = False
        else:
            self.has_all_comments = listed is None or len(listed.comments) >= listed.total


class Outline(msgspec.Struct):
    """What of an issue is needed before it is decoded as a whole. Only the identifier is always there."""

    id: str
    key: str = ""
    fields: Outlined = msgspec.field(default_factory=Outlined)

    @property
    def has_changed(self) -> bool:
        """Whether anything was done to the issue after it was created."""
        return self.fields.updated is None or self.fields.updated != self.fields.created


class Page(msgspec.Struct, rename="camel"):
    """A page of a search on a server. Issues are decoded one at a time, since they are large."""

    issues: list[msgspec.Raw]
    total: int
    max_results: int | None = None
    warning_messages: list[str] | None = None


class Warned(msgspec.Struct):
    """A warning of a search on Cloud."""

    message: str = ""
    type: str = ""


class Tokened(msgspec.Struct, rename="camel", kw_only=True):
    """A page of a list on Cloud, which names the next page by a token."""

    next_page_token: str | None = None
    is_last: bool | None = None


class CloudPage(Tokened, kw_only=True):
    """A page of a search on Cloud."""

    issues: list[msgspec.Raw]
    warnings: list[Warned] | None = None


class Identifiers(Tokened, kw_only=True):
    """A page of a search on Cloud for identifiers alone."""

    issues: list[Outline]
    warnings: list[Warned] | None = None


class ChangedIssue(msgspec.Struct, rename="camel"):
    """Some of the histories of an issue."""

    issue_id: str
    change_histories: list[msgspec.Raw] = []


class Changelogs(Tokened, kw_only=True):
    """A page of the histories of several issues. Those of one issue may be on several pages."""

    issue_change_logs: list[ChangedIssue]


class IssueFault(msgspec.Struct, rename="camel"):
    """An issue that a server could not give."""

    id: str = ""
    error_message: str = ""


class ManyIssues(msgspec.Struct, rename="camel"):
    """Issues that were asked for by their identifiers. Those that are not there are in neither list."""

    issues: list[msgspec.Raw]
    issue_errors: list[IssueFault] = []


def moment_of(value: object) -> datetime | None:
    """A moment as Jira writes it, or None if it is missing or invalid. Without a zone it is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
