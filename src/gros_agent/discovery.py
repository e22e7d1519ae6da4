"""Finds the other sources of an owner, group or collection, and keeps them in ``data_sources.json``.

The configuration web interface names one repository of an environment as a *seed*: an entry whose name starts with
``dummy``, or whose URL is that of a repository called like its group, or ``Dummy`` in Azure DevOps. Where its host has
an API, all repositories of the environment take its place; the seed stays in the file, from where that interface reads
it back. Where it has none, a seed is a source like any other.

Which entries were found so is remembered, so that one that is gone over there goes here, too.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gros_agent import entries
from gros_agent.collection import ScrapeOptions, list_sources, parts_of, source_context
from gros_agent.errors import ConfigurationError, ExitStatus, SourceError
from gros_agent.report import Outcome
from gros_agent.settings.files import read_text
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Context, Discoverer, Environment, Part, Progress, SourceEntry, no_progress
from gros_agent.storage import replace_file, storage_errors
from gros_agent.urls import blocking_pattern, split

log = logging.getLogger(__name__)

ENVIRONMENTS = "data_environments.json"
_DUMMY = "dummy"
_OWN_GROUP = re.compile(r"(?:.*/)?([^/]+)/\1")


Listed = dict[str, str]
"""An entry as the file has it, with whatever else stands in it."""


@dataclass(frozen=True)
class Discovered:
    """What to collect, the outcome of each environment that was asked, and all environments of the project."""

    entries: tuple[SourceEntry, ...]
    outcomes: tuple[Outcome, ...] = ()
    environments: tuple[Environment, ...] = ()


def is_seed(entry: SourceEntry) -> bool:
    """Whether an entry only stands for its environment. Raises :class:`SourceError` for a URL that can't be read."""
    path = split(entry.url).path.strip("/").removesuffix(".git")
    group = _OWN_GROUP.fullmatch(path)
    return (
        entry.name.startswith(_DUMMY)
        or path.endswith("_git/Dummy")
        or (group is not None and group[1] != entry.name)  # a repository that was found there has its own name
    )


def discover(
    settings: Settings,
    project: str,
    options: ScrapeOptions,
    progress: Progress = no_progress,
    *,
    keep: bool = True,
) -> Discovered:
    """Ask for the repositories of every seed's environment, and bring the list of sources up to date.

    With ``keep`` the file is rewritten. An environment that can't be asked is an outcome; what was found there before
    stays. Raises :class:`ConfigurationError` for a list that is damaged or empty.
    """
    look = _Look(settings, project, options, progress)
    for entry in list_sources(settings, project, options):
        look.at(entry)
    path = settings.home.export / project / entries.FILE
    if look.found:
        memory = settings.home.state / "discovered" / f"{project}.json"
        listed: list[Listed] = msgspec.json.decode(read_text(path, "the list of sources") or "[]")
        kept, remembered = _merged(listed, look.found, _remembered(memory))
        if keep:
            _write(path, kept if kept != listed else None, memory, remembered)
            found = list_sources(settings, project, options)
        else:
            found = (*entries.of_rows(kept, path.parent), *options.extra)
    else:
        found = list_sources(settings, project, options)
    collected = tuple(entry for entry in found if look.seed(entry) is None)
    return Discovered(collected, tuple(look.outcomes), tuple(look.environments.values()))


class _Look:
    """Goes through the entries of a project, and asks each environment once."""

    def __init__(self, settings: Settings, project: str, options: ScrapeOptions, progress: Progress) -> None:
        self._settings, self._project, self._options, self._progress = settings, project, options, progress
        self._failed: set[str] = set()
        self.environments: dict[str, Environment] = {}
        self.found: dict[str, list[SourceEntry]] = {}
        self.outcomes: list[Outcome] = []

    def at(self, entry: SourceEntry) -> None:
        part, seed = _main(self._settings, entry), self.seed(entry)
        if part is None or not isinstance(part.source, Discoverer):
            return
        key = ""
        try:
            context = source_context(self._settings, self._project, part, self._options, self._progress)
            environment = part.source.environment(context)
            key = json.dumps(environment.identity)
            self.environments.setdefault(key, environment)
            if seed is not None and key not in self.found and key not in self._failed:
                self.found[key] = _asked(part.source, context)
                notes = (f"repositories in its environment: {len(self.found[key])}",)
                self.outcomes.append(Outcome(source=entry.name, kind=part.source.kind, notes=notes))
        except SourceError as error:
            if seed is not None:
                self._failed.add(key)
                log.error("project %s: %s was not discovered: %s", self._project, entry.name, error)  # noqa: TRY400
                self.outcomes.append(_failed(entry, part, error))

    def seed(self, entry: SourceEntry) -> Part | None:
        return None if entry in self._options.extra else seed_part(self._settings, entry)


def seed_part(settings: Settings, entry: SourceEntry) -> Part | None:
    """The part that discovers the environment of a seed, or None if it is none, or nothing can."""
    part = _main(settings, entry)
    try:
        return part if part is not None and isinstance(part.source, Discoverer) and is_seed(entry) else None
    except SourceError:  # which is told when it is collected
        return None


def _main(settings: Settings, entry: SourceEntry) -> Part | None:
    return next(iter(reversed(parts_of(settings, entry))), None)


def encoded(environments: Sequence[Environment]) -> bytes:
    """The content of ``data_environments.json``; an environment is a list, as the existing importer knows it."""
    rows = [
        {"type": one.type, "url": one.url, "environment": list(one.identity), "version": one.version}
        for one in environments
    ]
    return json.dumps(rows, ensure_ascii=False).encode() + b"\n"


def _asked(source: Discoverer, context: Context) -> list[SourceEntry]:
    """The repositories of an environment but for those that are never asked, and for seeds."""
    found = source.repositories(context)
    return [one for one in found if blocking_pattern(one.url, context.blocked) is None]


def _failed(entry: SourceEntry, part: Part, error: SourceError) -> Outcome:
    hint = f"{error.hint}; what was found there before is still collected"
    return Outcome(source=entry.name, kind=part.source.kind, error=error.message, hint=hint, status=ExitStatus.PARTLY)


def _merged(
    listed: Sequence[Listed], found: Mapping[str, Sequence[SourceEntry]], before: Mapping[str, Sequence[str]]
) -> tuple[list[Listed], dict[str, list[str]]]:
    """The list of sources with what is new and without what was found before and is gone, and what was found now."""
    kept, remembered = list(listed), {key: list(urls) for key, urls in before.items()}
    for key, sources in found.items():
        there = {entries.same(one.url) for one in sources}
        gone = set(remembered.get(key, ())) - there
        for url in gone:
            log.warning("%s is gone, and off the list of sources", url)
        kept = [one for one in kept if _is_dummy(one) or entries.same(one["url"]) not in gone]
        urls = {entries.same(one["url"]) for one in kept if not _is_dummy(one)}
        new = [one for one in sources if entries.same(one.url) not in urls]
        for one in new:
            log.info("found %s", one.url)
            kept.append({"type": one.type, "name": _free_name(one, kept), "url": one.url})
        known = set(remembered.get(key, ())) & there
        remembered[key] = sorted(known | {entries.same(one.url) for one in new})
    return kept, remembered


def _free_name(entry: SourceEntry, listed: Sequence[Listed]) -> str:
    """The name of a repository, with those of its groups before it if another source has it."""
    if all(one["name"] != entry.name for one in listed):
        return entry.name
    return split(entry.url).path.strip("/").removesuffix(".git").replace("/", "-")


def _write(path: Path, listed: Sequence[Listed] | None, memory: Path, remembered: Mapping[str, list[str]]) -> None:
    with storage_errors(path.parent):
        if listed is not None:
            replace_file(path, json.dumps(listed, ensure_ascii=False).encode(), 0o644)
        memory.parent.mkdir(parents=True, exist_ok=True)
        replace_file(memory, json.dumps(remembered, indent=2).encode() + b"\n")


def _is_dummy(listed: Listed) -> bool:
    return listed["name"].startswith(_DUMMY)


def _remembered(path: Path) -> dict[str, list[str]]:
    text = read_text(path, "the note on discovered sources")
    try:
        return msgspec.json.decode(text, type=dict[str, list[str]]) if text else {}
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is damaged: {error}", "remove it: found sources stay on the list") from None
