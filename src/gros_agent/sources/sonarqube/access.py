"""What the URL of a SonarQube names, which version is there, and how it wants to be logged in to."""

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
"""Where there are only organizations."""
OLDEST = 8
BEARER = 10
"""The first version that takes tokens as such; before it, and still, a token is a user without a password."""
LISTED = 500
"""Projects, and metrics, of a page: the most that the API gives."""
LIMIT = 10_000
"""How far the API goes into a list, whatever the size of its pages is."""
_PAGE = re.compile(
    r"(?P<context>.*?)(?:/(?:organizations/(?P<organization>[^/]+)(?:/.*)?"
    r"|(?:dashboard|code|component_measures|projects|project|summary)(?:/.*)?))?/?"
)

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """What a URL names: a server, and there an organization, or a project and perhaps one of its branches.

    ``is_main`` says that the branch is the main one, whose metrics have the names that they have without it.
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
    """Take the URL apart: that of a server, or of a page of its web interface. Raises :class:`SourceError`."""
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
    """A server and the way to it."""

    client: WebClient
    place: Place
    version: str
    headers: Mapping[str, str]
    organization: Mapping[str, str] = field(default_factory=dict)
    """What a request of things that organizations have needs."""

    def ask(self, path: str, kind: type[T], query: Query) -> Answer[T]:
        """Ask for something; a page that the server can't give, for a part of it. Raises :class:`SourceError`."""
        request = Request("GET", f"{self.place.base}/api/{path}", query, smaller=smaller_page("ps", "p"))
        return self.client.ask(request, kind)

    def is_logged_in(self) -> bool:
        """Whether the server takes the credentials; where everybody may look, none are good, too."""
        return self.ask("authentication/validate", Validation, {}).value.valid

    def components(self) -> Iterator[Components]:
        """The projects that the URL names, page by page, up to :data:`LIMIT`. Raises :class:`SourceError`."""
        url = f"{self.place.base}/api/components/search_projects"
        query = {"f": "analysisDate", "ps": str(LISTED), "p": "1", **self.organization}
        for answer in pages(self.client, url, Components, query, _next_components, size="ps", page="p"):
            size = int((answer.request.query or query)["ps"])
            _check_page(url, len(answer.value.components), answer.value.paging, size)
            yield answer.value

    def component(self) -> Component:
        """The one project that the URL names. Raises :class:`SourceError`."""
        named = self.place
        query = {"component": named.component or "", **({"branch": named.branch} if named.branch else {})}
        return self.ask("components/show", Shown, query).value.component

    def knowing_the_main_branch(self) -> "Reached":
        """The same, where it is known whether the branch is the main one; it is none where that is not told.

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
        """The metrics that the server knows. Raises :class:`SourceError`."""
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
    """Raise :class:`SourceError` for a page with less on it than there is."""
    number = paging.page_index
    expected = min(size, paging.total - (number - 1) * size)
    if count < expected:
        raise SourceError(
            f"{url}: page {number} has {count} projects where {expected} were announced",
            "try again later: it may have changed meanwhile",
        )


def resolve(context: Context) -> Reached:
    """Reach the server, find out its version, and log in as that wants it. Raises :class:`SourceError`."""
    named = place(context)
    organization = {"organization": named.organization} if named.organization else {}
    user, password = api.login(context)
    login = api.basic(user, password) if user is not None and password is not None else {}

    def reach(headers: Mapping[str, str | Secret]) -> Reached:
        client = api.client(context, named.base, headers, explain=_explain)
        answer = client.ask(Request("GET", f"{named.base}/api/system/status"), Status)
        if answer.value.status != "UP":
            raise SourceError(f"{named.base} is not up: it is {answer.value.status}", "try again later")
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
    """What to do about refusals that the API has."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "check the token (password) of this host: it may have expired"
    if status == HTTPStatus.FORBIDDEN:
        return "the token's user may not see this: give it the permission Browse on the projects"
    if status == HTTPStatus.BAD_REQUEST and "organization" in text:
        return "write https://HOST/organizations/ORGANIZATION"
    if status == HTTPStatus.NOT_FOUND:
        return "check the address and the project's key; what the token's user may not see is not there either"
    return None


def check(context: Context) -> str:
    """Which version answers, whether the credentials are good, and what is seen."""
    found = resolve(context)
    if _major(found.version) < OLDEST:
        raise SourceError(f"{found.place.base} is version {found.version}", f"version {OLDEST}.0 or newer is supported")
    if any(api.login(context)) and not found.is_logged_in():
        raise SourceError(
            f"{found.place.base} does not take the credentials", "check the token (password): it may have expired"
        )
    if found.place.component:
        seen = f"project {found.component().name or found.place.component}"
    else:
        seen = f"{next(found.components()).paging.total} projects"
    return f"answers as version {found.version or 'unknown'}; {seen}"


def version(context: Context) -> str:
    """The version that answers. Raises :class:`SourceError`."""
    return resolve(context).version
