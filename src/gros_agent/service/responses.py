"""The answers of the web interface: the types of its JSON and of its OpenAPI description."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.run.history import Run, SourceRun
from gros_agent.runtime.masking import shown_in
from gros_agent.service.duty import Attention, Kept


class JsonAnswer(Struct, frozen=True):
    """Yes or no, and a sentence about it."""

    ok: bool
    message: str


class Started(Struct, frozen=True):
    """A scrape was started."""

    ok: bool = True


class Fault(Struct, frozen=True):
    """What went wrong: the HTTP status as text, and a sentence. There is never a traceback."""

    status: str
    message: str
    traceback: None = None


class Problem(Struct, frozen=True):
    """An error."""

    error: Fault
    ok: bool = False
    version: dict[str, str] = {}


class Notice(Struct, frozen=True):
    """Something that needs attention, and what to do about it."""

    message: str
    hint: str


class Status(Struct, frozen=True):
    """An exit status: its number, name and meaning."""

    number: int
    name: str
    meaning: str


class SourceAnswer(Struct, frozen=True):
    """The result for one source in a run."""

    name: str
    type: str
    items: Annotated[int, Meta(description="New items that were collected.")]
    expected: Annotated[int | None, Meta(description="Number of items by the source's own report, if it gives one.")]
    seconds: float
    status: Status
    error: str
    hint: str
    notes: tuple[str, ...]
    worker: Annotated[str, Meta(description="The cluster's worker that collected it; empty without a cluster.")]


class RunAnswer(Struct, frozen=True):
    """One run of a project. While it goes on, ended, status and seconds are null."""

    id: int
    project: str
    trigger: Annotated[str, Meta(description="What started it.")]
    started: datetime
    ended: datetime | None
    seconds: float | None
    status: Status | None
    stage: Annotated[str, Meta(description="The step that it is or was in last.")]
    what: Annotated[str, Meta(description="What that step is working on.")]
    done: int
    total: int | None
    error: str
    hint: str
    notes: tuple[str, ...]
    sources: tuple[SourceAnswer, ...]
    tables: Annotated[dict[str, int], Meta(description="Rows that were collected, by table.")]
    rows: int
    delivered_rows: int
    delivered_bytes: int
    retries: int


class RunsAnswer(Struct, frozen=True):
    """Runs, the newest first."""

    runs: tuple[RunAnswer, ...]
    next: Annotated[int | None, Meta(description="Pass it as `before` to get older runs; null if there are none.")]


class KeptAnswer(Struct, frozen=True):
    """The waiting batches of a project."""

    project: str
    batches: int
    bytes: int
    oldest: Annotated[datetime | None, Meta(description="When the oldest of them was made.")]
    away: Annotated[datetime | None, Meta(description="Since when the controller does not answer.")]
    problem: Annotated[str, Meta(description="Why the waiting batches can't be read; empty if they can.")]


class StateAnswer(Struct, frozen=True):
    """The agent's configuration, its current activity, and what needs attention."""

    name: str
    version: str
    mode: str
    reason: Annotated[str, Meta(description="Why it is in that mode.")]
    projects: tuple[str, ...]
    controller: Annotated[str | None, Meta(description="The controller's host.")]
    running: bool
    next_run: datetime | None
    current: Annotated[RunAnswer | None, Meta(description="The run that is going on.")]
    last_run: Annotated[int | None, Meta(description="The number of the newest run that has ended.")]
    outbox: Annotated[tuple[KeptAnswer, ...], Meta(description="Waiting batches of projects with anything to report.")]
    obstacles: Annotated[tuple[Notice, ...], Meta(description="What keeps the agent from working.")]
    failures: Annotated[tuple[Notice, ...], Meta(description="What went wrong in the last run of each project.")]
    warnings: tuple[Notice, ...]


def answer(content: Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer as JSON, without secrets."""
    return Response(msgspec.json.encode(shown_in(msgspec.to_builtins(content))), status, headers, "application/json")


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON, in the format that existing clients know."""
    words = f"{status} {HTTPStatus(status).phrase}"
    return answer(Problem(error=Fault(status=words, message=sayable(message))), status, headers)


def sayable(text: str) -> str:
    """A text that can be encoded as UTF-8: paths may hold bytes that can't be decoded."""
    return text.encode(errors="replace").decode()


def notice(about: Attention | AgentError) -> Notice:
    """A problem or warning as the web interface answers it."""
    return Notice(message=sayable(about.message), hint=sayable(about.hint))


def moment(when: datetime | None) -> datetime | None:
    """The same moment in UTC."""
    return None if when is None else when.astimezone(UTC)


def kept_answer(one: Kept) -> KeptAnswer:
    """Waiting batches as the web interface answers them."""
    return KeptAnswer(
        project=sayable(one.project),
        batches=one.batches,
        bytes=one.size,
        oldest=moment(one.oldest),
        away=moment(one.away),
        problem=sayable(one.problem),
    )


def run_answer(run: Run) -> RunAnswer:
    """A run as the web interface answers it."""
    return RunAnswer(
        id=run.identifier,
        project=run.project,
        trigger=run.trigger,
        started=run.started,
        ended=run.ended,
        seconds=None if run.ended is None else round((run.ended - run.started).total_seconds(), 3),
        status=None if run.status is None else _status(run.status),
        stage=run.stage,
        what=run.what,
        done=run.done,
        total=run.total,
        error=run.error,
        hint=run.hint,
        notes=run.notes,
        sources=tuple(_source(source) for source in run.sources),
        tables=dict(run.tables),
        rows=run.rows,
        delivered_rows=run.delivered_rows,
        delivered_bytes=run.delivered_bytes,
        retries=run.retries,
    )


def _source(source: SourceRun) -> SourceAnswer:
    return SourceAnswer(
        name=source.name,
        type=source.type,
        items=source.items,
        expected=source.expected,
        seconds=round(source.seconds, 3),
        status=_status(source.status),
        error=source.error,
        hint=source.hint,
        notes=source.notes,
        worker=source.worker,
    )


def _status(status: ExitStatus) -> Status:
    return Status(number=int(status), name=status.name.lower(), meaning=status.meaning)
