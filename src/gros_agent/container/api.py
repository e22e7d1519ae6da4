"""The calls of the web interface that are asked by programs."""

import asyncio
import contextlib
import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gros_agent.container.answers import Answer, Problem, Started, answer
from gros_agent.container.calls import Call, Reply
from gros_agent.container.duty import Duty
from gros_agent.errors import AgentError, BusyError, SourceError

_log = logging.getLogger(__name__)
_MAX_BODY = 1 << 16
_BODY_SECONDS = 0.3
_REFUSED = "the request names another host, or comes from another site"


class Api:
    """The answers to programs."""

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    def calls(self) -> tuple[Call, ...]:
        """Every call."""
        return (
            Call(
                path="/status",
                handler=self.status,
                summary="Whether a scrape is running",
                replies={200: Reply("A scrape is running.", Answer), 503: Reply("None is running.", Answer)},
            ),
            Call(
                path="/scrape",
                method="POST",
                handler=self.scrape,
                summary="Start a scrape",
                about="It goes on whatever preflight says. A body is ignored. Other sites' pages may not ask for it.",
                replies={
                    201: Reply("It was started.", Started),
                    400: Reply("Another method was used.", Problem),
                    403: Reply(f"Refused: {_REFUSED}.", Problem),
                    413: Reply("The body is too long.", Problem),
                    500: Reply("It can't be started.", Problem),
                    503: Reply("One is running, or it failed at once.", Problem),
                },
            ),
            Call(
                path="/healthz",
                handler=self.alive,
                summary="Whether the process is alive",
                replies={200: Reply("It is.", Answer)},
                is_open=True,
            ),
            Call(
                path="/readyz",
                handler=self.ready,
                summary="Whether the agent can work",
                about="Its configuration is valid, and the controller was seen.",
                replies={200: Reply("It can.", Answer), 503: Reply("It can't.", Answer)},
                is_open=True,
            ),
        )

    async def status(self, _request: Request) -> Response:
        """Whether a scrape is running, as existing clients ask it."""
        if self._duty.is_running:
            return answer(Answer(ok=True, message="a scrape is running"))
        return answer(Answer(ok=False, message="no scrape is running"), 503)

    async def alive(self, _request: Request) -> Response:
        """That the process is alive."""
        return answer(Answer(ok=True, message="the agent is alive"))

    async def ready(self, _request: Request) -> Response:
        """Whether the agent can work. Anybody may ask: what is wrong is only told to those who have the token."""
        if self._duty.obstacles():
            return answer(Answer(ok=False, message="the agent can't work: /api/state says why"), 503)
        return answer(Answer(ok=True, message="the agent can work"))

    async def scrape(self, request: Request) -> Response:
        """Start a scrape."""
        await _read_body(request)
        try:
            await self._duty.start("request")
        except AgentError as error:
            is_refusal = isinstance(error, BusyError | SourceError)
            _log.log(logging.INFO if is_refusal else logging.ERROR, "no scrape was started: %s", error.message)
            words = f"{error.message}: {error.hint}" if error.hint else error.message
            raise HTTPException(503 if is_refusal else 500, words) from error
        return answer(Started(), 201)


async def _read_body(request: Request) -> None:
    """Read what nobody needs: a client that still sends would miss the answer. One that is slow is not waited for."""
    length = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > _MAX_BODY:
                    raise HTTPException(413, f"a body has at most {_MAX_BODY} bytes")
