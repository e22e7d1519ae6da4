"""The HTTPS API under ``/auth/``: parses and checks requests, and leaves the work to the state."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive

from gros_agent import __version__
from gros_agent.controller.capabilities import BATCH, JIRA, WHOLE_NUMBERS
from gros_agent.errors import BusyError
from gros_agent.reference.intake import NAME
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.ssh_server import is_public_key
from gros_agent.reference.status import components
from gros_agent.reference.store import KEY, About, State
from gros_agent.runtime.decoding import decoder
from gros_agent.settings.version import STAMPED

MAX_BODY = 1 << 20
"""The longest body of a request, in bytes."""

CAPABILITIES = (BATCH, WHOLE_NUMBERS, JIRA)
"""The capabilities in the answer to a registration. The inbox stores files unchanged, so numbers can be of any size."""

_log = logging.getLogger(__name__)
_MAX_FIELDS = 60
_MAX_VALUE = 1 << 16
_MAX_SOURCE = 2000
_MAX_FILES = 1000
_MAX_SOURCES = 10_000
_LARGEST = (1 << 63) - 1
_DRAINED = 16 * MAX_BODY
_WARNING = 30
_ZONE = re.compile(r"[A-Za-z0-9<>,./:+_-]{0,100}")
"""Pattern of the names of time zones, also of those in the form of POSIX."""
_BATCH_NAME = "batch must have 1 to 128 letters, digits, dots, dashes and underscores"
_LOG_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("message", "msg", "name", "filename", "funcName", "module", "pathname", "exc_text"), ".*"),
    **dict.fromkeys(("processName", "threadName", "stack_info", "taskName"), ".*"),
    **dict.fromkeys(("process", "thread"), r"\d{1,20}|None"),
    **dict.fromkeys(("created", "msecs", "relativeCreated"), r"-?\d{1,20}(\.\d{1,20})?(e-?\d{1,3})?"),
    "args": r"\(.*\)|{.+}|None",
    "asctime": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}",
    "exc_info": r"\(.+\)|None",
    "levelname": "CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET|Level .+",
    "levelno": r"\d{1,4}",
    "lineno": r"\d{1,9}",
}
"""The fields of a log record, and patterns for their values."""


class _Files(msgspec.Struct):
    export: list[str] | None = None
    update: list[str] | None = None
    other: list[str] | None = None


class _Agent(msgspec.Struct):
    user: str
    key: str = ""
    hostname: str | None = None
    version: str = ""


class _Source(msgspec.Struct):
    name: Annotated[str, Meta(max_length=1000)]
    kind: Annotated[str, Meta(max_length=100)]
    items: Annotated[int, Meta(ge=0, le=_LARGEST)] = 0
    expected: Annotated[int, Meta(ge=0, le=_LARGEST)] | None = None
    state: Literal["whole", "partly", "failed"] = "whole"


T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Controller:
    """Answers all requests. ``announced`` wakes the intake; ``trouble`` is the problem that stops it, or empty."""

    state: State
    options: ServeOptions
    host_keys: tuple[str, ...]
    announced: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str = ""

    def app(self, pages: Sequence[Route] = ()) -> Starlette:
        """The application that serves the API, and these pages."""
        calls: tuple[tuple[str, dict[str, Handler]], ...] = (
            ("agent", {"POST": self.register}),
            ("status", {"GET": self.status, "POST": self.keep_status}),
            ("export", {"POST": self.export, "GET": self.batch}),
            ("log", {"POST": self.log}),
            ("encrypt", {"GET": self.encrypt}),
            ("version", {"GET": self.version}),
            ("access", {"GET": self.access}),
        )
        return Starlette(
            routes=[
                *(Route(f"/auth/{name}.py", _by_method(handlers), methods=list(handlers)) for name, handlers in calls),
                *pages,
            ]
        )

    async def register(self, request: Request) -> Response:
        """Register an agent for a project: store its public key, and answer with the project's salts."""
        project, user = self._project(request), _user(request)
        public_key = (await _form(request)).get("public_key", "")
        if not is_public_key(public_key):
            raise HTTPException(400, "public_key must be one line with an OpenSSH public key")
        try:
            salts = await asyncio.to_thread(self.state.register, project, user, public_key)
        except BusyError as error:
            raise HTTPException(503, f"{error.message}: {error.hint}") from None
        _log.info("%s registered for %s", user, project)
        answer = {
            "salts": msgspec.to_builtins(salts),
            "usernames": msgspec.to_builtins(self.options.usernames),
            "host_keys": list(self.host_keys),
            "capabilities": list(CAPABILITIES),
        }
        return JSONResponse(answer)

    async def status(self, request: Request) -> Response:
        """Answer whether a scrape may start now."""
        project, user = self._project(request), _user(request)
        found = await asyncio.to_thread(components, self.state, self.options, project, user, self.trouble)
        return JSONResponse(found, 200 if found["total"]["ok"] else 503)

    async def keep_status(self, request: Request) -> Response:
        """Store the measurements of a BigBoat dashboard."""
        project, form = self._project(request), await _form(request)
        source = form.get("source", "")
        statuses = _json(form, "status", list[dict[str, Any]])
        if not 0 < len(source) <= _MAX_SOURCE:
            raise HTTPException(400, f"source must have 1 to {_MAX_SOURCE} characters")
        content = {"source": source, "status": statuses}
        await asyncio.to_thread(self.state.keep_record, "status", project, content)
        return Response(status_code=202)

    async def export(self, request: Request) -> Response:
        """Store the announcement of a batch, which is taken after the answer."""
        project, form = self._project(request), await _form(request)
        files, agent = _json(form, "files", _Files), _json(form, "agent", _Agent)
        names = {kind: listed or [] for kind, listed in msgspec.structs.asdict(files).items()}
        if sum(map(len, names.values())) > _MAX_FILES:
            raise HTTPException(400, f"files must name at most {_MAX_FILES} files")
        batch = form.get("batch")
        if batch is not None and not NAME.fullmatch(batch):
            raise HTTPException(400, _BATCH_NAME)
        zone = form.get("time_zone", "")
        if not _ZONE.fullmatch(zone):
            raise HTTPException(400, "time_zone must be the name of a time zone")
        sources = _json(form, "sources", list[_Source]) if "sources" in form else []
        if len(sources) > _MAX_SOURCES:
            raise HTTPException(400, f"sources must have at most {_MAX_SOURCES} sources")
        about = About(zone, msgspec.to_builtins(sources))
        await asyncio.to_thread(self.state.announce, project, batch, msgspec.structs.asdict(agent), names, about)
        self.announced.set()
        return Response(status_code=202)

    async def batch(self, request: Request) -> Response:
        """Answer with the state of a batch that the agent announced."""
        project, user = self._project(request), _user(request)
        batch = request.query_params.get("batch", "")
        if not NAME.fullmatch(batch):
            raise HTTPException(400, _BATCH_NAME)
        state, reason = await asyncio.to_thread(self.state.batch, project, user, batch)
        return JSONResponse({"state": state, "reason": reason})

    async def log(self, request: Request) -> Response:
        """Store a log record of WARNING or above."""
        project, form = self._project(request), await _form(request)
        for required in ("levelno", "levelname", "message"):
            if required not in form:
                raise HTTPException(400, f"{required} is missing")
        for name, value in form.items():
            shape = _LOG_FIELDS.get(name)
            if shape is None or len(value) > _MAX_VALUE or not re.fullmatch(shape, value, re.DOTALL):
                raise HTTPException(400, f"{name[:50]} is not a field of a log record, or has an invalid value")
        if int(form["levelno"]) < _WARNING:
            return Response(status_code=204)
        await asyncio.to_thread(self.state.keep_record, "log", project, form)
        return Response(status_code=202)

    async def encrypt(self, request: Request) -> Response:
        """Answer with the pseudonym of a value in a project."""
        project, value = self._project(request), request.query_params.get("value")
        if value is None:
            raise HTTPException(400, "value is missing")
        salts = await asyncio.to_thread(self.state.salts, project)
        if salts is None:
            raise HTTPException(404, f"nobody registered for project {project}")
        digest = hashlib.sha256(f"{salts.salt}{value}{salts.pepper}".encode(errors="replace"))
        return JSONResponse({"value": digest.hexdigest(), "encryption": 1})

    async def version(self, request: Request) -> Response:
        """Answer whether an agent's version is as new as this controller's."""
        match = STAMPED.fullmatch(request.query_params.get("version", ""))
        if not match or not match["commit"] or not re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,5}", match["module"]):
            raise HTTPException(400, "this is not a stamped version")
        up_to_date = _numbers(match["module"]) >= _numbers(__version__)
        return JSONResponse({"up_to_date": up_to_date, "version": __version__})

    async def access(self, request: Request) -> Response:
        """Answer with the projects that the client's address may access."""
        seen = [key for key in self.options.networks if self.options.sees(_address(request), key)]
        return JSONResponse(seen if self.options.networks else ["*"])

    def _project(self, request: Request) -> str:
        project = request.query_params.get("project", "")
        if not KEY.fullmatch(project):
            raise HTTPException(400, "project must be a key of upper-case letters")
        if self.options.projects and project not in self.options.projects:
            raise HTTPException(400, f"project {project} is unknown")
        if not self.options.sees(_address(request), project):
            raise HTTPException(403, f"project {project} is not for this address")
        return project


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        # Starlette allows HEAD where it allows GET
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _user(request: Request) -> str:
    agent = request.query_params.get("agent", "")
    if not KEY.fullmatch(agent):
        raise HTTPException(400, "agent must be a key of upper-case letters")
    return f"agent-{agent}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises an :class:`HTTPException` (400) if one is given twice, or (413) if it is too long.
    """
    bounded = Request(request.scope, _bounded(request.receive))
    form = await bounded.form(max_files=0, max_fields=_MAX_FIELDS)
    found = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if len(found) != len(form.multi_items()) or len(found) > _MAX_FIELDS:
        raise HTTPException(400, f"a form has at most {_MAX_FIELDS} fields, each of them once")
    return found


def _bounded(receive: Receive) -> Receive:
    """Refuse a body that is too long, but read more of it first: a client that is still sending misses the answer."""
    length = 0

    async def receive_bounded() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length <= MAX_BODY:
            return message
        while message.get("more_body") and length < _DRAINED:
            message = await receive()
            length += len(message.get("body", b""))
        raise HTTPException(413, f"a body has at most {MAX_BODY} bytes")

    return receive_bounded


def _json(form: Mapping[str, str], name: str, kind: type[T]) -> T:
    try:
        return decoder(kind).decode(form.get(name, "").encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise HTTPException(400, f"{name} is invalid: {error}") from None
