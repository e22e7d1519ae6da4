"""Publishes the agent's public key at the systems of sources, so that Git can use SSH there.

The key for a host is the one that its section in ``credentials.cfg`` names, else the agent's own.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gros_agent.controller.ssh import DEFAULT_PORT, HostKeys, parse_key
from gros_agent.deliver import registration
from gros_agent.errors import AgentError, ConfigurationError, SourceError
from gros_agent.project.boundary import around
from gros_agent.project.configured import list_sources
from gros_agent.project.context import all_parts, pinned_hosts, source_context
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.runtime.urls import host_of
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.sources import sources
from gros_agent.sources.base import Context, KeyPublisher, Part, Source, SourceEntry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Where:
    """Which systems get a key.

    ``sources``: those of the project's sources. ``gitlab``: further GitLab hosts. ``credentials``: all hosts with a key
    of their own in ``credentials.cfg``.
    """

    sources: bool = False
    gitlab: Sequence[str] = ()
    credentials: bool = False


@dataclass(frozen=True)
class Published:
    """The result at one system."""

    project: str
    host: str
    key: Path
    outcome: str
    error: str = ""
    hint: str = ""


def title(project: str) -> str:
    """The name of the key at a system."""
    return f"GROS agent for the {project} project"


def publish(
    project: ProjectSettings, where: Where, own_key: Path | None = None, *, dry_run: bool
) -> Iterator[Published]:
    """Publish the key, and yield the result for each system. A failure at one system does not affect the others."""
    for part in _systems(project, where):
        host, key = host_of(part.entry.url)[0], own_key or project.settings.key
        try:
            context = source_context(project, part, ScrapeOptions())
            key = context.host.key or key
            with around(project, host):
                outcome = _publish(project, part, context, key, dry_run=dry_run)
            yield Published(project.key, host, key, outcome)
        except AgentError as error:
            yield Published(project.key, host, key, "not published", error.message, error.hint)


def _publish(project: ProjectSettings, part: Part, context: Context, key: Path, *, dry_run: bool) -> str:
    publisher = part.source
    if not isinstance(publisher, KeyPublisher):
        raise SourceError(f"{part.source.title} accepts no public keys through its API", "add the key there by hand")
    if not key.exists():
        if dry_run:
            return "a key would be made and added"
        raise SourceError(f"{key}: there is no key", "register makes the agent's own")
    outcome = publisher.publish_key(context, title(project.key), registration.public_line(key), dry_run=dry_run)
    if not dry_run:
        _pin(project.settings, part.entry, publisher.host_keys(context))
    return outcome


def _pin(settings: Settings, entry: SourceEntry, lines: Sequence[str]) -> None:
    """Pin the host keys that a system publishes, if no key of that host is pinned yet."""
    host = host_of(entry.url)[0]
    pinned = HostKeys(pinned_hosts(settings))
    if lines and not pinned.of(host, DEFAULT_PORT):
        pinned.pin(host, DEFAULT_PORT, [parse_key(line) for line in lines])
        log.info("pinned the %d SSH host keys that %s publishes", len(lines), host)


def _systems(project: ProjectSettings, where: Where) -> Iterator[Part]:
    """Yield one part for each host that gets the key."""
    seen: set[str] = set()
    for part in _wanted(project, where):
        host = host_of(part.entry.url)[0].lower()
        if host and host not in seen:
            seen.add(host)
            yield part


def _wanted(project: ProjectSettings, where: Where) -> Iterator[Part]:
    if where.sources:
        try:
            found = list_sources(project, ScrapeOptions())
        except ConfigurationError as error:
            log.warning("project %s: %s", project.key, error)
            found = ()
        yield from (part for part in all_parts(project.settings, found) if _has_token(project.settings, part))
    for host in where.gitlab:
        yield _of_host("gitlab", host)
    if where.credentials:
        for section, options in project.settings.hosts.items():
            publishers = (one for one in sources().values() if isinstance(one, KeyPublisher))
            kind = next((one.kind for one in publishers if _tokens(one) & options.keys()), None)
            name, _, port = section.partition(":")
            if kind and project.settings.host(name, int(port) if port.isdigit() else None).key is not None:
                yield _of_host(kind, section)


def _has_token(settings: Settings, part: Part) -> bool:
    if not isinstance(part.source, KeyPublisher):
        return False
    host, port = host_of(part.entry.url)
    configured = settings.host(host, port)
    return any(configured.secret(name) is not None for name in _tokens(part.source))


def _tokens(source: Source) -> set[str]:
    """The names of the options with a token that show which system a host runs."""
    return {option.name for option in source.host_options if option.secret and option.identifies}


def _of_host(kind: str, host: str) -> Part:
    if kind not in sources():
        raise ConfigurationError(f"this agent has no source of type {kind}", "leave it out")
    return Part(SourceEntry(kind, host, f"https://{host}/"), sources()[kind])
