"""Takes erased people out of the files of an inbox, and remembers them there.

A batch is changed as a whole, even if the process is killed: its new files and its new receipt are written to a hidden
folder, that folder is renamed, and then they replace the old files. Readers look into the renamed folder first. A lock
on the folder of the batch keeps readers and changes apart.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from gros_agent.database import columns
from gros_agent.database.checking import TableRows, Unfit, check_content, rows_of
from gros_agent.database.erased import Erased, digest
from gros_agent.database.inbox import CHANGED, RECEIPT, InboxBatch, InboxFile, batches, lock
from gros_agent.database.without import without
from gros_agent.runtime import json_files
from gros_agent.runtime.storage import storage_errors, sync_folder, write_synced

_LIST = "erased.json"
_NEW = ".erasing"


class _Entry(msgspec.Struct, frozen=True):
    digest: str
    erased: datetime


@dataclass(frozen=True)
class Rewritten:
    """A batch of which files were changed, and the number of changed values for each file and field."""

    project: str
    number: int
    batch: str
    values: dict[str, dict[str, int]]


@dataclass(frozen=True)
class _Changed:
    values: Mapping[str, int]
    rows: int


@dataclass
class _Result:
    batches: list[Rewritten] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def remembered(inbox: Path) -> Erased:
    """The people who were erased in an inbox. Raises :class:`ConfigurationError` if the list is damaged."""
    return Erased(frozenset(one.digest for one in _entries(inbox)))


def _entries(inbox: Path) -> list[_Entry]:
    advice = "restore it from a backup: people who were erased would come back without it"
    return json_files.read(inbox / _LIST, list[_Entry], "the list of people who were erased", advice) or []


def remember(inbox: Path, pseudonyms: Sequence[str]) -> None:
    """Remember people for all who load from the inbox. Raises :class:`ConfigurationError` if there is no inbox."""
    batches(inbox)
    with storage_errors(inbox), lock(inbox, is_shared=False):
        known = _entries(inbox)
        now, digests = datetime.now(UTC), {one.digest for one in known}
        new = [_Entry(one, now) for one in map(digest, pseudonyms) if one not in digests]
        if new:
            json_files.write(inbox / _LIST, [*known, *new])


def rewrite(inbox: Path) -> tuple[list[Rewritten], dict[str, str]]:
    """Take the people whom the inbox remembers out of all batches, and finish what an earlier call could not.

    Returns the batches that were changed, and the files that still contain people, with the reason.
    """
    erased, result = remembered(inbox), _Result()
    for batch in batches(inbox):
        with storage_errors(batch.folder), lock(batch.folder, is_shared=False):
            _move(batch.folder)
            if (batch.folder / _NEW).exists():  # of a call that was killed
                shutil.rmtree(batch.folder / _NEW)
            _rewrite(batch, erased, result)
    return result.batches, result.left


def _rewrite(batch: InboxBatch, erased: Erased, result: _Result) -> None:
    """Change the files of a batch that contain any of the people."""
    people = {
        path: found for path in sorted(batch.folder.iterdir()) if path.is_file() and (found := erased.within(path))
    }
    if not people:
        return
    new = batch.folder / _NEW
    new.mkdir()
    changed: dict[str, _Changed] = {}
    files = _listed(batch)
    for path, pseudonyms in people.items():
        try:
            changed[path.name] = _rewrite_file(path, files.get(path.name), pseudonyms, new)
        except Unfit as unfit:
            result.left[str(path)] = str(unfit)
    if changed:
        _change_receipt(batch.folder, new, {name: one.rows for name, one in changed.items()})
        _publish(batch.folder)
        values = {name: dict(one.values) for name, one in changed.items()}
        result.batches.append(Rewritten(batch.project, batch.number, batch.identifier, values))
    else:
        shutil.rmtree(new)


def _listed(batch: InboxBatch) -> dict[str, InboxFile]:
    """The files in the receipt; none if the receipt is damaged."""
    try:
        return {one.name: one for one in batch.receipt().files}
    except Unfit:
        return {}


def _rewrite_file(path: Path, listed: InboxFile | None, pseudonyms: frozenset[str], new: Path) -> "_Changed":
    """Write the new content of a file. Raises :class:`Unfit` if the file is not a valid table."""
    row = columns.by_file().get(path.name)
    if listed is None or listed.kind != "export" or row is None:
        raise Unfit(f"{path.name} is no table that this version of gros-agent knows")
    check_content(path, listed.bytes, listed.sha256)
    is_object = row.is_single and path.read_bytes().lstrip()[:1] == b"{"
    with closing(rows_of(path, row)) as rows:
        left, changed = without(rows, pseudonyms)
    with closing(left):
        for _ in left.blocks():  # a table that would be refused does not become a valid one
            pass
        _write(left, new / path.name, is_object=is_object)
    return _Changed(changed, left.count)


def _write(rows: TableRows, path: Path, *, is_object: bool) -> None:
    with rows.path.open("rb") as source, path.open("xb") as stream:
        if is_object:
            stream.write(source.read().removeprefix(b"[\n").removesuffix(b"\n]\n") + b"\n")
        else:
            shutil.copyfileobj(source, stream)
        stream.flush()
        os.fsync(stream.fileno())


def _change_receipt(folder: Path, new: Path, rows: Mapping[str, int]) -> None:
    """Write a receipt with the sizes, hashes and rows of the new files. All else in it stays."""
    receipt: dict[str, Any] = json.loads((folder / RECEIPT).read_bytes())
    for one in receipt["files"]:
        if one["name"] in rows:
            path = new / one["name"]
            with path.open("rb") as stream:
                one["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
            one["bytes"] = path.stat().st_size
            if isinstance(one.get("rows"), int):
                one["rows"] = rows[one["name"]]
    receipt["erased"] = datetime.now(UTC).isoformat()
    write_synced(new / RECEIPT, (json.dumps(receipt, indent=2) + "\n").encode())


def _publish(folder: Path) -> None:
    sync_folder(folder / _NEW)
    (folder / _NEW).rename(folder / CHANGED)
    sync_folder(folder)
    _move(folder)


def _move(folder: Path) -> None:
    """Replace files by those that were published."""
    changed = folder / CHANGED
    if changed.is_dir():
        for path in sorted(changed.iterdir()):
            path.replace(folder / path.name)
        sync_folder(folder)
        changed.rmdir()
