"""The address of the API for a project, and explanations of its errors."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.client import WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import by_link, pages
from gros_agent.sources.base import Context
from gros_agent.sources.common import api, public_keys
from gros_agent.sources.gitlab.shapes import Project, Token, User, Version

PAGE = "100"
NEEDED = frozenset({"read_api", "read_user", "read_repository"})
"""Scopes of a token with read access. Publishing a key needs ``api``."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A project and the client for it. ``base`` is the address of the API."""

    base: str
    path: str
    client: WebClient

    @property
    def url(self) -> str:
        """The project's address in the API."""
        return f"{self.base}/projects/{quote(self.path, safe='')}"

    def get(self, path: str, kind: type[T]) -> T:
        """Request something of the project. Raises :class:`SourceError`."""
        return self.client.get(f"{self.url}{path}", kind)

    def whole(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> list[T]:
        """Request all pages of a list of the project. Raises :class:`SourceError`."""
        asked = {"per_page": PAGE, **(query or {})}
        found: list[T] = []
        for page in pages(self.client, f"{self.url}{path}", list[kind], asked, by_link, size="per_page", page="page"):  # type: ignore[valid-type]
            found += page.value
        return found


def resolve(context: Context) -> Reached:
    """The project of a source. Raises :class:`SourceError` if the URL does not name one."""
    path = api.repository_path(context.entry.url, context.host)
    if "/" not in path:
        raise SourceError(f"{context.entry.url} names no project", "write https://HOST/GROUP/PROJECT")
    return Reached(base(context), path, client(context))


def base(context: Context) -> str:
    """The address of the API."""
    return f"{api.web_root(context)}/api/v4"


def client(context: Context) -> WebClient:
    """A client with the token of a source's host. Without a token it sees only public data."""
    token = context.host.secret("gitlab_token")
    return api.client(context, base(context), {"PRIVATE-TOKEN": token} if token else {}, explain=explain)


def explain(status: int, _headers: Mapping[str, str], _text: str) -> str | None:
    """What to do about an error status of GitLab."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check gitlab_token: it may have expired or been withdrawn"
    if status == HTTPStatus.FORBIDDEN:
        return "the token may not do this: it needs the scope read_api, and its user a role in the project"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address; it may have moved, or be private and hidden from this token"
    return None


_NOT_FOR_ALL = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def optional(ask: Callable[[], T], codes: Container[int] = _NOT_FOR_ALL) -> T | None:
    """Request something that not every version, edition or role has. None for an answer with one of these statuses."""
    try:
        return ask()
    except HttpError as error:
        if error.code in codes:
            return None
        raise


def check(context: Context) -> str:
    """The token's user, scopes and expiry, and the version of the server."""
    found = resolve(context)
    found.get("", Project)
    if context.host.secret("gitlab_token") is None:
        return "answers; no token is configured, so only what is public is seen"
    user = found.client.get(f"{found.base}/user", User)
    words = f"answers {user.username}"
    version = optional(lambda: found.client.get(f"{found.base}/version", Version))
    token = optional(lambda: found.client.get(f"{found.base}/personal_access_tokens/self", Token))
    if version is not None:
        words += f"; version {version.version}"
    if token is not None:
        wider = [scope for scope in token.scopes if scope not in NEEDED]
        words += f"; scopes {', '.join(token.scopes) or 'none'}"
        words += f": {', '.join(wider)} is more than needed, read_api is enough" if wider else ""
        words += f"; the token expires {token.expires_at}" if token.expires_at else ""
    return words


def version(context: Context) -> str:
    """The version of the server, empty if the token may not see it. Raises :class:`SourceError`."""
    found = optional(lambda: client(context).get(f"{base(context)}/version", Version))
    return found.version if found else ""


def publish_key(context: Context, title: str, line: str, *, dry_run: bool) -> str:
    """Add a public key to the account that the token belongs to. Raises :class:`SourceError`."""
    return public_keys.publish(client(context), f"{base(context)}/user/keys", title, line, dry_run=dry_run)


def host_keys(_context: Context) -> Sequence[str]:
    """Always empty: GitLab's API does not publish host keys."""
    return ()
