"""The agent's own JSON files, such as the stage of a delivery.

They are validated when read, and replaced atomically.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text
from gros_agent.runtime.storage import make_missing, replace_file, storage_errors

T = TypeVar("T")


def read(path: Path, kind: type[T], what: str, advice: str) -> T | None:
    """Read a file as a type, or return None if it does not exist.

    ``what`` names the file in messages, ``advice`` says what to do if it is damaged. Raises
    :class:`ConfigurationError` if it is damaged or can't be read.
    """
    text = read_text(path, what, MAX_OWN_BYTES)
    try:
        return None if text is None else decoder(kind).decode(text)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path}: {what} is damaged: {error}", advice) from None


def write(path: Path, content: Any) -> None:  # noqa: ANN401 (anything that JSON can hold)
    """Write or replace a file. A missing folder is made, accessible only to its owner. Raises :class:`AgentError`."""
    with storage_errors(path.parent):
        make_missing(path.parent)
        replace_file(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
