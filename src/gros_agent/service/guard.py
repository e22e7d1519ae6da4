"""Access control of the web interface: the host name of a request, its token, and the site that a form comes from."""

import logging
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gros_agent.runtime.tokens import has_token
from gros_agent.service.duty import Access
from gros_agent.service.responses import problem

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would hide where a form comes from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer."""

_log = logging.getLogger(__name__)
_ASK = {"WWW-Authenticate": 'Basic realm="gros-agent", charset="UTF-8"'}
_PORTS = {"http": 80, "https": 443}


class Guard:
    """Middleware: rejects unauthorised requests, sets security headers, turns exceptions into a JSON 500.

    ``access`` returns who may use the web interface now; ``open_paths`` are open to everybody.
    """

    def __init__(self, app: ASGIApp, access: Callable[[], Access], open_paths: frozenset[str]) -> None:
        self._app = app
        self._access = access
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_started = False

        async def send_secured(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                headers = MutableHeaders(scope=message)
                for name, value in ({"Cache-Control": "no-store"} | HEADERS).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal = self._refusal(Request(scope))
            await (refusal or self._app)(scope, receive, send_secured)
        except Exception:
            _log.exception("the web interface could not answer %s %r", scope["method"], scope["path"])
            if is_started:
                raise
            await problem(500, "unexpected error: the agent's log says more")(scope, receive, send_secured)

    def _refusal(self, request: Request) -> Response | None:
        if request.url.path in self._open_paths:
            return None
        access = self._access()
        if access.hosts and not is_host(request.headers.get("host", ""), access.hosts):
            return problem(403, "the request names a host that this agent does not answer to; AGENT_HOST says which")
        if access.token and not has_token(request.scope["headers"], access.token):
            return problem(401, "a token is needed: as bearer token, or as password of any user", _ASK)
        if request.method == "POST" and is_cross_site(request):
            return problem(403, "another site may not start anything here")
        return None


def is_host(given: str, names: tuple[str, ...]) -> bool:
    """Whether a ``Host`` header is one of these names. A name without a port matches any port."""
    found = _parse(given)
    if found is None:
        return False
    wanted = {_parse(name) for name in names}
    return found in wanted or (found[0], None) in wanted


def is_cross_site(request: Request) -> bool:
    """Whether a browser reports that another site's page made this request. Other clients don't send these headers."""
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
        default = _PORTS.get(parts.scheme)
    except ValueError:
        return True
    there, here = _parse(parts.netloc), _parse(request.headers.get("host", ""))
    if default is None or there is None or here is None:
        return True
    return (there[0], there[1] or default) != (here[0], here[1] or default)


def _parse(host: str) -> tuple[str, int | None] | None:
    """A host's name or address, normalised, and its port; None if it can't be parsed."""
    try:
        return str(ip_address(host)), None  # an IPv6 address without brackets has no port
    except ValueError:
        name, port = host.lower(), ""
    if name.startswith("["):
        name, _, rest = name[1:].partition("]")
        if rest and not rest.startswith(":"):
            return None
        port = rest[1:]
    elif ":" in name:
        name, _, port = name.partition(":")
    try:
        name = str(ip_address(name))
    except ValueError:
        if host.startswith("[") or not name or set(name) & set("@/?# []:"):
            return None
    if not port:
        return name, None
    return (name, int(port)) if port.isascii() and port.isdigit() and len(port) <= 5 else None  # noqa: PLR2004
