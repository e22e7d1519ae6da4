"""Trackers: small files with the positions of sources, from which the next scrape continues.

Most trackers map a source's name to its position. Those of quality systems (:data:`UPDATES`) have a list of sources,
and map a source's URL to its position, its version. Those in :data:`LINES` are a line of text with one position, which
all sources of the tracker share.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text

UPDATES = frozenset({"measurements_update.json"})
LINES = frozenset({"jira-updated.txt"})
_SHARED = "project"
"""The key of the only position in a tracker of :data:`LINES`."""


class _Update(msgspec.Struct):
    versions: dict[str, str] = {}


def key(tracker: str, name: str, url: str) -> str:
    """The key of a source in a tracker: its name or its URL, or one that all sources share."""
    if tracker in LINES:
        return _SHARED
    return url if tracker in UPDATES else name


def position(positions: Mapping[str, str], wanted: str) -> str | None:
    """The position of a source by its :func:`key`, also if another agent wrote its URL with a slash at the end."""
    return positions.get(wanted) or positions.get(f"{wanted}/")


def read(path: Path) -> dict[str, str]:
    """Read the positions in a tracker; they are empty if the file is missing.

    Raises :class:`ConfigurationError` if it is damaged, since a guess would lose or repeat rows.
    """
    text = read_text(path, "the tracker", MAX_OWN_BYTES)
    if text is None:
        return {}
    if path.name in LINES:
        return {_SHARED: text.strip()} if text.strip() else {}
    try:
        if path.name in UPDATES:
            return decoder(_Update).decode(text).versions
        return decoder(dict[str, str]).decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _damaged(path, error) from None


TEXT = "text"
"""The key for the content of a tracker that is plain text instead of JSON."""


def read_document(path: Path) -> dict[str, Any]:
    """Read a tracker with a JSON object in its source's own format, or with a line of text; empty if it is missing.

    Raises :class:`ConfigurationError` if it is damaged.
    """
    text = read_text(path, "the tracker", MAX_OWN_BYTES)
    if text is not None and path.suffix == ".txt":
        return {TEXT: text.strip()}
    try:
        return {} if text is None else decoder(dict[str, Any]).decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the tracker is damaged: {error}",
        "restore it from a backup, or remove it and everything is collected again",
    )


def encode(
    name: str,
    positions: Mapping[str, str],
    listed: Iterable[Mapping[str, str]] = (),
    further: Mapping[str, Any] | None = None,
) -> bytes:
    """The content of a tracker file; ``listed`` are its sources, each with type, name and URL.

    Only trackers in :data:`UPDATES` contain ``listed`` and the fields of ``further``.
    """
    if name in LINES:
        return positions.get(_SHARED, "").encode()
    if name not in UPDATES:
        return encode_document(positions)
    return encode_document({**(further or {}), "sources": list(listed), "versions": positions})


def encode_document(content: Mapping[str, Any]) -> bytes:
    """A JSON object as indented ASCII text."""
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def merged(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge ``new`` into ``before``. Inner objects are merged too; new items are appended to lists."""
    result = dict(before)
    for name, value in new.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            result[name] = merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            result[name] = [*old, *(one for one in value if one not in old)]
        else:
            result[name] = value
    return result


def is_version(text: str) -> bool:
    """Whether a position is a commit hash, so that no program can mistake it for an option."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None
