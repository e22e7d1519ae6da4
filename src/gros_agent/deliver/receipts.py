"""The files of a delivery, and the receipts of delivered batches: ``state/receipts/KEY/BATCH.json``."""

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
    """A file of a delivery: its heading in the announcement, rows (None if no table), size in bytes, and SHA-256."""

    name: str
    heading: Literal["export", "update", "other"]
    rows: int | None
    size: int
    sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was delivered, when, and to which controller.

    ``way`` is ``sftp`` or ``scp``, and empty if the controller took the files after an earlier upload. ``imported``
    says whether the import succeeded; it is None while the import goes on, or if the result can't be seen. ``known_by``
    says how the agent knows that the controller has the batch: by its answer, by the end of the import, or only by the
    fact that the files are gone, which is no proof.
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
        """Number of rows in all tables."""
        return sum(one.rows or 0 for one in self.files)


def files_of(folder: Path, batch: Manifest) -> tuple[File, ...]:
    """The files of a batch's delivery: its tables, trackers, list of sources, and log."""
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
    """The path of a file of a delivery. For the list of sources it is the copy without credentials."""
    return folder / (entries.SENT if name == entries.FILE else name)


def _file(path: Path, heading: Literal["export", "update", "other"], rows: int | None, name: str = "") -> File:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return File(name=name or path.name, heading=heading, rows=rows, size=path.stat().st_size, sha256=digest.hexdigest())


def last_receipt(project: ProjectSettings) -> Receipt | None:
    """The receipt of the batch in a project's folder, or None if it was not delivered."""
    batch = ProjectFolder(project.folder).batch()
    return None if batch is None else read(project, batch.identifier)


def read(project: ProjectSettings, batch: str) -> Receipt | None:
    """The receipt of a batch, or None if it was not delivered. Raises :class:`ConfigurationError` if it is damaged."""
    return json_files.read(_file_of(project, batch), Receipt, "the receipt", "remove it")


def receipts_of(project: ProjectSettings) -> tuple[Receipt, ...]:
    """All receipts of a project, the oldest delivery first.

    Raises :class:`ConfigurationError` if one is damaged.
    """
    paths = _folder_of(project).glob("[!.]*.json")
    found = (json_files.read(path, Receipt, "the receipt", "remove it") for path in paths)
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.delivered))


def keep(settings: Settings, receipt: Receipt) -> None:
    """Store a receipt, and replace an earlier one of its batch."""
    json_files.write(_file_of(settings.project(receipt.project), receipt.batch), receipt)


def _file_of(project: ProjectSettings, batch: str) -> Path:
    return _folder_of(project) / f"{batch}.json"


def _folder_of(project: ProjectSettings) -> Path:
    return project.home.state / "receipts" / project.key
