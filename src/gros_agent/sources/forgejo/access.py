"""Where the API of a repository is, what it can do, and what its refusals mean."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.client import Request, WebClient
from gros_agent.http.faults import HttpError, is_server_fault
from gros_agent.options.values import Secret
from gros_agent.sources.base import Context
from gros_agent.sources.common import api
from gros_agent.sources.forgejo import keys
from gros_agent.sources.forgejo.lists import Lists, total
from gros_agent.sources.forgejo.shapes import Repository, Settings, User, Version

PAGE = 50
"""Items of a page, unless the server gives fewer; by default it gives no more."""
LONGEST_VERSION = 32
_COMPATIBLE = "+gitea-"
"""What a Forgejo adds to its version: that of the Gitea whose API it has."""
_NOT_FOR_ALL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A repository and the way to it: ``base`` is that of the API."""

    base: str
    owner: str
    name: str
    client: WebClient

    @property
    def url(self) -> str:
        """The repository's address in the API."""
        return f"{self.base}/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}"


def resolve(context: Context) -> Reached:
    """The repository of a source. Raises :class:`SourceError` for a URL that names none."""
    owner, _, name = api.repository_path(context.entry.url, context.host).partition("/")
    if not owner or not name or "/" in name:
        hint = "write https://HOST/OWNER/REPOSITORY; a path before the owner belongs into strip of the host"
        raise SourceError(f"{context.entry.url} names no repository", hint)
    return Reached(base(context), owner, name, client(context))


def base(context: Context) -> str:
    """The base of the API."""
    return f"{api.web_root(context)}/api/v1"


def client(context: Context) -> WebClient:
    """A client with the token of a source's host; without one, it sees what the public sees."""
    token = context.host.secret("forgejo_token")
    if token is None:
        return api.client(context, base(context), {}, explain=_explain_to_nobody)
    return api.client(context, base(context), {"Authorization": Secret(f"token {token.reveal()}")}, explain=explain)


def lists(reached: WebClient, base: str) -> Lists:
    """The lists of a server, with pages as large as it gives them. Raises :class:`SourceError`."""
    limits = optional(lambda: reached.get(f"{base}/settings/api", Settings))
    largest = limits.max_response_items if limits else 0
    return Lists(reached, min(PAGE, largest) if largest > 0 else None)


def explain(status: int, _headers: Mapping[str, str], text: str) -> str | None:
    """What to do about a refusal."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check forgejo_token: it may have been removed there, or be another server's"
    if status == HTTPStatus.FORBIDDEN and "scope" in text:
        return "the token lacks a scope: read:repository and read:issue are needed, read:user says whose it is"
    if status == HTTPStatus.FORBIDDEN:
        return "the token may not do this: let its user read the code, issues and pull requests of the repository"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address; it may have moved, or be private and hidden from this token"
    return None


def _explain_to_nobody(status: int, _headers: Mapping[str, str], _text: str) -> str | None:
    """What to do about a refusal where there is no token.

    Some releases fail when they list, for nobody in particular, reviews of which one is pending.
    """
    if status in _NOT_FOR_ALL:
        return "set forgejo_token, or check the address: without a token, only what is public is seen"
    if is_server_fault(status):
        return "try again later; some releases can't list reviews without a token: set forgejo_token"
    return None


def optional(ask: Callable[[], T], codes: Container[int] = _NOT_FOR_ALL) -> T | None:
    """What not every server or token has: None where it is refused or not there, by these statuses."""
    try:
        return ask()
    except HttpError as error:
        if error.code in codes:
            return None
        raise


def check(context: Context) -> str:
    """Who the token is, which version answers, what is seen, and whether the token may do more than that."""
    found = resolve(context)
    repository = found.client.get(found.url, Repository)
    has_token = context.host.secret("forgejo_token") is not None
    user = optional(lambda: found.client.get(f"{found.base}/user", User)) if has_token else None
    words = f"answers {user.login}" if user else "answers"
    told = version(context)
    words += f"; version {told}" if told else ""
    words += f"; {_counted(found, 'pulls', 'pull requests', has_any=repository.has_pull_requests)}"
    words += f" and {_counted(found, 'issues', 'issues', has_any=repository.has_own_issues)}"
    if not has_token:
        return f"{words}; no token is configured, so only what is public is seen"
    if user is None:
        words += "; the token does not say whose it is, for which it needs read:user"
    if repository.permissions.admin or repository.permissions.push:
        words += "; its user may write to the repository: read access is enough"
    return words


def _counted(found: Reached, path: str, what: str, *, has_any: bool) -> str:
    if not has_any:
        return f"{what} are switched off"
    query = {"state": "all", "page": "1", "limit": "1"} | ({"type": path} if path == "issues" else {})
    answer = optional(lambda: found.client.ask(Request("GET", f"{found.url}/{path}", query), list[object]))
    if answer is None:
        return f"{what} are refused, for which the token needs read:{'repository' if path == 'pulls' else 'issue'}"
    count = total(answer)
    return f"{'some' if count is None else count} {what}"


def version(context: Context) -> str:
    """The version that answers, empty where it is not told. Raises :class:`SourceError`.

    A Forgejo's ends with that of the Gitea whose API it has, unless that is too long.
    """
    found = optional(lambda: client(context).get(f"{base(context)}/version", Version))
    whole = found.version if found else ""
    return whole if len(whole) <= LONGEST_VERSION else whole.partition(_COMPATIBLE)[0][:LONGEST_VERSION]


def publish_key(context: Context, title: str, line: str, *, dry_run: bool) -> str:
    """Give the token's user a public key. Raises :class:`SourceError`."""
    made, address = client(context), base(context)
    return keys.publish(lists(made, address), f"{address}/user/keys", title, line, dry_run=dry_run)


def host_keys(_context: Context) -> Sequence[str]:
    """None: the API does not tell them."""
    return ()
