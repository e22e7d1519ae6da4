"""The controller's page for its operator: ``/``, and the report behind it. A token opens them."""

import asyncio
import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from gros_agent import __version__
from gros_agent.errors import ConfigurationError
from gros_agent.reference.app import Controller
from gros_agent.reference.loads import Loads
from gros_agent.reference.overview import overview
from gros_agent.reference.reports import Reports
from gros_agent.runtime import words
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.runtime.templates import templates
from gros_agent.runtime.tokens import has_token

TOKEN = "page-token"  # noqa: S105 (a file name)
"""The file with the token, in the controller's folder."""
_TOKEN_BYTES = 24
_SHORTEST = 16
_MOST_NOTICES, _MOST_SOURCES = 20, 200
"""How many sources of a project are shown: agents can announce any number."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ASK = {"WWW-Authenticate": 'Basic realm="gros-agent controller", charset="UTF-8"'}


class OperatorPages:
    """The pages of a controller. ``loads`` is None if it loads nothing into a database."""

    def __init__(self, controller: Controller, token: str, reports: Reports, loads: Loads | None) -> None:
        self._controller = controller
        self._token = token
        self._reports = reports
        self._loads = loads
        filters = (words.moment, words.relative, words.number, words.size, words.clip)
        self._templates = templates("gros_agent.reference", *filters)

    def routes(self) -> list[Route]:
        """The pages by their paths."""
        return [Route("/", self.start), Route("/report", self.report)]

    async def start(self, request: Request) -> Response:
        """Projects, agents, batches, and what is missing."""
        if refusal := self._refusal(request):
            return refusal
        shown = await asyncio.to_thread(overview, self._controller.state, self._controller.options)
        template = self._templates.get_template("controller.html")
        troubles = {
            "Batches can't be taken": self._controller.trouble,
            "The inbox was not loaded into the database": self._loads.trouble if self._loads else "",
        }
        page = template.render(
            overview=shown,
            troubles={what: why for what, why in troubles.items() if why},
            loads=self._loads is not None,
            most_notices=_MOST_NOTICES,
            most_sources=_MOST_SOURCES,
            version=__version__,
        )
        return HTMLResponse(page, headers=_HEADERS)

    async def report(self, request: Request) -> Response:
        """The report of what was collected, of all projects."""
        if refusal := self._refusal(request):
            return refusal
        content = await self._reports.content()
        if content is None:
            return PlainTextResponse(f"{self._reports.trouble}\n", 503, headers=_HEADERS)
        return HTMLResponse(content, headers=_HEADERS)

    def _refusal(self, request: Request) -> Response | None:
        if has_token(request.scope["headers"], self._token):
            return None
        told = f"a token is needed, as password of any user: it is in the file {TOKEN} of the controller's folder\n"
        return PlainTextResponse(told, 401, headers={**_HEADERS, **_ASK})


def ensure_token(folder: Path) -> str:
    """The token in the controller's folder, made at the first start for the folder's owner alone.

    Raises :class:`ConfigurationError` if the file has none, or one that could be guessed.
    """
    path = folder / TOKEN
    if not path.exists():
        with storage_errors(folder):
            replace_file(path, f"{secrets.token_urlsafe(_TOKEN_BYTES)}\n".encode(), 0o600)
    token = (read_text(path, "the token of the page") or "").strip()
    if len(token) < _SHORTEST:
        raise ConfigurationError(
            f"{path}: a token has at least {_SHORTEST} characters", "remove the file: the next start makes a token"
        )
    return token
