"""The outbox: batches that wait for their delivery. No batch is replaced before the controller has it.

The newest batch is in ``export/KEY``, where other programs expect it. If it still waits when the next scrape starts, it
is moved to ``state/outbox/KEY``. The batches are delivered in order::

    000007/manifest.json   a waiting batch, with its tables, trackers, list of sources and log beside it
    .new-*                 an unfinished copy, which can be removed
    .gone-*                delivered or dropped, and being removed

A batch is moved by making a copy and renaming it; the next scrape then replaces the batch in ``export/KEY``. If the
process is killed in between, there are two copies with one identifier, which count as one batch.
"""

import filecmp
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gros_agent.deliver import open_deliveries
from gros_agent.errors import AgentError, DeliveryError, Own
from gros_agent.project import entries
from gros_agent.runtime import json_files
from gros_agent.runtime.logs import SCRAPE_LOG
from gros_agent.runtime.storage import make_private, replace_file, storage_errors, sync_folder
from gros_agent.settings.load import PREFLIGHT_DATE
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.tables.batch import (
    DESCRIPTION,
    SNAPSHOTS,
    Manifest,
    ProjectFolder,
    check_table,
    read_manifest,
    write_manifest,
)

log = logging.getLogger(__name__)

LEAST_SPACE = 64 << 20
"""Free disk space in bytes below which nothing is collected."""
_MANIFEST = "manifest.json"
_NUMBERED = re.compile(r"\d{6,}")
_CHANGES_IN_PLACE = (SCRAPE_LOG, PREFLIGHT_DATE, entries.SENT)
"""Files that the next run changes in place. They are copied; all others can be linked, since a rename replaces them."""


@dataclass(frozen=True)
class Waiting:
    """A waiting batch: the folder with its files, and its number in the outbox (None if it is in ``export/KEY``)."""

    project: str
    number: int | None
    folder: Path
    manifest: Manifest

    @property
    def rows(self) -> int:
        """Number of rows in all its tables."""
        return sum(self.manifest.tables.values())

    @property
    def size(self) -> int:
        """Size of its tables in bytes."""
        return sum(_size(self.folder / name) for name in self.manifest.tables)

    @property
    def title(self) -> str:
        """The batch as a phrase for messages."""
        return f"the batch of {self.manifest.made:%Y-%m-%d %H:%M:%S}"


def waiting(project: ProjectSettings) -> tuple[Waiting, ...]:
    """The waiting batches of a project, the oldest first. Raises :class:`AgentError` if a manifest is damaged."""
    newest = ProjectFolder(project.folder).batch()
    gone = newest.identifier if newest is not None and newest.delivered else ""
    found = [
        Waiting(project.key, number, folder, manifest)
        for number, folder in _numbered(_folder(project))
        if (manifest := _manifest(folder)) is not None and manifest.identifier != gone
    ]
    known = {one.manifest.identifier for one in found}
    if newest is not None and _waits(project, newest) and newest.identifier not in known:
        found.append(Waiting(project.key, None, project.folder, newest))
    return tuple(found)


def _waits(project: ProjectSettings, batch: Manifest) -> bool:
    return not batch.delivered and is_worth_keeping(project, batch.tables)


def is_worth_keeping(project: ProjectSettings, tables: Mapping[str, int]) -> bool:
    """Whether a batch with these tables (file name → rows) is worth keeping.

    With a controller, any rows are. Without one, tables that only describe the project don't count, since the next
    scrape writes them again.
    """
    kept = tables if project.controller else set(tables) - DESCRIPTION
    return any(tables[name] for name in kept)


def has_news(project: ProjectSettings, tables: Mapping[str, int], staging: Path) -> bool:
    """Whether the tables in ``staging`` have anything new, compared with a batch that waits in ``export/KEY``.

    With a controller the answer is always yes, since it gets each run.
    """
    folder = ProjectFolder(project.folder)
    batch = folder.batch()
    if project.controller or batch is None or not _waits(project, batch):
        return True
    return any(
        rows and name not in DESCRIPTION and not (name in SNAPSHOTS and _is_known(staging / name, folder.path / name))
        for name, rows in tables.items()
    )


def _is_known(one: Path, other: Path) -> bool:
    """Whether a table has no row that is not in another one. A row that is gone is no news: importers keep theirs."""
    if not other.exists():
        return False
    return filecmp.cmp(one, other, shallow=False) or _lines(one) <= _lines(other)


def _lines(path: Path) -> set[bytes]:
    with path.open("rb") as file:
        return {line.rstrip(b",\n") for line in file}


def keep(project: ProjectSettings) -> None:
    """Clean up after a killed scrape, and move a waiting batch to the outbox, before a run changes anything.

    Raises :class:`BusyError` if another process works on the project.
    """
    make_private(project.home.state)
    folder = ProjectFolder(project.folder)
    with folder.locked():
        folder.recover()
        folder.acknowledge()
        tidy(project)
        set_aside(project)


def set_aside(project: ProjectSettings) -> None:
    """Copy the batch in ``export/KEY`` to the outbox if it waits, before any of its files changes.

    Call only with the project's folder locked. Without a controller users may move the tables away, so a batch without
    any of its tables counts as fetched. Raises :class:`AgentError` if only some tables are missing.
    """
    folder = ProjectFolder(project.folder)
    batch = folder.batch()
    if batch is None or not _waits(project, batch):
        return
    outbox = _folder(project)
    numbered = list(_numbered(outbox))
    if any(manifest.identifier == batch.identifier for _, one in numbered if (manifest := _readable(one))):
        return
    if not project.controller and not any((folder.path / name).exists() for name in _news(batch)):
        made = Own(f"{batch.made:%Y-%m-%d %H:%M:%S}")
        log.warning(
            "project %s: the tables of the batch of %s were taken away: it counts as fetched", project.key, made
        )
        folder.mark_delivered(datetime.now().astimezone())
        return
    make_private(project.home.state)
    with storage_errors(outbox):
        outbox.parent.mkdir(mode=0o700, exist_ok=True)
        outbox.mkdir(mode=0o700, exist_ok=True)
        copy = Path(tempfile.mkdtemp(prefix=".new-", dir=outbox))
        for name in batch.tables:
            check_table(folder.path / name)
            _link(folder.path / name, copy / name)
        for name in batch.trackers:
            if (folder.path / name).exists():  # users remove a tracker to collect a source again
                _link(folder.path / name, copy / name)
        for name in _CHANGES_IN_PLACE:
            if (folder.path / name).exists():
                shutil.copyfile(folder.path / name, copy / name)
        for path in copy.iterdir():
            _sync(path)
        write_manifest(copy / _MANIFEST, batch)
        sync_folder(copy)
        number = max((number for number, _ in numbered), default=0) + 1
        copy.rename(outbox / f"{number:06d}")
        sync_folder(outbox)
    made = Own(f"{batch.made:%Y-%m-%d %H:%M:%S}")
    log.info("project %s: the batch of %s waits in the outbox as number %d", project.key, made, number)


def _news(batch: Manifest) -> list[str]:
    """The tables of a batch that have rows, without those that only describe the project."""
    return [name for name, rows in batch.tables.items() if rows and name not in DESCRIPTION]


def take_back(project: ProjectSettings, identifier: str) -> None:
    """Remove a batch from the outbox that stays in ``export/KEY``. Call only with the project's folder locked."""
    _remove(project, identifier)


def discard(project: ProjectSettings, folder: ProjectFolder) -> None:
    """Discard the batch in ``export/KEY``, and restore the positions from before it.

    Call only with the folder locked.
    """
    _note_put_back(project)
    batch = folder.discard()
    if batch is not None:
        _remove(project, batch.identifier)


def put_back(project: ProjectSettings) -> datetime | None:
    """When positions of a project were last put back, or None. They are used until the next registration."""
    return json_files.read(_put_back_record(project), datetime, "the note on positions put back", "remove it")


def _note_put_back(project: ProjectSettings) -> None:
    json_files.write(_put_back_record(project), datetime.now(UTC))


def _put_back_record(project: ProjectSettings) -> Path:
    return project.home.state / "outbox" / f"{project.key}.json"


def forget(project: ProjectSettings, identifier: str) -> None:
    """Remove a delivered batch from the outbox. Call only with the project's folder locked."""
    folder = ProjectFolder(project.folder)
    batch = folder.batch()
    if batch is not None and batch.identifier == identifier:
        folder.mark_delivered(datetime.now().astimezone())
    _remove(project, identifier)


def tidy(project: ProjectSettings) -> None:
    """Remove what a killed process left behind. Call only with the project's folder locked."""
    outbox = _folder(project)
    if not outbox.is_dir():
        return
    with storage_errors(outbox):
        for pattern in (".new-*", ".gone-*"):
            for leftover in outbox.glob(pattern):
                shutil.rmtree(leftover)
    newest = ProjectFolder(project.folder).batch()
    if newest is not None and newest.delivered:
        _remove(project, newest.identifier)


def check_room(project: ProjectSettings) -> None:
    """Raise :class:`DeliveryError` if the outbox is full, its oldest batch too old, or the disk nearly full."""
    kept = waiting(project)
    environment = project.environment
    hint = "see gros-agent outbox list, and preflight for what keeps it; OUTBOX_MAX_{} sets the limit"
    size = sum(one.size for one in kept)
    if size >= environment.outbox_max_bytes:
        words = f"the outbox of {project.key} is full: {len(kept)} batches with {size} bytes wait, nothing is collected"
        raise DeliveryError(words, hint.format("BYTES"))
    if project.controller and kept:
        age = datetime.now(UTC) - kept[0].manifest.made
        if age >= timedelta(seconds=environment.outbox_max_age):
            long = f"{age.days} days" if age.days else f"{age.total_seconds() / 3600:.1f} hours"
            words = f"{kept[0].title} of {project.key} waits for {long}: nothing more is collected"
            raise DeliveryError(words, hint.format("AGE"))
    existing = next(path for path in (project.home.state, *project.home.state.parents) if path.exists())
    if shutil.disk_usage(existing).free < LEAST_SPACE:
        raise DeliveryError(
            f"{existing} has less than {LEAST_SPACE >> 20} MiB of free space: nothing more is collected",
            f"free some space; what waits is kept: {len(kept)} of {project.key}",
        )


def check_at_home(project: ProjectSettings, *identifiers: str) -> None:
    """Raise :class:`DeliveryError` if one of these batches was announced: the controller may have it."""
    delivery = open_deliveries.read(project)
    if delivery is not None and delivery.stage != "uploading" and delivery.batch in identifiers:
        raise DeliveryError(
            f"batch {delivery.batch} of {project.key} was announced: the controller may have it",
            f"gros-agent run --project {project.key} goes on with it",
        )


def drop(project: ProjectSettings, batches: Sequence[Waiting], *, fetched: bool = False) -> None:
    """Remove waiting batches from the outbox. Call only with the project's folder locked.

    Unless they were ``fetched``, the positions from before them are restored if no newer batch waits, so that the next
    scrape collects their content again.
    """
    dropped = {one.manifest.identifier for one in batches}
    is_newest = True
    for one in reversed(waiting(project)):
        if one.manifest.identifier not in dropped:
            is_newest = False
            continue
        if is_newest and not fetched:
            _put_back(project.settings, one)
        forget(project, one.manifest.identifier)


def _put_back(settings: Settings, one: Waiting) -> None:
    """Restore the positions from before a batch.

    Call this before the batch is removed. If the agent is killed in between, it collects again and loses nothing.
    """
    folder = ProjectFolder(settings.home.export / one.project)
    batch = folder.batch()
    if batch is not None and batch.identifier == one.manifest.identifier:
        discard(settings.project(one.project), folder)
        return
    _note_put_back(settings.project(one.project))
    with storage_errors(folder.path):
        for name, text in one.manifest.trackers.items():
            if text is None:
                (folder.path / name).unlink(missing_ok=True)
            else:
                replace_file(folder.path / name, text.encode())


def _remove(project: ProjectSettings, identifier: str) -> None:
    outbox = _folder(project)
    for _, folder in _numbered(outbox):
        manifest = _readable(folder)
        if manifest is not None and manifest.identifier == identifier:
            with storage_errors(outbox):
                gone = folder.rename(outbox / f".gone-{folder.name}")
                sync_folder(outbox)
                shutil.rmtree(gone, ignore_errors=True)


def _manifest(folder: Path) -> Manifest | None:
    """The manifest of a batch in the outbox, or None if the batch was removed. Raises :class:`AgentError`."""
    manifest = read_manifest(folder / _MANIFEST)
    if manifest is None and folder.is_dir():
        raise AgentError(
            f"{folder}: the manifest of a batch that waits is missing",
            f"restore it from a backup; or move {folder} away, and collect its rows again: scrape --full",
        )
    return manifest


def _readable(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder / _MANIFEST)
    except AgentError:
        return None


def projects_with(settings: Settings) -> tuple[str, ...]:
    """The keys of all projects with batches in the outbox, including projects that are no longer configured."""
    folder = settings.home.state / "outbox"
    return tuple(sorted(path.name for path in folder.glob("*/") if any(_numbered(path))))


def _numbered(outbox: Path) -> Iterator[tuple[int, Path]]:
    try:
        names = sorted(path.name for path in outbox.iterdir())
    except FileNotFoundError:
        names = []
    except OSError as error:
        hint = f"give it to the agent: chown -R {os.getuid()} {outbox}"
        raise AgentError(f"{outbox} can't be read: {error.strerror}", hint) from None
    yield from ((int(name), outbox / name) for name in names if _NUMBERED.fullmatch(name))


def _link(source: Path, target: Path) -> None:
    """Link a file to a second place, or copy it if the two are on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _folder(project: ProjectSettings) -> Path:
    return project.home.state / "outbox" / project.key
