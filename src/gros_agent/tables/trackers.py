"""Trackers: small files that say up to where each source was collected, so that the next scrape goes on there."""

import json
import re
from pathlib import Path

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.settings.files import read_text


def read(path: Path) -> dict[str, str]:
    """Read a tracker that maps a source's name to its position; a missing one is empty.

    Raises :class:`ConfigurationError` for a damaged one: guessing would lose or repeat rows.
    """
    text = read_text(path, "the tracker")
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(
            f"{path}: the tracker is damaged: {error}",
            "restore it from a backup, or remove it and everything is collected again",
        ) from None


def encode(positions: dict[str, str]) -> bytes:
    """The content of a tracker file, readable for people."""
    return (json.dumps(positions, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def is_version(text: str) -> bool:
    """Whether a position can be a commit hash, and nothing that a program could take for an option."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None
