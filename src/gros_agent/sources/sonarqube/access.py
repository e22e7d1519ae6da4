"""Parses the URL of a SonarQube, finds the server's version, and logs in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qs, unquote

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import Query, pages, smaller_page
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context
from gros_agent.sources.common import api
from gros_agent.sources.sonarqube.metrics import name_of
from gros_agent.sources.sonarqube.shapes import (
    Branches,
    Component,
    Components,
    Definition,
    Definitions,
    Paging,
    Shown,
    Status,
    Validation,
)

CLOUD = ("sonarcloud.io", "sonarqube.us")
"""Hosts where every project belongs to an organization."""
OLDEST = 8
BEARER = 10
"""The first version with bearer tokens. In older versions, and still, a token is a user name without a password."""
LISTED = 500
"""Projects or metrics per page: the maximum of the API."""
LIMIT = 10_000
"""The number of items after which the API ends a list, for any page size."""
_PAGE = re.compile(
    r"(?P<context>.*?)(?:/(?:organizations/(?P<organization>[^/]+)(?:/.*)?"
    r"|(?:dashboard|code|component_measures|projects|project|summary)(?:/.*)?))?/?"
)

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """The target of a URL: a server, and optionally an organization, or a project and one of its branches.

    ``is_main`` says that the branch is the main one. Its metrics have the same names as without a branch.
    """

    base: str
    organization: str | None = None
    component: str | None = None
    branch: str | None = None
    is_main: bool = False

    def name_of(self, metric: str, component: str) -> str:
        """The name of a metric of a project here."""
        return name_of(metric, component, None if self.is_main else self.branch)


def place(context: Context) -> Place:
    """Parse the URL of a server, or of a page of its web interface. Raises :class:`SourceError`."""
    parts = split(context.entry.url)
    match = _PAGE.fullmatch(parts.path)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    named = unquote(match["organization"]) if match and match["organization"] else query.get("organization")
    component = query.get("id")
    is_cloud = any(f".{parts.hostname}".endswith(f".{cloud}") for cloud in CLOUD)
    organization = named or (context.long_name if is_cloud else None)
    if is_cloud and organization is None and component is None:
        raise SourceError(
            f"{context.entry.url} names no organization",
            "write https://HOST/organizations/ORGANIZATION, or the address of a project",
        )
    base = api.web_base(parts, context.host) + (match["context"] if match else parts.path).rstrip("/")
    return Place(base, organization, component, query.get("branch") if component else None)


@dataclass(frozen=True)
class Reached:
    """A server and the client for it."""

    client: WebClient
    place: Place
    version: str
    headers: Mapping[str, str]
    organization: Mapping[str, str] = field(default_factory=dict)
    """Query parameters for requests that depend on the organization."""

    def ask(self, path: str, kind: type[T], query: Query) -> Answer[T]:
        """Send a request; if the server can't return a page, request a part of it. Raises :class:`SourceError`."""
        request = Request("GET", f"{self.place.base}/api/{path}", query, smaller=smaller_page("ps", "p"))
        return self.client.ask(request, kind)

    def is_logged_in(self) -> bool:
        """Whether the server accepts the credentials. On a public server, missing credentials are accepted too."""
        return self.ask("authentication/validate", Validation, {}).value.valid

    def components(self) -> Iterator[Components]:
        """Yield the projects that the URL names, page by page, up to :data:`LIMIT`. Raises :class:`SourceError`."""
        url = f"{self.place.base}/api/components/search_projects"
        query = {"f": "analysisDate", "ps": str(LISTED), "p": "1", **self.organization}
        for answer in pages(self.client, url, Components, query, _next_components, size="ps", page="p"):
            size = int((answer.request.query or query)["ps"])
            _check_page(url, len(answer.value.components), answer.value.paging, size)
            yield answer.value

    def component(self) -> Component:
        """The single project that the URL names. Raises :class:`SourceError`."""
        named = self.place
        query = {"component": named.component or "", **({"branch": named.branch} if named.branch else {})}
        return self.ask("components/show", Shown, query).value.component

    def knowing_the_main_branch(self) -> "Reached":
        """The same, with ``is_main`` set if the branch is the main one; if the server does not say, it is not.

        Raises :class:`SourceError`.
        """
        if self.place.component is None or self.place.branch is None:
            return self
        try:
            told = self.ask("project_branches/list", Branches, {"project": self.place.component}).value.branches
        except HttpError as error:
            if error.code not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                raise
            told = []
        is_main = any(one.is_main and one.name == self.place.branch for one in told)
        return replace(self, place=replace(self.place, is_main=is_main))

    def definitions(self) -> Iterator[Definition]:
        """The server's metrics. Raises :class:`SourceError`."""
        url = f"{self.place.base}/api/metrics/search"
        query = {"ps": str(LISTED), "p": "1"}
        for answer in pages(self.client, url, Definitions, query, _next_definitions, size="ps", page="p"):
            yield from answer.value.metrics


def _next_components(answer: Answer[Components], query: Query) -> Query | None:
    asked = int(query["p"]) * int(query["ps"])
    return {**query, "p": str(int(query["p"]) + 1)} if asked < min(answer.value.paging.total, LIMIT) else None


def _next_definitions(answer: Answer[Definitions], query: Query) -> Query | None:
    asked = int(query["p"]) * int(query["ps"])
    return {**query, "p": str(int(query["p"]) + 1)} if answer.value.metrics and asked < answer.value.total else None


def _check_page(url: str, count: int, paging: Paging, size: int) -> None:
    """Raise :class:`SourceError` for a page with fewer items than announced."""
    number = paging.page_index
    expected = min(size, paging.total - (number - 1) * size)
    if count < expected:
        raise SourceError(
            f"{url}: page {number} has {count} projects where {expected} were announced",
            "try again later: it may have changed meanwhile",
        )


def resolve(context: Context) -> Reached:
    """Connect to the server, find its version, and log in accordingly. Raises :class:`SourceError`."""
    named = place(context)
    organization = {"organization": named.organization} if named.organization else {}
    user, password = api.login(context)
    login = api.basic(user, password) if user is not None and password is not None else {}

    def reach(headers: Mapping[str, str | Secret]) -> Reached:
        client = api.client(context, named.base, headers, explain=_explain)
        answer = client.ask(Request("GET", f"{named.base}/api/system/status"), Status)
        if answer.value.status != "UP":
            raise SourceError(f"{named.base} is not ready: its status is {answer.value.status}", "try again later")
        return Reached(client, named, answer.value.version, answer.headers, organization)

    found = reach(login)
    token = None if login else password or (Secret(user) if user else None)
    if token is None:
        return found
    bearer = {"Authorization": Secret(f"Bearer {token.reveal()}")}
    as_user = api.basic(token.reveal(), Secret(""))
    if found.version:
        headers = bearer if _major(found.version) >= BEARER else as_user
        return replace(found, client=api.client(context, named.base, headers, explain=_explain))
    logged_in = reach(bearer)
    return logged_in if logged_in.is_logged_in() else reach(as_user)


def _major(version: str) -> int:
    text = version.partition(".")[0]
    return int(text) if text.isdecimal() else OLDEST


def _explain(status: int, _headers: Mapping[str, str], text: str) -> str | None:
    """What to do about error statuses of the API."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check the token (password) of this host: it may have expired"
    if status == HTTPStatus.FORBIDDEN:
        return "the token's user may not see this: give it the permission Browse on the projects"
    if status == HTTPStatus.BAD_REQUEST and "organization" in text:
        return "write https://HOST/organizations/ORGANIZATION"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address and the project's key, and that the token's user may see the project"
    return None


def check(context: Context) -> str:
    """Describe the version of the server, and the projects that can be seen. Raises :class:`SourceError`."""
    found = resolve(context)
    if _major(found.version) < OLDEST:
        raise SourceError(f"{found.place.base} is version {found.version}", f"version {OLDEST}.0 or newer is supported")
    if any(api.login(context)) and not found.is_logged_in():
        raise SourceError(
            f"{found.place.base} does not accept the credentials", "check the token (password): it may have expired"
        )
    if found.place.component:
        seen = f"project {found.component().name or found.place.component}"
    else:
        seen = f"{next(found.components()).paging.total} projects"
    return f"answers as version {found.version or 'unknown'}; {seen}"


def version(context: Context) -> str:
    """The version of the server. Raises :class:`SourceError`."""
    return resolve(context).version
