"""The address of the API for a repository, the credentials for it, and explanations of its errors."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec

from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.http.client import Request, WebClient
from gros_agent.options.hosts import Host
from gros_agent.options.values import Secret
from gros_agent.runtime.files import read_text
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context
from gros_agent.sources.common import api, public_keys
from gros_agent.sources.github.graphql import GraphQL
from gros_agent.sources.github.queries import CHECK, Checked

PUBLIC = "github.com"
PUBLIC_API = "https://api.github.com"
NEEDED = frozenset({"repo", "public_repo", "read:org", "read:user", "admin:public_key", "write:public_key"})
"""The scopes of classic tokens that are useful here: reading repositories and teams, and publishing keys."""
_RENEWED_BEFORE = timedelta(minutes=5)
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


@dataclass(frozen=True)
class Repository:
    """A repository and the clients for it. ``rest`` is the base of the REST API."""

    owner: str
    name: str
    rest: str
    client: WebClient
    graphql: GraphQL

    @property
    def path(self) -> str:
        """The address of the repository in the REST API."""
        return f"{self.rest}/repos/{self.owner}/{self.name}"


def resolve(context: Context) -> Repository:
    """The repository of a source. Raises :class:`SourceError` if the URL does not name one, or without credentials."""
    owner, slash, name = api.repository_path(context.entry.url, context.host).partition("/")
    if not slash or "/" in name or not owner or not name:
        raise SourceError(f"{context.entry.url} names no repository", "write https://HOST/OWNER/REPOSITORY")
    base = rest_base(context)
    made = client(context, base)
    return Repository(owner, name, base, made, GraphQL(made, graphql_url(base)))


def rest_base(context: Context) -> str:
    """The base of the REST API, without a final slash."""
    configured = context.host.get("github_api_url")
    if configured:
        return configured.rstrip("/")
    parts = split(context.entry.url)
    if (parts.hostname or "").lower() in {PUBLIC, f"ssh.{PUBLIC}", f"www.{PUBLIC}"}:
        return PUBLIC_API
    return f"{api.web_base(parts, context.host)}/api/v3"


def graphql_url(rest: str) -> str:
    """The address of the GraphQL API for a REST API: ``/graphql``, or ``/api/graphql`` for ``/api/v3``."""
    return f"{rest.removesuffix('/v3')}/graphql"


def client(context: Context, base: str) -> WebClient:
    """A client with the credentials of a source's host. Raises :class:`SourceError` if there are no credentials."""
    host = context.host
    token = host.secret("github_token")
    if token is not None:
        return api.client(context, base, {**_HEADERS, "Authorization": _bearer(token.reveal())}, explain=explain)
    if not host.is_on("github_app_id"):
        raise SourceError(
            f"there is no token for {split(context.entry.url).hostname}, and GitHub's API needs one",
            f"set github_token in [{host.section or split(context.entry.url).hostname}]; read access is enough",
        )
    plain = api.client(context, base, _HEADERS, explain=explain)
    return api.client(context, base, _HEADERS, explain=explain, authentication=AppToken(host, plain, base))


def _bearer(token: str) -> Secret:
    return Secret(f"Bearer {token}")


class _Installation(msgspec.Struct):
    token: str
    expires_at: datetime


class AppToken:
    """The token of a GitHub App's installation, renewed before it expires (after an hour).

    See https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app.
    """

    def __init__(self, host: Host, client: WebClient, base: str) -> None:
        self._host, self._client, self._base = host, client, base
        self._lock = threading.Lock()
        self._token: _Installation | None = None

    def __call__(self) -> Mapping[str, Secret]:
        """The header with the token. Raises :class:`SourceError`."""
        with self._lock:
            if self._token is None or self._token.expires_at - datetime.now(UTC) < _RENEWED_BEFORE:
                url = f"{self._base}/app/installations/{self._option('github_app_installation')}/access_tokens"
                headers = {"Authorization": f"Bearer {self._assertion()}"}
                self._token = self._client.ask(Request("POST", url, headers=headers), _Installation).value
            return {"Authorization": _bearer(self._token.token)}

    def _option(self, name: str) -> str:
        value = self._host.get(name)
        if not value:
            raise SourceError(
                f"[{self._host.section}] {name} is missing", "a GitHub App has an id, an installation and a key"
            )
        return value

    def _assertion(self) -> str:
        import jwt  # noqa: PLC0415 (few use an app)

        path = self._host.file("github_app_key")
        try:
            key = read_text(path, "the app's private key") if path else None
        except ConfigurationError as error:
            raise SourceError(error.message, error.hint) from None
        if not key:
            raise SourceError(
                f"{path or 'github_app_key'}: there is no private key", f"see github_app_key in [{self._host.section}]"
            )
        now = int(time.time())
        claims = {"iat": now - 60, "exp": now + 540, "iss": self._option("github_app_id")}
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise SourceError(
                f"{path}: this is not a private key in PEM format", "download the app's key again"
            ) from None


def explain(status: int, headers: Mapping[str, str], text: str) -> str | None:
    """What to do about an error status of GitHub."""
    said = text.lower()
    if status == HTTPStatus.UNAUTHORIZED:
        return "check github_token: it may have expired or been withdrawn"
    if status == HTTPStatus.FORBIDDEN:
        if "X-GitHub-SSO" in headers:
            url = headers["X-GitHub-SSO"].partition("url=")[2].partition("?")[0]
            return f"the organisation requires single sign-on: authorise the token{f' at {url}' if url else ''}"
        if "ip allow list" in said:
            return "the organisation has a list of permitted addresses: have this machine's added"
        accepted = headers.get("X-Accepted-OAuth-Scopes") or headers.get("X-Accepted-GitHub-Permissions")
        return (
            f"the token may not do this: it needs {accepted}"
            if accepted
            else "the token may not do this: widen its scopes"
        )
    if status == HTTPStatus.NOT_FOUND:
        return "check the address; it may have moved, or be private and hidden from this token"
    return None


def check(context: Context) -> str:
    """The token's user, scopes and expiry, and how many pull requests and issues it can see."""
    found = resolve(context)
    answer = found.graphql.ask(CHECK, {"owner": found.owner, "name": found.name}, Checked)
    seen = answer.data.repository
    counts = f"{seen.pull_requests.total_count} pull requests and {seen.issues.total_count} issues"
    return f"answers {answer.data.viewer.login}; {counts}{_scopes(answer.headers)}{_end(answer.headers)}"


def publish_key(context: Context, title: str, line: str, *, dry_run: bool) -> str:
    """Add a public key to the account that the token belongs to. Raises :class:`SourceError`."""
    base = rest_base(context)
    return public_keys.publish(client(context, base), f"{base}/user/keys", title, line, dry_run=dry_run)


class _Meta(msgspec.Struct):
    ssh_keys: list[str] = []
    installed_version: str = ""


def version(context: Context) -> str:
    """The version of an Enterprise Server. Empty for github.com, which is not asked. Raises :class:`SourceError`."""
    base = rest_base(context)
    if base == PUBLIC_API:
        return ""
    return client(context, base).get(f"{base}/meta", _Meta).installed_version


def host_keys(context: Context) -> Sequence[str]:
    """The SSH host keys that GitHub publishes. An Enterprise Server may publish none."""
    base = rest_base(context)
    return client(context, base).get(f"{base}/meta", _Meta).ssh_keys


def _scopes(headers: Mapping[str, str]) -> str:
    listed = headers.get("X-OAuth-Scopes")
    if listed is None:
        return ""
    scopes = [scope.strip() for scope in listed.split(",") if scope.strip()]
    wider = [scope for scope in scopes if scope not in NEEDED]
    words = f"; scopes {', '.join(scopes) or 'none'}"
    return f"{words}: {', '.join(wider)} is more than needed" if wider else words


def _end(headers: Mapping[str, str]) -> str:
    end = headers.get("GitHub-Authentication-Token-Expiration")
    return f"; the token expires {end}" if end else ""
