"""The outbox: uploads a project's batch, announces it, and waits until the controller took it.

What is not announced is not delivered. Where a delivery stands is kept in ``state/deliveries/KEY.json``, so that the
next call goes on where this one stopped. A batch has one identifier for all tries: a controller that knows it takes
the batch once, and one that does not gets it at least once, which changes nothing there.
"""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from gros_agent import entries
from gros_agent.controller import ControllerError
from gros_agent.controller.client import TRIES, ControllerClient, agent_user, hostname
from gros_agent.controller.ssh import DEFAULT_PORT, Connection, HostKeys
from gros_agent.errors import AgentError, ConfigurationError, DeliveryError, ExitStatus, worst
from gros_agent.logs import RETRY, SCRAPE_LOG
from gros_agent.settings.load import PREFLIGHT_DATE
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, no_progress
from gros_agent.storage import replace_file, storage_errors
from gros_agent.tables.batch import Manifest, ProjectFolder

log = logging.getLogger(__name__)

PICK_UP_SECONDS = 300.0
"""How long to wait until the controller took an announced batch."""
_POLL_SECONDS = 0.5


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far the delivery of a batch is."""

    batch: str
    stage: Literal["uploading", "announcing", "announced"]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a delivery: under which heading it is announced, its rows (None: no table), bytes and SHA-256."""

    name: str
    heading: Literal["export", "update", "other"]
    rows: int | None
    size: int
    sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was delivered, when and to whom. ``way`` is sftp or scp; empty where the files were taken before."""

    project: str
    batch: str
    controller: str
    delivered: datetime
    way: str
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(one.rows or 0 for one in self.files)


def fetch_trackers(settings: Settings, project: str, names: Iterable[str]) -> dict[str, bytes | None]:
    """The controller's trackers, by file name; None where it has none. Raises :class:`ControllerError`."""
    with connect(settings, project) as connection:
        return {name: connection.get(f"update/{project}", name) for name in names}


def connect(settings: Settings, project: str, known_hosts: Path | None = None) -> Connection:
    """Log in to the controller as the agent's user. Raises :class:`ControllerError`."""
    host, port = ssh_address(settings)
    pinned = HostKeys(known_hosts or controller_hosts(settings))
    return Connection(host, port, agent_user(settings, project), settings.key, pinned)


def controller_hosts(settings: Settings) -> Path:
    """The file with the SSH host keys of the controller."""
    return settings.home.state / "controller_hosts"


def ssh_address(settings: Settings) -> tuple[str, int]:
    """Host and SSH port of the controller. Raises :class:`ControllerError`."""
    host, _ = ControllerClient(settings).host
    return host, settings.port("port") or DEFAULT_PORT


def open_delivery(settings: Settings, project: str) -> Delivery | None:
    """The delivery of a project that was begun and not finished, or None."""
    try:
        return msgspec.json.decode(_record(settings, project).read_bytes(), type=Delivery)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        path = _record(settings, project)
        raise ConfigurationError(f"{path}: the record of a delivery is damaged: {error}", "remove it") from None


def files_of(folder: ProjectFolder, batch: Manifest) -> tuple[File, ...]:
    """What a delivery of a batch consists of: its tables, its trackers, the list of sources, and the log.

    A list of sources with passwords or user names in it stays here.
    """
    listed = [_file(folder.path / name, "export", rows) for name, rows in sorted(batch.tables.items())]
    sources = folder.path / entries.FILE
    if sources.exists() and not entries.has_credentials(sources):
        listed.append(_file(sources, "export", None))
    updates = [*sorted(batch.trackers), PREFLIGHT_DATE]
    listed += [_file(folder.path / name, "update", None) for name in updates if (folder.path / name).exists()]
    if (folder.path / SCRAPE_LOG).exists():
        listed.append(_file(folder.path / SCRAPE_LOG, "other", None))
    return tuple(listed)


def _file(path: Path, heading: Literal["export", "update", "other"], rows: int | None) -> File:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return File(name=path.name, heading=heading, rows=rows, size=path.stat().st_size, sha256=digest.hexdigest())


def export(
    settings: Settings,
    project: str,
    *,
    known_hosts: Path | None = None,
    pick_up: float = PICK_UP_SECONDS,
    progress: Progress = no_progress,
) -> Receipt | None:
    """Deliver the batch of a project, and return the receipt; None if there is nothing to deliver.

    Raises :class:`DeliveryError` when it is not done: everything is kept, and the next call goes on.
    """
    folder = ProjectFolder(settings.home.export / project)
    with folder.locked():
        folder.recover()
        folder.acknowledge()
        batch = folder.batch()
        if batch is None or batch.delivered:
            _forget(settings, project)
            return None
        try:
            return _Export(settings, project, folder, batch, known_hosts, progress).run(pick_up)
        except ControllerError as error:
            raise DeliveryError(f"{project} was not delivered: {error.message}", error.hint) from error


def send_log(settings: Settings, project: str) -> bool:
    """Upload the log of a scrape that brought no batch. Returns whether it could: an open delivery comes first.

    Raises :class:`ControllerError`.
    """
    path = settings.home.export / project / SCRAPE_LOG
    if not path.exists() or open_delivery(settings, project) is not None:
        return False
    with connect(settings, project) as connection:
        connection.put(path, f"export/{project}", path.name)
    return True


class _Export:
    """One try to deliver one batch."""

    def __init__(
        self,
        settings: Settings,
        project: str,
        folder: ProjectFolder,
        batch: Manifest,
        known_hosts: Path | None,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._project = project
        self._folder = folder
        self._batch = batch
        self._known_hosts = known_hosts
        self._progress = progress
        self._files = files_of(folder, batch)
        self._place = f"export/{project}"

    def run(self, pick_up: float) -> Receipt:
        before = open_delivery(self._settings, self._project)
        if before is not None and before.batch != self._batch.identifier:
            before = None
        if before is not None and before.stage != "uploading":
            with connect(self._settings, self._project, self._known_hosts) as connection:
                if not self._anything_left(connection):
                    return self._finish(way="")  # the announcement came through, its answer did not
        way = self._upload()
        self._note("announcing")
        names = {
            heading: [one.name for one in self._files if one.heading == heading]
            for heading in ("export", "update", "other")
        }
        user = agent_user(self._settings, self._project)
        client = ControllerClient(self._settings)
        client.announce(self._project, names, user, hostname(), self._batch.identifier)
        self._note("announced")
        self._wait(pick_up)
        return self._finish(way)

    def _upload(self) -> str:
        """Upload all files, again from the file where a connection broke, and return the way they went."""
        waiting = list(self._files)
        for attempt in range(1, TRIES + 1):
            try:
                with connect(self._settings, self._project, self._known_hosts) as connection:
                    self._note("uploading")  # from here on a registration would clear what is there
                    while waiting:
                        done = len(self._files) - len(waiting)
                        self._progress(f"{self._project}: upload", done, len(self._files))
                        connection.put(self._folder.path / waiting[0].name, self._place, waiting[0].name)
                        waiting.pop(0)
                    return connection.way
            except ControllerError as error:
                if not error.transient or attempt == TRIES:
                    raise
                log.warning("project %s: %s; trying again", self._project, error, extra=RETRY)
                time.sleep(random.uniform(0.5, 1.5) * attempt)  # noqa: S311 (jitter, no secret)
        raise AssertionError("the last try returns or raises")

    def _anything_left(self, connection: Connection) -> bool:
        return any(connection.exists(self._place, one.name) for one in self._by_size())

    def _by_size(self) -> list[File]:
        return sorted(self._files, key=lambda one: one.size)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        pause = _POLL_SECONDS / 4
        with connect(self._settings, self._project, self._known_hosts) as connection:
            while self._anything_left(connection):
                if time.monotonic() > end:
                    raise ControllerError(
                        f"the controller has not taken the announced batch within {seconds:g} s",
                        "see the controller's log; the next export goes on",
                    )
                time.sleep(pause)
                pause = min(pause * 2, _POLL_SECONDS * 8)

    def _finish(self, way: str) -> Receipt:
        host, port = ssh_address(self._settings)
        receipt = Receipt(
            project=self._project,
            batch=self._batch.identifier,
            controller=f"{agent_user(self._settings, self._project)}@{host}:{port}",
            delivered=datetime.now().astimezone(),
            way=way,
            files=self._files,
        )
        path = self._settings.home.state / "receipts" / self._project / f"{self._batch.identifier}.json"
        with storage_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, msgspec.json.format(msgspec.json.encode(receipt)) + b"\n")
        self._folder.mark_delivered(receipt.delivered)
        _forget(self._settings, self._project)
        log.info("project %s: delivered %d rows to %s", self._project, receipt.rows, receipt.controller)
        return receipt

    def _note(self, stage: Literal["uploading", "announcing", "announced"]) -> None:
        path = _record(self._settings, self._project)
        with storage_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, msgspec.json.encode(Delivery(batch=self._batch.identifier, stage=stage)))


def finish_open(settings: Settings, projects: tuple[str, ...], finish: Callable[[str], object]) -> None:
    """Finish every open delivery of these projects with ``finish``. Raises :class:`DeliveryError` if one can't be."""
    for project in projects:
        if open_delivery(settings, project) is not None:
            log.warning("project %s: finishing the open delivery first", project)
            finish(project)


def _record(settings: Settings, project: str) -> Path:
    return settings.home.state / "deliveries" / f"{project}.json"


def _forget(settings: Settings, project: str) -> None:
    _record(settings, project).unlink(missing_ok=True)


@dataclass(frozen=True)
class ExportOptions:
    """How to export: only show it, with another file of host keys, and how many seconds to wait for the controller."""

    dry_run: bool = False
    known_hosts: Path | None = None
    wait: float = PICK_UP_SECONDS


@dataclass(frozen=True, kw_only=True)
class Export:
    """What became of the delivery of a project: a receipt, what would be sent in a dry run, or an error."""

    project: str
    receipt: Receipt | None = None
    planned: tuple[File, ...] = ()
    destination: str = ""
    error: str = ""
    hint: str = ""
    status: ExitStatus = ExitStatus.DONE


def deliver_projects(
    settings: Settings,
    projects: Sequence[str],
    options: ExportOptions,
    tell: Callable[[Export], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Deliver what was collected for projects and tell what became of each. Returns the worst status."""
    statuses = []
    for project in projects:
        try:
            told = _export(settings, project, options, progress)
        except AgentError as error:
            told = Export(project=project, error=error.message, hint=error.hint, status=error.status)
        tell(told)
        statuses.append(told.status)
    return worst(statuses)


def _export(settings: Settings, project: str, options: ExportOptions, progress: Progress) -> Export:
    if settings.controller(project) is None:
        raise ConfigurationError(f"project {project} reports to no controller", "set SSH_HOST")
    if not options.dry_run:
        receipt = export(settings, project, known_hosts=options.known_hosts, pick_up=options.wait, progress=progress)
        return Export(project=project, receipt=receipt)
    folder = ProjectFolder(settings.home.export / project)
    batch = folder.batch()
    planned = files_of(folder, batch) if batch and not batch.delivered else ()
    host, port = ssh_address(settings)
    return Export(project=project, planned=planned, destination=f"{agent_user(settings, project)}@{host}:{port}")
