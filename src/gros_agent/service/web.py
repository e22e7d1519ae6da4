"""The web interface: puts its calls together, and serves them."""

import asyncio
import errno
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime.patience import PatientProtocol
from gros_agent.runtime.serving import EmbeddedServer, bind
from gros_agent.service.duty import Duty
from gros_agent.service.endpoints import Api
from gros_agent.service.guard import Guard
from gros_agent.service.pages import Pages
from gros_agent.service.responses import problem

PORT = 7070
_CONNECTIONS = 200
_STOP_SECONDS = 1


def app(duty: Duty) -> Starlette:
    """The application that answers for an agent on duty."""
    calls = Pages(duty, Api(duty).calls()).calls
    open_paths = frozenset(call.path for call in calls if call.is_open)
    made = Starlette(
        routes=[Route(call.path, call.handler, methods=[call.method]) for call in calls],
        middleware=[Middleware(Guard, access=lambda: duty.access, open_paths=open_paths)],
        exception_handlers={HTTPException: _explain, AgentError: _tell},
    )
    made.router.redirect_slashes = False
    return made


class Server:
    """Serves the web interface of an agent inside the running event loop.

    ``port`` is where it listens once it was started.
    """

    def __init__(self, duty: Duty, address: str, port: int = PORT) -> None:
        self._app = app(duty)
        self._address = address
        self.port = port
        self._server: EmbeddedServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and return when requests are answered. Raises :class:`ConfigurationError` where that can't be."""
        listener = self._bind()
        self.port = listener.getsockname()[1]
        self._server = EmbeddedServer(
            uvicorn.Config(
                self._app,
                loop="asyncio",
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # it complains of its clients
                access_log=False,
                proxy_headers=False,  # a client can't say that it comes from elsewhere
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._serving = asyncio.create_task(self._server.serve([listener]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({listening, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            listener.close()
            await self._serving

    async def stop(self) -> None:
        """Answer what was asked, for a second at most, and close every connection."""
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving

    def _bind(self) -> socket.socket:
        try:
            return bind(self._address, self.port)
        except ValueError:
            raise ConfigurationError(
                f"{self._address!r} is no IP address that the web interface can listen at", "try 0.0.0.0"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigurationError(
                    f"port {self.port} is taken: the web interface can't listen at {self._address}",
                    "end the other program, another agent perhaps, or give this one another port",
                ) from None
            raise ConfigurationError(
                f"the web interface can't listen at {self._address} port {self.port}: {error.strerror}",
                "give it another address or port",
            ) from None


async def _explain(request: Request, error: Exception) -> Response:
    """An error in the format of the existing web API, which answers a wrong method for a scrape with 400."""
    assert isinstance(error, HTTPException)  # noqa: S101 (Starlette's signature is wider than what it calls)
    status, message = error.status_code, error.detail
    headers = dict(error.headers or {})
    if status == 405:  # noqa: PLR2004
        message = f"{request.method} is not possible here, but {headers.get('Allow', 'nothing')}"
        status = 400 if request.url.path == "/scrape" else status
    elif status == 404 and message == "Not Found":  # noqa: PLR2004
        message = "there is nothing at this path"
    return problem(status, message, headers)


async def _tell(_request: Request, error: Exception) -> Response:
    """An error of the agent: its history can't be read."""
    assert isinstance(error, AgentError)  # noqa: S101 (as above)
    return problem(503, f"{error.message}: {error.hint}" if error.hint else error.message)
