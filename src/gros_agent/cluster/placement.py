"""Remembers which worker had the clone of a source last. It is a hint: any worker can collect any source."""

import json
from collections.abc import Container, Mapping
from pathlib import Path

from gros_agent.runtime.storage import make_private, replace_file, storage_errors


class Placement:
    """Of one project: the identity of a worker's folder for each working folder of a source."""

    def __init__(self, state: Path, project: str) -> None:
        self._path = state / "cluster" / f"{project}.json"
        self._known = _read(self._path)

    def last(self, folder: Path) -> str:
        """The identity of who had it last; empty if nobody had."""
        return self._known.get(folder.name, "")

    def keep(self, places: Mapping[str, str], current: Container[str]) -> None:
        """Remember who has what now, by the names of the folders; ``current`` are those that the project has.

        A source that was not collected stays where it was.
        """
        found = {name: place for name, place in {**self._known, **places}.items() if name in current}
        if found != self._known:
            make_private(self._path.parent)
            with storage_errors(self._path.parent):
                replace_file(self._path, json.dumps(found, indent=0).encode())


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: place for name, place in content.items() if isinstance(place, str)}
