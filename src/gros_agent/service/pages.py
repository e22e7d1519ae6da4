"""The HTML pages of the web interface: the agent's status, and the description of its API."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from gros_agent.errors import AgentError
from gros_agent.runtime import words
from gros_agent.runtime.templates import templates
from gros_agent.service.calls import Call, Parameter, Reply
from gros_agent.service.duty import Duty
from gros_agent.service.endpoints import MAX_NUMBER, number, parameters
from gros_agent.service.openapi import document
from gros_agent.service.responses import Problem, RunAnswer, StateAnswer, run_answer
from gros_agent.service.state import state

STAGES = ("register", "preflight", "scrape", "export")
"""The steps of a run."""

_SHOWN = 10
_DAYS = 30
_BAR, _STEP, _HEIGHT = 14, 20, 100
_LEAST = 2


@dataclass(frozen=True)
class Bar:
    """A day of the chart: position and height of its bar, in units of the SVG."""

    day: date
    rows: int
    left: int
    height: float


@dataclass(frozen=True)
class Chart:
    """The rows of the last days."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    bar: int

    @property
    def rows(self) -> int:
        """Number of rows on all these days."""
        return sum(bar.rows for bar in self.bars)

    @property
    def most(self) -> Bar:
        """The day with the most rows."""
        return max(self.bars, key=lambda bar: bar.rows)


class Pages:
    """The pages of a running agent, and the description of all calls, including ``others``."""

    def __init__(self, duty: Duty, others: Sequence[Call]) -> None:
        self._duty = duty
        self._static = StaticFiles(packages=[("gros_agent.service", "static")])
        named = (
            words.moment,
            words.relative,
            words.duration,
            words.number,
            words.size,
            words.clip,
            words.briefly,
            words.short_version,
        )
        self._templates = templates("gros_agent.service", *named)
        self.calls = (*self._calls(), *others)
        self._document = document(self.calls, duty.version)

    def _calls(self) -> tuple[Call, ...]:
        before = Parameter(
            "before", "Show runs that are older than the one with this number.", {"type": "integer", "minimum": 1}
        )
        name = Parameter("name", "The name of the file.", {"type": "string"}, in_path=True)
        return (
            Call(
                path="/",
                handler=self.status_page,
                summary="The status page",
                parameters=(before,),
                replies={200: Reply("The page.", "text/html"), 400: Reply("A parameter is wrong.", Problem)},
            ),
            Call(
                path="/api",
                handler=self.api_page,
                summary="This description as a page",
                replies={200: Reply("The page.", "text/html")},
            ),
            Call(
                path="/openapi.json",
                handler=self.openapi,
                summary="This description as OpenAPI 3.1",
                replies={200: Reply("The description.", "application/json")},
            ),
            Call(
                path="/static/{name}",
                handler=self.static,
                summary="Static files of the pages",
                parameters=(name,),
                replies={200: Reply("The file.", "*/*"), 404: Reply("There is no file with that name.", Problem)},
            ),
        )

    async def status_page(self, request: Request) -> Response:
        """Answer with the status page."""
        before = number(parameters(request, ("before",)), "before", MAX_NUMBER)
        return HTMLResponse(await asyncio.to_thread(self._status_page, before))

    def _status_page(self, before: int | None) -> str:
        seen = state(self._duty)
        runs, chart = _history(self._duty, before)
        going_on = seen.current.id if seen.current else None
        shown = [run for run in runs[:_SHOWN] if run.id != going_on]
        return self._templates.get_template("status.html").render(
            state=seen,
            mood=_mood(seen),
            stages=_stages(seen),
            runs=shown,
            before=before,
            older=shown[-1].id if shown and len(runs) > _SHOWN else None,
            chart=chart,
        )

    async def api_page(self, _request: Request) -> Response:
        """Answer with the description of all calls as a page."""
        return HTMLResponse(self._templates.get_template("api.html").render(document=self._document))

    async def openapi(self, _request: Request) -> Response:
        """Answer with the OpenAPI document."""
        return Response(msgspec.json.encode(self._document), media_type="application/json")

    async def static(self, request: Request) -> Response:
        """Answer with a static file. Browsers cache it, and check each time whether it has changed."""
        name = request.path_params["name"]
        if not re.fullmatch(r"[a-z]+\.[a-z]+", name):
            raise HTTPException(404)
        answer = await self._static.get_response(name, request.scope)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _history(duty: Duty, before: int | None) -> tuple[list[RunAnswer], Chart | None]:
    try:
        runs = [run_answer(run) for run in duty.history.runs(_SHOWN + 1, before=before)]
        days = duty.history.rows_per_day(_DAYS)
    except AgentError:  # the state says why
        return [], None
    return runs, draw(days)


def _mood(seen: StateAnswer) -> str:
    if seen.running:
        return "running"
    return "attention" if seen.obstacles or seen.failures else "idle"


def _stages(seen: StateAnswer) -> list[tuple[str, str]]:
    """The steps of a run, each with ``done``, ``now`` or ``later``."""
    stage = seen.current.stage if seen.current else ""
    names = (*STAGES, stage) if stage and stage not in STAGES else STAGES
    if not stage:
        return [(name, "later") for name in names]
    present = names.index(stage)
    return [
        (name, "done" if index < present else "now" if index == present else "later")
        for index, name in enumerate(names)
    ]


def draw(days: Sequence[tuple[str, int]]) -> Chart:
    """The chart of the rows of some days (YYYY-MM-DD). The bar of a day with rows has a minimum height."""
    most = max((rows for _, rows in days), default=0)
    bars = [
        Bar(
            day=date.fromisoformat(day),
            rows=rows,
            left=index * _STEP + (_STEP - _BAR) // 2,
            height=round(max(_LEAST, rows / most * _HEIGHT), 1) if rows else 0,
        )
        for index, (day, rows) in enumerate(days)
    ]
    return Chart(tuple(bars), len(bars) * _STEP, _HEIGHT, _BAR)
