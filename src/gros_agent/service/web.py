"""The web interface: collects its calls, and serves them."""

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
    """The web application of a running agent."""
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

    After the start, ``port`` is the port that it listens on.
    """

    def __init__(self, duty: Duty, address: str, port: int = PORT) -> None:
        self._app = app(duty)
        self._address = address
        self.port = port
        self._server: EmbeddedServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and return once requests are answered. Raises :class:`ConfigurationError` if it can't listen."""
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
                log_level="critical",  # it would log clients' errors
                access_log=False,
                proxy_headers=False,  # clients must not set their own address
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
        """Finish open requests for at most a second, and close all connections."""
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving

    def _bind(self) -> socket.socket:
        try:
            return bind(self._address, self.port)
        except ValueError:
            raise ConfigurationError(
                f"{self._address!r} is not an IP address that the web interface can listen on", "try 0.0.0.0"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigurationError(
                    f"port {self.port} is in use: the web interface can't listen on {self._address}",
                    "end the other program, which may be another agent, or choose another port",
                ) from None
            raise ConfigurationError(
                f"the web interface can't listen on {self._address} port {self.port}: {error.strerror}",
                "choose another address or port",
            ) from None


async def _explain(request: Request, error: Exception) -> Response:
    """An error in the format of the existing web API, which answers a wrong method for a scrape with 400."""
    assert isinstance(error, HTTPException)  # noqa: S101 (Starlette's signature is wider than what it calls)
    status, message = error.status_code, error.detail
    headers = dict(error.headers or {})
    if status == 405:  # noqa: PLR2004
        message = f"{request.method} is not allowed here; allowed: {headers.get('Allow', 'nothing')}"
        status = 400 if request.url.path == "/scrape" else status
    elif status == 404 and message == "Not Found":  # noqa: PLR2004
        message = "this path does not exist"
    return problem(status, message, headers)


async def _tell(_request: Request, error: Exception) -> Response:
    """The answer to an error of the agent: its history can't be read."""
    assert isinstance(error, AgentError)  # noqa: S101 (as above)
    return problem(503, f"{error.message}: {error.hint}" if error.hint else error.message)
