"""Sends the status of a BigBoat dashboard to the controller; what can't be sent is kept, and sent later.

Each poll is a file under ``state/bigboat/KEY``, which goes when the controller took it.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gros_agent.controller import ControllerError
from gros_agent.controller.client import ControllerClient
from gros_agent.errors import ConfigurationError, DeliveryError, SourceError
from gros_agent.settings.model import Settings
from gros_agent.sources.bigboat import BigBoatStatus, configured
from gros_agent.storage import exclusive, replace_file, storage_errors

log = logging.getLogger(__name__)

KEPT_POLLS = 3000
"""How many polls wait for a controller: a month of one each 15 minutes. Beyond that the oldest are dropped."""


class Poll(msgspec.Struct, frozen=True):
    """The statuses of a dashboard at a moment, and its address."""

    source: str
    statuses: tuple[BigBoatStatus, ...]


def measure(settings: Settings, project: str) -> Poll:
    """Ask the dashboard of a project. Raises :class:`ConfigurationError` where none is configured."""
    dashboard = configured(settings, project)
    if dashboard is None:
        raise ConfigurationError("no BigBoat dashboard is configured", "set BIGBOAT_HOST and BIGBOAT_KEY")
    return Poll(dashboard.url, tuple(dashboard.statuses()))


def send(settings: Settings, project: str) -> tuple[Poll, int]:
    """Ask the dashboard, and send what it says after what waits. Returns what it says, and how many polls were sent.

    Raises :class:`DeliveryError` while the controller does not take it: it is kept. A dashboard that is away raises
    :class:`SourceError`, after what waits was sent.
    """
    if settings.controller(project) is None:
        raise ConfigurationError(f"project {project} reports to no controller", "set SSH_HOST")
    folder = settings.home.state / "bigboat" / project
    with exclusive(folder / ".lock", f"another sender of the dashboard's status of {project}"):
        poll, trouble = None, None
        try:
            poll = measure(settings, project)
            _keep(folder, poll)
        except SourceError as error:
            trouble = error
        polls = _send_kept(ControllerClient(settings), project, folder)
    if trouble is not None:
        raise trouble
    assert poll is not None  # noqa: S101 (there was no trouble)
    log.info("project %s: %d measurements of %s; %d polls sent", project, len(poll.statuses), poll.source, polls)
    return poll, polls


def waiting(folder: Path) -> list[Path]:
    """The polls that wait, the oldest first."""
    return sorted(folder.glob("*.json"))


def _keep(folder: Path, poll: Poll) -> None:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.json"
    with storage_errors(folder):
        replace_file(folder / name, msgspec.json.encode(poll))
        kept = waiting(folder)
        for path in kept[:-KEPT_POLLS]:
            path.unlink()
    if len(kept) > KEPT_POLLS:
        log.error("%s: more than %d polls wait for the controller; the oldest were dropped", folder, KEPT_POLLS)


def _send_kept(client: ControllerClient, project: str, folder: Path) -> int:
    sent = 0
    for path in waiting(folder):
        try:
            poll = msgspec.json.decode(path.read_bytes(), type=Poll)
        except msgspec.MsgspecError as error:
            log.error("%s: this poll is damaged, and is set aside: %s", path, error)  # noqa: TRY400 (in words)
            path.rename(path.with_suffix(".damaged"))
            continue
        with _kept(project, len(waiting(folder))):
            client.send_status(project, poll.statuses, poll.source)
        path.unlink()
        sent += 1
    return sent


@contextmanager
def _kept(project: str, count: int) -> Iterator[None]:
    try:
        yield
    except ControllerError as error:
        raise DeliveryError(
            f"{project}: the dashboard's status was not delivered, {count} polls wait: {error.message}", error.hint
        ) from error
