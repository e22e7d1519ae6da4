"""Takes announced batches, each completely and only once, even if the process is killed.

The order of steps ensures that: copy the files to a hidden folder, rename it into the inbox, store the trackers, remove
the uploaded files, note the batch as taken. Until that note the batch stays announced. After a kill, the next start
repeats the steps, and each step skips what is already done.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import msgspec

from gros_agent.errors import AgentError
from gros_agent.reference.store import USER, Announcement, State
from gros_agent.runtime.storage import storage_errors, sync_folder, write_synced

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Pattern of the names of batches and of the files in them."""

RECEIPT = "receipt.json"
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 (an answer to an agent, not an error of ours)
    """A batch is refused; the text says why."""


def take_all(state: State) -> None:
    """Take all announced batches.

    If the disk causes an error, the other batches are taken first; then :class:`AgentError` is raised.
    """
    failed: AgentError | None = None
    for announcement in state.announced():
        try:
            with storage_errors(state.folder):
                take(state, announcement)
        except AgentError as error:
            failed = error
    if failed:
        raise failed


def take(state: State, announcement: Announcement) -> None:
    """Take one batch, refuse it, or note that it was taken before."""
    title = f"batch {announcement.batch} of {announcement.project}"
    try:
        _check(state, announcement)
        uploaded = state.home(announcement.user) / "export" / announcement.project
        repeated = state.was_taken(announcement.project, announcement.batch)
        if not repeated:
            folder = _copy(state, announcement, uploaded)
            for name in announcement.files.get("update", ()):
                state.keep_tracker(announcement.project, announcement.user, name, (folder / name).read_bytes())
    except Refusal as refusal:
        _log.warning("%s refused: %s", title, refusal)
        state.settle(announcement, "refused", str(refusal))
        return
    for name in announcement.names:
        (uploaded / name).unlink(missing_ok=True)
    state.settle(announcement, "repeated" if repeated else "taken")
    _log.info("%s %s: %d files", title, "was taken before" if repeated else "taken", len(announcement.names))


def _check(state: State, announcement: Announcement) -> None:
    if not USER.fullmatch(announcement.user) or state.public_key(announcement.user) is None:
        raise Refusal(f"{announcement.user!r} is not a registered agent")
    if not state.owns(announcement.user, announcement.project):
        raise Refusal(f"{announcement.user} did not register for project {announcement.project}")
    for name in announcement.names:
        if not NAME.fullmatch(name) or name == RECEIPT:
            raise Refusal(f"{name!r} is not a valid file name for a batch")


def _copy(state: State, announcement: Announcement, uploaded: Path) -> Path:
    """Copy a batch into the inbox, unless an earlier attempt did so. Returns its folder there."""
    inbox = state.folder / "inbox" / announcement.project
    final = inbox / f"{announcement.sequence:06d}-{announcement.batch}"
    if final.exists():
        return final
    inbox.mkdir(exist_ok=True)
    temporary = inbox / f".{announcement.sequence:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        receipt = {
            "batch": announcement.batch,
            "project": announcement.project,
            "agent": announcement.agent,
            "moment": announcement.moment,
            "time_zone": announcement.about.time_zone,
            "sources": announcement.about.sources,
            "files": [
                {"name": name, "kind": _kind(announcement, name), **_copy_file(uploaded / name, temporary / name)}
                for name in announcement.names
            ],
        }
    except Refusal:
        shutil.rmtree(temporary)
        raise
    write_synced(temporary / RECEIPT, (json.dumps(receipt, indent=2) + "\n").encode())
    sync_folder(temporary)
    temporary.rename(final)
    sync_folder(inbox)
    sync_folder(inbox.parent)
    return final


def _kind(announcement: Announcement, name: str) -> str:
    return next(kind for kind in ("export", "update", "other") if name in announcement.files.get(kind, ()))


def _copy_file(source: Path, target: Path) -> dict[str, Any]:
    """Copy a file, and return its rows, size and hash. The copy is checked, since the agent can't change it."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Refusal(f"{source.name} can't be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refusal(f"{source.name} is not a regular file")
    digest = hashlib.sha256()
    with os.fdopen(descriptor, "rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    content = {"bytes": target.stat().st_size, "sha256": digest.hexdigest()}
    return {"rows": _rows(target) if target.suffix == ".json" else None, **content}


def _rows(path: Path) -> int | None:
    """The length of the array in a JSON file, or None if it has something else."""
    try:
        content: Any = msgspec.json.decode(path.read_bytes())
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refusal(f"{path.name} is not JSON: {error}") from None
    return len(content) if isinstance(content, list) else None
