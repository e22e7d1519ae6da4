"""The state of an agent, as the status page and ``/api/state`` show it."""

from collections.abc import Iterator
from itertools import islice

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.run.history import Run
from gros_agent.service.duty import Duty
from gros_agent.service.responses import (
    Notice,
    RunAnswer,
    StateAnswer,
    kept_answer,
    moment,
    notice,
    run_answer,
    sayable,
)

NAME = "gros-agent"
_FAILURES = 20
_FINE = (ExitStatus.DONE, ExitStatus.NOT_DUE)


def state(duty: Duty) -> StateAnswer:
    """The state of an agent. Reads the disk, so don't call it in the event loop."""
    is_running = duty.is_running
    try:
        current = _current(duty) if is_running else None
        last_run = next((run.identifier for run in duty.history.runs(limit=2) if run.ended), None)
        failures = _failures(duty)
    except AgentError as error:
        current, last_run, failures = None, None, (notice(error),)
    return StateAnswer(
        name=NAME,
        version=duty.version,
        mode=sayable(duty.mode),
        reason=sayable(duty.reason),
        projects=tuple(map(sayable, duty.projects)),
        controller=None if duty.controller is None else sayable(duty.controller),
        running=is_running,
        next_run=moment(duty.next_run),
        current=current,
        last_run=last_run,
        outbox=tuple(kept_answer(one) for one in duty.outbox() if one.batches or one.away or one.problem),
        obstacles=tuple(map(notice, duty.obstacles())),
        failures=failures,
        warnings=tuple(map(notice, duty.warnings())),
    )


def _current(duty: Duty) -> RunAnswer | None:
    run = duty.history.current()
    return run_answer(run) if run else None


def _failures(duty: Duty) -> tuple[Notice, ...]:
    last, projects = duty.history.last_runs(), duty.projects
    found = (one for project, run in last.items() if project in projects for one in _failure(run))
    return tuple(islice(found, _FAILURES))


def _failure(run: Run) -> Iterator[Notice]:
    if run.status is None or run.status in _FINE:
        return
    failed = [source for source in run.sources if source.status not in _FINE]
    if run.error or not failed:
        yield Notice(f"{run.project}: {run.error or run.status.meaning}", run.hint)
    for source in failed:
        yield Notice(f"{run.project}, source {source.name}: {source.error or source.status.meaning}", source.hint)
