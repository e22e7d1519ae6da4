"""Converts positions in trackers that are moments without a time zone.

Existing agents write local time. If such a position were read in another time zone, hours could be skipped forever.
Ours are in UTC, in the same format (``YYYY-MM-DD HH:MM:SS``, for some trackers without seconds), and are noted in
``state/positions/KEY.json``. A position that is not noted there was written by another agent. It is taken as the
earliest moment that it can mean, so that nothing is lost, although some items are collected again. Earlier positions of
ours return after a failed import, or if a batch was dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gros_agent.rows.moments import FURTHEST_AHEAD
from gros_agent.runtime import json_files
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Part
from gros_agent.tables import trackers


@dataclass(frozen=True)
class _Form:
    """The format of a tracker's moments: its last unit, and how much earlier than the text a moment may be."""

    unit: str = "seconds"
    back: timedelta = FURTHEST_AHEAD

    @property
    def pattern(self) -> str:
        return "%Y-%m-%d %H:%M" + (":%S" if self.unit == "seconds" else "")

    @property
    def length(self) -> int:
        return len("YYYY-MM-DD HH:MM:SS" if self.unit == "seconds" else "YYYY-MM-DD HH:MM")


_EXACT = _Form()
_FORMS: Mapping[str, _Form] = {
    "github_update.json": _EXACT,
    "gitlab_update.json": _EXACT,
    "tfs_update.json": _EXACT,
    # the agent wrote it in its zone, and Jira read it in that of the account: from UTC+14 to UTC-12
    "jira-updated.txt": _Form("minutes", FURTHEST_AHEAD + timedelta(hours=12)),
}
"""The trackers whose positions are moments without a time zone."""
TRACKERS = frozenset(_FORMS)
_KEPT = 50
"""The number of noted positions per source: the newest ones."""

Positions = Mapping[str, Mapping[str, str]]
"""Tracker → source → position."""


def in_utc(project: ProjectSettings, positions: Positions) -> dict[str, dict[str, str]]:
    """Convert the positions of trackers to UTC, as far as they are moments. Raises :class:`ConfigurationError`."""
    if not TRACKERS & set(positions):
        return {name: dict(content) for name, content in positions.items()}
    known = _noted(_file(project))
    return {
        name: {
            source: _meant(one, known.get(name, {}).get(source, ()), _FORMS[name]) for source, one in content.items()
        }
        if name in TRACKERS
        else dict(content)
        for name, content in positions.items()
    }


def note(project: ProjectSettings, positions: Positions) -> None:
    """Note our own positions, before they are written. Raises :class:`AgentError`."""
    if not TRACKERS & set(positions):
        return
    path = _file(project)
    known = _noted(path)
    for name in TRACKERS & set(positions):
        noted = known.setdefault(name, {})
        for source, position in positions[name].items():
            earlier = [one for one in noted.get(source, ()) if one != position]
            noted[source] = [*earlier, position][-_KEPT:]
    json_files.write(path, known)


def is_ours(project: ProjectSettings, tracker: str) -> bool:
    """Whether all positions in a project's tracker were written by this agent. Raises :class:`ConfigurationError`."""
    found = trackers.read(project.folder / tracker)
    known = _noted(_file(project)).get(tracker, {}) if found else {}
    return bool(found) and all(one in known.get(source, ()) for source, one in found.items())


def _meant(position: str, noted: Sequence[str], form: _Form = _EXACT) -> str:
    """A position in UTC: unchanged if it is ours, otherwise the earliest moment that it can mean."""
    if position in noted:
        return position
    try:
        moment = datetime.strptime(position.strip()[: form.length], form.pattern)  # noqa: DTZ007 (zone unknown)
        return (moment - form.back).isoformat(" ", form.unit)  # strftime lacks the zeros of early years
    except (ValueError, OverflowError):
        return position  # its source reports the error


def _noted(path: Path) -> dict[str, dict[str, list[str]]]:
    advice = "remove it: some of what was collected is collected again"
    return json_files.read(path, dict[str, dict[str, list[str]]], "the note on positions", advice) or {}


def _file(project: ProjectSettings) -> Path:
    return project.home.state / "positions" / f"{project.key}.json"


def read_trackers(folder: Path, parts: Sequence[Part]) -> dict[str, dict[str, str]]:
    """The trackers of these parts: file name → source name → position."""
    return {name: trackers.read(folder / name) for name in tracker_names(parts)}


def read_documents(folder: Path, parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    """The further trackers of these parts, by file name."""
    return {name: trackers.read_document(folder / name) for name in document_names(parts)}


def tracker_names(parts: Sequence[Part]) -> list[str]:
    """The names of the files with the positions of these parts."""
    return sorted({part.source.tracker for part in parts if part.source.tracker})


def document_names(parts: Sequence[Part]) -> list[str]:
    """The names of the further trackers of these parts."""
    return sorted({name for part in parts for name in part.source.documents})
