"""Positions that are moments, which trackers keep without saying of which time zone.

Existing agents write local time. Whoever reads such a position in another zone passes over hours for good. Ours are in
UTC, in the same form (``YYYY-MM-DD HH:MM:SS``), and what we wrote is noted in ``state/positions/KEY.json``. A position
that is not as it was noted there was written by somebody else: it counts as the earliest moment that it can mean, so
that some is collected again, and nothing is lost.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gros_agent import records
from gros_agent.moments import FURTHEST_AHEAD
from gros_agent.settings.model import Settings

TRACKERS = frozenset({"github_update.json", "gitlab_update.json", "tfs_update.json"})
"""The trackers whose positions are moments without a time zone."""
_FORM = "%Y-%m-%d %H:%M:%S"
_LENGTH = len("YYYY-MM-DD HH:MM:SS")

Positions = Mapping[str, Mapping[str, str]]
"""Tracker → source → position."""


def in_utc(settings: Settings, project: str, positions: Positions) -> dict[str, dict[str, str]]:
    """Positions as trackers have them, with those that are moments in UTC. Raises :class:`ConfigurationError`."""
    if not TRACKERS & set(positions):
        return {name: dict(content) for name, content in positions.items()}
    known = _noted(_file(settings, project))
    return {
        name: {source: _meant(one, known.get(name, {}).get(source)) for source, one in content.items()}
        if name in TRACKERS
        else dict(content)
        for name, content in positions.items()
    }


def note(settings: Settings, project: str, positions: Positions) -> None:
    """Note which positions are ours, before they are written. Raises :class:`AgentError`."""
    ours = {name: content for name, content in positions.items() if name in TRACKERS}
    path = _file(settings, project)
    if ours:
        records.write(path, {**_noted(path), **ours})


def _meant(position: str, noted: str | None) -> str:
    """A position in UTC: as it is if it is ours, else the earliest moment that it can mean."""
    if position == noted:
        return position
    try:
        moment = datetime.strptime(position.strip()[:_LENGTH], _FORM)  # noqa: DTZ007 (nobody knows of which zone)
        return (moment - FURTHEST_AHEAD).isoformat(" ", "seconds")  # strftime lacks the zeros of early years
    except (ValueError, OverflowError):
        return position  # which its source refuses, in words


def _noted(path: Path) -> Positions:
    advice = "remove it: some of what was collected is collected again"
    return records.read(path, dict[str, dict[str, str]], "the note on positions", advice) or {}


def _file(settings: Settings, project: str) -> Path:
    return settings.home.state / "positions" / f"{project}.json"
