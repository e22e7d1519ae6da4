"""Delivers the batches of projects: each is uploaded, announced, taken and imported before the next one is sent.

The agent keeps waiting batches (:mod:`.outbox`) and the stage of a delivery (:mod:`.open_deliveries`), so that the next
call resumes where this one stopped. A batch keeps its identifier over all attempts. A controller that knows batches
takes each identifier once. Any other controller imports whatever is announced, even twice. There a batch is announced
again only if it is certain that it was not imported, and the next batch waits until the import has ended
(:mod:`.imports`).
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
    """The controller's trackers by file name; None for a tracker that it does not have.

    Raises :class:`ControllerError`.
    """
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
    """Deliver a project's waiting batches, the oldest first. ``tell`` gets each receipt at once; all are returned.

    A batch has ``wait`` seconds (default: from the settings) until it must be taken, and as many until its import must
    have ended. The next batch is sent only after that. If the end of an import can't be seen, delivery stops for now,
    and a later call looks again. The last receipt may be that of a failed import, whose batch waits again.

    Raises :class:`DeliveryError` if a batch was not delivered; the next call tries again. Raises :class:`BusyError`
    while the previous batch is being imported.
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
    """Deliver the waiting batches, until an import fails or its end can't be seen."""
    before = open_deliveries.read(project)
    if before is not None and before.stage in {"importing", "presumed"}:
        settled = attempt.settle(before)
        waits = any(one.manifest.identifier == before.batch for one in outbox.waiting(project))
        if settled is not None and settled.imported is False and not waits:  # of an agent version without batches
            yield settled
            return
        before = None
    for one in outbox.waiting(project):
        receipt = attempt.deliver(one, before if before and before.batch == one.manifest.identifier else None)
        yield receipt
        before = None
        if not (attempt.knows_batches or receipt.imported):
            return
    if before is not None:  # its batch is no longer waiting
        open_deliveries.forget(project)


def _not_delivered(project: str, error: ControllerError) -> DeliveryError:
    found = DeliveryError(f"{project} was not delivered: {error.message}", error.hint)
    found.away = error.away
    return found


def not_imported(project: str) -> DeliveryError:
    """The error for a batch that the controller took but could not import."""
    return DeliveryError(
        f"the controller took the batch of {project} and could not import it",
        "see export.log at the controller; the next run delivers the batch again",
    )


def send_log(project: ProjectSettings) -> bool:
    """Upload the log of a scrape that made no batch. Returns whether it was uploaded: not while a delivery is open.

    Raises :class:`ControllerError`.
    """
    path = project.folder / SCRAPE_LOG
    if not path.exists() or open_deliveries.read(project) is not None:
        return False
    with connect(project) as connection:
        connection.put(path, f"export/{project.key}", path.name)
    return True


def abandon(project: ProjectSettings, known_hosts: Path | None = None) -> None:
    """Give up an open delivery, so that it no longer blocks registrations. Its batch stays in the outbox.

    The controller or its folder is asked whether it has the batch; if not, the batch is delivered again. If it may be
    importing the batch, the result stays open until the next registration brings the trackers from the database. Raises
    :class:`BusyError` if another process works on the project.
    """
    with ProjectFolder(project.folder).locked():
        before = open_deliveries.read(project)
        if before is None or before.stage in {"uploading", "presumed"}:
            return
        one = next((one for one in outbox.waiting(project) if one.manifest.identifier == before.batch), None)
        if before.stage == "importing":
            log.warning("project %s: gave up waiting for the import of its last batch", project.key)
            open_deliveries.note(project, before.batch, "presumed", before.signs)
        elif one is None:
            open_deliveries.forget(project)
        else:
            Attempt(project, known_hosts, 0, no_progress).give_up(one, before)


def give_up(project: ProjectSettings) -> bool:
    """Abandon an open delivery that is too old, and return whether that happened.

    Raises what :func:`abandon` raises.
    """
    if not open_deliveries.is_too_old(project):
        return False
    abandon(project)
    return not open_deliveries.is_with_the_controller(project)


def obstacles(settings: Settings, projects: Iterable[str], finish: Callable[[str], object]) -> dict[str, AgentError]:
    """Finish open deliveries with ``finish``. Returns by project why a remaining one blocks a registration."""
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
        except AgentError as error:  # its record can't be read
            found[project] = error
    return found


def finish_open(settings: Settings, projects: Sequence[str], finish: Callable[[str], object]) -> None:
    """Finish every open delivery of these projects with ``finish``.

    Raises the first error, except for deliveries that have been open too long: they are abandoned.
    """
    for problem in obstacles(settings, projects, finish).values():
        raise problem


def controllers_trackers_count(project: ProjectSettings) -> bool:
    """Whether to continue from the controller's trackers instead of ours.

    Ours are used while a batch waits or may be being imported, after another project's registration cleared the folder,
    and after positions were put back since the last registration. Neither can be used after a failed import: it removed
    the controller's trackers, and ours include the lost rows. :class:`DeliveryError` is raised then, until a
    registration has brought the trackers from the database.
    """
    if outbox.waiting(project) or open_deliveries.read(project) is not None:
        return False
    receipt, known = last_receipt(project), capabilities.registration(project)
    put_back = outbox.put_back(project)
    if put_back is not None and (known is None or known.registered < put_back):
        return False
    if receipt is not None and receipt.imported is False and (known is None or known.registered < receipt.delivered):
        raise DeliveryError(
            f"the controller could not import the last batch of {project.key}: its positions are unknown",
            "register this project again, as a run does: that brings the position from the database",
        )
    return capabilities.last_registered(project.settings) in {None, project.key}


def our_trackers_count(project: ProjectSettings) -> bool:
    """Whether our trackers can replace the controller's, since it has imported everything up to them."""
    if capabilities.BATCH in capabilities.capabilities(project):
        return True
    receipt = last_receipt(project)
    return receipt is not None and receipt.imported is True


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    With ``dry_run`` it is only shown. ``known_hosts`` is another file with host keys, and ``wait`` another number of
    seconds to wait for the controller. With ``abandon`` open deliveries are given up first (:func:`abandon`).
    """

    dry_run: bool = False
    abandon: bool = False
    known_hosts: Path | None = None
    wait: float | None = None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A batch that an export would send: when it was made, and its files."""

    made: datetime
    files: tuple[File, ...]


@dataclass(frozen=True, kw_only=True)
class Export:
    """The result of a project's export: receipts, planned batches of a dry run, or an error."""

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
    """Deliver the batches of projects, and pass each result to ``tell``. Returns the most severe status."""
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
    """The problem after deliveries that succeeded: a failed import, or batches that wait for the end of one."""
    if receipts and receipts[-1].imported is False:
        return not_imported(project.key)
    unconfirmed = open_deliveries.read(project)
    others = [one for one in outbox.waiting(project) if not unconfirmed or _is_other(one, unconfirmed)]
    if not others:
        return None
    return DeliveryError(
        f"{len(others)} more batches of {project.key} wait until the previous import has ended",
        "the next run goes on",
    )


def _is_other(one: outbox.Waiting, delivery: open_deliveries.Delivery) -> bool:
    return one.manifest.identifier != delivery.batch
