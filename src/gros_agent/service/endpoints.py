"""The calls of the web interface for programs."""

import asyncio
import contextlib
import logging
import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gros_agent.errors import AgentError, BusyError, SourceError
from gros_agent.service.calls import Call, Parameter, Reply
from gros_agent.service.duty import Duty
from gros_agent.service.metrics import CONTENT_TYPE, metrics
from gros_agent.service.responses import (
    JsonAnswer,
    Problem,
    RunAnswer,
    RunsAnswer,
    Started,
    StateAnswer,
    answer,
    run_answer,
)
from gros_agent.service.state import state

MAX_NUMBER = (1 << 63) - 1
"""The largest number that a run can have."""

_log = logging.getLogger(__name__)
_MAX_BODY = 1 << 16
_BODY_SECONDS = 0.3
_MAX_RUNS = 500
_MAX_PROJECT = 200
_NUMBER = {"type": "integer", "minimum": 1}
_UNREADABLE = Reply("The history of runs can't be read.", Problem)
_REFUSED = "the request names another host, or comes from another site"


class Api:
    """Answers the calls of programs."""

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    def calls(self) -> tuple[Call, ...]:
        """All calls."""
        return (
            Call(
                path="/status",
                handler=self.status,
                summary="Whether a scrape is running",
                replies={
                    200: Reply("A scrape is running.", JsonAnswer),
                    503: Reply("No scrape is running.", JsonAnswer),
                },
            ),
            Call(
                path="/scrape",
                method="POST",
                handler=self.scrape,
                summary="Start a scrape",
                about="The result of preflight is ignored. A body is ignored. Other sites' pages may not ask for it.",
                replies={
                    201: Reply("It was started.", Started),
                    400: Reply("Another method was used.", Problem),
                    403: Reply(f"Refused: {_REFUSED}.", Problem),
                    413: Reply("The body is too long.", Problem),
                    500: Reply("It can't be started.", Problem),
                    503: Reply("A scrape is running already, or the new one failed at once.", Problem),
                },
            ),
            Call(
                path="/healthz",
                handler=self.alive,
                summary="Whether the process is alive",
                replies={200: Reply("It is.", JsonAnswer)},
                is_open=True,
            ),
            Call(
                path="/readyz",
                handler=self.ready,
                summary="Whether the agent can work",
                about="Its configuration is valid, and the controller can be reached.",
                replies={200: Reply("It can.", JsonAnswer), 503: Reply("It can't.", JsonAnswer)},
                is_open=True,
            ),
            *self._observations(),
        )

    def _observations(self) -> tuple[Call, ...]:
        numbered = Parameter("number", "The number of the run.", _NUMBER, in_path=True)
        limit = {"type": "integer", "minimum": 1, "maximum": _MAX_RUNS, "default": 50}
        project = {"type": "string", "minLength": 1, "maxLength": _MAX_PROJECT}
        return (
            Call(
                path="/api/state",
                handler=self.state,
                summary="The state of the agent, and what needs attention",
                replies={200: Reply("The state right now.", StateAnswer)},
            ),
            Call(
                path="/api/runs",
                handler=self.runs,
                summary="The latest runs, with the outcome of each source",
                parameters=(
                    Parameter("limit", "How many runs at most.", limit),
                    Parameter("project", "Only runs of the project with this key.", project),
                    Parameter("before", "Only runs that are older than the one with this number.", _NUMBER),
                ),
                replies={
                    200: Reply("The newest runs, the newest first.", RunsAnswer),
                    400: Reply("A parameter is wrong; the message names it.", Problem),
                    503: _UNREADABLE,
                },
            ),
            Call(
                path="/api/runs/{number}",
                handler=self.run,
                summary="One run",
                parameters=(numbered,),
                replies={
                    200: Reply("The run.", RunAnswer),
                    404: Reply("There is no run with that number.", Problem),
                    503: _UNREADABLE,
                },
            ),
            Call(
                path="/metrics",
                handler=self.metrics,
                summary="Metrics for Prometheus",
                replies={200: Reply("The metrics.", "text/plain")},
            ),
        )

    async def status(self, _request: Request) -> Response:
        """Answer whether a scrape is running, in the way that existing clients expect."""
        if self._duty.is_running:
            return answer(JsonAnswer(ok=True, message="a scrape is running"))
        return answer(JsonAnswer(ok=False, message="no scrape is running"), 503)

    async def alive(self, _request: Request) -> Response:
        """Answer that the process is alive."""
        return answer(JsonAnswer(ok=True, message="the agent is alive"))

    async def ready(self, _request: Request) -> Response:
        """Answer whether the agent can work.

        The call is open to everybody, so the answer does not say what is wrong.
        """
        if self._duty.obstacles():
            return answer(JsonAnswer(ok=False, message="the agent can't work: /api/state says why"), 503)
        return answer(JsonAnswer(ok=True, message="the agent can work"))

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

    async def state(self, _request: Request) -> Response:
        """Answer with the agent's state."""
        return answer(await asyncio.to_thread(state, self._duty))

    async def runs(self, request: Request) -> Response:
        """Answer with the latest runs."""
        query = parameters(request, ("limit", "project", "before"))
        limit = number(query, "limit", _MAX_RUNS) or 50
        project, before = query.get("project"), number(query, "before", MAX_NUMBER)
        if project is not None and not 0 < len(project) <= _MAX_PROJECT:
            raise HTTPException(400, f"project must have 1 to {_MAX_PROJECT} characters")
        # one more than is shown, to see whether there are others
        found = await asyncio.to_thread(self._duty.history.runs, limit + 1, project, before)
        shown = tuple(map(run_answer, found[:limit]))
        return answer(RunsAnswer(shown, shown[-1].id if len(found) > limit else None))

    async def run(self, request: Request) -> Response:
        """Answer with one run."""
        text = request.path_params["number"]
        number = int(text) if re.fullmatch("[0-9]{1,18}", text) else 0
        found = await asyncio.to_thread(self._duty.history.run, number) if number else None
        if not found:
            raise HTTPException(404, f"there is no run {text[:20]}")
        return answer(run_answer(found))

    async def metrics(self, _request: Request) -> Response:
        """Answer with the metrics."""
        return Response(await asyncio.to_thread(metrics, self._duty), headers={"Content-Type": CONTENT_TYPE})


async def _read_body(request: Request) -> None:
    """Read and ignore the body, since a client that is still sending would miss the answer.

    Don't wait for slow clients.
    """
    length = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > _MAX_BODY:
                    raise HTTPException(413, f"a body has at most {_MAX_BODY} bytes")


def parameters(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a query. Raises an :class:`HTTPException` (400) if one is unknown or given twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names or name in found:
            raise HTTPException(400, f"{name[:50]} is not a parameter of this call, or is given twice")
        found[name] = value
    return found


def number(query: dict[str, str], name: str, largest: int) -> int | None:
    """A parameter as a number, or None. Raises an :class:`HTTPException` (400) if it is out of range."""
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,19}", text) or not 1 <= int(text) <= largest:
        raise HTTPException(400, f"{name} must be a number from 1 to {largest}")
    return int(text)
