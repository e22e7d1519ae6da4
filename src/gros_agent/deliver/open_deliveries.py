"""Deliveries that were begun and have not ended: where each stands, and what it stops.

Where one stands is kept in ``state/deliveries/KEY.json``, so that the next call goes on where this one stopped. Such a
delivery has something at the controller that a registration would clear, so it stops registrations of all projects:
until it ends, or for as long as the settings say.
"""

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from gros_agent.controller import capabilities
from gros_agent.runtime import json_files
from gros_agent.settings.model import ProjectSettings

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
    has. ``announced`` is when the controller was told of the batch first, and did not refuse. ``marked``, ``telling``
    and ``marker`` are the signs by which the end of the import will show (:class:`Signs`).
    """

    batch: str
    stage: Stage
    since: datetime | None = None
    noted: datetime | None = None
    announced: datetime | None = None
    marked: bool = False
    telling: str = ""
    marker: str = ""

    @property
    def signs(self) -> Signs:
        """By what the end of its import will show."""
        return Signs(self.marked, self.telling, self.marker)


def read(project: ProjectSettings) -> Delivery | None:
    """The open delivery of a project, or None. Raises :class:`ConfigurationError` for a damaged record."""
    return json_files.read(_record(project), Delivery, "the record of a delivery", "remove it")


def note(project: ProjectSettings, batch: str, stage: Stage, signs: Signs = NO_SIGNS, *, refused: bool = False) -> None:
    """Keep how far the delivery of a batch is. It is open since it was noted first; its import, since it was taken.

    An announcement that was ``refused`` is as good as none.
    """
    before = read(project)
    if before is not None and before.batch != batch:
        before = None
    goes_on = before is not None and (stage != "importing" or before.stage == stage)
    now = datetime.now(UTC)
    announced = before.announced if before is not None and not refused else None
    delivery = Delivery(
        batch=batch,
        stage=stage,
        since=(before.since if before is not None and goes_on else None) or now,
        noted=now,
        announced=announced or (now if stage == "announcing" else None),
        **asdict(signs),
    )
    json_files.write(_record(project), delivery)


def forget(project: ProjectSettings) -> None:
    """Note that a delivery has ended."""
    _record(project).unlink(missing_ok=True)


def age(delivery: Delivery) -> timedelta:
    """How long a delivery has been open, from its announcement on, or its import from when it was taken.

    One of an agent that did not keep that is as old as can be.
    """
    begun = delivery.since if delivery.stage == "importing" else delivery.announced or delivery.since
    return datetime.now(UTC) - begun if begun else timedelta.max


def seconds_so_far(delivery: Delivery) -> float:
    """How long ago the stage of a delivery was noted. A clock that was set back makes that no time at all."""
    return max((datetime.now(UTC) - delivery.noted).total_seconds(), 0) if delivery.noted else math.inf


def is_too_old(project: ProjectSettings) -> bool:
    """Whether a delivery has been open for so long that it is to stop nothing any more."""
    delivery = read(project)
    return delivery is not None and age(delivery) >= timedelta(seconds=project.environment.pick_up_max)


def still_importing(project: str) -> tuple[str, str]:
    """The message and hint for a project whose last batch the controller still imports."""
    return (
        f"the controller still imports the last batch of project {project}",
        "nothing is to be done: the next run looks again",
    )


def is_with_the_controller(project: ProjectSettings) -> bool:
    """Whether the controller may work on a batch of a project: it was told of it, and the end is not known."""
    delivery = read(project)
    return delivery is not None and delivery.stage not in {"uploading", "presumed"}


def stops_registrations(project: ProjectSettings) -> bool:
    """Whether a registration would clear something. Another project's registration has cleared a mere upload."""
    delivery = read(project)
    if delivery is None or delivery.stage == "presumed":
        return False
    return delivery.stage != "uploading" or capabilities.last_registered(project.settings) in {None, project.key}


def _record(project: ProjectSettings) -> Path:
    return project.home.state / "deliveries" / f"{project.key}.json"
