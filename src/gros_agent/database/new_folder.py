"""A folder that appears with all of its content, or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gros_agent.errors import BusyError, ConfigurationError
from gros_agent.runtime.storage import storage_errors


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``target`` to write into, which becomes ``target`` at the end.

    After an error it is removed. What a killed process left there is removed first. Raises :class:`ConfigurationError`
    if ``target`` exists and is not an empty folder, and :class:`BusyError` if another process writes to it.
    """
    target = target.absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigurationError(f"{target} exists already", "name a new folder, or remove it")
    hidden = target.with_name(f".{target.name}.new")
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        if hidden.exists():
            _remove_leftover(hidden)
        hidden.mkdir()
        descriptor = _locked(hidden)
    try:
        yield hidden
        with storage_errors(target.parent):
            hidden.rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(descriptor)


def _remove_leftover(hidden: Path) -> None:
    descriptor = _locked(hidden)
    try:
        shutil.rmtree(hidden)
    finally:
        os.close(descriptor)


def _locked(hidden: Path) -> int:
    descriptor = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(f"another process writes to {hidden}", "wait until it is done; this one did nothing") from None
    return descriptor
