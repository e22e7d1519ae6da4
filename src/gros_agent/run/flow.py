"""The whole chain of one project, as a controller expects it.

    deliver what waits → register → preflight → scrape → export → wait until the controller took and imported it

A registration clears what the agent has at the controller, so nothing may be on its way then, and one project's chain
ends before the next one's begins. A project that can't register now, since a delivery is stuck or the controller is
away, is collected all the same if it was registered before, and its batch waits. Where no controller is configured, the
chain is preflight and scrape.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gros_agent.collect.scrape import project_log, scrape
from gros_agent.controller import capabilities
from gros_agent.controller.https import ControllerClient
from gros_agent.deliver import contact, delivery, open_deliveries, outbox
from gros_agent.deliver.receipts import Receipt
from gros_agent.deliver.registration import Options, Registered, register
from gros_agent.errors import AgentError, DeliveryError, ExitStatus, Own, PreflightError, worst
from gros_agent.preflight import checks as preflight_checks
from gros_agent.preflight.remote import note_moment
from gros_agent.preflight.results import Result, Scope, Status
from gros_agent.privacy import secrets
from gros_agent.project import entries
from gros_agent.project.report import Report
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.run.history import Ended, History
from gros_agent.run.turns import Turn
from gros_agent.runtime import limits, retry
from gros_agent.runtime.files import kept
from gros_agent.runtime.storage import clear_leftovers, exclusive, make_private
from gros_agent.settings.environment import RUN_MAX, SOURCE_KEYS
from gros_agent.settings.home import Home
from gros_agent.settings.load import Overrides, files_of
from gros_agent.settings.model import Settings

if TYPE_CHECKING:
    from gros_agent.controller import answers

log = logging.getLogger(__name__)


class Load(Protocol):
    """Reads the settings for a project, with overrides, anew each time: preflight may have brought variables for it.

    With ``given`` those variables of the controller count, where nothing else says otherwise.
    """

    def __call__(self, project: str | None, overrides: Overrides, *, given: bool) -> Settings:
        """Read them. Raises :class:`ConfigurationError`."""
        ...


_LEVELS = {
    Status.FAILED: logging.ERROR,
    Status.WARNING: logging.WARNING,
    Status.AWAY: logging.WARNING,
}


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How preflight is to check: which secrets file, what to leave out, and settings of its own.

    With ``skip`` the scrape goes on whatever preflight finds, also before its time. ``silence`` is in seconds.
    """

    secrets: Path | None = None
    no_secrets: bool = False
    no_ssh: bool = False
    skip: bool = False
    overrides: Overrides = field(default_factory=dict)
    silence: float = 120.0


class Watcher(Protocol):
    """Who is told what becomes of a chain."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A step is so far."""
        ...

    def checked(self, results: Sequence[Result]) -> None:
        """Preflight was done."""
        ...

    def scraped(self, report: Report) -> None:
        """The scrape was done."""
        ...

    def delivered(self, receipt: Receipt) -> None:
        """The controller took a batch."""
        ...

    def ended(self, project: str, ended: Ended) -> None:
        """The chain of a project came to its end."""
        ...


@contextmanager
def steady_files(root: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Have the settings be the same within, however a configuration tool writes their files meanwhile.

    It is waited until those files are whole, and the lists of sources with them.
    """
    lists = Home.of(root, environ).export
    with kept(lambda: files_of(root, environ), lambda: lists.glob(f"*/{entries.FILE}")) as settled:
        if not settled:
            log.warning("the configuration files change on and on: this run takes them as they are now")
        yield


def run_projects(
    load: Load, projects: Sequence[str], checks: Checks, options: ScrapeOptions, trigger: str, watcher: Watcher
) -> ExitStatus:
    """Run the chain of each project, one after the other; one that fails does not stop the next.

    ``trigger`` says in a word what made it run, for the history. Returns the worst status. Raises :class:`BusyError`
    if another run is going on.
    """
    settings = load(None, {}, given=False)
    home = settings.home
    statuses = []
    make_private(home.state)
    stuck: dict[str, AgentError] = {}
    with (
        exclusive(home.run_lock, "another run of this agent"),
        limits.within(settings.environment.run_max, RUN_MAX) as limit,
        limits.hard(limit, _end_run),
    ):
        for folder in (home.state, home.root / "secrets", home.root / ".ssh"):
            clear_leftovers(folder)
        for project in _in_turn(settings, projects):
            if limit.is_up:
                log.error("project %s: nothing was done, the time of this run is up: %s", project, limit.error().hint)
                statuses.append(ExitStatus.PARTLY)
                continue
            note = _Note(History(home.history), project, trigger, watcher)
            chain = _Chain(load, project, checks, options, note, watcher, stuck)
            ended = chain.run()
            watcher.ended(project, ended)
            log.log(
                logging.INFO if ended.status in {ExitStatus.DONE, ExitStatus.NOT_DUE} else logging.ERROR,
                "project %s: ended with status %d: %s",
                *(project, ended.status, ended.status.meaning),
            )
            statuses.append(ended.status)
    return worst(statuses)


def _in_turn(settings: Settings, projects: Sequence[str]) -> Sequence[str]:
    """The projects in their order, unless the controller works on a batch of one of them.

    That stops the registrations of the others. Those that had none for longest come first then, lest the first of them
    is the only one that ever has its turn.
    """
    if not any(open_deliveries.is_with_the_controller(settings, project) for project in projects):
        return projects
    known = {project: capabilities.registration(settings, project) for project in projects}
    return sorted(projects, key=lambda project: one.registered.timestamp() if (one := known[project]) else 0.0)


def _end_run() -> None:
    """End a run that goes on long after its time is up, as whoever stops the agent does: another one can begin then."""
    log.error("the time of this run is up, and it does not end by itself: it is interrupted; %s allows more", RUN_MAX)
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread gets it


class _Note:
    """Keeps the history of one run. A history that can't be written is a warning: the work goes on."""

    def __init__(self, history: History, project: str, trigger: str, watcher: Watcher) -> None:
        self._history = history
        self._watcher = watcher
        self._run: int | None = 0
        self._try(lambda _: setattr(self, "_run", history.begin(project, trigger)))

    def stage(self, name: str) -> None:
        log.debug("stage: %s", name)
        self._try(lambda run: self._history.stage(run, name))

    def progress(self, what: str, done: int, total: int | None) -> None:
        self._watcher.progress(what, done, total)
        self._try(lambda run: self._history.progress(run, what, done, total))

    def end(self, ended: Ended) -> None:
        self._try(lambda run: self._history.end(run, ended))

    def _try(self, write: Callable[[int], None]) -> None:
        if self._run is None:
            return
        try:
            write(self._run)
        except AgentError as error:
            self._run = None
            log.warning("this run is not kept in the history: %s", error)


class _Chain:
    """One run of the chain of one project."""

    def __init__(
        self,
        load: Load,
        project: str,
        checks: Checks,
        options: ScrapeOptions,
        note: _Note,
        watcher: Watcher,
        stuck: dict[str, AgentError],
    ) -> None:
        self._load = load
        self._project = project
        self._checks = checks
        self._options = replace(options, is_logged=True)
        self._note = note
        self._watcher = watcher
        self._turn = Turn(project, stuck, note.progress, self._delivered)
        self._reports: list[Report] = []
        self._receipts: list[Receipt] = []
        self._said: answers.Status | None = None
        self._obstacle: AgentError | None = None
        self._waits: AgentError | None = None
        self._has_registered = False

    def run(self) -> Ended:
        """Go through the steps; whatever goes wrong is in what is returned, and in the history."""
        with retry.counted() as retries:
            try:
                ended = self._ended(self._steps())
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
            is_away = self._obstacle is not None and self._obstacle.away
            if ended.status not in {ExitStatus.DONE, ExitStatus.NOT_DUE} and not self._receipts and not is_away:
                self._send_log()
            ended = replace(ended, retries=retries.count)
        self._note.end(ended)
        return ended

    def _steps(self) -> ExitStatus:
        settings = self._load(self._project, {}, given=False)  # the controller is asked before what it said last counts
        outbox.keep(settings, self._project)
        if settings.controller(self._project) is None:
            with project_log(settings.home.export / self._project) as ended:
                status = self._work()
                ended(status)
            return status
        self._note.stage("deliver")
        self._obstacle = self._away(settings) or self._turn.finish_others(settings)
        waits = None
        if self._obstacle is None or not self._obstacle.away:
            waits = self._turn.deliver_what_waits(settings)
            self._obstacle = self._turn.obstacle(settings, waits) or self._obstacle
        if waits is not None and self._obstacle is None:
            self._register_and_deliver(settings, waits)
        if not self._checks.skip and self._is_too_early(settings):
            left = self._waits if self._has_registered else waits
            if isinstance(left, DeliveryError):
                raise left
            return ExitStatus.NOT_DUE
        with project_log(settings.home.export / self._project) as ended:
            if self._obstacle is None and not self._has_registered:
                self._register_and_deliver(settings, None)
            if self._obstacle is not None:
                self._go_on_without(settings, self._obstacle)
            status = self._work()
            ended(status)
        if status not in {ExitStatus.DONE, ExitStatus.PARTLY}:
            return status
        if self._obstacle is not None:
            raise self._postponed(settings, self._obstacle)
        self._note.stage("export")
        self._turn.export(self._load(self._project, {}, given=False))
        return status

    def _go_on_without(self, settings: Settings, obstacle: AgentError) -> None:
        """Do without a registration, where that can be. Raises the obstacle otherwise."""
        self._turn.check_registered(settings, obstacle)
        if obstacle.away:
            log.info("project %s: goes on without the controller: what is collected waits", self._project)
        else:
            log.warning("project %s: not registered in this run: %s", self._project, obstacle)

    def _away(self, settings: Settings) -> AgentError | None:
        """Why the controller is away, if it is; what it says of its schedule is noted."""
        if secrets.find(settings.home.root, self._project) is None:
            return None
        try:
            self._said = ControllerClient(settings).status(self._project)
        except AgentError as error:
            if error.away:
                since = contact.note_away(settings, self._project).away
                when = Own(f"{since.astimezone():%Y-%m-%d %H:%M:%S}" if since else "now")
                log.warning("project %s: the controller is away since %s: %s", self._project, when, error)
                return error
            log.debug("the controller did not say whether it is time: %s", error)
            return None
        tracker = self._said.components.get("tracker")
        if tracker is not None:
            contact.note_answer(settings, self._project, tracker.interval, "" if tracker.ok else tracker.message)
        return None

    def _postponed(self, settings: Settings, reason: AgentError) -> DeliveryError:
        count = len(outbox.waiting(settings, self._project))
        kept = f"{count} {'batch waits' if count == 1 else 'batches wait'}"
        if not reason.away:
            return DeliveryError(f"{self._project} was collected, and {kept}: {reason.message}", reason.hint)
        since = contact.read(settings, self._project).away
        when = f" since {since.astimezone():%Y-%m-%d %H:%M:%S}" if since else ""
        words = f"the controller is away{when}: {self._project} was collected into the outbox, {kept}: {reason.message}"
        later = "a later run delivers it" if count == 1 else "a later run delivers them in order"
        return DeliveryError(words, f"{reason.hint}; {later}")

    def _register_and_deliver(self, settings: Settings, waits: AgentError | None) -> None:
        """Register, and deliver what could not be before. What stops either is kept as an obstacle."""
        self._note.stage("register")
        try:
            done = self._register(settings, waits)
        except AgentError as error:
            if not error.away:
                raise
            contact.note_away(settings, self._project)
            self._obstacle = error
            return
        self._has_registered = True
        self._turn.registered()
        log.info("project %s: registered as %s; host key %s", self._project, Own(done.user), done.pinned)
        self._publish_key(settings)
        if waits:
            self._waits = self._turn.deliver_what_waits(settings)
            self._obstacle = self._waits

    def _register(self, settings: Settings, waits: AgentError | None) -> Registered:
        try:
            return register(settings, self._project, Options(finish=False))
        except AgentError as error:
            if waits is not None and not error.away:
                raise waits from None  # what is kept is more worth telling
            raise

    def _publish_key(self, settings: Settings) -> None:
        """Give the public key to the systems of the sources, where that is wanted. A refusal is a warning."""
        if settings.environment.get(SOURCE_KEYS):
            from gros_agent.deliver import source_keys  # noqa: PLC0415 (few want it)

            where = source_keys.Where(sources=True, credentials=True)
            for one in source_keys.publish(settings, self._project, where, dry_run=False):
                if one.error:
                    log.warning("project %s: %s did not take the key: %s", self._project, one.host, one.error)
                else:
                    log.info("project %s: key at %s: %s", self._project, one.host, one.outcome)

    def _is_too_early(self, settings: Settings) -> bool:
        """Whether it is too early for a scrape, as far as the controller says, or its last known schedule."""
        if self._obstacle is not None and self._obstacle.away:
            return not contact.is_due(settings, self._project)
        if self._receipts:  # the schedule counts from what was delivered just now
            self._away(settings)
        return self._said is not None and self._said.not_due

    def _work(self) -> ExitStatus:
        """Preflight and scrape."""
        self._note.stage("preflight")
        status = self._preflight()
        if status is not ExitStatus.DONE:
            return status
        self._note.stage("scrape")
        settings = self._load(self._project, {}, given=True)
        options = self._options
        if self._obstacle is not None and self._obstacle.away:
            options = replace(options, no_ssh=True)
        return scrape(settings, self._project, options, self._scraped, self._note.progress)

    def _preflight(self) -> ExitStatus:
        checks = self._checks
        settings = self._load(self._project, checks.overrides, given=False)
        scope = Scope(
            settings,
            (self._project,),
            checks.secrets,
            checks.no_secrets,
            checks.no_ssh,
            checks.silence,
            away=self._obstacle if self._obstacle is not None and self._obstacle.away else None,
        )
        results = list(preflight_checks.run(scope))
        for result in results:
            hint = f"; what to do: {result.hint}" if result.hint and result.status is not Status.OK else ""
            level = _LEVELS.get(result.status, logging.INFO)
            log.log(level, "preflight: %s: %s: %s", result.logged_name, result.status, f"{result.detail}{hint}")
        self._watcher.checked(results)
        status = preflight_checks.status_of(results)
        if checks.skip:
            return ExitStatus.DONE
        if status is ExitStatus.PREFLIGHT:
            failed = [result for result in results if result.status is Status.FAILED]
            names = ", ".join(result.name for result in failed)
            raise PreflightError(f"{len(failed)} of {len(results)} checks failed: {names}", failed[0].hint)
        if status is ExitStatus.POSTPONED:  # the controller is away: collecting goes on, and this is its moment
            note_moment(settings, self._project)
            return ExitStatus.DONE
        return status

    def _scraped(self, report: Report) -> None:
        self._reports.append(report)
        self._watcher.scraped(report)

    def _delivered(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)
        self._watcher.delivered(receipt)

    def _send_log(self) -> None:
        """Send the log of a run that failed, if that can be done; nobody waits for it."""
        try:
            settings = self._load(self._project, {}, given=False)
            if settings.controller(self._project) is not None:
                delivery.send_log(settings, self._project)
        except AgentError as error:
            log.info("project %s: the log was not sent: %s", self._project, error)

    def _ended(self, status: ExitStatus, **told: Any) -> Ended:  # noqa: ANN401 (fields of Ended)
        reports, receipts = self._reports, self._receipts
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
