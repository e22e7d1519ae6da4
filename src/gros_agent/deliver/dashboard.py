"""Sends the status of a BigBoat dashboard to the controller. A status that can't be sent is kept, and sent later.

Each poll is a file in ``state/bigboat/KEY``. It is removed once the controller took it, and by nothing else. A poll
that can't be read, or that the controller refuses while it takes others, is set aside: its file gets another suffix,
and it does not block the others. With the suffix ``.json`` it is sent again. If a run is killed between the
controller's answer and the removal of the file, the poll is sent twice.
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
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import exclusive, make_private, replace_file, storage_errors
from gros_agent.settings.model import ProjectSettings

log = logging.getLogger(__name__)

KEPT_POLLS = 3000
"""How many polls are kept, including those set aside. That is a month with a poll every 15 minutes."""
LARGEST_POLL = 1 << 20
"""Limit of a poll in bytes. It is enough for thousands of measurements; a dashboard has a dozen."""
DAMAGED, REFUSED = ".damaged", ".refused"
TOO_MANY_REFUSALS = 20
"""After this many refusals in a row the problem is not the polls, and sending stops."""
_ABOUT_THE_POLL = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Statuses that concern only this poll. A status of 400 can also mean that the project is unknown."""


class Poll(msgspec.Struct, frozen=True):
    """The measurements of a dashboard at one time, and its address."""

    source: str
    statuses: tuple[BigBoatStatus, ...]


def measure(project: ProjectSettings) -> Poll:
    """Ask the dashboard of a project for its measurements.

    Raises :class:`ConfigurationError` if no dashboard is configured. Raises :class:`SourceError`, also if the answer
    has more than :data:`LARGEST_POLL` bytes: a controller would close the connection on it without an answer each time.
    """
    dashboard = configured(project)
    if dashboard is None:
        raise ConfigurationError("no BigBoat dashboard is configured", "set BIGBOAT_HOST and BIGBOAT_KEY")
    poll = Poll(dashboard.url, tuple(dashboard.statuses()))
    if len(msgspec.json.encode(poll)) > LARGEST_POLL:
        raise SourceError(
            f"{poll.source} returns {len(poll.statuses)} measurements, more than {LARGEST_POLL} bytes",
            "is it the right address?",
        )
    return poll


def send(project: ProjectSettings) -> tuple[Poll, int]:
    """Poll the dashboard, and send the waiting polls and then the new one. Returns it, and how many polls were sent.

    Raises :class:`DeliveryError` if the controller does not take the poll, which is kept. If the dashboard does not
    answer, the waiting polls are sent first; then :class:`SourceError` is raised, or only logged if sending failed,
    too.
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
                    f"{folder}: {KEPT_POLLS} polls of the dashboard were set aside, so no more are added",
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
    assert poll is not None  # noqa: S101 (no error, so there is a poll)
    log.info("project %s: %d measurements of %s; %d polls sent", project.key, len(poll.statuses), poll.source, polls)
    return poll, polls


def waiting(folder: Path) -> list[Path]:
    """The waiting polls, the oldest first."""
    return sorted(folder.glob("*.json"))


def _keep(folder: Path, poll: Poll) -> None:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.json"
    with storage_errors(folder):
        replace_file(folder / name, msgspec.json.encode(poll))


def _has_room(folder: Path) -> bool:
    kept = sum(path.suffix in {".json", DAMAGED, REFUSED} for path in folder.iterdir())
    if kept >= KEPT_POLLS:
        log.error("%s: %d polls are kept, and no more are added before the controller takes some", folder, kept)
    return kept < KEPT_POLLS


@dataclass
class _Sender:
    """Sends the polls of a folder, the oldest first.

    A refused poll stays until the controller takes another one, which shows that the poll itself is the problem.
    """

    client: ControllerClient
    project: str
    folder: Path
    _refused: list[Path] = field(default_factory=list)

    def send(self) -> int:
        """Send the waiting polls, and return how many the controller took. Raises :class:`DeliveryError`."""
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
                aside += sum(self._set_aside(one) for one in self._refused)  # the controller takes other polls
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
            return decoder(Poll).decode(content)
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
