"""The sources of a project: the entries of its list, the systems that the settings name, and ``--source`` options."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.options.values import Secret
from gros_agent.project import entries
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import folded
from gros_agent.runtime import own
from gros_agent.settings.environment import malformed_keys
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources import sources
from gros_agent.sources.base import SourceEntry
from gros_agent.sources.jira import address

log = logging.getLogger(__name__)

_ONE_SERVER = frozenset({"jenkins", "jira"})
"""Types of which the settings name a server for projects whose list has none."""


def check_key(project: ProjectSettings, options: ScrapeOptions) -> None:
    """Raise :class:`ConfigurationError` for a project key that is malformed, or that is not configured here."""
    for problem in malformed_keys((project.key,), "option --project"):
        raise problem
    known = project.key in project.settings.projects or (project.folder / entries.FILE).exists()
    if not known and not options.extra:
        raise ConfigurationError(
            f"project {project.key} is not known here: there is no {project.folder / entries.FILE}",
            "check the key, or name a source: --source git=URL",
        )


def list_sources(
    project: ProjectSettings,
    options: ScrapeOptions,
    listed: Sequence[SourceEntry] | None = None,
    *,
    warns: bool = False,
) -> tuple[SourceEntry, ...]:
    """A project's sources: the entries of its list (or ``listed`` instead), of the settings, and of the options.

    With ``warns``, the log says which sources had to be renamed so that the importer can tell them apart.

    Raises :class:`ConfigurationError` if there are no sources, or if two have the same name.
    """
    path = project.folder / entries.FILE
    listed = entries.read(path) if listed is None else listed
    found = (*with_configured(project, listed or ()), *options.extra)
    if not found:
        raise ConfigurationError(
            f"project {project.key} has no sources: {path} {'is empty' if listed is not None else 'is missing'}",
            "name a source: --source git=URL, or write the list",
        )
    for name, count in Counter(entry.name for entry in found).items():
        if count > 1:
            raise ConfigurationError(
                f"project {project.key}: {count} sources are called {name!r}",
                "give each a name: --source TYPE:NAME=URL",
            )
    named = entries.distinct(found)
    own.know(one.name for one in (*found, *named))
    for one, other in zip(found, named, strict=True):
        if warns and one.name != other.name:
            words = "project %s: source %r is called %r: the importer tells names apart without case and blanks"
            log.warning(words, project.key, one.name, other.name)
    return named


def with_configured(project: ProjectSettings, listed: Sequence[SourceEntry]) -> tuple[SourceEntry, ...]:
    """The sources of a list, and the systems that ``settings.cfg`` names.

    If a system is in both, the settings win, since the list has no credentials. A project has one Jenkins and one Jira:
    those of the list, if it has any.
    """
    own.know((project.key, *sources(), *(one.name for one in listed)))
    configured = {_server(one): one for one in (*definitions(project), *_jenkins(project), *_jira(project))}
    names = Counter(folded(one.name) for one in (*listed, *configured.values()))
    known = [_server(one) for one in listed]
    single = {one.type for one in listed if one.type in _ONE_SERVER}
    return (
        *(
            _with_credentials(one, configured[url]) if url in configured and configured[url].type == one.type else one
            for one, url in zip(listed, known, strict=True)
        ),
        *(
            replace(one, name=f"{one.name} ({one.type})") if names[folded(one.name)] > 1 else one
            for url, one in configured.items()
            if url not in known and one.type not in single
        ),
    )


def without_repeated(project: ProjectSettings, found: Iterable[SourceEntry]) -> Iterator[SourceEntry]:
    """The entries, each project of a Jira once: definitions may name its server, and pages of it, for several parts."""
    known: set[tuple[str, str]] = set()
    for entry in found:
        if entry.type == "jira":
            server, key = _place(entry)
            place = (server, (key or project.key).upper())
            if place in known:
                continue
            known.add(place)
        yield entry


def _server(entry: SourceEntry) -> str:
    """The address of an entry for comparison; of a Jira that of its server, without the scheme."""
    return _place(entry)[0] if entry.type == "jira" else entries.same(entry.url)


def _place(entry: SourceEntry) -> tuple[str, str | None]:
    """The address of a Jira without the scheme, and the key that it has."""
    try:
        server, key = address.place(entry.url)
    except SourceError:  # which is told when it is to be collected
        return entries.same(entry.url), None
    return entries.same(server).partition("://")[2], key


def _with_credentials(listed: SourceEntry, configured: SourceEntry) -> SourceEntry:
    """The configured entry under its listed name. Of a Jira, credentials in the URL and the page that it names stay."""
    found = replace(configured, name=listed.name)
    if listed.type != "jira":
        return found
    server = address.place(listed.url)[0]
    found = replace(found, url=configured.url.rstrip("/") + listed.url.removeprefix(server))
    return replace(found, username=listed.username, password=listed.password) if listed.password else found


def _jira(project: ProjectSettings) -> Iterator[SourceEntry]:
    """The Jira that ``[jira]`` names, called like the project, since that is the name of its issue tracker."""
    server = project.get("jira", "server")
    if server:
        entry = entries.make("jira", project.long_name or project.key, _of_the_web(server))
        token = project.get("jira", "token")
        password = token or project.get("jira", "password")
        if entry.password is None and password:
            has_user = not token or address.takes_user_with_token(entry.url)
            user = project.get("jira", "username") if has_user else None
            entry = replace(entry, username=user, password=Secret(password))
        yield entry


def _jenkins(project: ProjectSettings) -> Iterator[SourceEntry]:
    host = project.get("jenkins", "host")
    if host:
        password = project.get("jenkins", "password")
        entry = entries.make("jenkins", "jenkins", _of_the_web(host))
        user = project.get("jenkins", "username") or entry.username
        yield replace(entry, username=user, password=Secret(password) if password else entry.password)


def quality_name(project: ProjectSettings) -> str | None:
    """The long name of a project in quality systems, or None if it has none or is a subproject."""
    key = project.key.lower()
    return project.settings.get("projects", key) if project.settings.get("subprojects", key) is None else None


def definitions(project: ProjectSettings) -> Iterator[SourceEntry]:
    """The quality systems that ``settings.cfg`` names for a project.

    ``{}`` in their URLs is replaced by its long name.
    """
    long_name = quality_name(project)
    for kind in ("quality-time", "sonar") if long_name else ():
        url = project.get(kind, "url")
        if url and long_name:
            address = _of_the_web(url.replace("{}", quote(long_name, safe="")))
            yield entries.make(kind, project.get(kind, "name") or kind, address)


def is_of_controller(project: ProjectSettings, definition: SourceEntry) -> bool:
    """Whether the controller set the address of a quality system."""
    value = project.value(definition.type, "url")
    return value is not None and value.of_controller


def _of_the_web(address: str) -> str:
    """An address as a URL: ``https://`` is added if it has no scheme."""
    return address if "://" in address else f"https://{address}"
