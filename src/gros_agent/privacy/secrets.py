"""A project's encryption tokens: the file ``secrets/KEY.json``, or an older ``secrets.json``."""

import secrets as random
import stat
from pathlib import Path
from typing import Annotated

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import make_private, replace_file, storage_errors

PRIVATE_MODE = 0o600
TOKEN_BYTES = 32
"""Length in bytes of a token that the agent makes, the same as that of a SHA-256 hash."""

Token = Annotated[str, msgspec.Meta(min_length=1)]


class Salts(msgspec.Struct, frozen=True):
    """The texts that are added before and after a personal value when it is hashed."""

    salt: Token
    pepper: Token

    def __repr__(self) -> str:
        return "Salts(********)"


class UsernamePattern(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule to normalise account names before they are hashed.

    ``prefix`` is an SQL LIKE pattern for the start of a name (``%`` any characters, ``_`` one). The matches of
    ``pattern`` (a regular expression; default: the match of the prefix) are replaced by ``replace``, with ``$1`` for
    groups. ``mutate`` set to ``lower`` makes the result lower case.
    """

    prefix: str
    pattern: str | None = None
    replace: str | None = None
    mutate: str | None = None


class Secrets(msgspec.Struct, frozen=True):
    """The encryption tokens of one project, as the controller sends them."""

    salts: Salts
    usernames: tuple[UsernamePattern, ...] = ()


def candidates(home: Path, key: str) -> tuple[Path, Path]:
    """The files that may contain a project's secrets, the preferred one first."""
    return home / "secrets" / f"{key}.json", home / "secrets.json"


def find(home: Path, key: str) -> Path | None:
    """The file with a project's secrets, or None."""
    return next((path for path in candidates(home, key) if path.exists()), None)


def read(path: Path) -> Secrets:
    """Read a secrets file. Raises :class:`ConfigurationError` if it is missing, damaged or incomplete."""
    text = read_text(path, "the secrets file")
    hint = "register the project again, or restore the file from a backup"
    if text is None:
        raise ConfigurationError(f"{path}: there is no such secrets file", hint)
    try:
        return decoder(Secrets).decode(text)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: the secrets are incomplete: {error}", hint) from None
    except msgspec.DecodeError:
        raise ConfigurationError(f"{path}: the secrets file is damaged: it is not JSON", hint) from None


def is_private(path: Path) -> bool:
    """Whether only the owner may read or write a file."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def write(path: Path, secrets: Secrets) -> None:
    """Store secrets atomically, readable only by their owner."""
    make_private(path.parent)
    with storage_errors(path.parent):
        replace_file(path, msgspec.json.encode(secrets) + b"\n", PRIVATE_MODE)


def make() -> Secrets:
    """Make new random secrets, for a project without a controller."""
    return Secrets(Salts(random.token_hex(TOKEN_BYTES), random.token_hex(TOKEN_BYTES)))
