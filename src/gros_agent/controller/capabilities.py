"""What a project's controller can do, as its answer to the registration said; kept between runs.

The file ``state/controllers/KEY.json`` holds it. Existing controllers name nothing, and what is not named is not
assumed. This module imports nothing that is slow: a scrape asks it before it writes.
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
"""The controller knows a batch by its identifier: it takes one that is announced twice once."""

WHOLE_NUMBERS: Final = "whole-numbers"
"""It takes integers of any size; an existing importer takes 31 bits."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a registration told: the controller as ``host:port``, when that was, and the names of what it can do."""

    controller: str
    registered: datetime
    capabilities: tuple[str, ...] = ()


def capabilities(project: ProjectSettings) -> frozenset[str]:
    """The names of what the project's controller can do; none where it said nothing, or where there is none.

    What another controller said does not count. Raises :class:`ConfigurationError` for a damaged file.
    """
    known = registration(project)
    return frozenset(known.capabilities) if known else frozenset()


def registration(project: ProjectSettings) -> Known | None:
    """The last registration of a project with the controller that is configured now, or None.

    Raises :class:`ConfigurationError` for a damaged file.
    """
    if project.controller is None:
        return None
    what = "what is known of the controller"
    known = json_files.read(_file(project), Known, what, "remove it, and register again")
    return known if known is not None and known.controller == _address(project.settings) else None


def last_registered(settings: Settings) -> str | None:
    """The project that the agent registered last with its controller, or None where that is not known.

    A registration clears what the controller keeps for the agent: it has folders for this project alone.
    """
    folder = settings.home.state / "controllers"
    found = {path.stem: _of_any(settings.project(path.stem)) for path in folder.glob("*.json")}
    known = {project: one.registered for project, one in found.items() if one is not None}
    return max(known, key=lambda project: known[project], default=None)


def _of_any(project: ProjectSettings) -> Known | None:
    """The last registration of any project, or None where that can't be read: it is none of this one's business."""
    try:
        return registration(project)
    except ConfigurationError as error:
        log.warning("project %s: %s", project.key, error)
        return None


def keep(project: ProjectSettings, named: tuple[str, ...]) -> None:
    """Keep what the controller named at a registration that was just done, in place of what it named before."""
    known = Known(
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
