"""What a delivery consists of, and the receipts of what was delivered: ``state/receipts/KEY/BATCH.json``."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from gros_agent.project import entries
from gros_agent.runtime import json_files
from gros_agent.runtime.logs import SCRAPE_LOG
from gros_agent.settings.load import PREFLIGHT_DATE
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.tables.batch import Manifest, ProjectFolder, check_table


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a delivery: under which heading it is announced, its rows (None: no table), bytes and SHA-256."""

    name: str
    heading: Literal["export", "update", "other"]
    rows: int | None
    size: int
    sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was delivered, when and to whom. ``way`` is sftp or scp; empty where the files were taken before.

    ``imported`` says how the import ended; None while it goes on, or where that can't be seen. ``known_by`` says what
    shows that the controller has the batch: itself, the import's end, or that its files are gone, which is no proof.
    """

    project: str
    batch: str
    controller: str
    delivered: datetime
    way: str
    files: tuple[File, ...]
    imported: bool | None = None
    known_by: Literal["controller", "import", "presumption"] = "presumption"

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(one.rows or 0 for one in self.files)


def files_of(folder: Path, batch: Manifest) -> tuple[File, ...]:
    """What a delivery of a batch in a folder consists of: its tables, trackers, list of sources, and log."""
    for name in batch.tables:
        check_table(folder / name)
    listed = [_file(folder / name, "export", rows) for name, rows in sorted(batch.tables.items())]
    if local(folder, entries.FILE).exists():
        listed.append(_file(local(folder, entries.FILE), "export", None, entries.FILE))
    updates = [*sorted(batch.trackers), PREFLIGHT_DATE]
    listed += [_file(folder / name, "update", None) for name in updates if (folder / name).exists()]
    if (folder / SCRAPE_LOG).exists():
        listed.append(_file(folder / SCRAPE_LOG, "other", None))
    return tuple(listed)


def local(folder: Path, name: str) -> Path:
    """Where a file of a delivery lies: the list of sources without credentials lies beside the one that is read."""
    return folder / (entries.SENT if name == entries.FILE else name)


def _file(path: Path, heading: Literal["export", "update", "other"], rows: int | None, name: str = "") -> File:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return File(name=name or path.name, heading=heading, rows=rows, size=path.stat().st_size, sha256=digest.hexdigest())


def last_receipt(project: ProjectSettings) -> Receipt | None:
    """The receipt of the batch that lies in a project's folder, or None where it was not delivered."""
    batch = ProjectFolder(project.folder).batch()
    return None if batch is None else read(project, batch.identifier)


def read(project: ProjectSettings, batch: str) -> Receipt | None:
    """The receipt of a batch, or None where it was not delivered. Raises :class:`ConfigurationError` if damaged."""
    return json_files.read(_file_of(project, batch), Receipt, "the receipt", "remove it")


def keep(settings: Settings, receipt: Receipt) -> None:
    """Keep a receipt, in place of what was kept of its batch before."""
    json_files.write(_file_of(settings.project(receipt.project), receipt.batch), receipt)


def _file_of(project: ProjectSettings, batch: str) -> Path:
    return project.home.state / "receipts" / project.key / f"{batch}.json"
