"""Keeps what is found in ``data_sources.json``, and remembers which entries it put there.

Whoever finds sources does so under a name of its own. What it found is put on the list unless it is there; what it
found before and finds no more is taken off, unless another one knows it. Entries that somebody else put there stay.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gros_agent import entries
from gros_agent.errors import ConfigurationError
from gros_agent.settings.files import read_text
from gros_agent.sources.base import SourceEntry
from gros_agent.storage import replace_file, storage_errors
from gros_agent.urls import split

log = logging.getLogger(__name__)

DUMMY = "dummy"
"""How the names of entries begin that only stand for their environment."""

_SEED = re.compile(rf"{DUMMY} |(gitlab|tfs) repository on ")
"""How the names begin that the configuration web interface gives."""

Listed = dict[str, str]
"""An entry as the file has it, with whatever else stands in it."""


@dataclass(frozen=True)
class SourceList:
    """The entries of the list, and name of a finder → addresses that are there because of it."""

    listed: Sequence[Listed]
    remembered: Mapping[str, Sequence[str]]

    def updated(self, found: Mapping[str, Sequence[SourceEntry]]) -> "SourceList":
        """The list after some have looked: name of the finder → all that it found. Others keep what they found."""
        there = {name: {entries.same(one.url) for one in sources} for name, sources in found.items()}
        ours = {url for urls in self.remembered.values() for url in urls}
        wanted = {url for urls in there.values() for url in urls}
        wanted |= {url for name, urls in self.remembered.items() if name not in found for url in urls}
        for url in sorted(ours - wanted):
            log.warning("%s is gone, and off the list of sources", url)
        kept = [one for one in self.listed if _stands_for_others(one) or entries.same(one["url"]) not in ours - wanted]
        known = {entries.same(one["url"]) for one in kept if not _stands_for_others(one)}
        # an entry that somebody took off the list comes again while it is found
        new = set[str]()
        for one in (one for sources in found.values() for one in sources):
            if entries.same(one.url) not in known | new:
                log.info("found a source of type %s: %s", one.type, one.url)
                kept.append({"type": one.type, "name": _free_name(one, kept), "url": one.url})
                new.add(entries.same(one.url))
        remembered = {name: list(urls) for name, urls in self.remembered.items()}
        remembered |= {name: sorted(urls & (ours | new)) for name, urls in there.items()}
        return SourceList(kept, {name: urls for name, urls in remembered.items() if urls or name in found})

    def without_seeds(self, but: str) -> "SourceList":
        """The list without what the configuration web interface writes, and without what was found by that.

        Finders whose names begin with ``but`` keep what they found.
        """
        theirs = [one for one in self.listed if _SEED.match(one["name"])]
        for one in theirs:
            log.info("%s is off the list of sources: the definition counts in its place", one["url"])
        kept = [one for one in self.listed if one not in theirs]
        others: dict[str, list[SourceEntry]] = {name: [] for name in self.remembered if not name.startswith(but)}
        return SourceList(kept, self.remembered).updated(others)


def _stands_for_others(listed: Listed) -> bool:
    return listed["name"].startswith(DUMMY)


def _free_name(entry: SourceEntry, listed: Sequence[Listed]) -> str:
    """The name of a source; where another one has that, with its type or with the groups of its repository."""
    taken = {one["name"]: one["type"] for one in listed}
    path = split(entry.url).path.strip("/").removesuffix(".git").replace("/", "-")
    typed = f"{entry.name}-{entry.type}"
    others = (path, typed) if taken.get(entry.name) == entry.type else (typed, path)
    numbered = (f"{entry.name}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (entry.name, *others, *numbered) if name and name not in taken)


def load(path: Path, memory: Path) -> SourceList:
    """Read the list, which must be whole, and what is remembered of it. Raises :class:`ConfigurationError`."""
    return SourceList(msgspec.json.decode(read_text(path, "the list of sources") or "[]"), remembered(memory))


def remembered(memory: Path) -> dict[str, list[str]]:
    """Name of a finder → addresses that it found. Raises :class:`ConfigurationError` where that is damaged."""
    text = read_text(memory, "the note on discovered sources")
    try:
        return msgspec.json.decode(text, type=dict[str, list[str]]) if text else {}
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{memory} is damaged: {error}", "remove it: found sources stay on the list") from None


def save(new: SourceList, old: SourceList, path: Path, memory: Path) -> None:
    """Write what changed. Raises :class:`AgentError` where it can't be written."""
    with storage_errors(path.parent):
        if list(new.listed) != list(old.listed):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(new.listed, ensure_ascii=False).encode(), 0o644)
        memory.parent.mkdir(parents=True, exist_ok=True)
        replace_file(memory, json.dumps(new.remembered, indent=2).encode() + b"\n")
