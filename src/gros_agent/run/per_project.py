"""The flow, from top to bottom: for each project, one after the other, what the user asked for.

environment → settings → discover → collect → pseudonymise → write rows and trackers as one batch, which
:mod:`gros_agent.deliver.delivery` takes from there. Whoever calls this has read the settings; what remains is to go
through the projects so that one that fails does not stop the next.
"""

from collections.abc import Callable, Sequence

from gros_agent.collect.preview import Preview, check_possible, preview
from gros_agent.collect.scrape import scrape
from gros_agent.errors import AgentError, ConfigurationError, ExitStatus, Problems, worst
from gros_agent.project.report import Report
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.settings.environment import malformed_keys
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, no_progress


def choose_projects(settings: Settings, named: Sequence[str]) -> tuple[str, ...]:
    """The projects that a command is for: the named ones, or all that are configured.

    Raises :class:`ConfigurationError` for malformed keys, or where there is none at all.
    """
    Problems.raise_if(malformed_keys(named, "option --project"))
    chosen = tuple(dict.fromkeys(named)) or settings.projects
    if not chosen:
        raise ConfigurationError("no project is named", "name one with --project KEY, or set JIRA_KEY")
    return chosen


def scrape_projects(
    settings_of: Callable[[str], Settings],
    projects: Sequence[str],
    options: ScrapeOptions,
    tell: Callable[[Report], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Scrape projects, each with its own settings, and tell each one's report. Returns the worst status."""
    statuses = []
    for project in projects:
        try:
            statuses.append(scrape(settings_of(project).project(project), options, tell, progress))
        except AgentError as error:
            tell(Report(project=project, error=error.message, hint=error.hint, own_status=error.status))
            statuses.append(error.status)
    return worst(statuses)


def preview_projects(
    settings_of: Callable[[str], Settings],
    projects: Sequence[str],
    options: ScrapeOptions,
    tell: Callable[[Preview], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Show what scrapes would send. Returns the worst status.

    Raises :class:`AgentError` for the first project that can't be previewed.
    """
    check_possible(options)
    statuses = []
    for project in projects:
        shown = preview(settings_of(project).project(project), options, progress)
        tell(shown)
        statuses += [outcome.status for outcome in shown.outcomes]
    return worst(statuses)
