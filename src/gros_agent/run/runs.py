"""Runs of projects under one lock and one time limit. Each has an outcome, whatever happens."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gros_agent.collect.teams import Teams, ThisMachine
from gros_agent.controller import capabilities
from gros_agent.deliver import delivery, open_deliveries
from gros_agent.errors import AgentError, ExitStatus, worst
from gros_agent.project import entries
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.run.flow import Flow
from gros_agent.run.history import Ended, History
from gros_agent.run.turns import Turn, Turns
from gros_agent.run.watching import Checks, Load, Note, Watcher
from gros_agent.runtime import limits, logs, parallel, retry
from gros_agent.runtime.files import kept
from gros_agent.runtime.storage import clear_leftovers, exclusive, make_private
from gros_agent.settings.environment import RUN_MAX
from gros_agent.settings.home import Home
from gros_agent.settings.load import files_of
from gros_agent.settings.model import Settings

log = logging.getLogger(__name__)


@contextmanager
def steady_files(root: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Keep the settings the same within the block, even if a configuration tool writes their files meanwhile.

    It waits until those files, and the lists of sources, are complete.
    """
    lists = Home.of(root, environ).export
    with kept(lambda: files_of(root, environ), lambda: lists.glob(f"*/{entries.FILE}")) as settled:
        if not settled:
            log.warning("the configuration files change on and on: this run takes them as they are now")
        yield


def run_projects(
    load: Load,
    projects: Sequence[str],
    checks: Checks,
    options: ScrapeOptions,
    trigger: str,
    watcher: Watcher,
    teams: Callable[[], AbstractContextManager[Teams]] = lambda: nullcontext(ThisMachine()),
) -> ExitStatus:
    """Run the flow for each project. A project that fails does not stop the others.

    ``trigger`` is a word for the history that says what started the run. ``teams`` makes what collects, and what says
    how many projects are collected at the same time; threads collect one after the other by default. Returns the worst
    status. Raises :class:`BusyError` if another run is going on.
    """
    settings = load(None, {}, given=False)
    home = settings.home
    make_private(home.state)
    with (
        exclusive(home.run_lock, "another run of this agent"),
        limits.within(settings.environment.run_max, RUN_MAX) as limit,
        limits.hard(limit, _end_run),
        ExitStack() as stack,
    ):
        for folder in (home.state, home.root / "secrets", home.root / ".ssh"):
            clear_leftovers(folder)
        _close_killed(home)
        turns = Turns()
        run = _Runs(load, checks, options, turns, lambda key: Note(History(home.history), key, trigger, watcher))
        try:
            team = stack.enter_context(teams())
        except AgentError as error:
            return worst([run.fail(project, error) for project in projects])

        def stop() -> None:
            turns.is_over = True
            team.stop()

        return worst(
            parallel.run(
                _in_turn(settings, projects),
                lambda project: run.one(project, team),
                at_once=lambda: team.at_once,
                lane=lambda _: None,
                per_lane=1,
                stop=stop,
            )
        )


class _Runs:
    """The runs of several projects. ``noted`` makes what each of them notes its steps in."""

    def __init__(
        self, load: Load, checks: Checks, options: ScrapeOptions, turns: Turns, noted: Callable[[str], Note]
    ) -> None:
        self._load = load
        self._checks = checks
        self._options = options
        self._turns = turns
        self._noted = noted

    def one(self, project: str, teams: Teams) -> ExitStatus:
        """Run one project, unless the time is up."""
        limit = limits.current()
        if limit is not None and limit.is_up:
            log.error("project %s: nothing was done, the time of this run is up: %s", project, limit.error().hint)
            return ExitStatus.PARTLY
        with logs.of_project(project):
            note = self._noted(project)
            ended = _Run(self._load, project, self._checks, self._options, note, self._turns, teams).run()
            return _told(project, note, ended)

    def fail(self, project: str, error: AgentError) -> ExitStatus:
        """Note that the run of a project could not begin."""
        note = self._noted(project)
        log.error("project %s: %s", project, error)
        ended = Ended(status=error.status, error=error.message, hint=error.hint)
        note.end(ended)
        return _told(project, note, ended)


def _told(project: str, note: Note, ended: Ended) -> ExitStatus:
    note.told(project, ended)
    log.log(
        logging.INFO if ended.status in {ExitStatus.DONE, ExitStatus.NOT_DUE} else logging.ERROR,
        "project %s: ended with status %d: %s",
        *(project, ended.status, ended.status.meaning),
    )
    return ended.status


def _close_killed(home: Home) -> None:
    """Note the end of runs that were killed. A history that can't be written is reported by the first run."""
    with suppress(AgentError):
        History(home.history).close_killed()


def _in_turn(settings: Settings, projects: Sequence[str]) -> Sequence[str]:
    """The order of the projects: as given, unless the controller works on a batch of one of them.

    Such a batch stops the registrations of the others. Then the project whose registration is oldest comes first, so
    that every project gets its turn.
    """
    if not any(open_deliveries.is_with_the_controller(settings.project(project)) for project in projects):
        return projects
    known = {project: capabilities.registration(settings.project(project)) for project in projects}
    return sorted(projects, key=lambda project: one.registered.timestamp() if (one := known[project]) else 0.0)


def _end_run() -> None:
    """Interrupt a run that goes on long after its time is up, so that another one can begin."""
    log.error("the time of this run is up, and it does not end by itself: it is interrupted; %s allows more", RUN_MAX)
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread gets it


class _Run:
    """The run of one project, and its outcome."""

    def __init__(
        self,
        load: Load,
        project: str,
        checks: Checks,
        options: ScrapeOptions,
        note: Note,
        turns: Turns,
        teams: Teams,
    ) -> None:
        self._load = load
        self._project = project
        self._note = note
        self._turn = Turn(turns, note)
        self._flow = Flow(load, project, checks, options, note, self._turn, teams)

    def run(self) -> Ended:
        """Go through the steps. Whatever goes wrong is in the result and in the history."""
        with retry.counted() as retries:
            try:
                ended = self._ended(self._flow.go())
            except AgentError as error:
                if not error.is_logged:
                    log.error("project %s: %s", self._project, error)  # noqa: TRY400 (whoever asked is told in words)
                ended = self._ended(error.status, error=error.message, hint=error.hint)
            except KeyboardInterrupt:
                self._note.end(self._ended(ExitStatus.INTERRUPTED, error="was interrupted"))
                raise
            except Exception as error:
                log.exception("project %s: unexpected", self._project)
                told = {"error": f"unexpected: {type(error).__name__}: {error}", "hint": "report it; see the log"}
                ended = self._ended(ExitStatus.UNEXPECTED, **told)
            is_well = ended.status in {ExitStatus.DONE, ExitStatus.NOT_DUE}
            if not (is_well or self._note.receipts or self._turn.is_away):
                self._send_log()
            ended = replace(ended, retries=retries.count)
        self._note.end(ended)
        return ended

    def _send_log(self) -> None:
        """Send the log of a failed run to the controller, if possible. A failure is only logged."""
        try:
            project = self._load(self._project, {}, given=False).project(self._project)
            if project.controller is not None:
                delivery.send_log(project)
        except AgentError as error:
            log.info("project %s: the log was not sent: %s", self._project, error)

    def _ended(self, status: ExitStatus, **told: Any) -> Ended:  # noqa: ANN401 (fields of Ended)
        reports, receipts = self._note.reports, self._note.receipts
        tables: Mapping[str, int] = reports[-1].tables if reports else {}
        return Ended(
            status=status,
            notes=tuple(note for report in reports for note in report.notes),
            outcomes=tuple(outcome for report in reports for outcome in report.outcomes),
            tables={Path(name).stem: rows for name, rows in tables.items()},
            delivered_rows=sum(receipt.rows for receipt in receipts),
            delivered_bytes=sum(one.size for receipt in receipts for one in receipt.files),
            **told,
        )
