"""The capabilities of a project's controller, from its answer to the registration; kept between runs.

They are in ``state/controllers/KEY.json``. Existing controllers name no capabilities, and the agent assumes none that
is not named. This module imports nothing slow, since each scrape uses it.
"""

import logging
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from gros_agent.errors import ConfigurationError
from gros_agent.runtime import json_files
from gros_agent.settings.model import ProjectSettings, Settings

log = logging.getLogger(__name__)

BATCH: Final = "batch"
"""The controller knows batches by their identifiers: it takes a batch once, even if it is announced twice."""

WHOLE_NUMBERS: Final = "whole-numbers"
"""The controller takes integers of any size; an existing importer takes 31 bits."""

JIRA: Final = "jira"
"""The controller imports issues from agents. Existing controllers import only those of their own collection."""


class KnownRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a registration: the controller as ``host:port``, the time, and the controller's capabilities."""

    controller: str
    registered: datetime
    capabilities: tuple[str, ...] = ()


def capabilities(project: ProjectSettings) -> frozenset[str]:
    """The names of the capabilities of the project's controller; empty without a controller or a registration.

    Records of another controller are ignored. Raises :class:`ConfigurationError` if the file is damaged.
    """
    known = registration(project)
    return frozenset(known.capabilities) if known else frozenset()


def registration(project: ProjectSettings) -> KnownRegistration | None:
    """The last registration of a project with the controller that is configured now, or None.

    Raises :class:`ConfigurationError` if the file is damaged.
    """
    if project.controller is None:
        return None
    what = "what is known of the controller"
    known = json_files.read(_file(project), KnownRegistration, what, "remove it, and register again")
    return known if known is not None and known.controller == _address(project.settings) else None


def last_registered(settings: Settings) -> str | None:
    """The project that the agent registered last with its controller, or None if that is not known.

    A registration removes the agent's other folders at the controller, so it has folders only for this project.
    """
    folder = settings.home.state / "controllers"
    found = {path.stem: _of_any(settings.project(path.stem)) for path in folder.glob("*.json")}
    known = {project: one.registered for project, one in found.items() if one is not None}
    return max(known, key=lambda project: known[project], default=None)


def _of_any(project: ProjectSettings) -> KnownRegistration | None:
    """The last registration of another project, or None if its file can't be read, which must not stop this one."""
    try:
        return registration(project)
    except ConfigurationError as error:
        log.warning("project %s: %s", project.key, error)
        return None


def keep(project: ProjectSettings, named: tuple[str, ...]) -> None:
    """Store the capabilities that the controller named at a registration just now, and replace earlier ones."""
    known = KnownRegistration(
        controller=_address(project.settings),
        registered=datetime.now().astimezone(),
        capabilities=tuple(dict.fromkeys(named)),
    )
    json_files.write(_file(project), known)


def _address(settings: Settings) -> str:
    address = settings.controller_address()
    return "{}:{}".format(*address) if address else ""


def _file(project: ProjectSettings) -> Path:
    return project.home.state / "controllers" / f"{project.key}.json"
