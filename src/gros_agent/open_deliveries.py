"""Deliveries that were begun and have not ended: where each stands, and what it stops.

Where one stands is kept in ``state/deliveries/KEY.json``, so that the next call goes on where this one stopped. Such a
delivery has something at the controller that a registration would clear, so it stops registrations of all projects:
until it ends, or for as long as the settings say.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from gros_agent import capabilities, records
from gros_agent.errors import AgentError, BusyError, DeliveryError
from gros_agent.settings.model import Settings

log = logging.getLogger(__name__)

Stage = Literal["uploading", "announcing", "announced", "importing", "presumed"]


@dataclass(frozen=True)
class Signs:
    """By what the end of an import will show at the controller, where trackers are handed out.

    ``marked``: ``preflight_date.txt`` was there before the announcement, and will be gone; it held ``marker``, unless
    that is empty. ``telling`` names a tracker that was another one there, or none.
    """

    marked: bool = False
    telling: str = ""
    marker: str = ""


NO_SIGNS = Signs()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far the delivery of a batch is, since when it is open (or is imported), and since when so far.

    ``announcing`` is noted before the announcement is sent, ``importing`` when the controller has taken the files, and
    ``presumed`` when nothing there tells any more what became of them: the next registration brings what the database
    has. ``marked``, ``telling`` and ``marker`` are the signs by which the end of the import will show (:class:`Signs`).
    """

    batch: str
    stage: Stage
    since: datetime | None = None
    noted: datetime | None = None
    marked: bool = False
    telling: str = ""
    marker: str = ""

    @property
    def signs(self) -> Signs:
        """By what the end of its import will show."""
        return Signs(self.marked, self.telling, self.marker)


def read(settings: Settings, project: str) -> Delivery | None:
    """The open delivery of a project, or None. Raises :class:`ConfigurationError` for a damaged record."""
    return records.read(_record(settings, project), Delivery, "the record of a delivery", "remove it")


def note(settings: Settings, project: str, batch: str, stage: Stage, signs: Signs = NO_SIGNS) -> None:
    """Keep how far the delivery of a batch is. It is open since it was noted first; its import, since it was taken."""
    before = read(settings, project)
    goes_on = before is not None and before.batch == batch and (stage != "importing" or before.stage == stage)
    since = before.since if before is not None and goes_on else None
    now = datetime.now(UTC)
    delivery = Delivery(batch=batch, stage=stage, since=since or now, noted=now, **asdict(signs))
    records.write(_record(settings, project), delivery)


def forget(settings: Settings, project: str) -> None:
    """Note that a delivery has ended."""
    _record(settings, project).unlink(missing_ok=True)


def age(delivery: Delivery) -> timedelta:
    """How long a delivery has been open. One of an agent that did not keep that is as old as can be."""
    return datetime.now(UTC) - delivery.since if delivery.since else timedelta.max


def seconds_so_far(delivery: Delivery) -> float:
    """How long ago the stage of a delivery was noted. A clock that was set back makes that no time at all."""
    return max((datetime.now(UTC) - delivery.noted).total_seconds(), 0) if delivery.noted else math.inf


def give_up(settings: Settings, project: str) -> bool:
    """Let a delivery that is too old stop nothing any more, and return whether it is."""
    delivery = read(settings, project)
    if delivery is None or age(delivery) < timedelta(seconds=settings.environment.pick_up_max):
        return False
    abandon(settings, project)
    return True


def abandon(settings: Settings, project: str) -> Delivery | None:
    """Let a delivery stop nothing any more, and return it, or None where none is open. Its batch stays.

    One that the controller did not take is delivered again from the start. Of one that it took it shows after the next
    registration whether it was imported.
    """
    delivery = read(settings, project)
    if delivery is None or delivery.stage in {"uploading", "presumed"}:
        return delivery
    if delivery.stage == "importing":
        log.warning("project %s: the import of its last batch was not seen to end: no longer waiting for it", project)
        note(settings, project, delivery.batch, "presumed", delivery.signs)
    else:
        log.warning("project %s: its batch was not taken: it is delivered again, and stops nothing any more", project)
        note(settings, project, delivery.batch, "uploading")
    return delivery


def obstacles(settings: Settings, projects: Iterable[str], finish: Callable[[str], object]) -> Mapping[str, AgentError]:
    """Finish the open deliveries of projects with ``finish``; return why the others stop a registration now."""
    found: dict[str, AgentError] = {}
    for project in projects:
        if not stops_registrations(settings, project):
            continue
        log.warning("project %s: finishing the open delivery first", project)
        try:
            finish(project)
            problem: AgentError = BusyError(*still_importing(project))
        except (DeliveryError, BusyError) as error:
            problem = error
        if stops_registrations(settings, project) and not give_up(settings, project):
            found[project] = problem
    return found


def still_importing(project: str) -> tuple[str, str]:
    """The message and hint for a project whose last batch the controller still imports."""
    return (
        f"the controller still imports the last batch of project {project}",
        "nothing is to be done: the next run looks again",
    )


def is_with_the_controller(settings: Settings, project: str) -> bool:
    """Whether the controller may work on a batch of a project: it was told of it, and the end is not known."""
    delivery = read(settings, project)
    return delivery is not None and delivery.stage not in {"uploading", "presumed"}


def stops_registrations(settings: Settings, project: str) -> bool:
    """Whether a registration would clear something. Another project's registration has cleared a mere upload."""
    delivery = read(settings, project)
    if delivery is None or delivery.stage == "presumed":
        return False
    return delivery.stage != "uploading" or capabilities.last_registered(settings) in {None, project}


def _record(settings: Settings, project: str) -> Path:
    return settings.home.state / "deliveries" / f"{project}.json"
