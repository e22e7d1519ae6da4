"""Finds further sources of a project, and keeps them in ``data_sources.json``.

*Definitions* are quality systems that ``settings.cfg`` names: what their reports and projects measure says which
repositories, issue trackers, build and quality servers the project has.

*Seeds* stand for their environment: the configuration web interface names one repository of an owner, group or
collection by an entry whose name starts with ``dummy``, or whose URL is that of a repository called like its group, or
``Dummy`` in Azure DevOps. Where its host has an API, all repositories of the environment take its place; the seed stays
in the file, from where that interface reads it back. Where it has none, a seed is a source like any other.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from gros_agent.errors import ExitStatus, SourceError
from gros_agent.project import entries, source_list
from gros_agent.project.boundary import around
from gros_agent.project.configured import definitions, is_of_controller, list_sources, without_repeated
from gros_agent.project.context import parts_of, source_context
from gros_agent.project.report import Outcome
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.runtime.urls import SCP, blocking_pattern, split
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.sources.base import (
    Context,
    Definer,
    Definition,
    Discoverer,
    Environment,
    Part,
    Progress,
    SourceEntry,
    no_progress,
)

log = logging.getLogger(__name__)

_OWN_GROUP = re.compile(r"(?:.*/)?([^/]+)/\1")
_REMOTE = frozenset({"http", "https", "ssh", SCP, "git", "svn", "svn+ssh"})
_DEFINITION = "definition "
"""Prefix of the names of definitions as finders. Seeds are named by the identity of their environment."""


@dataclass(frozen=True)
class Discovered:
    """What to collect, the outcome of each system that was asked, and the content of each definition.

    ``extra`` are the entries that ``--source`` options name.
    """

    entries: tuple[SourceEntry, ...]
    extra: tuple[SourceEntry, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    definitions: tuple[tuple[SourceEntry, Definition], ...] = ()


def note_options(project: ProjectSettings, found: Discovered) -> None:
    """Add the sources of options to the list of sources, and write the copy that is sent to the controller.

    The importer takes the type and address of a repository from the list that comes with its first rows.
    """
    path, memory = project.folder / entries.FILE, _memory(project)
    before = source_list.load(path, memory)
    after = before.with_options(found.extra)
    source_list.save(after, before, path, memory)
    with storage_errors(path.parent):
        replace_file(path.with_name(entries.SENT), entries.sent((*after.listed, *after.once), path.parent), 0o644)


def is_seed(entry: SourceEntry) -> bool:
    """Whether an entry is a seed. Raises :class:`SourceError` if its URL can't be parsed."""
    path = split(entry.url).path.strip("/").removesuffix(".git")
    group = _OWN_GROUP.fullmatch(path)
    return (
        entry.name.startswith(source_list.DUMMY)
        or path.endswith("_git/Dummy")
        or (group is not None and group[1] != entry.name)  # a repository that was found there has its own name
    )


def discover(
    project: ProjectSettings,
    options: ScrapeOptions,
    progress: Progress = no_progress,
    *,
    keep: bool = True,
) -> Discovered:
    """Ask the project's definitions and the environment of every seed, and update the list of sources.

    With ``keep`` the file is written. If a system can't be asked, that becomes an outcome, and what was found there
    before stays. Raises :class:`ConfigurationError` if the list is damaged or empty.
    """
    listed = list_sources(project, options)
    path, memory = project.folder / entries.FILE, _memory(project)
    before = source_list.load(path, memory)
    look = _Look(project, options, progress)
    now = before.updated(look.definitions(before.remembered))
    if look.defined and not keeps_seeds(project.settings):
        now = now.without_seeds(_DEFINITION)
    look.named = _named(now.remembered)
    if now.listed != before.listed:
        listed = list_sources(project, options, entries.of_rows(now.listed, path.parent))
    look.extra = _extra(listed, options)
    for entry in listed:
        look.at(entry)
    now = now.updated(look.found)
    listed = list_sources(project, options, entries.of_rows(now.listed, path.parent), warns=True)
    look.extra = _extra(listed, options)
    now = now.named(listed)
    if keep and now != before:
        source_list.save(now, before, path, memory)
    collected = tuple(without_repeated(project, (entry for entry in listed if look.seed(entry) is None)))
    return Discovered(collected, look.extra, tuple(look.outcomes), tuple(look.defined))


def _extra(listed: Sequence[SourceEntry], options: ScrapeOptions) -> tuple[SourceEntry, ...]:
    """The last entries, which are those that options name, whatever they are called here."""
    return tuple(listed[len(listed) - len(options.extra) :])


class _Look:
    """Asks each definition of a project and the environment of each seed once."""

    def __init__(self, project: ProjectSettings, options: ScrapeOptions, progress: Progress) -> None:
        self._project, self._options, self._progress = project, options, progress
        self._failed: set[str] = set()
        self.named: AbstractSet[str] = frozenset()
        self.extra: Sequence[SourceEntry] = ()
        self.found: dict[str, list[SourceEntry]] = {}
        self.defined: list[tuple[SourceEntry, Definition]] = []
        self.outcomes: list[Outcome] = []

    def definitions(self, remembered: Iterable[str]) -> dict[str, list[SourceEntry]]:
        """The sources that each definition names, itself included; none if it is not configured any more.

        A definition whose address the controller set is not read: the operator's credentials would go to that address.
        """
        configured = [one for one in definitions(self._project) if not is_of_controller(self._project, one)]
        names = {f"{_DEFINITION}{entry.url}" for entry in configured}
        found: dict[str, list[SourceEntry]] = {
            name: [] for name in remembered if name.startswith(_DEFINITION) and name not in names
        }
        for entry in configured:
            part = _main(self._project.settings, entry)
            if part is None or not isinstance(part.source, Definer):
                continue
            try:
                with around(self._project, entry.name):
                    context = self._context(part)
                    definition = part.source.definition(context)
            except SourceError as error:
                self._failure(entry, part, error)
                continue
            sources = _allowed(definition.sources, context)
            found[f"{_DEFINITION}{entry.url}"] = [entry, *sources]
            self.defined.append((entry, definition))
            notes = (f"sources that it names: {len(sources)}", *definition.notes)
            self.outcomes.append(Outcome(source=f"{entry.name} (definition)", kind=part.source.kind, notes=notes))
        return found

    def at(self, entry: SourceEntry) -> None:
        """Ask for the repositories in the environment of an entry, if it is a seed."""
        part = self.seed(entry)
        if part is None or not isinstance(part.source, Discoverer):
            return
        key = ""
        try:
            with around(self._project, entry.name):
                context = self._context(part)
                key = _finder(part.source.environment(context))
                if key in self.found or key in self._failed:
                    return
                found = _allowed(part.source.repositories(context), context)
            self.found[key] = found
            notes = (f"repositories in its environment: {len(found)}",)
            self.outcomes.append(Outcome(source=entry.name, kind=part.source.kind, notes=notes))
        except SourceError as error:
            self._failed.add(key)
            self._failure(entry, part, error)

    def seed(self, entry: SourceEntry) -> Part | None:
        return None if entry in self.extra else seed_part(self._project.settings, entry, self.named)

    def _context(self, part: Part) -> Context:
        return source_context(self._project, part, self._options, self._progress)

    def _failure(self, entry: SourceEntry, part: Part, error: SourceError) -> None:
        log.warning("project %s: %s was not asked for sources: %s", self._project.key, entry.name, error)
        hint = f"{error.hint}; what was found there before is still collected"
        self.outcomes.append(
            Outcome(source=entry.name, kind=part.source.kind, error=error.message, hint=hint, status=ExitStatus.PARTLY)
        )


def _finder(environment: Environment) -> str:
    """The name of an environment as a finder: its identity, without a last part that is not known."""
    identity = environment.identity
    known = identity if isinstance(identity, str) or identity[-1] is not None else identity[:-1]
    return json.dumps(known)


def keeps_seeds(settings: Settings) -> bool:
    """Whether seeds of the configuration web interface count although the project has a definition.

    If a project has a name in quality systems, that interface keeps the seeds that it wrote before, and no longer shows
    them. If it has none, the interface writes ``skip_dropin=0`` to its environment file.
    """
    said = settings.environment.values.get("skip_dropin")
    return said is not None and said.text.strip() == "0"


def seed_part(settings: Settings, entry: SourceEntry, named: AbstractSet[str]) -> Part | None:
    """The part that lists the repositories of a seed's environment.

    None if the entry is not a seed, or if its system cannot list repositories. ``named`` are addresses that a
    definition names; they are never seeds.
    """
    part = _main(settings, entry)
    if part is None or not isinstance(part.source, Discoverer) or entries.same(entry.url) in named:
        return None
    try:
        return part if is_seed(entry) else None
    except SourceError:  # which is told when it is collected
        return None


def named_by_definitions(project: ProjectSettings) -> AbstractSet[str]:
    """The addresses that a project's definitions named when they were last read. Raises :class:`ConfigurationError`."""
    return _named(source_list.remembered(_memory(project)))


def _named(remembered: Mapping[str, Sequence[str]]) -> AbstractSet[str]:
    return {url for name, urls in remembered.items() if name.startswith(_DEFINITION) for url in urls}


def _memory(project: ProjectSettings) -> Path:
    return project.home.state / "discovered" / f"{project.key}.json"


def _main(settings: Settings, entry: SourceEntry) -> Part | None:
    return next(iter(reversed(parts_of(settings, entry))), None)


def _allowed(found: Iterable[SourceEntry], context: Context) -> list[SourceEntry]:
    """The entries that may be collected: not on the block list, and on a server. Paths of this machine are left out."""
    remote = [one for one in found if _is_remote(one)]
    return [one for one in remote if blocking_pattern(one.url, context.blocked) is None]


def _is_remote(entry: SourceEntry) -> bool:
    try:
        fits = split(entry.url).scheme in _REMOTE
    except SourceError:
        fits = False
    if not fits:
        log.warning("%s was found and left out: %s is no address of a server", entry.name, entry.url)
    return fits
