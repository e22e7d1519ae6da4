"""Access to the API: credentials, the version that the server supports, and explanations of errors."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import Query, pages
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import split
from gros_agent.sources.azure_devops.answers import Connection, Listed, Repository
from gros_agent.sources.azure_devops.place import Place, place, quoted
from gros_agent.sources.base import Context
from gros_agent.sources.common import api

_HEADERS = {"Accept": "application/json"}
VERSIONS = ("7.1", "5.0", "4.1", "3.0", "2.0", "1.0")
"""Versions of the API to try, the newest first. Each server supports all versions older than its own."""
OLD_BOARDS = "2.0"
"""The oldest version with sprints and the history of work items."""
PAGE = 1000
"""Items per request. Servers may return fewer."""
SURE = 100
"""The number of items that every server returns at once, if they exist. A page with fewer is the last one."""

T = TypeVar("T")


@dataclass(frozen=True)
class Api:
    """Access to the API of a repository. ``git`` is the address of the repository in it, ``version`` the API version.

    ``headers`` are those of the first answer.
    """

    place: Place
    client: WebClient
    version: str
    git: str
    known: Repository
    headers: Mapping[str, str]

    @property
    def boards_version(self) -> str:
        """The API version for sprints and work items."""
        return max(self.version, OLD_BOARDS)

    def ask(self, url: str, kind: type[T], query: Query | None = None, version: str | None = None) -> Answer[T]:
        """Send a request. Raises :class:`SourceError`."""
        return self.client.ask(Request("GET", url, {**(query or {}), "api-version": version or self.version}), kind)

    def pages(
        self, url: str, kind: type[T], key: Callable[[T], object], query: Query | None = None
    ) -> Iterator[tuple[list[T], Mapping[str, str]]]:
        """Yield the items of each page that no earlier page had, and the headers of the answer.

        Items that are created meanwhile shift the others, so that some appear again. Raises :class:`SourceError`, also
        if a whole page is repeated.
        """
        seen: set[object] = set()

        def following(answer: Answer[Listed[T]], asked: Query) -> Query | None:
            found = len(answer.value.value)
            if found < min(int(asked["$top"]), SURE):
                return None
            return {**asked, "$skip": str(int(asked["$skip"]) + found)}

        first = {**(query or {}), "$top": str(PAGE), "$skip": "0", "api-version": self.version}
        for answer in pages(self.client, url, Listed[kind], first, following, size="$top"):  # type: ignore[valid-type]
            found = answer.value.value
            if answer.value.count not in {None, len(found)}:
                raise SourceError(
                    f"{url} says that there are {answer.value.count} items, and has {len(found)}",
                    "try again later; see the system's log",
                )
            new = [one for one in found if key(one) not in seen]
            if found and not new:
                raise SourceError(f"{url} returns the same page again", "report it to the operator of the system")
            seen.update(map(key, new))
            yield new, answer.headers


def connect(context: Context) -> Api:
    """Find the repository, and the version of the API. Raises :class:`SourceError`."""
    where = place(context)
    client = client_for(context, where)
    name = quoted(where.repository)
    first = f"{where.url}/_apis/git/{quoted(where.project)}/repositories/{name}"
    found = negotiated(client, f"{where.project_url}/_apis/git/repositories/{name}", first, Repository)
    known = found.answer.value
    git = f"{found.url.rpartition('/')[0]}/{quoted(known.id)}"
    return Api(where, client, found.version, git, known, found.answer.headers)


def client_for(context: Context, where: Place) -> WebClient:
    """A client with the credentials of a source's host. Raises :class:`SourceError` if there are no credentials."""
    user, password = _credentials(context)
    if "\\" in user and _wants_windows(context, where):
        from gros_agent.sources.azure_devops.ntlm import WindowsLogin  # noqa: PLC0415 (few servers want it)

        login = WindowsLogin(user, password)
        return api.client(context, where.url, _HEADERS, explain=explain_windows, login=login)
    encoded = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    headers: dict[str, str | Secret] = {**_HEADERS, "Authorization": Secret(f"Basic {encoded}")}
    return api.client(context, where.url, headers, explain=explain)


def _wants_windows(context: Context, where: Place) -> bool:
    """Whether the server only accepts Windows accounts. It is asked without the password."""
    client = api.client(context, where.url, _HEADERS, explain=explain)
    url = f"{where.project_url}/_apis/git/repositories"
    try:
        client.ask(Request("GET", url, {"api-version": VERSIONS[-1]}), type(None))
    except HttpError as error:  # any other error will appear again in the next request
        return error.code == HTTPStatus.UNAUTHORIZED and _is_windows(error.headers)
    return False


def _is_windows(headers: Mapping[str, str]) -> bool:
    ways = {one.split()[0].lower() for one in headers.get("WWW-Authenticate", "").split(",") if one.strip()}
    return bool(ways & {"ntlm", "negotiate"}) and not ways & {"basic", "bearer"}


@dataclass(frozen=True)
class Negotiated(Generic[T]):
    """The first answer, its API version, and the address that returned it."""

    version: str
    url: str
    answer: Answer[T]


def negotiated(client: WebClient, url: str, first_url: str, kind: type[T]) -> Negotiated[T]:
    """Send a request with the newest API version that the server supports.

    ``first_url`` is the address for it on the first servers. Raises :class:`SourceError`.
    """
    first: HttpError | None = None
    for version in VERSIONS:
        try:
            return Negotiated(version, url, client.ask(Request("GET", url, {"api-version": version}), kind))
        except HttpError as error:
            first = first or error
            if error.code == HTTPStatus.NOT_FOUND:
                break
            if error.code != HTTPStatus.BAD_REQUEST:
                raise
    oldest = VERSIONS[-1]
    try:
        return Negotiated(oldest, first_url, client.ask(Request("GET", first_url, {"api-version": oldest}), kind))
    except HttpError as error:
        raise first or error from None


def _credentials(context: Context) -> tuple[str, Secret]:
    host, entry = context.host, context.entry
    password = host.secret("password") or entry.password
    if password is None:
        name = split(entry.url).hostname
        raise SourceError(
            f"there is no password for {name}, and Azure DevOps needs one",
            f"set password in [{host.section or name}]: a personal access token that reads code, work items and teams",
        )
    return host.username("http") or entry.username or "", password


def explain(status: int, headers: Mapping[str, str], _text: str) -> str | None:
    """What to do about an error status of Azure DevOps."""
    if status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION or (
        HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    ):
        return "check the password (personal access token): the server redirects to a sign-in page"
    if status == HTTPStatus.UNAUTHORIZED:
        if _is_windows(headers):
            return (
                "the server only accepts Windows accounts: write username = DOMAIN\\USER and its password, "
                "or have basic authentication switched on there for a personal access token"
            )
        return "check the password (personal access token): it may have expired, or lack the right to read this"
    if status == HTTPStatus.FORBIDDEN:
        return "the personal access token may not do this: let it read code, work items, projects and teams"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address (collection, project, repository), and whether the password's user may see it"
    return None


def explain_windows(status: int, headers: Mapping[str, str], text: str) -> str | None:
    """What to do about an error status of a server that was given a Windows account."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check username and password: the server does not accept this Windows account"
    return explain(status, headers, text)


def version(_context: Context) -> str:
    """Always empty: the API does not report the version of the server."""
    return ""


def check(context: Context) -> str:
    """The account of the password, the version of the API, and the repository."""
    found = connect(context)
    url = f"{found.place.url}/_apis/connectionData"
    user = found.client.get(url, Connection).authenticated_user
    who = user.custom_display_name or user.provider_display_name or "an account without a name"
    return f"answers {who}; API {found.version}; repository {found.known.name} of project {found.known.project.name}"
