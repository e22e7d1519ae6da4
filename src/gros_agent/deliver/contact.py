"""What is known of a project's controller while it is away: when it last let the project collect, and its schedule.

``state/contacts/KEY.json`` holds it, for the controller that is configured now. This module imports nothing that is
slow: a scrape asks it before it begins.
"""

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime import json_files
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.tables.batch import ProjectFolder

log = logging.getLogger(__name__)

LEAST_SECONDS = 3600.0
"""How long to wait at least between two scrapes of a schedule that is not known."""
_PERIODS = {"15min": 900.0, "hourly": 3600.0, "daily": 86400.0, "weekly": 7 * 86400.0, "monthly": 28 * 86400.0}
_LONGEST = 10 * 366 * 86400.0
"""Seconds of a schedule that may be meant."""
_IN = re.compile(r"in (?:(?P<days>\d{1,5}) days?, )?(?P<hours>\d{1,2}):(?P<minutes>\d\d):(?P<seconds>\d\d)")
"""How an existing controller says when it is time again (``gatherer_daemon.py``: Python's text of a ``timedelta``)."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The controller as ``host:port``, and when preflight last passed there.

    ``interval`` is its schedule, in seconds from one scrape to the next, where that is known; ``away`` says since when
    it did not answer.
    """

    controller: str
    passed: datetime | None = None
    interval: float | None = None
    away: datetime | None = None


def read(project: ProjectSettings) -> Contact:
    """What is known: nothing, where the record is damaged, since it is found out anew."""
    try:
        found = json_files.read(_file(project), Contact, "what is known of the controller's schedule", "")
    except ConfigurationError as error:
        log.warning("project %s: %s; it is found out anew", project.key, error)
        found = None
    address = _address(project.settings)
    return found if found is not None and found.controller == address else Contact(controller=address)


def note_passed(project: ProjectSettings) -> None:
    """Note that the controller answered, and that preflight passed there."""
    known = read(project)
    json_files.write(_file(project), msgspec.structs.replace(known, passed=datetime.now(UTC), away=None))


def note_answer(project: ProjectSettings, interval: float | None, message: str) -> None:
    """Note that the controller answered, and what it said of its schedule: the interval, or when it is time again."""
    known = read(project)
    if interval is not None and not 0 <= interval <= _LONGEST:  # nor what is no number
        log.warning("project %s: the controller's schedule of %s seconds is none", project.key, interval)
        interval = None
    told = interval if interval is not None else _interval(project, message)
    answered = msgspec.structs.replace(known, away=None, interval=known.interval if told is None else told)
    if answered != known:
        json_files.write(_file(project), answered)


def note_away(project: ProjectSettings) -> Contact:
    """Note that the controller does not answer, and return what is known."""
    known = read(project)
    if known.away is None:
        known = msgspec.structs.replace(known, away=datetime.now(UTC))
        json_files.write(_file(project), known)
    return known


def may_collect(project: ProjectSettings) -> bool:
    """Whether to collect without the controller: preflight passed there, and not too long ago."""
    passed = read(project).passed
    limit = timedelta(seconds=project.environment.outbox_max_age)
    return passed is not None and datetime.now(UTC) - passed < limit


def is_due(project: ProjectSettings) -> bool:
    """Whether it is time to collect without the controller.

    Its last known schedule counts; else ``CRON_PERIOD``, but at most once an hour. Where neither is known, whoever
    starts a run decides.
    """
    last = last_collected(project)
    if last is None:
        return True
    seconds = read(project).interval
    period = project.environment.cron_period
    if seconds is None:
        seconds = max(_PERIODS[period], LEAST_SECONDS) - _EARLY if period else 0
    return (datetime.now(UTC) - last).total_seconds() >= seconds


_EARLY = 120.0
"""Seconds that a run may come before a period is over: runs are up to a minute late, each by chance."""


def last_collected(project: ProjectSettings) -> datetime | None:
    """When the project was collected last, or None. Every preflight writes its own moment: that is none of a scrape."""
    batch = ProjectFolder(project.folder).batch()
    return batch.made.astimezone(UTC) if batch is not None else None


def _interval(project: ProjectSettings, message: str) -> float | None:
    """The interval of a schedule that says how long it is until the next scrape."""
    match, last = _IN.search(message), last_collected(project)
    if match is None or last is None:
        return None
    left = timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"]),
        minutes=int(match["minutes"]),
        seconds=int(match["seconds"]),
    )
    seconds = (datetime.now(UTC) + left - last).total_seconds()
    return seconds if seconds > 0 else None


def _address(settings: Settings) -> str:
    address = settings.controller_address()
    return "{}:{}".format(*address) if address else ""


def _file(project: ProjectSettings) -> Path:
    return project.home.state / "contacts" / f"{project.key}.json"
