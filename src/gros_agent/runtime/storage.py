"""Turns disk errors into messages, replaces files atomically, and locks files."""

import contextlib
import errno
import fcntl
import os
import platform
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gros_agent.errors import AgentError, BusyError, ConfigurationError
from gros_agent.runtime.files import owner


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn an :class:`OSError` about ``folder`` into an error that says what to do.

    A folder that can't be written, or a file in the place of a folder, becomes :class:`ConfigurationError`. A full disk
    and all other errors become :class:`AgentError`.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise AgentError(
                f"the disk is full: {folder} can't be written",
                "free some space and run again: nothing of this run was published",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise ConfigurationError(
                f"{place} can't be written: {os.strerror(error.errno)} (it belongs to {owner(folder)})",
                f"let user {os.getuid()} write there, or mount it writable",
            ) from error
        is_in_the_way = error.errno == errno.EEXIST and Path(place) in {folder, *folder.parents}
        if is_in_the_way or error.errno == errno.ENOTDIR:
            raise ConfigurationError(
                f"{place}: this is a file, but must be a folder", "move it away, or name another folder"
            ) from error
        raise AgentError(f"{place}: {os.strerror(error.errno or errno.EIO)}", "check the path and the disk") from error


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a new file, and wait until it is on the disk. It must not exist yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace the content of a file atomically, or create the file. Several threads may do so at the same time."""
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    write_synced(temporary, content, mode)
    temporary.replace(path)
    sync_folder(path.parent)


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files of :func:`replace_file` that killed processes left in a folder and its subfolders.

    Files of a living process stay, unless they are old, since process numbers are reused.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LARGE]
        for name in names:
            match = _LEFTOVER.fullmatch(name)
            if match is None:
                continue
            path = Path(place, name)
            with contextlib.suppress(OSError):  # its process may remove or rename it
                if not _is_alive(int(match[1])) or time.time() - path.stat().st_mtime > _OLD_SECONDS:
                    path.unlink()


_LEFTOVER = re.compile(r"\..+\.(\d{1,9})\.new")
_OLD_SECONDS = 3600.0
_LARGE = frozenset({"repos", "outbox"})
"""Folders of the state that are skipped: they have many files, and none of these."""


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can access. If it exists and is ours, remove the access of others.

    Local clones in it contain names and addresses of people. Raises :class:`AgentError` if it can't be made.
    """
    make_missing(folder)
    with storage_errors(folder):
        found = folder.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            folder.chmod(0o700)


def make_missing(folder: Path) -> None:
    """Make a folder and its missing parents, accessible only to their owner whatever the umask is.

    Existing folders are not changed. Raises :class:`AgentError` if they can't be made.
    """
    with storage_errors(folder):
        for one in reversed((folder, *folder.parents)):
            if not one.is_dir():
                one.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path``, so that no other process runs this code.

    Raises :class:`BusyError`, with ``what`` in its message, if another process holds it. The short lock of
    :func:`is_held` does not count: this waits for it.
    """
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(descriptor):
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "?"
            raise BusyError(f"{what} is running ({holder})", "wait until it is done; this one did nothing")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    for pause in (0.02, 0.05, 0.1, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause is None:
                break
            time.sleep(pause)
        else:
            return True
    return False
