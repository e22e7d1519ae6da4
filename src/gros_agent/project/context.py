"""How a source is reached: the parts that collect an entry, the settings of its host, and the context of a part."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gros_agent.errors import SourceError
from gros_agent.options.hosts import Host
from gros_agent.options.values import Value
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import TABLES, Row
from gros_agent.runtime.urls import at_host, blocking_pattern, host_of
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.sources import by_type, sources
from gros_agent.sources.base import (
    Context,
    Part,
    Progress,
    Source,
    SourceEntry,
    identifying,
    named_proxies,
    no_progress,
)
from gros_agent.sources.common.capacity import Capacity


def source_host(settings: Settings, entry: SourceEntry) -> Host:
    """The settings for the host of a source. Raises :class:`SourceError` if the URL can't be parsed."""
    name, port = host_of(entry.url)
    host = settings.host(name, port)
    return _verified(settings, host) if entry.type == "jenkins" else host


def _verified(settings: Settings, host: Host) -> Host:
    """The host of a Jenkins. ``verify`` in ``[jenkins]`` turns TLS verification off, or names a certificate file."""
    value = settings.value("jenkins", "verify")
    if value is None or not value.text.strip():
        return host
    if value.effective is None:
        return replace(host, options={**host.options, "unsafe_hosts": Value("true", value.origin)})
    path = settings.home.resolve(value.effective)
    return replace(host, authorities=path) if path.is_file() else host


def located(entry: SourceEntry, host: Host) -> SourceEntry:
    """The entry with the host that is connected to: its own, or the one that ``host`` in its section names."""
    return replace(entry, url=at_host(entry.url, host.address)) if host.address else entry


def source_context(
    project: ProjectSettings,
    part: Part,
    options: ScrapeOptions,
    progress: Progress = no_progress,
    capacity: Capacity | None = None,
    documents: Mapping[str, Mapping[str, Any]] | None = None,
) -> Context:
    """The context for a source. Raises :class:`SourceError` if the URL can't be parsed, or is on the block list.

    If a section of the credentials file names another host, the context leads to that one.
    """
    entry, host = part.entry, source_host(project.settings, part.entry)
    there = located(entry, host)
    for url in (entry.url, there.url):
        pattern = blocking_pattern(url, project.environment.url_blacklist)
        if pattern is not None:
            raise SourceError(f"{url} is blocked by {pattern}", "GATHERER_URL_BLACKLIST lists what is never asked")

    def of_source(what: str, done: int, total: int | None) -> None:
        progress(f"{entry.name}: {what}", done, total)

    clones = options.clones or project.home.state / "repos"
    folder = clones / project.key / _folder_name(entry)
    return Context(
        entry=there,
        host=host.limited_to(part.host_options()),
        folder=folder.with_name(f"{folder.name}.{part.source.kind}") if part.source.alongside else folder,
        known_hosts=options.known_hosts or pinned_hosts(project.settings),
        silence=options.silence,
        longest_answer=project.environment.answer_max,
        capacity=capacity or Capacity(),
        blocked=project.environment.url_blacklist,
        project=project.key,
        team=project.team,
        long_name=project.long_name,
        progress=of_source,
        proxies=named_proxies(project.environment.get),
        query=project.get(part.source.kind, "query"),
        mapping=_file(project, part.source.kind, "fields"),
        documents=documents or {},
    )


def _file(project: ProjectSettings, section: str, option: str) -> Path | None:
    path = project.get(section, option)
    return project.home.resolve(path) if path else None


def pinned_hosts(settings: Settings) -> Path:
    """The file with the SSH host keys of sources."""
    return settings.home.state / "known_hosts"


def _folder_name(entry: SourceEntry) -> str:
    """A stable folder name for a source, safe against path traversal."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", entry.name).strip(".-")[:60]
    return f"{readable}-{hashlib.sha256(entry.url.encode()).hexdigest()[:12]}"


def parts_of(settings: Settings, entry: SourceEntry) -> tuple[Part, ...]:
    """The parts of an entry: none if no source collects its type, two for a review system (Git and its API)."""
    source = _source(settings, entry)
    if source is None:
        return ()
    return (*(Part(entry, sources()[kind], source) for kind in source.alongside), Part(entry, source))


def _source(settings: Settings, entry: SourceEntry) -> Source | None:
    """The source for an entry: by its type or, for type ``git``, by the options that are set for its host."""
    source = by_type().get(entry.type)
    if source is None or source.kind != "git":
        return source
    try:
        options = source_host(settings, entry).options
    except SourceError:  # which is told when it is to be collected
        return source
    set_there = {name for name, value in options.items() if value.effective}
    return next((one for one in sources().values() if identifying(one) & set_there), source)


def all_parts(settings: Settings, found: Sequence[SourceEntry]) -> list[Part]:
    """All parts of these entries."""
    return [part for entry in found for part in parts_of(settings, entry)]


def tables_of(parts: Sequence[Part]) -> list[type[Row]]:
    """The tables that these parts can fill."""
    return [row for row in TABLES if any(row in part.source.tables for part in parts)]
