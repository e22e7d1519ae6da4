"""Positions that are moments, which trackers keep without saying of which time zone.

Existing agents write local time. Whoever reads such a position in another zone passes over hours for good. Ours are in
UTC, in the same form (``YYYY-MM-DD HH:MM:SS``), and what we wrote is noted in ``state/positions/KEY.json``. A position
that is not as it was noted there was written by somebody else: it counts as the earliest moment that it can mean, so
that some is collected again, and nothing is lost.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.moments import FURTHEST_AHEAD
from gros_agent.settings.files import read_text
from gros_agent.settings.model import Settings
from gros_agent.storage import replace_file, storage_errors

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
        with storage_errors(path.parent):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, msgspec.json.format(msgspec.json.encode({**_noted(path), **ours})) + b"\n")


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
    text = read_text(path, "the note on positions")
    try:
        return msgspec.json.decode(text, type=dict[str, dict[str, str]]) if text else {}
    except msgspec.MsgspecError as error:
        raise ConfigurationError(
            f"{path} is damaged: {error}", "remove it: some of what was collected is collected again"
        ) from None


def _file(settings: Settings, project: str) -> Path:
    return settings.home.state / "positions" / f"{project}.json"
