"""Delivers projects' batches: each is uploaded, announced, taken and imported before the next one comes.

What is not announced is not delivered. What waits is kept (:mod:`.outbox`), and so is where a delivery stands
(:mod:`.open_deliveries`): the next call goes on where this one stopped. A batch has one identifier for all tries: a
controller that knows it takes the batch once. One that does not imports what it is told of, also a second time, so
nothing is announced again unless it is known that it was not imported; and the next batch waits until the import has
ended (:mod:`.imports`).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gros_agent.controller import ControllerError, capabilities
from gros_agent.controller.https import agent_user
from gros_agent.controller.reach import connect, ssh_address
from gros_agent.deliver import open_deliveries, outbox
from gros_agent.deliver.attempt import Attempt
from gros_agent.deliver.receipts import File, Receipt, files_of, last_receipt
from gros_agent.errors import AgentError, BusyError, ConfigurationError, DeliveryError, ExitStatus, worst
from gros_agent.runtime.logs import SCRAPE_LOG
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.sources.base import Progress, no_progress
from gros_agent.tables.batch import ProjectFolder

log = logging.getLogger(__name__)


def fetch_trackers(project: ProjectSettings, names: Iterable[str]) -> dict[str, bytes | None]:
    """The controller's trackers, by file name; None where it has none. Raises :class:`ControllerError`."""
    with connect(project) as connection:
        return {name: connection.get(f"update/{project.key}", name) for name in names}


def export(
    project: ProjectSettings,
    *,
    known_hosts: Path | None = None,
    wait: float | None = None,
    progress: Progress = no_progress,
    tell: Callable[[Receipt], object] = lambda _: None,
) -> tuple[Receipt, ...]:
    """Deliver the batches of a project that wait, the oldest first, and return their receipts; ``tell`` each at once.

    It waits ``wait`` seconds (else as many as the settings say) until a batch was taken, and then until its import has
    ended. The next one comes only after that: where it does not show, this was the last one for now, and waits in the
    open delivery until it does. The last receipt may be that of a failed import, whose batch waits again.

    Raises :class:`DeliveryError` when a batch is not delivered, which the next call does, and :class:`BusyError` while
    the batch before is imported.
    """
    seconds = project.environment.wait if wait is None else wait
    folder = ProjectFolder(project.folder)
    with folder.locked():
        folder.recover()
        folder.acknowledge()
        outbox.tidy(project)
        attempt = Attempt(project, known_hosts, seconds, progress)
        try:
            receipts = []
            for receipt in _deliver(project, attempt):
                receipts.append(receipt)
                tell(receipt)
            return tuple(receipts)
        except ControllerError as error:
            raise _not_delivered(project.key, error) from error


def _deliver(project: ProjectSettings, attempt: Attempt) -> Iterator[Receipt]:
    """Deliver what waits, until it does not show how an import ended, or that it failed."""
    before = open_deliveries.read(project)
    if before is not None and before.stage in {"importing", "presumed"}:
        settled = attempt.settle(before)
        waits = any(one.manifest.identifier == before.batch for one in outbox.waiting(project))
        if settled is not None and settled.imported is False and not waits:  # of an agent that kept no batches
            yield settled
            return
        before = None
    for one in outbox.waiting(project):
        receipt = attempt.deliver(one, before if before and before.batch == one.manifest.identifier else None)
        yield receipt
        before = None
        if not (attempt.knows_batches or receipt.imported):
            return
    if before is not None:  # of a batch that waits no longer
        open_deliveries.forget(project)


def _not_delivered(project: str, error: ControllerError) -> DeliveryError:
    found = DeliveryError(f"{project} was not delivered: {error.message}", error.hint)
    found.away = error.away
    return found


def not_imported(project: str) -> DeliveryError:
    """The error for a batch that the controller took and could not import."""
    return DeliveryError(
        f"the controller took the batch of {project} and could not import it",
        "see export.log at the controller; the next run delivers the batch again",
    )


def send_log(project: ProjectSettings) -> bool:
    """Upload the log of a scrape that brought no batch. Returns whether it could: an open delivery comes first.

    Raises :class:`ControllerError`.
    """
    path = project.folder / SCRAPE_LOG
    if not path.exists() or open_deliveries.read(project) is not None:
        return False
    with connect(project) as connection:
        connection.put(path, f"export/{project.key}", path.name)
    return True


def abandon(project: ProjectSettings, known_hosts: Path | None = None) -> None:
    """Let an open delivery stop nothing any more. Its batch stays, and is delivered again unless the controller has it.

    The controller is asked first, or its folder looked at. What it may be importing stays open until the trackers that
    the next registration brings tell. Raises :class:`BusyError` where another process works on the project.
    """
    with ProjectFolder(project.folder).locked():
        before = open_deliveries.read(project)
        if before is None or before.stage in {"uploading", "presumed"}:
            return
        one = next((one for one in outbox.waiting(project) if one.manifest.identifier == before.batch), None)
        if before.stage == "importing":
            log.warning("project %s: the import of its last batch was not seen to end: no longer waiting", project.key)
            open_deliveries.note(project, before.batch, "presumed", before.signs)
        elif one is None:
            open_deliveries.forget(project)
        else:
            Attempt(project, known_hosts, 0, no_progress).give_up(one, before)


def give_up(project: ProjectSettings) -> bool:
    """Abandon an open delivery that is too old, and return whether it was. Raises :class:`BusyError` as that does."""
    if not open_deliveries.is_too_old(project):
        return False
    abandon(project)
    return not open_deliveries.is_with_the_controller(project)


def obstacles(settings: Settings, projects: Iterable[str], finish: Callable[[str], object]) -> dict[str, AgentError]:
    """Finish the open deliveries of projects with ``finish``; return why the others stop a registration now."""
    found: dict[str, AgentError] = {}
    for project in projects:
        problem: AgentError = BusyError(*open_deliveries.still_importing(project))
        try:
            if not open_deliveries.stops_registrations(settings.project(project)):
                continue
            log.warning("project %s: finishing the open delivery first", project)
            try:
                finish(project)
            except AgentError as error:
                problem = error
            if open_deliveries.stops_registrations(settings.project(project)) and not give_up(
                settings.project(project)
            ):
                found[project] = problem
        except AgentError as error:  # where it stands can't be read
            found[project] = error
    return found


def finish_open(settings: Settings, projects: Sequence[str], finish: Callable[[str], object]) -> None:
    """Finish every open delivery of these projects with ``finish``.

    Raises the first error of one that can't be, unless it has been for too long.
    """
    for problem in obstacles(settings, projects, finish).values():
        raise problem


def controllers_trackers_count(project: ProjectSettings) -> bool:
    """Whether the controller's trackers are the ones to go on from, and not ours.

    Ours are while a batch waits or its import may go on, where another project's registration cleared the folder, and
    where positions were put back since the last registration.
    Neither are after a failed import: it removed the controller's, and ours cover what it lost. Raises
    :class:`DeliveryError` then, until a registration has brought those of the database.
    """
    if outbox.waiting(project) or open_deliveries.read(project) is not None:
        return False
    receipt, known = last_receipt(project), capabilities.registration(project)
    put_back = outbox.put_back(project)
    if put_back is not None and (known is None or known.registered < put_back):
        return False
    if receipt is not None and receipt.imported is False and (known is None or known.registered < receipt.delivered):
        raise DeliveryError(
            f"the controller could not import the last batch of {project.key}: where to go on is not known",
            "register this project again, as a run does: the database knows",
        )
    return capabilities.last_registered(project.settings) in {None, project.key}


def our_trackers_count(project: ProjectSettings) -> bool:
    """Whether our trackers are as good as the controller's: it has imported all that they cover."""
    if capabilities.BATCH in capabilities.capabilities(project):
        return True
    receipt = last_receipt(project)
    return receipt is not None and receipt.imported is True


@dataclass(frozen=True)
class ExportOptions:
    """How to export: only show it, and with another file of host keys.

    ``wait`` is how many seconds to wait for the controller, in place of what the settings say. With ``abandon`` what
    was begun and has not ended is given up first (:func:`abandon`).
    """

    dry_run: bool = False
    abandon: bool = False
    known_hosts: Path | None = None
    wait: float | None = None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A batch that would be sent: when it was made, and its files."""

    made: datetime
    files: tuple[File, ...]


@dataclass(frozen=True, kw_only=True)
class Export:
    """What became of the delivery of a project: receipts, what would be sent in a dry run, or an error."""

    project: str
    receipts: tuple[Receipt, ...] = ()
    planned: tuple[Planned, ...] = ()
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
            told = _export(settings.project(project), options, progress)
        except AgentError as error:
            told = Export(project=project, error=error.message, hint=error.hint, status=error.status)
        tell(told)
        statuses.append(told.status)
    return worst(statuses)


def _export(project: ProjectSettings, options: ExportOptions, progress: Progress) -> Export:
    if project.controller is None:
        raise ConfigurationError(f"no controller is configured for project {project.key}", "set SSH_HOST")
    if options.dry_run:
        host, port = ssh_address(project.settings)
        planned = tuple(
            Planned(made=one.manifest.made, files=files_of(one.folder, one.manifest)) for one in outbox.waiting(project)
        )
        return Export(project=project.key, planned=planned, destination=f"{agent_user(project)}@{host}:{port}")
    if options.abandon:
        abandon(project, options.known_hosts)
    receipts: list[Receipt] = []
    error: AgentError | None
    try:
        export(
            project,
            known_hosts=options.known_hosts,
            wait=options.wait,
            progress=progress,
            tell=receipts.append,
        )
        error = problem_of(project, receipts)
    except AgentError as problem:
        error = problem
    told = Export(project=project.key, receipts=tuple(receipts))
    if error is None:
        return told
    return replace(told, error=error.message, hint=error.hint, status=error.status)


def problem_of(project: ProjectSettings, receipts: Sequence[Receipt]) -> DeliveryError | None:
    """What is wrong after deliveries that went through: an import that failed, or more that waits for its end."""
    if receipts and receipts[-1].imported is False:
        return not_imported(project.key)
    unconfirmed = open_deliveries.read(project)
    others = [one for one in outbox.waiting(project) if not unconfirmed or _is_other(one, unconfirmed)]
    if not others:
        return None
    return DeliveryError(
        f"{len(others)} more batches of {project.key} wait until the import of the one before has ended",
        "the next run goes on",
    )


def _is_other(one: outbox.Waiting, delivery: open_deliveries.Delivery) -> bool:
    return one.manifest.identifier != delivery.batch
