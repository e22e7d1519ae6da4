"""Describes a project, anew in each scrape.

``data_project.json`` has the project, ``data_source_ids.json`` the identifiers of its parts in quality systems, and
``data_environments.json`` the environments of its sources (owners, groups and servers) with each system's version.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from gros_agent.errors import SourceError
from gros_agent.project.boundary import around
from gros_agent.project.configured import quality_name
from gros_agent.project.discovery import Discovered
from gros_agent.rows import Project, SourceId
from gros_agent.runtime import parallel
from gros_agent.runtime.urls import without_user
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, Describer, Environment, Located, Part, Versioned

log = logging.getLogger(__name__)

TRACKERS = ("project_sources_update.json", "project_meta_update.json")
"""The trackers with the version of each definition that the list of sources and the description were made from."""

_LONGEST_URL, _LONGEST_IDENTITY = 255 - len("@#"), 500
"""Lengths of the importer's columns. It adds two characters of its own to an address."""

MakeContext = Callable[[Part], Context]
Reach = Callable[[Part], AbstractContextManager[Context]]
"""Makes the context of a part, within the boundary around it."""


@dataclass(frozen=True)
class Described:
    """The project, the identifiers of its parts (None if no definition is configured), and its environments."""

    project: Project
    identifiers: Sequence[SourceId] | None
    environments: Sequence[Environment]


def describe(
    project: ProjectSettings, found: Discovered, parts: Mapping[Part, Collected | None], context: MakeContext
) -> Described:
    """Describe a project by its settings, definitions and parts.

    ``parts`` says for each part how its collection ended, or None if it failed.
    """

    @contextmanager
    def reached(part: Part) -> Iterator[Context]:
        with around(project, part.entry.name):
            yield context(part)

    environments = _environments(parts, reached)
    identifiers = [one for _, said in found.definitions for one in said.identifiers] if found.definitions else None
    return Described(_project(project, found, environments), identifiers, environments)


def encoded(environments: Sequence[Environment]) -> bytes:
    """The content of ``data_environments.json``.

    An identity is a list where existing agents wrote one, since the importer recognises the environment by it.
    """
    rows = [
        json.dumps({"type": one.type, "url": _url(one), "environment": one.identity, "version": one.version})
        for one in environments
    ]
    return ("[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n").encode()


def _url(environment: Environment) -> str | None:
    return None if environment.url is None else without_user(environment.url)


def updates(found: Discovered) -> dict[str, Any]:
    """The new content of :data:`TRACKERS`; empty if no definition was read."""
    if not found.definitions:
        return {}
    return {
        "sources": [entry.listed() for entry, _ in found.definitions],
        "versions": {entry.url: said.revision for entry, said in found.definitions},
    }


def _project(project: ProjectSettings, found: Discovered, environments: Sequence[Environment]) -> Project:
    key, long_name = project.key.lower(), quality_name(project)
    titles = (said.title for _, said in found.definitions if said.title)
    trackers = (entry.name for entry in found.entries if entry.type == "jira")
    return Project(
        jira_key=project.key,
        jira_name=next(trackers, project.key),
        quality_name=long_name or UNSET,
        quality_display_name=next(titles, UNSET),
        main_project=project.settings.get("subprojects", key),
        is_support_team=project.settings.get("support", key) is not None,
        **dict(_columns(environments, project.team, project.long_name)),
    )


def _columns(environments: Sequence[Environment], team: str | None, long_name: str | None) -> Iterator[tuple[str, Any]]:
    """The columns that systems add to the project's row. Of several environments of a type, the first one wins."""
    for environment in reversed(environments):
        source = sources().get(environment.type)
        if isinstance(source, Describer):
            yield from source.project_columns(environment, team, long_name).items()


def _environments(parts: Mapping[Part, Collected | None], reach: Reach) -> Sequence[Environment]:
    """The environments of all parts, with the system's version if a part in it was collected."""
    found: dict[str, Environment] = {}
    askable: dict[str, Part] = {}
    told: dict[str, str] = {}
    for part, collected in parts.items():
        for environment in _environment(part, reach):
            key = json.dumps(environment.identity)  # that alone is the importer's key
            found.setdefault(key, environment)
            if collected is not None and collected.version:
                told.setdefault(key, collected.version)
            elif collected is not None and isinstance(part.source, Versioned):
                askable.setdefault(key, part)

    def version(key: str) -> tuple[str, str]:
        return key, _version(askable[key], reach)

    told |= parallel.mapped(version, [key for key in askable if key not in told])
    found |= {key: replace(found[key], version=one) for key, one in told.items()}
    return [one for one in found.values() if _fits(one)]


def _fits(environment: Environment) -> bool:
    """Whether an environment fits the importer's columns. The importer escapes the slashes of its identity."""
    identity = json.dumps(environment.identity, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    fits = len(environment.url or "") <= _LONGEST_URL and len(identity) <= _LONGEST_IDENTITY
    if not fits:
        log.warning("%s is not in %s: its address is too long", environment.url, "data_environments.json")
    return fits


def _environment(part: Part, reach: Reach) -> Iterator[Environment]:
    if isinstance(part.source, Located):
        try:
            with reach(part) as context:
                found = part.source.environment(context)
            yield found
        except SourceError as error:  # which is told when it is collected
            log.debug("%s lies in no environment: %s", part.entry.name, error)


def _version(part: Part, reach: Reach) -> str:
    if not isinstance(part.source, Versioned):
        return ""
    try:
        with reach(part) as context:
            return part.source.version(context)[:32]
    except SourceError as error:
        log.info("%s does not tell its version: %s", part.entry.name, error)
        return ""
