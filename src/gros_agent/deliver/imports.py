"""Finds out whether the controller's import of a batch has ended, from the agent's folder at the controller.

An existing controller imports in the background, from one folder for each project, which it clears at the end. Then the
agent's ``~/update/KEY`` shows how the import ended: it has the batch's trackers after a success, and nothing after a
failure (controller/export.sh of grip-on-software/data-gathering). ``preflight_date.txt`` is removed in both cases.

A registration puts the ``preflight_date.txt`` of the database there. The agent uploads one of its own before it
announces a batch, as a marker. If the file later has other content, or the folder has trackers of something else than
the batch, a registration cleared the folder in the meantime, and the result can't be seen. Without a marker, the import
has succeeded once a tracker there is the batch's.
"""

import enum
import hashlib
import logging
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gros_agent.controller import ControllerError
from gros_agent.controller.ssh import Connection
from gros_agent.deliver.open_deliveries import Signs
from gros_agent.settings.load import PREFLIGHT_DATE

log = logging.getLogger(__name__)

HANDED_BACK = frozenset(
    {
        *("latest_vcs_versions.json", "github_update.json", "gitlab_update.json", "tfs_update.json"),
        *("project_meta_update.json", "project_sources_update.json", "metric_options_update.json"),
        *("metric_names.json", "metric_defaults_update.json", "measurements_update.json"),
        "quality_time_measurement_date.txt",
    }
)
"""The trackers that an existing controller copies back after an import (its ``scraper/*.update`` files)."""

_SETTLED_SECONDS = 2.0
"""Seconds that the folder must stay empty until that counts as a failure, since it is emptied before it is filled."""
_POLL_SECONDS = 4.0


class Import(enum.Enum):
    """The state of an import.

    ``HIDDEN``: the state can't be seen. ``ENDED``: it has ended, but how can't be seen. ``WIPED``: a registration
    cleared the folder that would show it.
    """

    UNDER_WAY = enum.auto()
    IMPORTED = enum.auto()
    FAILED = enum.auto()
    ENDED = enum.auto()
    HIDDEN = enum.auto()
    WIPED = enum.auto()


def prepare(connection: Connection, project: str, trackers: Mapping[str, str]) -> Signs:
    """Upload a marker, so that the end of a batch's import can be seen. Call this before the announcement.

    ``trackers`` maps the file names of the batch's trackers to their SHA-256.
    """
    folder = f"update/{project}"
    telling = ""
    marker = datetime.now().astimezone().isoformat(timespec="microseconds")
    try:
        for name in _handed_back(trackers):
            if not _is_ours(connection, folder, name, trackers):
                telling = name
                break
        with tempfile.TemporaryDirectory(prefix="gros-agent-") as temporary:
            path = Path(temporary) / PREFLIGHT_DATE
            path.write_text(marker)
            connection.put(path, folder, PREFLIGHT_DATE)
    except ControllerError as error:
        log.info("project %s: it may not show when the import has ended: %s", project, error)
        return Signs(telling=telling)
    return Signs(marked=True, telling=telling, marker=marker)


def look(connection: Connection, project: str, trackers: Mapping[str, str], signs: Signs) -> Import:
    """The state of the import of a batch with these trackers, after the controller took its files.

    Raises :class:`ControllerError` if the folder can't be read.
    """
    folder = f"update/{project}"
    names = _handed_back(trackers)
    try:
        if signs.telling and _is_ours(connection, folder, signs.telling, trackers):
            return Import.IMPORTED
        marker = connection.get(folder, PREFLIGHT_DATE)
        if marker is not None:
            is_ours = not signs.marker or marker.decode(errors="replace").strip() == signs.marker
            return Import.UNDER_WAY if is_ours else Import.WIPED
        if any(connection.exists(folder, name) for name in names):
            return Import.WIPED if signs.telling and signs.marker else Import.IMPORTED
    except ControllerError as error:
        if "permission denied" in error.message.lower():
            # an import ends by giving the folder to the account named after the project, if there is one
            return Import.ENDED
        raise
    if not signs.marked:
        return Import.HIDDEN
    return Import.FAILED if names else Import.ENDED


def is_in_database(connection: Connection, project: str, changed: Mapping[str, str]) -> bool:
    """Whether a batch was imported, according to the trackers that a registration brought from the database.

    ``changed`` maps the file names of the trackers that the batch changed to their SHA-256. A batch that changed no
    tracker has no rows that a second delivery would duplicate, so the result is false. Raises :class:`ControllerError`.
    """
    folder = f"update/{project}"
    return bool(changed) and all(_is_ours(connection, folder, name, changed) for name in changed)


def _handed_back(trackers: Mapping[str, str]) -> list[str]:
    return sorted(HANDED_BACK.intersection(trackers))


def _is_ours(connection: Connection, folder: str, name: str, trackers: Mapping[str, str]) -> bool:
    content = connection.get(folder, name)
    return content is not None and hashlib.sha256(content).hexdigest() == trackers.get(name)


def wait(connection: Connection, project: str, trackers: Mapping[str, str], signs: Signs, seconds: float) -> Import:
    """Wait up to ``seconds`` until the import has ended, and return its state. Raises :class:`ControllerError`."""
    end, pause = time.monotonic() + seconds, _POLL_SECONDS / 32
    while (found := look(connection, project, trackers, signs)) is Import.UNDER_WAY:
        left = end - time.monotonic()
        if left <= 0:
            return found
        time.sleep(min(pause, left))
        pause = min(pause * 2, _POLL_SECONDS)
    if found in {Import.FAILED, Import.WIPED}:
        time.sleep(_SETTLED_SECONDS)
        found = look(connection, project, trackers, signs)
    return found
