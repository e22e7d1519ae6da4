"""Reading small text files that a user wrote: bounded, UTF-8, and with an error that says what to do.

A configuration tool empties a file before it writes it anew, and writes several, one after the other. :func:`settle`
waits until it is done, and within :func:`kept` files stay what they were, whatever becomes of them.
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
"""More than any file that configures the agent ever holds."""
MAX_OWN_BYTES = 128 << 20
"""More than any file that grows with the number of sources ever holds."""
QUIET_SECONDS = 0.5
"""A file that changed less than this ago may still be written."""
PATIENCE_SECONDS = 10.0
"""How long to wait for files that change on and on."""

_kept: ContextVar[Mapping[Path, bytes | OSError] | None] = ContextVar("_kept", default=None)


def read_text(path: Path, what: str, most: int = MAX_BYTES) -> str | None:
    """Return the text of a file, or None if there is no such file.

    ``what`` names the file in messages. Raises :class:`ConfigurationError` when the file can't be read, is not UTF-8
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
    """Wait until none of the files that ``find`` names changed a moment ago. Returns whether that came in time.

    It is called again for each look, since a file can name others. Where nothing changed lately this takes no time.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while young := [age for path in find() if 0 <= (age := _age(path)) < QUIET_SECONDS]:
        if time.monotonic() > end:
            return False
        time.sleep(QUIET_SECONDS - min(young))
    return True


def _age(path: Path) -> float:
    """Seconds since a file changed; a clock that was set back, or a missing file, is no reason to wait."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return QUIET_SECONDS


@contextmanager
def kept(find: Callable[[], Iterable[Path]], also: Callable[[], Iterable[Path]]) -> Iterator[bool]:
    """Wait until files have settled, and have :func:`read_text` find within what they hold then.

    ``find`` names those files, ``also`` those that have to settle with them and are read as they are. Yields whether
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
    """Name the owner of a file, or its number where the system knows no name, or ``somebody else``."""
    try:
        uid = path.stat().st_uid
    except OSError:
        return "somebody else"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
