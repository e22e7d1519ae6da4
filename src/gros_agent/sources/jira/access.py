"""Where a Jira is, which deployment it is, how to log in, and what its refusals mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import Explain, HttpError
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context, Environment
from gros_agent.sources.common import api
from gros_agent.sources.jira import address
from gros_agent.sources.jira.shapes import Account, Project, ServerInfo

_PUBLIC_AGILE = "agile"
_FORMER_AGILE = "greenhopper"
"""The value of ``agile_rest_path`` for the former API of boards, in place of which there is a public one now."""

T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A server and the way to it. ``headers`` are those of its first answer, ``account`` is None without credentials.

    ``project_key`` is the key of the project that is collected.
    """

    base: str
    project_key: str
    client: WebClient
    info: ServerInfo
    headers: Mapping[str, str]
    account: Account | None = None
    agile: str = _PUBLIC_AGILE

    @property
    def is_cloud(self) -> bool:
        """Whether this is Jira Cloud."""
        return self.info.is_cloud

    def url(self, path: str) -> str:
        """The address of something in the API."""
        return f"{self.base}/rest/api/2/{path}"

    def agile_url(self, path: str) -> str:
        """The address of something in the API of boards and sprints."""
        return f"{self.base}/rest/{self.agile}/1.0/{path}"

    def get(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        """Request something of the API. Raises :class:`SourceError`."""
        return self.client.ask(Request("GET", self.url(path), query), kind).value

    def post(
        self, path: str, kind: type[T], content: Mapping[str, Any], smaller: Callable[[Request], Request] | None = None
    ) -> Answer[T]:
        """Ask for what is described in ``content``. Raises :class:`SourceError`.

        On Cloud each endpoint has a rate limit of its own.
        """
        budget = f"POST {path}" if self.is_cloud else ""
        headers = {"X-Atlassian-Token": "no-check"}
        request = Request("POST", self.url(path), None, dict(content), headers, budget=budget, smaller=smaller)
        return self.client.ask(request, kind)

    @property
    def who(self) -> str:
        """Who asks, for messages."""
        return self.account.shown if self.account else "anonymous users"


def place(context: Context) -> tuple[str, str]:
    """The base address of the server, and the key of the project. Raises :class:`SourceError`.

    The key is that of the GROS project, unless the URL is a page of another one.
    """
    server, named = address.place(context.entry.url)
    key = named or context.project
    if not key:
        raise SourceError(f"{context.entry.url} names no project", "write https://HOST/projects/KEY")
    parts = split(server)
    return api.web_base(parts, context.host) + parts.path, key


def client(context: Context) -> WebClient:
    """A client with the credentials of a source. Raises :class:`SourceError` if they can't be those of the server."""
    base, _ = place(context)
    headers = _authorization(context, split(base).hostname or "")
    return api.client(
        context, base, {"Accept": "application/json", **headers}, explain=_explainer(has_login=bool(headers))
    )


def _authorization(context: Context, host: str) -> dict[str, str | Secret]:
    entry = context.entry
    user, password = (entry.username, entry.password) if entry.password else api.login(context)
    if password is None:
        return {}
    if user:
        return api.basic(user, password)
    if address.is_site(host):
        raise SourceError(
            f"{host}: an API token was given without a user",
            "set username to the e-mail address of the token's account",
        )
    return {"Authorization": Secret(f"Bearer {password.reveal()}")}


def resolve(context: Context) -> Server:
    """Find out which server this is, and who asks. Raises :class:`SourceError`.

    The account is asked for first: an expired token can look like an empty project.
    """
    base, key = place(context)
    asking = client(context)
    answer = asking.ask(Request("GET", f"{base}/rest/api/2/serverInfo"), ServerInfo)
    account: Account | None = None
    if "Authorization" in asking.headers:
        account = asking.get(f"{base}/rest/api/2/myself", Account)
        if not account.shown:
            raise SourceError(f"{base} does not say who the account is", _WRONG_LOG_IN)
    agile = (context.host.get("agile_rest_path") or _PUBLIC_AGILE).strip("/")
    agile = _PUBLIC_AGILE if agile == _FORMER_AGILE else agile
    return Server(base, key, asking, answer.value, answer.headers, account, quote(agile))


def _explainer(*, has_login: bool) -> Explain:
    def explain(status: int, headers: Mapping[str, str], text: str) -> str | None:
        if is_denied(headers):
            return "too many log-ins failed: log in once with a browser and answer its question, or use an access token"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and "basic auth" in text.lower():
            return "log-in by password is switched off there: use a personal access token, or on Cloud an API token"
        if status in _PAGES:
            return "this is a log-in page: use a personal access token or an API token, and check the server's path"
        if status == HTTPStatus.FORBIDDEN and "xsrf" in text.lower():
            return "the server takes this for a browser's request: does a proxy on the way change the User-Agent?"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not has_login:
            return "set username and password, or a token: anonymous users may not see this"
        return _WRONG_LOG_IN if _FAILED in headers.get(_REASON, "") else _HINTS.get(status)

    return explain


def is_denied(headers: Mapping[str, str]) -> bool:
    """Whether the server takes no log-in of the account before somebody answered its question (CAPTCHA)."""
    return "CAPTCHA" in headers.get("X-Authentication-Denied-Reason", "") or _DENIED in headers.get(_REASON, "")


_REASON, _DENIED, _FAILED = "X-Seraph-LoginReason", "AUTHENTICATION_DENIED", "AUTHENTICATED_FAILED"
_PAGES = frozenset({HTTPStatus.OK, *range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)})
_WRONG_LOG_IN = (
    "check the user and the password or token: it may have expired. Cloud takes an e-mail address and an API token;"
    f" a token with scopes needs https://{address.GATEWAY}/ex/jira/CLOUD-ID as the address"
)
_HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _WRONG_LOG_IN,
    HTTPStatus.FORBIDDEN: "the account needs the permission Browse Projects; log-in by password may be switched off",
    HTTPStatus.NOT_FOUND: "check the address and the server's path; it may be hidden from this account",
    HTTPStatus.GONE: "this deployment has removed that part of its API: report it",
}


def project(server: Server) -> Project:
    """The project that is collected. Raises :class:`SourceError`."""
    try:
        return server.get(f"project/{quote(server.project_key, safe='')}", Project)
    except HttpError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        raise SourceError(
            f"the project {server.project_key} of {server.base} does not exist, or is not visible to {server.who}",
            "check the key, and let the account browse the project",
            own="the project is not visible",
        ) from None


def check(context: Context) -> str:
    """The account, deployment and version, the time zone, and what of the project is seen."""
    server = resolve(context)
    found = project(server)
    kind = "Jira Cloud" if server.is_cloud else "Jira Server or Data Center"
    words = f"answers {server.who}; {kind} {server.info.version}"
    if server.account and server.account.time_zone:
        words += f"; zone {server.account.time_zone}"
    words += f"; project {found.key} is visible" + (", and archived: its issues are hidden" if found.archived else "")
    words += "".join(f"; {what} are refused" for what in _refused(server))
    return words if server.account else f"{words}; no credentials are configured, so only what is public is seen"


def _refused(server: Server) -> list[str]:
    """What the account may not see of the project."""
    users = {"projectKeys": server.project_key, "query" if server.is_cloud else "username": "", "maxResults": "1"}
    asked = (
        ("boards", server.agile_url("board"), {"projectKeyOrId": server.project_key, "maxResults": "1"}),
        ("assignable users", server.url("user/assignable/multiProjectSearch"), users),
    )
    refused = []
    for what, url, query in asked:
        try:
            server.client.get(url, object, query)
        except HttpError as error:
            if error.code not in REFUSALS:
                raise
            refused.append(what)
    return refused


REFUSALS = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
)
"""Statuses that refuse one list, while the rest of the project may be seen."""


def version(context: Context) -> str:
    """The version of the server. Raises :class:`SourceError`."""
    base, _ = place(context)
    return client(context).get(f"{base}/rest/api/2/serverInfo", ServerInfo).version


def environment(context: Context) -> Environment:
    """The server. Raises :class:`SourceError` for a URL that names no project."""
    base, _ = place(context)
    return Environment("jira", base, base)
