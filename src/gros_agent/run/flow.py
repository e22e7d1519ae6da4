"""The flow of one project: what happens in a run, from top to bottom.

    deliver what waits → register → preflight → take over the controller's variables → discover → collect → pseudonymise
    → publish → deliver

A registration clears the agent's files at the controller, those of its other projects as well. So no delivery may be
under way then, and one project at a time has its turn there: until preflight has asked the controller, for the trackers
and for the delivery. Without a cluster, the flow of one project ends before that of the next begins. With one, many are
collected at the same time, and a project is registered again in its turn if another one was meanwhile.

If a project can't be registered now (a delivery is stuck, or the controller is away), it is collected anyway if it was
registered before, and its batch waits. Without a controller the flow is preflight and scrape. A scrape
(:mod:`gros_agent.collect.scrape`) covers the steps from discover to publish.
"""

import logging
from contextlib import ExitStack
from dataclasses import replace

from gros_agent.collect.scrape import project_log, scrape
from gros_agent.collect.teams import Teams
from gros_agent.deliver import outbox
from gros_agent.errors import DeliveryError, ExitStatus, PreflightError
from gros_agent.preflight import checks as preflight_checks
from gros_agent.preflight.results import Scope, Verdict
from gros_agent.preflight.takeover import note_moment, take_over
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.run.turns import Turn
from gros_agent.run.watching import Checks, Load, Note
from gros_agent.settings.load import Overrides
from gros_agent.settings.model import ProjectSettings

log = logging.getLogger(__name__)

_LEVELS = {Verdict.FAILED: logging.ERROR, Verdict.WARNING: logging.WARNING, Verdict.AWAY: logging.WARNING}


class Flow:
    """The steps of one project. ``turn`` does those that need the controller."""

    def __init__(
        self,
        load: Load,
        key: str,
        checks: Checks,
        options: ScrapeOptions,
        note: Note,
        turn: Turn,
        teams: Teams,
    ) -> None:
        self._load = load
        self._key = key
        self._checks = checks
        self._options = replace(options, is_logged=True)
        self._note = note
        self._turn = turn
        self._teams = teams

    def go(self) -> ExitStatus:
        """Go through the steps. Raises :class:`AgentError` if one of them fails."""
        project = self._project(given=False)  # the controller is asked before what it said last counts
        outbox.keep(project)
        if project.controller is None:
            with project_log(project.folder) as ended:
                status = self._collect(project, ExitStack())
                ended(status)
            return status
        with ExitStack() as turn:
            turn.enter_context(self._turn.alone(project))
            self._note.stage("deliver")
            self._turn.deliver_what_waits(project)
            if not self._checks.skip and self._turn.is_too_early(project):
                if isinstance(self._turn.waits, DeliveryError):
                    raise self._turn.waits
                return ExitStatus.NOT_DUE
            with project_log(project.folder) as ended:
                self._turn.register(project)
                status = self._collect(project, turn)
                ended(status)
        if status not in {ExitStatus.DONE, ExitStatus.PARTLY}:
            return status
        if self._turn.obstacle is not None:
            raise self._turn.postponed(project, self._turn.obstacle)
        with self._turn.alone(project):
            self._note.stage("export")
            self._turn.export(self._project(given=False))
        return status

    def _collect(self, asking: ProjectSettings, turn: ExitStack) -> ExitStatus:
        """Preflight and scrape. The turn at the controller ends once preflight has asked it.

        ``asking`` are the settings for what is asked there. They are not read again while a scrape goes on, since a
        project's time zone is that of this process.
        """
        self._note.stage("preflight")
        status = self._preflight(turn)
        if status is not ExitStatus.DONE:
            return status
        self._note.stage("scrape")
        project = self._project(given=True)
        options = self._options
        if self._turn.is_away:
            options = replace(options, no_ssh=True)
        tell, progress = self._note.scraped, self._note.progress
        return scrape(project, options, tell, progress, self._teams, lambda: self._turn.alone(asking))

    def _project(self, overrides: Overrides | None = None, *, given: bool) -> ProjectSettings:
        """The project as its settings are now; ``given`` are the variables that the controller gave for a scrape."""
        return self._load(self._key, overrides or {}, given=given).project(self._key)

    def _preflight(self, turn: ExitStack) -> ExitStatus:
        checks = self._checks
        project = self._project(checks.overrides, given=False)
        scope = Scope(
            project.settings,
            (project.key,),
            checks.secrets,
            checks.no_secrets,
            checks.no_ssh,
            checks.silence,
            away=self._turn.obstacle if self._turn.is_away else None,
        )
        with turn:
            results = list(preflight_checks.run_at_controller(scope))
        results += preflight_checks.run_elsewhere(scope)
        take_over(scope)
        for result in results:
            hint = f"; what to do: {result.hint}" if result.hint and result.status is not Verdict.OK else ""
            level = _LEVELS.get(result.status, logging.INFO)
            log.log(level, "preflight: %s: %s: %s", result.logged_name, result.status, f"{result.detail}{hint}")
        self._note.checked(results)
        status = preflight_checks.status_of(results)
        if checks.skip:
            return ExitStatus.DONE
        if status is ExitStatus.PREFLIGHT:
            failed = [result for result in results if result.status is Verdict.FAILED]
            names = ", ".join(result.name for result in failed)
            raise PreflightError(f"{len(failed)} of {len(results)} checks failed: {names}", failed[0].hint)
        if status is ExitStatus.POSTPONED:  # the controller is away: collecting goes on, and this is its moment
            note_moment(project)
            return ExitStatus.DONE
        return status
