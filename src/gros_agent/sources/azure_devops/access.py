"""Where the API of a repository is, which version of it the server speaks, the credentials, and what refusals mean."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import Query, pages
from gros_agent.settings.values import Secret
from gros_agent.sources import api
from gros_agent.sources.azure_devops.answers import Connection, Listed, Repository
from gros_agent.sources.base import Context
from gros_agent.urls import split

PUBLIC = "https://dev.azure.com"
_SSH = frozenset({"ssh.dev.azure.com", "vs-ssh.visualstudio.com"})
_SWITCHES = frozenset({"true", "yes", "on", "1"})
_HEADERS = {"Accept": "application/json"}
VERSIONS = ("7.1", "5.0", "4.1", "3.0", "2.0", "1.0")
"""Versions of the API that are tried, the newest first. Each server knows all that are older than its own."""
OLD_BOARDS = "2.0"
"""The oldest version that has sprints and the history of work items."""
PAGE = 1000
"""Items that are asked for at once. Servers may give fewer."""
SURE = 100
"""Items that every server gives at once, if there are so many: a page with fewer is the last one."""

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """What an address names: the collection as a path (an organisation is one), its project and the repository."""

    base: str
    collection: str
    project: str
    repository: str

    @property
    def url(self) -> str:
        """The address of the collection."""
        return f"{self.base}/{quote(self.collection)}" if self.collection else self.base

    @property
    def project_url(self) -> str:
        """The address of the project."""
        return f"{self.url}/{quoted(self.project)}"


def quoted(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def place(context: Context) -> Place:
    """Take a source's address apart. Raises :class:`SourceError` for one that names no repository."""
    url, host = context.entry.url, context.host
    parts = split(url)
    path, strip = parts.path.strip("/"), (host.get("strip") or "").strip("/")
    segments = [unquote(one) for one in (path.removeprefix(f"{strip}/") if strip else path).split("/") if one]
    hostname = (parts.hostname or "").lower()
    wrong = SourceError(f"{url} names no repository", "write https://HOST/COLLECTION/PROJECT/_git/REPOSITORY")
    if hostname in _SSH:
        if len(segments) != 4 or segments[0] != "v3":  # noqa: PLR2004 (v3, organisation, project, repository)
            raise wrong
        return Place(PUBLIC, *segments[1:])
    mark = next((number for number, one in enumerate(segments) if one.lower() in {"_git", "_ssh"}), None)
    if mark is None or len(segments) != mark + 2:
        raise wrong
    before, repository = segments[:mark], segments[-1]
    length = _collection_length(hostname, before, host.get("tfs") or "", url)
    if len(before) < length:
        raise wrong
    project = before[length] if len(before) > length else repository
    return Place(api.web_base(parts, host), "/".join(before[:length]), project, repository)


def _collection_length(hostname: str, before: list[str], configured: str, url: str) -> int:
    """How many parts of a path name the collection."""
    if hostname.endswith(".visualstudio.com"):
        return int(bool(before) and before[0].lower() == "defaultcollection")
    if configured and configured.lower() not in _SWITCHES:
        named = [unquote(one).lower() for one in configured.split("/") if one]
        if [one.lower() for one in before[: len(named)]] != named:
            raise SourceError(
                f"{url} lies outside of the collection {configured}", "correct tfs of this host, or the source's URL"
            )
        return len(named)
    return 2 if before and before[0].lower() == "tfs" else 1


@dataclass(frozen=True)
class Api:
    """The way to the API of a repository: ``git`` is the address of the repository in it, ``version`` what it speaks.

    ``headers`` came with the first answer.
    """

    place: Place
    client: WebClient
    version: str
    git: str
    known: Repository
    headers: Mapping[str, str]

    @property
    def boards_version(self) -> str:
        """The version for sprints and work items."""
        return max(self.version, OLD_BOARDS)

    def ask(self, url: str, kind: type[T], query: Query | None = None, version: str | None = None) -> Answer[T]:
        """Ask for something. Raises :class:`SourceError`."""
        return self.client.ask(Request("GET", url, {**(query or {}), "api-version": version or self.version}), kind)

    def pages(
        self, url: str, kind: type[T], key: Callable[[T], object], query: Query | None = None
    ) -> Iterator[tuple[list[T], Mapping[str, str]]]:
        """Yield what each page of a list has that none before it had, and the headers of the answer.

        What is made while the pages are asked for moves the others on, so that some come again.
        Raises :class:`SourceError`, also if a whole page comes again.
        """
        seen: set[object] = set()

        def following(answer: Answer[Listed[T]], asked: Query) -> Query | None:
            found = len(answer.value.value)
            if found < min(PAGE, SURE):
                return None
            return {**asked, "$skip": str(int(asked["$skip"]) + found)}

        first = {**(query or {}), "$top": str(PAGE), "$skip": "0", "api-version": self.version}
        for answer in pages(self.client, url, Listed[kind], first, following):  # type: ignore[valid-type]
            found = answer.value.value
            if answer.value.count not in {None, len(found)}:
                raise SourceError(
                    f"{url} says that there are {answer.value.count} items, and has {len(found)}",
                    "try again later; see the system's log",
                )
            new = [one for one in found if key(one) not in seen]
            if found and not new:
                raise SourceError(f"{url} gives the same page again", "report it to whoever runs the system")
            seen.update(map(key, new))
            yield new, answer.headers


def connect(context: Context) -> Api:
    """Find the repository, and the version of the API. Raises :class:`SourceError`."""
    where = place(context)
    user, password = _credentials(context)
    if "\\" in user and _wants_windows(context, where):
        from gros_agent.sources.azure_devops.ntlm import WindowsLogin  # noqa: PLC0415 (few servers want it)

        login = WindowsLogin(user, password)
        return _found(where, api.client(context, where.url, _HEADERS, explain=explain_windows, login=login))
    encoded = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    headers: dict[str, str | Secret] = {**_HEADERS, "Authorization": Secret(f"Basic {encoded}")}
    return _found(where, api.client(context, where.url, headers, explain=explain))


def _wants_windows(context: Context, where: Place) -> bool:
    """Whether the server takes the proof of a Windows account alone. It is asked without the password."""
    client = api.client(context, where.url, _HEADERS, explain=explain)
    try:
        client.get(f"{where.project_url}/_apis/git/repositories", msgspec.Raw, {"api-version": VERSIONS[-1]})
    except HttpError as error:
        if error.code != HTTPStatus.UNAUTHORIZED:
            raise
        return _is_windows(error.headers)
    return False


def _is_windows(headers: Mapping[str, str]) -> bool:
    ways = {one.split()[0].lower() for one in headers.get("WWW-Authenticate", "").split(",") if one.strip()}
    return bool(ways & {"ntlm", "negotiate"}) and not ways & {"basic", "bearer"}


def _found(where: Place, client: WebClient) -> Api:
    name = quoted(where.repository)
    url = f"{where.project_url}/_apis/git/repositories/{name}"
    first: HttpError | None = None
    for version in VERSIONS:
        try:
            return _connected(where, client, version, url)
        except HttpError as error:
            first = first or error
            if error.code == HTTPStatus.NOT_FOUND:
                break
            if error.code != HTTPStatus.BAD_REQUEST:
                raise
    try:  # as the first servers had it
        return _connected(where, client, "1.0", f"{where.url}/_apis/git/{quoted(where.project)}/repositories/{name}")
    except HttpError as error:
        raise first or error from None


def _connected(where: Place, client: WebClient, version: str, url: str) -> Api:
    answer = client.ask(Request("GET", url, {"api-version": version}), Repository)
    git = f"{url.rpartition('/')[0]}/{quoted(answer.value.id)}"
    return Api(where, client, version, git, answer.value, answer.headers)


def _credentials(context: Context) -> tuple[str, Secret]:
    host, entry = context.host, context.entry
    password = host.secret("password") or entry.password
    if password is None:
        name = split(entry.url).hostname
        raise SourceError(
            f"there is no password for {name}, and Azure DevOps wants one",
            f"set password in [{host.section or name}]: a personal access token that reads code, work items and teams",
        )
    return host.username("http") or entry.username or "", password


def explain(status: int, headers: Mapping[str, str], _text: str) -> str | None:
    """What to do about a refusal of Azure DevOps'."""
    if status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION or (
        HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    ):
        return "check the password (personal access token): the server sends us to where people sign in"
    if status == HTTPStatus.UNAUTHORIZED:
        if _is_windows(headers):
            return (
                "the server takes Windows accounts alone: write username = DOMAIN\\USER and its password, "
                "or have basic authentication switched on there for a personal access token"
            )
        return "check the password (personal access token): it may have expired, or lack the right to read this"
    if status == HTTPStatus.FORBIDDEN:
        return "the personal access token may not do this: let it read code, work items, projects and teams"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address (collection, project, repository), and whether the password's user may see it"
    return None


def explain_windows(status: int, headers: Mapping[str, str], text: str) -> str | None:
    """What to do about a refusal of a server that was given a Windows account."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check username and password: the server does not take this Windows account"
    return explain(status, headers, text)


def check(context: Context) -> str:
    """Who the password belongs to, the version of the API, and the repository that is seen."""
    found = connect(context)
    url = f"{found.place.url}/_apis/connectionData"
    user = found.client.get(url, Connection).authenticated_user
    who = user.custom_display_name or user.provider_display_name or "an account without a name"
    return f"answers {who}; API {found.version}; repository {found.known.name} of project {found.known.project.name}"
