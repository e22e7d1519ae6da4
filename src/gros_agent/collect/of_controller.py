"""What a controller means for a scrape: its trackers replace ours, and it may not import every table."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from gros_agent.collect import positions
from gros_agent.collect.positions import document_names, tracker_names
from gros_agent.controller import capabilities
from gros_agent.errors import AgentError
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Part

log = logging.getLogger(__name__)


def take_trackers(project: ProjectSettings, parts: Sequence[Part], further: Iterable[str] = ()) -> None:
    """Replace the trackers of these parts, and ``further`` ones, by those of the controller.

    A missing tracker means from the start. A controller that does not import the tables of a part has a position that
    somebody else reached: ours counts, if there is one. Raises :class:`AgentError`.
    """
    from gros_agent.deliver import delivery  # noqa: PLC0415 (slow to import, and many have no controller)

    if not delivery.controllers_trackers_count(project):
        log.info("project %s: uses the local trackers instead of those of the controller", project.key)
        return
    ours = {name for name in tracker_names(_not_imported(project, parts)) if positions.is_ours(project, name)}
    names = [name for name in (*tracker_names(parts), *document_names(parts), *further) if name not in ours]
    try:
        found = delivery.fetch_trackers(project, tuple(dict.fromkeys(names)))
    except AgentError as error:
        if not (error.away and delivery.our_trackers_count(project)):
            raise
        log.warning("project %s: uses the local trackers: %s", project.key, error)
        return
    for name, content in found.items():
        with storage_errors(project.folder):
            if content is None:
                (project.folder / name).unlink(missing_ok=True)
            else:
                replace_file(project.folder / name, content)


def not_imported(project: ProjectSettings, parts: Sequence[Part]) -> Iterator[str]:
    """Name the systems whose tables the controller will not import, as far as a registration said what it can do."""
    if capabilities.registration(project) is not None:
        named = ((part.source.title, part.source.capability) for part in _not_imported(project, parts))
        for title, task in dict.fromkeys(named):
            words = f"an existing one needs {task} among its import tasks"
            yield f"{title}: its tables are delivered, but this controller does not say that it imports them: {words}"


def _not_imported(project: ProjectSettings, parts: Sequence[Part]) -> list[Part]:
    named = capabilities.capabilities(project)
    return [part for part in parts if part.source.capability and part.source.capability not in named]
