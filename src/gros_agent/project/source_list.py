"""Adds discovered sources to ``data_sources.json``, and remembers which entries it added.

Each finder has a name. New finds are added to the list. A find that disappears is removed, unless another finder still
reports it. Entries that somebody else added stay.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from gros_agent.project import entries
from gros_agent.rows import folded
from gros_agent.runtime import json_files
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.sources.base import SourceEntry

log = logging.getLogger(__name__)

DUMMY = "dummy"
"""Prefix of the names of seeds."""

_SEED = re.compile(rf"{DUMMY} |(gitlab|tfs) repository on ")
"""Matches the names that the configuration web interface gives to seeds."""

Listed = dict[str, str]
"""An entry as the file has it, with any further fields."""


@dataclass(frozen=True)
class SourceList:
    """The entries of the list, and for each finder the addresses that it added.

    ``once`` are the sources of one scrape's options, which the next scrape does not collect by itself.
    """

    listed: Sequence[Listed]
    remembered: Mapping[str, Sequence[str]]
    once: Sequence[Listed] = ()

    def named(self, found: Sequence[SourceEntry]) -> "SourceList":
        """The list with the names that its sources are collected under.

        ``found`` begins with them, in the same order.
        """
        listed = [{**one, "name": entry.name} for one, entry in zip(self.listed, found, strict=False)]
        return replace(self, listed=listed)

    def with_options(self, extra: Sequence[SourceEntry]) -> "SourceList":
        """The list with these sources of options instead of those of the last scrape."""
        known = {(one["name"], entries.same(one["url"])) for one in self.listed}
        once = [one.listed() for one in extra if (one.name, entries.same(one.url)) not in known]
        return replace(self, once=[{**one, entries.ORIGIN: entries.OPTION} for one in once])

    def updated(self, found: Mapping[str, Sequence[SourceEntry]]) -> "SourceList":
        """The list after some finders have looked; ``found`` has all that each of them found. Other finds stay."""
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
                taken = {folded(listed["name"]): listed["type"] for listed in kept}
                kept.append({"type": one.type, "name": entries.free_name(one, taken), "url": one.url})
                new.add(entries.same(one.url))
        remembered = {name: list(urls) for name, urls in self.remembered.items()}
        remembered |= {name: sorted(urls & (ours | new)) for name, urls in there.items()}
        known_finders = {name: urls for name, urls in remembered.items() if urls or name in found}
        return replace(self, listed=kept, remembered=known_finders)

    def without_seeds(self, but: str) -> "SourceList":
        """The list without the seeds of the configuration web interface, and without what was found by them.

        Finders whose names begin with ``but`` keep their finds.
        """
        theirs = [one for one in self.listed if _SEED.match(one["name"])]
        for one in theirs:
            log.info("%s is off the list of sources: the definition counts in its place", one["url"])
        kept = [one for one in self.listed if one not in theirs]
        others: dict[str, list[SourceEntry]] = {name: [] for name in self.remembered if not name.startswith(but)}
        return replace(self, listed=kept).updated(others)


def _stands_for_others(listed: Listed) -> bool:
    return listed["name"].startswith(DUMMY)


def load(path: Path, memory: Path) -> SourceList:
    """Read the list, which must be valid, and what each finder added. Raises :class:`ConfigurationError`."""
    rows: list[Listed] = msgspec.json.decode(read_text(path, "the list of sources", MAX_OWN_BYTES) or "[]")
    once = [one for one in rows if one.get(entries.ORIGIN) == entries.OPTION]
    return SourceList([one for one in rows if one not in once], remembered(memory), once)


def remembered(memory: Path) -> dict[str, list[str]]:
    """Read for each finder the addresses that it added. Raises :class:`ConfigurationError` if the file is damaged."""
    advice = "remove it: found sources stay on the list"
    return json_files.read(memory, dict[str, list[str]], "the note on discovered sources", advice) or {}


def save(new: SourceList, old: SourceList, path: Path, memory: Path) -> None:
    """Write what changed. Raises :class:`AgentError` if a file can't be written."""
    with storage_errors(path.parent):
        rows = [*new.listed, *new.once]
        if rows != [*old.listed, *old.once]:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(rows).encode(), 0o644)
    if new.remembered != old.remembered:
        json_files.write(memory, new.remembered)
