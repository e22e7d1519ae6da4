"""The modes of an agent, and the one that the environment selects.

- ``JENKINS_URL`` is set: run once for each project, and end with the status of the run.
- ``CRON_PERIOD`` is set: stay up, and run periodically.
- neither: stay up, and run on request.
"""

import enum

from gros_agent.settings.model import Settings

_EVERY = {
    "15min": "every 15 minutes",
    "hourly": "every hour",
    "daily": "every day",
    "weekly": "every week",
    "monthly": "every month",
}


class ServiceMode(enum.StrEnum):
    """The mode of an agent."""

    JENKINS = "Jenkins-style"
    DAEMON = "Daemon"
    ON_REQUEST = "on request"


def mode_of(settings: Settings) -> tuple[ServiceMode, str]:
    """The mode that the environment selects, and a sentence that says why."""
    environment = settings.environment
    keys = ", ".join(settings.projects) or "no project, as JIRA_KEY is not set"
    if environment.jenkins_style:
        return ServiceMode.JENKINS, f"as JENKINS_URL is set: one run for {keys}, then exit"
    period = environment.cron_period
    if period:
        return ServiceMode.DAEMON, f"as CRON_PERIOD is set: a scrape of {keys} {_EVERY[period]}"
    periods = ", ".join(_EVERY)
    return ServiceMode.ON_REQUEST, (
        f"as neither CRON_PERIOD ({periods}) nor JENKINS_URL is set: "
        "a scrape when the web interface is asked for one; set CRON_PERIOD to work by itself"
    )
