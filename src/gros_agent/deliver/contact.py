"""Remembers a controller for when it is unreachable: when preflight last passed there, and its schedule.

The record is ``state/contacts/KEY.json``, and is valid for the controller that is configured now. This module imports
nothing slow, since each scrape uses it before it starts.
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
"""Shortest interval between two scrapes if the controller's schedule is not known."""
_PERIODS = {"15min": 900.0, "hourly": 3600.0, "daily": 86400.0, "weekly": 7 * 86400.0, "monthly": 28 * 86400.0}
_LONGEST = 10 * 366 * 86400.0
"""Longest interval that is believed, in seconds: ten years."""
_IN = re.compile(r"in (?:(?P<days>\d{1,5}) days?, )?(?P<hours>\d{1,2}):(?P<minutes>\d\d):(?P<seconds>\d\d)")
"""Time until the next scrape in an existing controller's answer (``gatherer_daemon.py``: a ``timedelta`` as text)."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The controller as ``host:port``, and when preflight last passed there.

    ``interval`` is the time between two scrapes of its schedule in seconds, if known. ``away`` is since when it does
    not answer.
    """

    controller: str
    passed: datetime | None = None
    interval: float | None = None
    away: datetime | None = None


def read(project: ProjectSettings) -> Contact:
    """The record for the configured controller. It is empty if the file is damaged; the next answers fill it again."""
    try:
        found = json_files.read(_file(project), Contact, "what is known of the controller's schedule", "")
    except ConfigurationError as error:
        log.warning("project %s: %s; it is written anew", project.key, error)
        found = None
    address = _address(project.settings)
    return found if found is not None and found.controller == address else Contact(controller=address)


def note_passed(project: ProjectSettings) -> None:
    """Note that the controller answered and preflight passed."""
    known = read(project)
    json_files.write(_file(project), msgspec.structs.replace(known, passed=datetime.now(UTC), away=None))


def note_answer(project: ProjectSettings, interval: float | None, message: str) -> None:
    """Note an answer of the controller, and its schedule: ``interval`` seconds, or the wait that ``message`` gives."""
    known = read(project)
    if interval is not None and not 0 <= interval <= _LONGEST:  # false for NaN as well
        log.warning("project %s: the controller's schedule of %s seconds is not usable", project.key, interval)
        interval = None
    told = interval if interval is not None else _interval(project, message)
    answered = msgspec.structs.replace(known, away=None, interval=known.interval if told is None else told)
    if answered != known:
        json_files.write(_file(project), answered)


def note_away(project: ProjectSettings) -> Contact:
    """Note that the controller does not answer, and return the record."""
    known = read(project)
    if known.away is None:
        known = msgspec.structs.replace(known, away=datetime.now(UTC))
        json_files.write(_file(project), known)
    return known


def may_collect(project: ProjectSettings) -> bool:
    """Whether to collect without the controller: preflight must have passed there recently enough."""
    passed = read(project).passed
    limit = timedelta(seconds=project.environment.outbox_max_age)
    return passed is not None and datetime.now(UTC) - passed < limit


def is_due(project: ProjectSettings) -> bool:
    """Whether it is time to collect without the controller.

    The interval is that of the controller's last known schedule, else ``CRON_PERIOD``, but at least an hour. If neither
    is known, it is always time.
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
"""Seconds that a run may start before a period is over, since each run starts up to a minute late at random."""


def last_collected(project: ProjectSettings) -> datetime | None:
    """When the last batch of the project was made, or None. The date that preflight writes is not that of a scrape."""
    batch = ProjectFolder(project.folder).batch()
    return batch.made.astimezone(UTC) if batch is not None else None


def _interval(project: ProjectSettings, message: str) -> float | None:
    """The interval of a schedule, calculated from a message with the time until the next scrape."""
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
