"""The step after preflight: store the controller's variables for the scrape, and note the time."""

import contextlib
from datetime import datetime

from gros_agent.deliver import contact, outbox
from gros_agent.errors import BusyError
from gros_agent.preflight.results import Scope
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.settings import controller_text
from gros_agent.settings.load import PREFLIGHT_DATE
from gros_agent.settings.model import ProjectSettings
from gros_agent.tables.batch import ProjectFolder


def take_over(scope: Scope) -> None:
    """Store the controller's text for each project that passed, and the time, from which its schedule counts.

    If there is no text, for instance during an import, or if it is too large, the previous text is kept.
    """
    for project, contents in scope.passed.items():
        folder = scope.settings.home.export / project
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if contents is not None and controller_text.excess(contents) is None:
                replace_file(folder / controller_text.FILE, contents.encode(errors="replace"))
        note_moment(scope.settings.project(project))
        contact.note_passed(scope.settings.project(project))


def note_moment(project: ProjectSettings) -> None:
    """Write the time of a preflight, for the batch that is collected next. A batch that already waits keeps its own."""
    folder = ProjectFolder(project.folder)
    with contextlib.suppress(BusyError), folder.locked():  # whoever holds the lock has kept it
        if folder.recover() is None:
            outbox.set_aside(project)
    with storage_errors(folder.path):
        moment = datetime.now().astimezone().isoformat(timespec="microseconds")
        replace_file(folder.path / PREFLIGHT_DATE, moment.encode())
