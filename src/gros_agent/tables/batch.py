"""Publishes all files of a scrape at once, or none.

A scrape writes into a hidden folder, and publishes it by one rename. After a crash before the rename, the old state is
unchanged. After a crash after it, the next process that opens the project first moves the files to their places. The
manifest of the batch stays in that folder until its run has reported the result, so that a run that was killed before
that is noticed.

::

    .staging-*                 being written; can be removed
    .publishing/               published: its files replace those beside it
    .publishing/manifest.json  published and in place, not yet reported
    .batch.json                the manifest of the batch in this folder
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import field

from gros_agent.errors import AgentError
from gros_agent.rows import TABLES, Project, SourceId
from gros_agent.rows.moments import local_zone
from gros_agent.runtime.decoding import decoder
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
"""Files that each scrape writes completely."""
DESCRIPTION = frozenset({ENVIRONMENTS, *(f"{row.table}.json" for row in (Project, SourceId))})
"""Those of them that describe the project, and don't depend on the time of the scrape."""


class CollectedSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a scrape collected from a source, for whoever asks whether anything is missing.

    ``items`` counts its new items, such as commits, and ``expected`` those that the system announced, if it did. The
    ``state`` is ``partly`` if something could not be collected, and ``failed`` if nothing could.
    """

    name: str
    kind: str
    items: int = 0
    expected: int | None = None
    state: Literal["whole", "partly", "failed"] = "whole"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a batch.

    ``identifier`` stays the same for all tries to deliver it; ``delivered`` is when the controller took it. ``tables``
    maps file names to numbers of rows. ``trackers`` maps the file name of each tracker in the batch to its text before
    the batch (None if the file did not exist), so that a batch can be discarded. ``removed`` names files that
    publishing removes. ``time_zone`` is that of the moments in the tables (empty: not recorded). ``sources`` says how
    complete the batch is.
    """

    kind: Literal["scrape", "discard"] = "scrape"
    identifier: str = field(default_factory=lambda: uuid.uuid4().hex)
    delivered: datetime | None = None
    made: datetime
    tables: Mapping[str, int]
    trackers: Mapping[str, str | None]
    removed: tuple[str, ...] = ()
    time_zone: str = ""
    sources: tuple[CollectedSource, ...] = ()

    @property
    def rows(self) -> int:
        """The number of new rows, without the tables that each scrape writes completely."""
        return sum(count for name, count in self.tables.items() if name not in SNAPSHOTS)


class ProjectFolder:
    """The folder ``export/KEY`` with the collected files of one project."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder. Raises :class:`BusyError` if another process has locked it."""
        with exclusive(self.path / _LOCK, f"another scrape of {self.path.name}"):
            yield

    def recover(self) -> Manifest | None:
        """Clean up after a killed process, and return the batch that it published but did not report, or None."""
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

    @property
    def is_publishing(self) -> bool:
        """Whether files of a published batch may not be in their places yet, or its result was not reported."""
        return (self.path / _PUBLISHING).is_dir()

    def batch(self) -> Manifest | None:
        """The manifest of the batch in this folder, or None."""
        return read_manifest(self.path / _BATCH)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield a hidden folder to write a batch into. It is removed at the end, unless it was published."""
        with storage_errors(self.path):
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(
        self,
        staging: Path,
        tables: Mapping[str, int],
        trackers: Mapping[str, bytes],
        sources: Iterable[CollectedSource] = (),
        time_zone: str = "",
    ) -> Manifest:
        """Publish the table files in ``staging`` and these trackers, and replace the batch in this folder.

        ``tables`` maps file names to numbers of rows, ``trackers`` file names to contents. ``sources`` are those that
        were collected. ``time_zone`` is that of the moments in the tables; the local one by default.
        """
        previous = self.batch()
        manifest = Manifest(
            made=datetime.now().astimezone(),
            tables=tables,
            trackers={name: self._text(name) for name in trackers},
            removed=tuple(sorted(set(previous.tables) - set(tables))) if previous else (),
            time_zone=time_zone or local_zone(),
            sources=tuple(sources),
        )
        self._publish(staging, manifest, trackers)
        return manifest

    def publish_positions(self, staging: Path, tables: Mapping[str, int], trackers: Mapping[str, bytes]) -> Manifest:
        """Publish new positions, and the tables in ``staging`` that describe the project.

        The rest of the batch stays.
        """
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
        """Note that the controller took the batch in this folder, so that a scrape may replace it."""
        batch = self.batch()
        if batch is not None:
            with storage_errors(self.path):
                replace_file(self.path / _BATCH, _encoded(msgspec.structs.replace(batch, delivered=moment)))

    def discard(self) -> Manifest | None:
        """Discard the batch in this folder, restore the trackers, and return its manifest.

        None if there is no batch.
        """
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
        """Note that the result of the published batch was reported to the user."""
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
        """Move published files to their places. It can be repeated after a crash."""
        publishing = self.path / _PUBLISHING
        manifest = read_manifest(publishing / _MANIFEST)
        if manifest is None:  # killed after the report, while the folder was being removed
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
    """Raise :class:`AgentError` if a table of a batch is missing."""
    if not path.exists():
        raise AgentError(
            f"{path} is missing: it is a table of a waiting batch",
            "restore it; or drop the batch, and collect its rows again: gros-agent outbox drop",
        )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of a batch to a new file."""
    write_synced(path, _encoded(manifest))


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None if the file does not exist. Raises :class:`AgentError` if it is damaged."""
    try:
        return decoder(Manifest).decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        alone = path if path.name == _BATCH else path.parent  # beside .batch.json are other files
        raise AgentError(
            f"{path}: the manifest of a batch is damaged: {error}",
            f"restore it from a backup; or move {alone} away, and collect its rows again: scrape --full",
        ) from None
    except OSError as error:
        raise AgentError(
            f"{path}: the manifest of a batch can't be read: {error.strerror}", f"give it to the agent: chown {path}"
        ) from None
