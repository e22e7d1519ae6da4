"""What a scrape, a preview and preflight need to reach a project's sources: which there are, and what each is given."""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gros_agent import entries, limits, own
from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.settings.environment import malformed_keys
from gros_agent.settings.model import Host, Settings
from gros_agent.settings.values import Secret, Value
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, Part, Progress, SourceEntry, named_proxies, no_progress
from gros_agent.sources.capacity import Capacity
from gros_agent.tables import trackers
from gros_agent.tables.schema import TABLES, Row, folded
from gros_agent.urls import at_host, blocking_pattern, host_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScrapeOptions:
    """How to scrape.

    ``extra`` are sources beside those of ``data_sources.json``, ``clones`` is a folder for local clones,
    ``known_hosts`` another file with pinned SSH host keys, ``silence`` the seconds after which a source that shows no
    sign of life is given up. With ``no_ssh`` the local trackers count, also where a controller is configured. Whoever
    keeps a log of more than the scrape says so with ``is_logged``. ``redact_text`` takes people out of free text.
    """

    extra: Sequence[SourceEntry] = ()
    full: bool = False
    no_secrets: bool = False
    make_secrets: bool = False
    discard: bool = False
    clones: Path | None = None
    known_hosts: Path | None = None
    no_ssh: bool = False
    silence: float = 120.0
    is_logged: bool = False
    redact_text: bool = False


def check_key(settings: Settings, project: str, options: ScrapeOptions) -> None:
    """Raise :class:`ConfigurationError` for a project key that is malformed, or that nothing is known about."""
    for problem in malformed_keys((project,), "option --project"):
        raise problem
    known = project in settings.projects or (settings.home.export / project / entries.FILE).exists()
    if not known and not options.extra:
        raise ConfigurationError(
            f"project {project} is not known here: there is no {settings.home.export / project / entries.FILE}",
            "check the key, or name a source: --source git=URL",
        )


def list_sources(
    settings: Settings,
    project: str,
    options: ScrapeOptions,
    listed: Sequence[SourceEntry] | None = None,
    *,
    warns: bool = False,
) -> tuple[SourceEntry, ...]:
    """A project's sources: those of its list, or of ``listed`` in place of it, those of the settings and the options.

    It ``warns`` of those that have another name here than where they are named.

    Raises :class:`ConfigurationError` if there are none, or two of one name.
    """
    path = settings.home.export / project / entries.FILE
    listed = entries.read(path) if listed is None else listed
    found = (*with_configured(settings, project, listed or ()), *options.extra)
    if not found:
        raise ConfigurationError(
            f"project {project} has no sources: {path} {'is empty' if listed is not None else 'is missing'}",
            "name a source: --source git=URL, or write the list",
        )
    for name, count in Counter(entry.name for entry in found).items():
        if count > 1:
            raise ConfigurationError(
                f"project {project}: {count} sources are called {name!r}",
                "give each a name: --source TYPE:NAME=URL",
            )
    named = entries.distinct(found)
    own.know(one.name for one in (*found, *named))
    for one, other in zip(found, named, strict=True):
        if warns and one.name != other.name:
            words = "project %s: source %r is called %r: the importer tells names apart without case and blanks"
            log.warning(words, project, one.name, other.name)
    return named


def with_configured(settings: Settings, project: str, listed: Sequence[SourceEntry]) -> tuple[SourceEntry, ...]:
    """The sources of a list, and the systems that ``settings.cfg`` names.

    One that is on the list, too, counts as the settings have it: the list has no credentials.
    """
    own.know((project, *sources(), *(one.name for one in listed)))
    configured = {entries.same(one.url): one for one in (*definitions(settings, project), *_jenkins(settings, project))}
    names = Counter(folded(one.name) for one in (*listed, *configured.values()))
    known = [entries.same(one.url) for one in listed]
    has_jenkins = any(one.type == "jenkins" for one in listed)
    return (
        *(
            replace(configured[url], name=one.name) if url in configured and configured[url].type == one.type else one
            for one, url in zip(listed, known, strict=True)
        ),
        *(
            replace(one, name=f"{one.name} ({one.type})") if names[folded(one.name)] > 1 else one
            for url, one in configured.items()
            if url not in known and not (one.type == "jenkins" and has_jenkins)
        ),
    )


def _jenkins(settings: Settings, project: str) -> Iterator[SourceEntry]:
    host = settings.get("jenkins", "host", project)
    if host:
        password = settings.get("jenkins", "password", project)
        entry = entries.make("jenkins", "jenkins", _of_the_web(host))
        user = settings.get("jenkins", "username", project) or entry.username
        yield replace(entry, username=user, password=Secret(password) if password else entry.password)


def quality_name(settings: Settings, project: str) -> str | None:
    """The long name by which quality systems know a project; None for one without, or that is a part of another."""
    key = project.lower()
    return settings.get("projects", key) if settings.get("subprojects", key) is None else None


def definitions(settings: Settings, project: str) -> Iterator[SourceEntry]:
    """The quality systems that ``settings.cfg`` names for a project; ``{}`` in a URL stands for its long name."""
    long_name = quality_name(settings, project)
    for kind in ("quality-time", "sonar") if long_name else ():
        url = settings.get(kind, "url", project)
        if url and long_name:
            address = _of_the_web(url.replace("{}", quote(long_name, safe="")))
            yield entries.make(kind, settings.get(kind, "name", project) or kind, address)


def is_of_controller(settings: Settings, project: str, definition: SourceEntry) -> bool:
    """Whether the address of a quality system is the controller's."""
    value = settings.value(definition.type, "url", project)
    return value is not None and value.of_controller


def _of_the_web(address: str) -> str:
    """An address as a URL: one without a scheme is a host."""
    return address if "://" in address else f"https://{address}"


def source_host(settings: Settings, entry: SourceEntry) -> Host:
    """What is configured for the host of a source. Raises :class:`SourceError` for a URL that can't be read."""
    name, port = host_of(entry.url)
    host = settings.host(name, port) if name else Host()
    return _verified(settings, host) if entry.type == "jenkins" else host


def _verified(settings: Settings, host: Host) -> Host:
    """A Jenkins' host, verified as ``verify`` in ``[jenkins]`` says: not at all, or by the certificates in a file."""
    value = settings.value("jenkins", "verify")
    if value is None or not value.text.strip():
        return host
    if value.effective is None:
        return replace(host, options={**host.options, "unsafe_hosts": Value("true", value.origin)})
    path = settings.home.resolve(value.effective)
    return replace(host, authorities=path) if path.is_file() else host


def located(entry: SourceEntry, host: Host) -> SourceEntry:
    """Where a source is to be reached: at its own host, or at the one that stands in its place."""
    return replace(entry, url=at_host(entry.url, host.address)) if host.address else entry


def source_context(
    settings: Settings,
    project: str,
    part: Part,
    options: ScrapeOptions,
    progress: Progress = no_progress,
    capacity: Capacity | None = None,
    documents: Mapping[str, Mapping[str, Any]] | None = None,
) -> Context:
    """What a source is given. Raises :class:`SourceError` for a URL that can't be read, or that is never asked.

    Where a section of the credentials file leads to another host, the source is there.
    """
    entry, host = part.entry, source_host(settings, part.entry)
    there = located(entry, host)
    for url in (entry.url, there.url):
        pattern = blocking_pattern(url, settings.environment.url_blacklist)
        if pattern is not None:
            raise SourceError(f"{url} is blocked by {pattern}", "GATHERER_URL_BLACKLIST lists what is never asked")

    def of_source(what: str, done: int, total: int | None) -> None:
        progress(f"{entry.name}: {what}", done, total)

    clones = options.clones or settings.home.state / "repos"
    folder = clones / project / _folder_name(entry)
    return Context(
        entry=there,
        host=host,
        folder=folder.with_name(f"{folder.name}.{part.source.kind}") if part.source.alongside else folder,
        known_hosts=options.known_hosts or pinned_hosts(settings),
        silence=options.silence,
        longest_answer=settings.environment.answer_max,
        capacity=capacity or Capacity(),
        blocked=settings.environment.url_blacklist,
        team=settings.get("teams", project.lower()),
        long_name=settings.get("projects", project.lower()),
        progress=of_source,
        proxies=named_proxies(settings.environment.get),
        documents=documents or {},
    )


def pinned_hosts(settings: Settings) -> Path:
    """The file with the SSH host keys of sources."""
    return settings.home.state / "known_hosts"


def _folder_name(entry: SourceEntry) -> str:
    """A folder name that no name or URL of a source can lead out of, the same in each run."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", entry.name).strip(".-")[:60]
    return f"{readable}-{hashlib.sha256(entry.url.encode()).hexdigest()[:12]}"


_BY_OPTION = {"github_token": "github", "github_app_id": "github", "gitlab_token": "gitlab", "tfs": "tfs"}
"""Options of a host that say what system it is, where the list of sources knows it as Git."""


def parts_of(settings: Settings, entry: SourceEntry) -> tuple[Part, ...]:
    """The ways in which an entry is collected: none if nothing collects its type, several for a review system."""
    source = sources().get(_type(settings, entry))
    if source is None:
        return ()
    return (*(Part(entry, sources()[kind]) for kind in source.alongside), Part(entry, source))


def _type(settings: Settings, entry: SourceEntry) -> str:
    if entry.type != "git":
        return entry.type
    try:
        options = source_host(settings, entry).options
    except SourceError:  # which is told when it is to be collected
        return entry.type
    kinds = (kind for option, kind in _BY_OPTION.items() if option in options and options[option].effective)
    return next((kind for kind in kinds if kind in sources()), entry.type)


def all_parts(settings: Settings, found: Sequence[SourceEntry]) -> list[Part]:
    """All parts of these entries."""
    return [part for entry in found for part in parts_of(settings, entry)]


def read_trackers(folder: Path, parts: Sequence[Part]) -> dict[str, dict[str, str]]:
    """The trackers of these parts: file name → source name → position."""
    return {name: trackers.read(folder / name) for name in tracker_names(parts)}


def read_documents(folder: Path, parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    """The further trackers of these parts, by file name."""
    return {name: trackers.read_document(folder / name) for name in document_names(parts)}


def tracker_names(parts: Sequence[Part]) -> list[str]:
    """The files that keep the positions of these parts."""
    return sorted({part.source.tracker for part in parts if part.source.tracker})


def document_names(parts: Sequence[Part]) -> list[str]:
    """The further trackers of these parts."""
    return sorted({name for part in parts for name in part.source.documents})


def drain(collection: Generator[Sequence[Row], None, Collected], take: Callable[[Sequence[Row]], None]) -> Collected:
    """Hand over each block of a collection, and return how it ended. Raises :class:`TimeUpError` if its time is up."""
    while True:
        try:
            block = next(collection)
        except StopIteration as end:
            collected: Collected = end.value
            return collected
        limits.check()
        take(block)


def tables_of(parts: Sequence[Part]) -> list[type[Row]]:
    """The tables that these parts can fill."""
    return [row for row in TABLES if any(row in part.source.tables for part in parts)]
