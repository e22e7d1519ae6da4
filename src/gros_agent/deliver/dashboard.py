"""Sends the status of a BigBoat dashboard to the controller; what can't be sent is kept, and sent later.

Each poll is a file under ``state/bigboat/KEY``, which goes when the controller took it; nothing else removes one. A
poll that can't be read, or that alone is refused, is set aside there under another name and hinders no other; once it
has its ``.json`` back it is sent. A run that is killed between the controller's answer and the removal of the file
sends that poll again.
"""

import logging
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import msgspec

from gros_agent.controller import ControllerError
from gros_agent.controller.answers import BigBoatStatus
from gros_agent.controller.https import ControllerClient
from gros_agent.deliver.bigboat import configured
from gros_agent.errors import AgentError, ConfigurationError, DeliveryError, SourceError
from gros_agent.runtime.storage import exclusive, make_private, replace_file, storage_errors
from gros_agent.settings.model import ProjectSettings

log = logging.getLogger(__name__)

KEPT_POLLS = 3000
"""How many polls are kept, those that were set aside among them: a month of one each 15 minutes. Then none is added."""
LARGEST_POLL = 1 << 20
"""Bytes of a poll: some thousand measurements, where a dashboard has a dozen."""
DAMAGED, REFUSED = ".damaged", ".refused"
TOO_MANY_REFUSALS = 20
"""After as many refusals in a row, with none taken between them, the polls are not what is wrong."""
_ABOUT_THE_POLL = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Refusals that tell of this poll alone. A status of 400 tells of an unknown project as well."""


class Poll(msgspec.Struct, frozen=True):
    """The statuses of a dashboard at a moment, and its address."""

    source: str
    statuses: tuple[BigBoatStatus, ...]


def measure(project: ProjectSettings) -> Poll:
    """Ask the dashboard of a project.

    Raises :class:`ConfigurationError` where none is configured, and :class:`SourceError`, also for one that says more
    than :data:`LARGEST_POLL`: a controller would end the connection without a word, each time.
    """
    dashboard = configured(project)
    if dashboard is None:
        raise ConfigurationError("no BigBoat dashboard is configured", "set BIGBOAT_HOST and BIGBOAT_KEY")
    poll = Poll(dashboard.url, tuple(dashboard.statuses()))
    if len(msgspec.json.encode(poll)) > LARGEST_POLL:
        raise SourceError(
            f"{poll.source} tells {len(poll.statuses)} measurements, more than {LARGEST_POLL} bytes",
            "is it the right address?",
        )
    return poll


def send(project: ProjectSettings) -> tuple[Poll, int]:
    """Ask the dashboard, and send what it says after what waits. Returns what it says, and how many polls were sent.

    Raises :class:`DeliveryError` while the controller does not take it: it is kept. A dashboard that is away raises
    :class:`SourceError`, after what waits was sent; if the controller is away too, it is logged.
    """
    if project.controller is None:
        raise ConfigurationError(f"no controller is configured for project {project.key}", "set SSH_HOST")
    make_private(project.home.state)
    folder = project.home.state / "bigboat" / project.key
    with exclusive(folder / ".lock", f"another sender of the dashboard's status of {project.key}"):
        if not _has_room(folder):
            _Sender(ControllerClient(project.settings), project.key, folder).send()
            if not _has_room(folder):
                raise DeliveryError(
                    f"{folder}: {KEPT_POLLS} polls of the dashboard were set aside, so none is added",
                    "see what is wrong with them, and remove them",
                )
        poll, trouble = None, None
        try:
            poll = measure(project)
            _keep(folder, poll)
        except SourceError as error:
            trouble = error
        try:
            polls = _Sender(ControllerClient(project.settings), project.key, folder).send()
        except AgentError:
            if trouble is not None:
                log.error("project %s: %s", project.key, trouble)  # noqa: TRY400 (in words)
            raise
    if trouble is not None:
        raise trouble
    assert poll is not None  # noqa: S101 (there was no trouble)
    log.info("project %s: %d measurements of %s; %d polls sent", project.key, len(poll.statuses), poll.source, polls)
    return poll, polls


def waiting(folder: Path) -> list[Path]:
    """The polls that wait, the oldest first."""
    return sorted(folder.glob("*.json"))


def _keep(folder: Path, poll: Poll) -> None:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.json"
    with storage_errors(folder):
        replace_file(folder / name, msgspec.json.encode(poll))


def _has_room(folder: Path) -> bool:
    kept = sum(path.suffix in {".json", DAMAGED, REFUSED} for path in folder.iterdir())
    if kept >= KEPT_POLLS:
        log.error("%s: %d polls are kept, and none is added before the controller takes some", folder, kept)
    return kept < KEPT_POLLS


@dataclass
class _Sender:
    """Sends the polls of a folder, the oldest first. A refused one waits until it is clear what was wrong."""

    client: ControllerClient
    project: str
    folder: Path
    _refused: list[Path] = field(default_factory=list)

    def send(self) -> int:
        """Send what waits; return how many polls the controller took. Raises :class:`DeliveryError`."""
        polls, sent, aside = waiting(self.folder), 0, 0
        reason: ControllerError | None = None
        for path in polls:
            poll = self._read(path)
            if poll is None:
                continue
            try:
                self.client.send_status(self.project, poll.statuses, poll.source)
            except ControllerError as error:
                reason = error
                if error.answered in _ABOUT_THE_POLL:
                    aside += self._set_aside(path)
                    continue
                self._refused.append(path)
                if error.answered != HTTPStatus.BAD_REQUEST or len(self._refused) == TOO_MANY_REFUSALS:
                    break
            else:
                sent += 1
                with storage_errors(self.folder):
                    path.unlink()
                aside += sum(self._set_aside(one) for one in self._refused)  # the controller takes others
                self._refused.clear()
        if reason is not None:
            words = f"{len(waiting(self.folder))} polls wait" + (f", {aside} were set aside" if aside else "")
            raise DeliveryError(
                f"{self.project}: the dashboard's status was not delivered, {words}: {reason.message}", reason.hint
            ) from reason
        return sent

    def _read(self, path: Path) -> Poll | None:
        with storage_errors(self.folder):
            content = path.read_bytes()
        try:
            return msgspec.json.decode(content, type=Poll)
        except msgspec.MsgspecError as error:
            log.error("%s: this poll is damaged, and is set aside: %s", path, error)  # noqa: TRY400 (in words)
            self._move(path, DAMAGED)
            return None

    def _set_aside(self, path: Path) -> int:
        log.error("%s: the controller refuses this poll; it is set aside as %s", path, path.with_suffix(REFUSED).name)
        self._move(path, REFUSED)
        return 1

    def _move(self, path: Path, suffix: str) -> None:
        with storage_errors(self.folder):
            path.rename(path.with_suffix(suffix))
