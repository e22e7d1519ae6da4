"""Delivers projects' batches: each is uploaded, announced, taken and imported before the next one comes.

What is not announced is not delivered. Where a delivery stands is kept (:mod:`.open_deliveries`), so that the next call
goes on where this one stopped. A batch has one identifier for all tries: a controller that knows it takes the batch
once. One that does not imports what it is told of, also a second time, so nothing is announced again unless its files
still lie there long after; and the next batch waits until the import has ended (:mod:`.imports`).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gros_agent import capabilities, open_deliveries
from gros_agent.controller import ControllerError
from gros_agent.controller.client import agent_user
from gros_agent.controller.reach import connect, ssh_address
from gros_agent.errors import AgentError, ConfigurationError, DeliveryError, ExitStatus, worst
from gros_agent.logs import SCRAPE_LOG
from gros_agent.outbox import Outbox
from gros_agent.receipts import File, Receipt, files_of, last_receipt
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, no_progress
from gros_agent.tables.batch import ProjectFolder

log = logging.getLogger(__name__)


def fetch_trackers(settings: Settings, project: str, names: Iterable[str]) -> dict[str, bytes | None]:
    """The controller's trackers, by file name; None where it has none. Raises :class:`ControllerError`."""
    with connect(settings, project) as connection:
        return {name: connection.get(f"update/{project}", name) for name in names}


def export(
    settings: Settings,
    project: str,
    *,
    known_hosts: Path | None = None,
    wait: float | None = None,
    progress: Progress = no_progress,
) -> Receipt | None:
    """Deliver the batch of a project, and return the receipt; None if there is nothing to deliver.

    The receipt is that of the batch before where there is nothing else, and the import of that is found to have failed.

    Waits ``wait`` seconds (else as many as the settings say) until the batch was taken, and then until its import has
    ended; one that goes on stays an open delivery. Raises :class:`DeliveryError` when a batch is not delivered, which
    the next call does, and :class:`BusyError` while the batch before is imported.
    """
    seconds = settings.environment.wait if wait is None else wait
    folder = ProjectFolder(settings.home.export / project)
    with folder.locked():
        folder.recover()
        folder.acknowledge()
        batch = folder.batch()
        one = Outbox(settings, project, folder, known_hosts, seconds, progress)
        before = open_deliveries.read(settings, project)
        if before is not None and before.stage == "importing":
            if batch is not None and batch.identifier == before.batch and not batch.delivered:
                folder.mark_delivered(datetime.now().astimezone())  # it was taken, and this not noted any more
                batch = folder.batch()
            try:
                receipt = one.settle(before)
            except ControllerError as error:
                words = f"whether the last batch of {project} was imported can't be seen: {error.message}"
                raise DeliveryError(words, error.hint) from error
            if receipt is not None and receipt.imported is False and (batch is None or batch.delivered):
                return receipt
            before = None
        if batch is None or batch.delivered:
            open_deliveries.forget(settings, project)
            return None
        try:
            return one.deliver(batch, before if before and before.batch == batch.identifier else None)
        except ControllerError as error:
            raise DeliveryError(f"{project} was not delivered: {error.message}", error.hint) from error


def not_imported(project: str) -> DeliveryError:
    """The error for a batch that the controller took and could not import."""
    return DeliveryError(
        f"the controller took the batch of {project} and could not import it",
        "see export.log at the controller; the next run collects again what was not imported",
    )


def send_log(settings: Settings, project: str) -> bool:
    """Upload the log of a scrape that brought no batch. Returns whether it could: an open delivery comes first.

    Raises :class:`ControllerError`.
    """
    path = settings.home.export / project / SCRAPE_LOG
    if not path.exists() or open_deliveries.read(settings, project) is not None:
        return False
    with connect(settings, project) as connection:
        connection.put(path, f"export/{project}", path.name)
    return True


def finish_open(settings: Settings, projects: Sequence[str], finish: Callable[[str], object]) -> None:
    """Finish every open delivery of these projects with ``finish``.

    Raises the first :class:`DeliveryError` or :class:`BusyError` of one that can't be, unless it has been for too long.
    """
    for problem in open_deliveries.obstacles(settings, projects, finish).values():
        raise problem


def controllers_trackers_count(settings: Settings, project: str) -> bool:
    """Whether the controller's trackers are the ones to go on from, and not ours.

    Ours are while a batch waits or its import may go on, and where another project's registration cleared the folder.
    Neither are after a failed import: it removed the controller's, and ours cover what it lost. Raises
    :class:`DeliveryError` then, until a registration has brought those of the database.
    """
    batch = ProjectFolder(settings.home.export / project).batch()
    if (batch is not None and not batch.delivered) or open_deliveries.read(settings, project) is not None:
        return False
    receipt, known = last_receipt(settings, project), capabilities.registration(settings, project)
    if receipt is not None and receipt.imported is False and (known is None or known.registered < receipt.delivered):
        raise DeliveryError(
            f"the controller could not import the last batch of {project}: where to go on is not known",
            "register this project again, as a run does: the database knows",
        )
    return capabilities.last_registered(settings) in {None, project}


def our_trackers_count(settings: Settings, project: str) -> bool:
    """Whether our trackers are as good as the controller's: it has imported all that they cover."""
    if capabilities.BATCH in capabilities.capabilities(settings, project):
        return True
    receipt = last_receipt(settings, project)
    return receipt is not None and receipt.imported is True


@dataclass(frozen=True)
class ExportOptions:
    """How to export: only show it, and with another file of host keys.

    ``wait`` is how many seconds to wait for the controller, in place of what the settings say.
    """

    dry_run: bool = False
    known_hosts: Path | None = None
    wait: float | None = None


@dataclass(frozen=True, kw_only=True)
class Export:
    """What became of the delivery of a project: a receipt, what would be sent in a dry run, or an error."""

    project: str
    receipt: Receipt | None = None
    planned: tuple[File, ...] = ()
    destination: str = ""
    error: str = ""
    hint: str = ""
    status: ExitStatus = ExitStatus.DONE


def deliver_projects(
    settings: Settings,
    projects: Sequence[str],
    options: ExportOptions,
    tell: Callable[[Export], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Deliver what was collected for projects and tell what became of each. Returns the worst status."""
    statuses = []
    for project in projects:
        try:
            told = _export(settings, project, options, progress)
        except AgentError as error:
            told = Export(project=project, error=error.message, hint=error.hint, status=error.status)
        tell(told)
        statuses.append(told.status)
    return worst(statuses)


def _export(settings: Settings, project: str, options: ExportOptions, progress: Progress) -> Export:
    if settings.controller(project) is None:
        raise ConfigurationError(f"project {project} reports to no controller", "set SSH_HOST")
    if not options.dry_run:
        receipt = export(settings, project, known_hosts=options.known_hosts, wait=options.wait, progress=progress)
        if receipt is not None and receipt.imported is False:
            error = not_imported(project)
            return Export(project=project, receipt=receipt, error=error.message, hint=error.hint, status=error.status)
        return Export(project=project, receipt=receipt)
    folder = ProjectFolder(settings.home.export / project)
    batch = folder.batch()
    planned = files_of(folder, batch) if batch and not batch.delivered else ()
    host, port = ssh_address(settings)
    return Export(project=project, planned=planned, destination=f"{agent_user(settings, project)}@{host}:{port}")
