"""Reading small text files that a user wrote: bounded, UTF-8, and with an error that says what to do."""

import os
import pwd
from pathlib import Path

from gros_agent.errors import ConfigurationError

MAX_BYTES = 1 << 20
"""More than any file that configures the agent ever holds."""


def read_text(path: Path, what: str) -> str | None:
    """Return the text of a file, or None if there is no such file.

    ``what`` names the file in messages. Raises :class:`ConfigurationError` when the file can't be read, is not UTF-8
    or is larger than :data:`MAX_BYTES`.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ConfigurationError(
            f"{path}: {what} can't be read: it belongs to {owner(path)}",
            f"give it to the agent: chown {os.getuid()} {path}",
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {what} can't be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{path}: {what} is larger than {MAX_BYTES} bytes", "is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}:{line}: {what} is not UTF-8 text", "save it with the UTF-8 encoding"
        ) from None


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
