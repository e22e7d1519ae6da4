"""A scrape or a dry run of several projects. A project that fails does not stop the others."""

import threading
from collections.abc import Callable, Sequence

from gros_agent.collect.preview import Preview, check_possible, preview
from gros_agent.collect.scrape import scrape
from gros_agent.collect.teams import Teams, ThisMachine
from gros_agent.errors import AgentError, ConfigurationError, ExitStatus, Problems, worst
from gros_agent.project.report import Report
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.runtime import logs, parallel
from gros_agent.settings.environment import malformed_keys
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, no_progress


def choose_projects(settings: Settings, named: Sequence[str]) -> tuple[str, ...]:
    """The projects that a command is for: the named ones, or all that are configured.

    Raises :class:`ConfigurationError` for malformed keys, or if no project is configured.
    """
    Problems.raise_if(malformed_keys(named, "option --project"))
    chosen = tuple(dict.fromkeys(named)) or settings.projects
    if not chosen:
        raise ConfigurationError("no project is named", "name one with --project KEY, or set JIRA_KEY")
    return chosen


def choose_project(settings: Settings, named: Sequence[str]) -> str:
    """The one project that a command is for. Raises :class:`ConfigurationError` if it could be one of several."""
    chosen = choose_projects(settings, named)
    if len(chosen) != 1:
        raise ConfigurationError(f"which of the projects {', '.join(chosen)}?", "name one with --project KEY")
    return chosen[0]


def scrape_projects(
    settings_of: Callable[[str], Settings],
    projects: Sequence[str],
    options: ScrapeOptions,
    tell: Callable[[Report], None],
    progress: Progress = no_progress,
    teams: Teams | None = None,
) -> ExitStatus:
    """Scrape projects, each with its own settings, and pass on each report. Returns the worst status.

    ``teams`` makes the team that collects each of them, and says how many are collected at the same time; threads
    collect one after the other by default.
    """
    teams, lock = teams or ThisMachine(), threading.RLock()

    def told(report: Report) -> None:
        with lock:
            tell(report)

    def moved(what: str, done: int, total: int | None) -> None:
        with lock:
            progress(what, done, total)

    def one(project: str) -> ExitStatus:
        try:
            with logs.of_project(project):
                return scrape(settings_of(project).project(project), options, told, moved, teams)
        except AgentError as error:
            told(Report(project=project, error=error.message, hint=error.hint, own_status=error.status))
            return error.status

    return worst(
        parallel.run(projects, one, at_once=lambda: teams.at_once, lane=lambda _: None, per_lane=1, stop=teams.stop)
    )


def preview_projects(
    settings_of: Callable[[str], Settings],
    projects: Sequence[str],
    options: ScrapeOptions,
    tell: Callable[[Preview], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Pass on what scrapes would send. Returns the worst status.

    Raises :class:`AgentError` for the first project that can't be collected.
    """
    check_possible(options)
    statuses = []
    for project in projects:
        shown = preview(settings_of(project).project(project), options, progress)
        tell(shown)
        statuses += [outcome.status for outcome in shown.outcomes]
    return worst(statuses)
