"""A scrape's files become visible all at once, or not at all.

A scrape writes into a hidden folder, and publishing it is one rename of that folder: before it, a crash leaves the old
state; after it, whoever opens the project next moves the files to their places first. The batch's manifest stays in
that folder until the run that made it has told its result, so that a run that was killed in between is known.

::

    .staging-*                 being written; worth nothing
    .publishing/               published: its files belong in place of those beside it
    .publishing/manifest.json  published and in place, not yet reported
    .batch.json                the manifest of the batch that lies here
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import field

from gros_agent.errors import AgentError
from gros_agent.rows import TABLES, Project, SourceId
from gros_agent.rows.moments import local_zone
from gros_agent.runtime.storage import (
    clear_leftovers,
    exclusive,
    replace_file,
    storage_errors,
    sync_folder,
    write_synced,
)

_STAGING = ".staging-"
_PUBLISHING = ".publishing"
_MANIFEST = "manifest.json"
_BATCH = ".batch.json"
_LOCK = ".lock"
ENVIRONMENTS = "data_environments.json"
SNAPSHOTS = frozenset({ENVIRONMENTS, *(f"{row.table}.json" for row in TABLES if row.snapshot)})
"""Files that each scrape writes whole."""
DESCRIPTION = frozenset({ENVIRONMENTS, *(f"{row.table}.json" for row in (Project, SourceId))})
"""Those of them that say what a project is, and would be the same at any other moment."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch consists of.

    ``identifier`` is the same for every try to deliver it, ``delivered`` when the controller took it. ``tables`` maps a
    file's name to its number of rows. ``trackers`` maps the name of a tracker that the batch brought to the text that
    it had before (None: there was no such file), so that a batch can be thrown away. ``time_zone`` is that of
    the moments in its tables (empty: not noted).
    """

    kind: Literal["scrape", "discard"] = "scrape"
    identifier: str = field(default_factory=lambda: uuid.uuid4().hex)
    delivered: datetime | None = None
    made: datetime
    tables: Mapping[str, int]
    trackers: Mapping[str, str | None]
    removed: tuple[str, ...] = ()
    time_zone: str = ""

    @property
    def rows(self) -> int:
        """The rows that no other scrape would bring: tables that are whole each time do not count."""
        return sum(count for name, count in self.tables.items() if name not in SNAPSHOTS)


class ProjectFolder:
    """The folder ``export/KEY`` with what is collected for one project."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out. Raises :class:`BusyError` if one is in."""
        with exclusive(self.path / _LOCK, f"another scrape of {self.path.name}"):
            yield

    def recover(self) -> Manifest | None:
        """Finish what a killed process left, and return the batch that it never reported, if there is one."""
        with storage_errors(self.path):
            for leftover in self.path.glob(f"{_STAGING}*"):
                shutil.rmtree(leftover)
            clear_leftovers(self.path)
            if not (self.path / _PUBLISHING).is_dir():
                return None
            manifest = self._move_in_place()
            if manifest is None or manifest.kind == "discard":
                self.acknowledge()
                return None
            return manifest

    def batch(self) -> Manifest | None:
        """The manifest of the batch that lies here, or None."""
        return read_manifest(self.path / _BATCH)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A hidden folder to write a batch into; what was not published is removed at the end."""
        with storage_errors(self.path):
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staging: Path, tables: Mapping[str, int], trackers: Mapping[str, bytes]) -> Manifest:
        """Publish the table files in ``staging`` and these trackers in place of the batch that lies here.

        ``tables`` maps file names to numbers of rows, ``trackers`` file names to contents.
        """
        previous = self.batch()
        manifest = Manifest(
            made=datetime.now().astimezone(),
            tables=tables,
            trackers={name: self._text(name) for name in trackers},
            removed=tuple(sorted(set(previous.tables) - set(tables))) if previous else (),
            time_zone=local_zone(),
        )
        self._publish(staging, manifest, trackers)
        return manifest

    def publish_positions(self, staging: Path, tables: Mapping[str, int], trackers: Mapping[str, bytes]) -> Manifest:
        """Publish new positions, and those ``tables`` in ``staging`` that say what the project is; the batch stays."""
        batch = self.batch()
        if batch is None:
            raise ValueError("there is no batch to stay")
        for name in set(batch.tables) - DESCRIPTION:
            (staging / name).unlink(missing_ok=True)
        before = {name: self._text(name) for name in trackers} | dict(batch.trackers)
        described = {name: rows for name, rows in tables.items() if name in DESCRIPTION}
        manifest = msgspec.structs.replace(batch, tables={**batch.tables, **described}, trackers=before, removed=())
        self._publish(staging, manifest, trackers)
        return manifest

    def mark_delivered(self, moment: datetime) -> None:
        """Note that the batch that lies here was taken by the controller, so that a scrape may replace it."""
        batch = self.batch()
        if batch is not None:
            with storage_errors(self.path):
                replace_file(self.path / _BATCH, _encoded(msgspec.structs.replace(batch, delivered=moment)))

    def discard(self) -> Manifest | None:
        """Throw away the batch that lies here and put the trackers back, and return its manifest, or None."""
        batch = self.batch()
        if batch is None:
            return None
        restored = {name: text.encode() for name, text in batch.trackers.items() if text is not None}
        new = tuple(name for name, text in batch.trackers.items() if text is None)
        manifest = Manifest(
            kind="discard",
            made=datetime.now().astimezone(),
            tables={},
            trackers=dict.fromkeys(restored),
            removed=(*batch.tables, *new, _BATCH),
        )
        with self.staging() as staging:
            self._publish(staging, manifest, restored)
        self.acknowledge()
        return batch

    def acknowledge(self) -> None:
        """Note that the result of the published batch was told to whoever asked for it."""
        publishing = self.path / _PUBLISHING
        with storage_errors(self.path):
            manifest = read_manifest(publishing / _MANIFEST)
            if manifest is not None and manifest.kind == "scrape":
                (publishing / _MANIFEST).replace(self.path / _BATCH)
                sync_folder(self.path)
            shutil.rmtree(publishing, ignore_errors=True)

    def _publish(self, staging: Path, manifest: Manifest, trackers: Mapping[str, bytes]) -> None:
        with storage_errors(self.path):
            for name, content in trackers.items():
                write_synced(staging / name, content)
            write_synced(staging / _MANIFEST, _encoded(manifest))
            sync_folder(staging)
            staging.rename(self.path / _PUBLISHING)
            sync_folder(self.path)
            self._move_in_place()

    def _move_in_place(self) -> Manifest | None:
        """Move published files to their places; doing it twice is as good as once."""
        publishing = self.path / _PUBLISHING
        manifest = read_manifest(publishing / _MANIFEST)
        if manifest is None:  # reported, and killed while the folder was removed
            return None
        for name in (*manifest.tables, *manifest.trackers):
            if (publishing / name).exists():
                (publishing / name).replace(self.path / name)
        for name in manifest.removed:
            (self.path / name).unlink(missing_ok=True)
        sync_folder(self.path)
        return manifest

    def _text(self, name: str) -> str | None:
        path = self.path / name
        return path.read_text(encoding="utf-8") if path.exists() else None


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"


def check_table(path: Path) -> None:
    """Raise :class:`AgentError` where a table of a batch is missing."""
    if not path.exists():
        raise AgentError(
            f"{path} is missing, which is a table of a batch that waits",
            "restore it; or let the batch go, and collect its rows again: gros-agent outbox drop",
        )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of a batch to a place where none is."""
    write_synced(path, _encoded(manifest))


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at a path, or None. Raises :class:`AgentError` for one that is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        alone = path if path.name == _BATCH else path.parent  # beside that of the newest lies what the project needs
        raise AgentError(
            f"{path}: the manifest of a batch is damaged: {error}",
            f"restore it from a backup; or move {alone} away, and collect its rows again: scrape --full",
        ) from None
    except OSError as error:
        raise AgentError(
            f"{path}: the manifest of a batch can't be read: {error.strerror}", f"give it to the agent: chown {path}"
        ) from None
