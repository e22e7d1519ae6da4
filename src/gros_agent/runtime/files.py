"""Reads small text files of users: limited in size, as UTF-8, and with errors that say what to do.

A configuration tool empties a file before it writes it again, and writes several files in turn. :func:`settle` waits
until it is done. Within :func:`kept` reading returns the same content, even if the files change.
"""

import os
import pwd
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from gros_agent.errors import ConfigurationError

MAX_BYTES = 1 << 20
"""Limit for configuration files; real ones are far smaller."""
MAX_OWN_BYTES = 128 << 20
"""Limit for files that grow with the number of sources; real ones are far smaller."""
QUIET_SECONDS = 0.5
"""A file that changed less than this ago may still be being written."""
PATIENCE_SECONDS = 10.0
"""How long to wait for files that keep changing."""

_kept: ContextVar[Mapping[Path, bytes | OSError] | None] = ContextVar("_kept", default=None)


def read_text(path: Path, what: str, most: int = MAX_BYTES) -> str | None:
    """Return the text of a file, or None if there is no such file.

    ``what`` names the file in messages. Raises :class:`ConfigurationError` if the file can't be read, is not UTF-8,
    or is larger than ``most`` bytes.
    """
    try:
        content = _content(path, most)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ConfigurationError(
            f"{path}: {what} can't be read: it belongs to {owner(path)}",
            f"give it to the agent: chown {os.getuid()} {path}",
        ) from None
    except IsADirectoryError:
        hint = "put the file there; a mount of a file that is missing makes a folder of its name"
        raise ConfigurationError(f"{path}: {what} can't be read: it is a folder", hint) from None
    except OSError as error:
        hint = "check the path and the disk"
        raise ConfigurationError(f"{path}: {what} can't be read: {error.strerror}", hint) from None
    if len(content) > most:
        raise ConfigurationError(f"{path}: {what} is larger than {most} bytes", "is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}:{line}: {what} is not UTF-8 text", "save it with the UTF-8 encoding, if it is the right file"
        ) from None


def _content(path: Path, most: int) -> bytes:
    known = (_kept.get() or {}).get(path)
    if isinstance(known, OSError):
        raise known
    if known is not None:
        return known
    with path.open("rb") as stream:
        return stream.read(most + 1)


def settle(find: Callable[[], Iterable[Path]]) -> bool:
    """Wait until none of the files that ``find`` names has just changed. Returns whether that happened in time.

    ``find`` is called for each check, since a file can name others. If nothing changed recently, this returns at once.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while young := [age for path in find() if 0 <= (age := _age(path)) < QUIET_SECONDS]:
        if time.monotonic() > end:
            return False
        time.sleep(QUIET_SECONDS - min(young))
    return True


def _age(path: Path) -> float:
    """Seconds since a file changed. It is negative if the clock was set back, and long enough for a missing file."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return QUIET_SECONDS


@contextmanager
def kept(find: Callable[[], Iterable[Path]], also: Callable[[], Iterable[Path]]) -> Iterator[bool]:
    """Wait until files have settled. Within this context :func:`read_text` returns their content of that moment.

    ``find`` names these files. ``also`` names files that must settle as well, but are read as they are. Yields whether
    they settled in time.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        settled = settle(lambda: (*find(), *also()))
        before = {path: _look(path) for path in find()}
        contents = {path: _read(path) for path in before}
        if before == {path: _look(path) for path in find()} or time.monotonic() > end:
            break
    token = _kept.set(contents)
    try:
        yield settled
    finally:
        _kept.reset(token)


def _look(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> bytes | OSError:
    try:
        return _content(path, MAX_OWN_BYTES)
    except OSError as error:
        return error


def owner(path: Path) -> str:
    """The name of a file's owner, ``user`` and the UID if it has no name, or ``somebody else`` if it can't be read."""
    try:
        uid = path.stat().st_uid
    except OSError:
        return "somebody else"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
