"""JSON files that the agent keeps for itself, such as how far a delivery is: read whole or not, written all at once."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text
from gros_agent.runtime.storage import make_missing, replace_file, storage_errors

T = TypeVar("T")


def read(path: Path, kind: type[T], what: str, advice: str) -> T | None:
    """Return what a record says, or None if there is no such file.

    ``what`` names it in messages, ``advice`` says what to do with one that is damaged. Raises
    :class:`ConfigurationError` for that, and for one that can't be read.
    """
    text = read_text(path, what, MAX_OWN_BYTES)
    try:
        return None if text is None else decoder(kind).decode(text)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path}: {what} is damaged: {error}", advice) from None


def write(path: Path, content: Any) -> None:  # noqa: ANN401 (whatever can be JSON)
    """Put a record in place of what was there. Its folder is made for the owner alone. Raises :class:`AgentError`."""
    with storage_errors(path.parent):
        make_missing(path.parent)
        replace_file(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
