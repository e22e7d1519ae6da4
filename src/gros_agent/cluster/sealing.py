"""Seals what coordinator and workers send each other, since the scheduler between them unpickles and shows it.

The key is a file that coordinator and workers have, and the scheduler has not.
"""

import hashlib
import hmac
import pickle
import secrets
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import replace_file, storage_errors

PRIVATE_MODE = 0o600
KEY_FILE = "parts.key"
"""The name of the file with the key, in the folder of the certificates."""


class ClusterKey:
    """The key of a cluster. It can't be shown by accident."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "ClusterKey":
        """Read a key. Raises :class:`ConfigurationError` if the file is missing or damaged."""
        text = read_text(path, "the key of the cluster")
        hint = "copy it from the machine where gros-agent cluster certificates made it"
        if text is None:
            raise ConfigurationError(f"{path}: there is no such key of a cluster", hint)
        try:
            return cls(text.strip().encode())
        except ValueError:
            raise ConfigurationError(f"{path}: this is not the key of a cluster", hint) from None

    def name_of(self, text: str) -> str:
        """A name for something that only those with the key can tell: the same each time."""
        return hmac.new(self._key, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:16]

    def seal(self, content: object) -> bytes:
        """Content that only those with the key can read, and that nobody else could have made."""
        return self._fernet.encrypt(pickle.dumps(content))

    def unseal(self, sealed: bytes) -> Any:  # noqa: ANN401 (whatever was sealed)
        """The content. Raises :class:`ConfigurationError` if it was sealed with another key."""
        try:
            return pickle.loads(self._fernet.decrypt(sealed))  # noqa: S301 (made by somebody who has the key)
        except InvalidToken:
            raise ConfigurationError(
                "coordinator and worker have different keys", f"give both the same {KEY_FILE}"
            ) from None


def make_key(path: Path) -> None:
    """Make a new key, readable only by its owner."""
    with storage_errors(path.parent):
        replace_file(path, Fernet.generate_key() + b"\n", PRIVATE_MODE)


def new_name() -> str:
    """A name that nobody else has: of a command, or of a folder of tables."""
    return secrets.token_hex(8)
