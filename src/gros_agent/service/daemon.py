"""The agent as a daemon: it runs periodically and on request, each time in its own process."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tzlocal import get_localzone

from gros_agent.controller.trust import refusal
from gros_agent.deliver import contact, outbox
from gros_agent.errors import AgentError, BusyError, ConfigurationError, SourceError
from gros_agent.run.history import History
from gros_agent.runtime import logs
from gros_agent.runtime.background import Processes, meaning
from gros_agent.runtime.storage import is_held
from gros_agent.service.duty import Access, Attention, Kept
from gros_agent.service.live_settings import LastGood
from gros_agent.service.modes import mode_of
from gros_agent.service.schedule import Schedule, is_due
from gros_agent.settings.controller_text import kept
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.version import STAMPED, version

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Interval between two checks for changed files."""
CONTROLLER_SECONDS = 60.0
"""Interval between two checks whether the controller can be reached."""
ANSWER_SECONDS = 3.0
"""Time limit to connect and to answer. When the agent stops, it waits for a check that is under way."""
AT_ONCE_SECONDS = 0.6
"""A process that ends sooner counts as failed at once. The web interface of existing agents waits for a second."""

SCRAPE, DASHBOARD = "scrape", "dashboard status"


def _kept(project: ProjectSettings) -> Kept:
    try:
        waiting = outbox.waiting(project)
        away = contact.read(project).away if project.controller else None
    except AgentError as error:
        return Kept(project=project.key, batches=0, size=0, problem=error.message)
    oldest = waiting[0].manifest.made if waiting else None
    return Kept(
        project=project.key, batches=len(waiting), size=sum(one.size for one in waiting), oldest=oldest, away=away
    )


class Daemon:
    """The agent as a daemon. ``command`` is the prefix of the agent's commands: program and options."""

    def __init__(self, good: LastGood, command: Sequence[str]) -> None:
        self._good = good
        self._processes = Processes(command)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._set_zone()
        self._schedule = Schedule(self._zone())
        self._unseen = "was not seen yet"
        self.history = History(self.settings.home.history)
        self.version = version(self.settings.home)

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self._good.settings

    @property
    def mode(self) -> str:
        """Its mode."""
        return mode_of(self.settings)[0]

    @property
    def reason(self) -> str:
        """A sentence that says why it is in that mode."""
        return mode_of(self.settings)[1]

    @property
    def access(self) -> Access:
        """Who may use the web interface."""
        environment = self.settings.environment
        token = environment.agent_token
        return Access(hosts=environment.agent_hosts, token=token.reveal() if token else None)

    @property
    def projects(self) -> tuple[str, ...]:
        """The keys of the projects."""
        return self.settings.projects

    @property
    def controller(self) -> str | None:
        """The controller's host."""
        return self.settings.controller()

    @property
    def next_run(self) -> datetime | None:
        """When the next scrape is due."""
        return self._schedule.next(SCRAPE)

    @property
    def is_running(self) -> bool:
        """Whether a scrape is running."""
        return SCRAPE in self._processes or is_held(self.settings.home.run_lock)

    def obstacles(self) -> list[Attention]:
        """The problems that keep the agent from working."""
        found = [Attention(problem.message, problem.hint) for problem in self._good.problems]
        if not self.projects:
            found.append(Attention("no project is configured", "set JIRA_KEY to the key of a project"))
        if self._unseen and self.controller:
            found.append(Attention(f"the controller {self.controller}: {self._unseen}", "check host, port and network"))
        return found

    def warnings(self) -> list[Attention]:
        """Warnings for its operator."""
        found = [Attention(text) for text in self.settings.warnings]
        for project in self.projects if self.controller else ():
            hint = "set it here if it is wanted; docs/configuration.md has what a controller may set"
            found += [Attention(f"{project}: {text}", hint) for text in kept(self.settings.project(project)).warnings()]
        if not self.controller:
            found.append(Attention("no controller is configured: batches stay here", "set SSH_HOST"))
        match = STAMPED.fullmatch(self.version)
        if not match or not match["commit"]:
            hint = "make a VERSION file before the image is built"
            found.append(Attention(f"the version {self.version} has no branch and commit", hint))
        return found

    def outbox(self) -> list[Kept]:
        """The waiting batches of each project."""
        return [_kept(self.settings.project(project)) for project in self.projects]

    async def start(self, trigger: str) -> None:
        """Start a scrape that ignores the result of preflight."""
        if self.is_running:
            raise BusyError("a scrape is running", "wait until it is done")
        ended = await self._run(SCRAPE, "run", "--trigger", trigger, "--skip-preflight")
        done, _ = await asyncio.wait({ended}, timeout=AT_ONCE_SECONDS)
        if done and ended.result():
            raise SourceError(f"the scrape failed at once: {meaning(ended.result())}", "see the agent's log")

    async def work(self, stopped: asyncio.Event) -> None:
        """Work until ``stopped`` is set; then end all running processes."""
        self._schedule.start()
        self._plan()
        self._keep(asyncio.create_task(self._every(LOOK_SECONDS, self._look_at_files)))
        self._keep(asyncio.create_task(self._every(CONTROLLER_SECONDS, self._look_for_controller)))
        self._good.clear()
        period = self.settings.environment.cron_period
        if period and self._is_due(period):
            self._keep(asyncio.create_task(self._scrape("start")))
        try:
            await stopped.wait()
        finally:
            await self._schedule.stop()
            await self._processes.end()
            self._good.clear()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _plan(self) -> None:
        environment = self.settings.environment
        self._schedule.plan(SCRAPE, environment.cron_period, self._scheduled)
        dashboard = environment.bigboat_period if environment.cron_period else None
        self._schedule.plan(DASHBOARD, dashboard, self._dashboard)

    def _is_due(self, period: str) -> bool:
        try:
            last = self.history.last_started()
        except AgentError as error:
            log.warning("can't find out when the last run was: %s", error)
            last = None
        return is_due(period, last, datetime.now(self._zone()))

    async def _scheduled(self) -> None:
        await self._scrape("schedule")

    async def _scrape(self, trigger: str) -> None:
        """Scrape all projects, and wait for the end. Errors are logged; the daemon goes on."""
        await asyncio.to_thread(self._good.settle)  # a file that is being written may look as if it had no project
        self._good.refresh()
        if not self.projects:
            log.warning("it is time for a scrape, but no project is configured: set JIRA_KEY")
            return
        await self._attempt(SCRAPE, "run", "--trigger", trigger)

    async def _dashboard(self) -> None:
        """Send the dashboard's status."""
        self._good.refresh()
        await self._attempt(DASHBOARD, "bigboat")

    async def _attempt(self, name: str, *arguments: str) -> None:
        try:
            await asyncio.shield(await self._run(name, *arguments))  # a stopped schedule must not cancel it
        except AgentError as error:
            log.warning("%s", error)

    async def _run(self, name: str, *arguments: str) -> "asyncio.Task[int]":
        self._good.refresh()
        task = await self._processes.start(name, arguments, self._good.variables())
        self._keep(task)
        return task

    async def _every(self, seconds: float, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await look()
            except Exception:
                log.exception("unexpected")
            await asyncio.sleep(seconds)

    async def _look_at_files(self) -> None:
        if self._good.refresh():
            log.info("the settings were read again")
            logs.show(self.settings.environment.log_level)
            self._set_zone()
            self._plan()

    async def _look_for_controller(self) -> None:
        before, self._unseen = self._unseen, await asyncio.to_thread(self._refusal)
        if self._unseen and self._unseen != before:
            log.warning("the controller %s: %s", self.controller, self._unseen)

    def _refusal(self) -> str:
        try:
            address = self.settings.controller_address()
            if address is None:
                return ""
            certificate = self.settings.trusted
            if certificate is not None and not certificate.is_file():
                return f"the certificate file {certificate} is missing"
            return refusal(*address, certificate, ANSWER_SECONDS) or ""
        except ConfigurationError as error:
            return error.message

    def _set_zone(self) -> None:
        """Use the time zone of the settings for the log, as the schedule does."""
        if self.settings.environment.time_zone:
            os.environ["TZ"] = self.settings.environment.time_zone
            time.tzset()

    def _zone(self) -> tzinfo:
        name = self.settings.environment.time_zone
        return ZoneInfo(name.removeprefix(":")) if name else get_localzone()
