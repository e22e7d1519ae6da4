"""The ways in which an agent works, and which one the environment asks for.

- ``JENKINS_URL`` is set: work once for each project, and end with a truthful status.
- ``CRON_PERIOD`` is set: stay up, and work at each period.
- neither: stay up, and work on request.
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


class Mode(enum.StrEnum):
    """How an agent works."""

    JENKINS = "Jenkins-style"
    DAEMON = "Daemon"
    ON_REQUEST = "on request"


def mode_of(settings: Settings) -> tuple[Mode, str]:
    """The mode that the environment asks for, and a sentence that says why."""
    environment = settings.environment
    keys = ", ".join(settings.projects) or "no project, as JIRA_KEY is not set"
    if environment.jenkins_style:
        return Mode.JENKINS, f"as JENKINS_URL is set: one scrape of {keys}, then the end"
    period = environment.cron_period
    if period:
        return Mode.DAEMON, f"as CRON_PERIOD is set: a scrape of {keys} {_EVERY[period]}"
    periods = ", ".join(_EVERY)
    return Mode.ON_REQUEST, (
        f"as neither CRON_PERIOD ({periods}) nor JENKINS_URL is set: "
        "a scrape when the web interface is asked for one; set CRON_PERIOD to work by itself"
    )
