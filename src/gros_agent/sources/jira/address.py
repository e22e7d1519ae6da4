"""Addresses of Jira: of a server, which may be below a path, and of pages of a project."""

import re
from urllib.parse import unquote, urlunsplit

from gros_agent.errors import SourceError
from gros_agent.runtime.urls import split

GATEWAY = "api.atlassian.com"
"""The host for tokens with scopes: a site's address refuses them."""
_SITES = (".atlassian.net", ".jira.com")
"""Endings of the hosts of Cloud sites."""
_PAGE = re.compile(
    r"(?P<context>.*?)(?P<page>"
    r"(?:(?:/jira/(?:software|core|servicedesk|discovery|business)(?:/c)?)?/projects/(?P<key>[^/]+)(?:/.*)?"
    r"|/browse/(?P<browsed>[^/]+?)(?:-[0-9]+)?|/(?:secure|issues|plugins|jira/(?:your-work|dashboards))(?:/.*)?)?/?)"
)
"""The path of a page of the web interface: the path of the server, and the key of a project if there is one."""


def place(url: str) -> tuple[str, str | None]:
    """The address of the server of a page, and the key of the project that the page is about, if it is about one.

    Raises :class:`SourceError` if it is not a URL.
    """
    parts = split(url)
    match = _PAGE.fullmatch(parts.path)
    path = match["context"] if match else parts.path.rstrip("/")
    named = (match["key"] or match["browsed"]) if match else None
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), unquote(named) if named else None


def is_site(host: str) -> bool:
    """Whether this is the host of a Cloud site, which takes an API token as the password of an e-mail address."""
    return f".{host.lower()}".endswith(_SITES)


def takes_user_with_token(url: str) -> bool:
    """Whether a token is the password of a user at this address. Server and Data Center take it by itself."""
    try:
        host = split(url).hostname or ""
    except SourceError:  # which is told when it is to be collected
        return False
    return is_site(host) or host == GATEWAY
