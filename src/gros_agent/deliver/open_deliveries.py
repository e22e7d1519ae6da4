"""Deliveries that have started and not ended, and whether they block a registration.

The stage of a delivery is kept in ``state/deliveries/KEY.json``, so that the next call resumes it. An open delivery has
files at the controller that a registration would remove. So it blocks the registrations of all projects, until it ends
or the time limit of the settings is over.
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
    """Signs at the controller, in the folder with trackers, that will show the end of an import.

    ``marked``: ``preflight_date.txt`` was there before the announcement, and the import will remove it. ``marker`` is
    its content, if known. ``telling`` is a tracker that was missing there or had other content, if there is one.
    """

    marked: bool = False
    telling: str = ""
    marker: str = ""


NO_SIGNS = Signs()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The stage of a batch's delivery, ``since`` when it is open (or being imported), and when the stage was ``noted``.

    The stage is ``announcing`` before the announcement is sent, and ``importing`` once the controller has taken the
    files. It is ``presumed`` if the folder there no longer shows the result: the next registration brings the trackers
    of the database. ``announced`` is the time of the first announcement that the controller did not refuse. ``marked``,
    ``telling`` and ``marker`` are the signs that will show the end of the import (:class:`Signs`).
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
        """The signs that will show the end of its import."""
        return Signs(self.marked, self.telling, self.marker)


def read(project: ProjectSettings) -> Delivery | None:
    """The open delivery of a project, or None. Raises :class:`ConfigurationError` if its record is damaged."""
    return json_files.read(_record(project), Delivery, "the record of a delivery", "remove it")


def note(project: ProjectSettings, batch: str, stage: Stage, signs: Signs = NO_SIGNS, *, refused: bool = False) -> None:
    """Store the stage of a batch's delivery. It is open since the first note; the import, since the batch was taken.

    With ``refused`` the announcement counts as not made.
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
    """Remove the record of a delivery that has ended."""
    _record(project).unlink(missing_ok=True)


def age(delivery: Delivery) -> timedelta:
    """How long a delivery has been open since its announcement, or an import since the batch was taken.

    It is the maximum if an older version of the agent did not record that.
    """
    begun = delivery.since if delivery.stage == "importing" else delivery.announced or delivery.since
    return datetime.now(UTC) - begun if begun else timedelta.max


def seconds_so_far(delivery: Delivery) -> float:
    """Seconds since the stage of a delivery was noted; 0 if the clock was set back."""
    return max((datetime.now(UTC) - delivery.noted).total_seconds(), 0) if delivery.noted else math.inf


def is_too_old(project: ProjectSettings) -> bool:
    """Whether a delivery has been open for so long that it no longer blocks anything."""
    delivery = read(project)
    return delivery is not None and age(delivery) >= timedelta(seconds=project.environment.pick_up_max)


def still_importing(project: str) -> tuple[str, str]:
    """The message and hint while the controller still imports the last batch of a project."""
    return (
        f"the controller still imports the last batch of project {project}",
        "no action is needed: the next run checks again",
    )


def is_with_the_controller(project: ProjectSettings) -> bool:
    """Whether the controller may be working on a batch of a project: announced, and the result is not known."""
    delivery = read(project)
    return delivery is not None and delivery.stage not in {"uploading", "presumed"}


def stops_registrations(project: ProjectSettings) -> bool:
    """Whether a registration would remove files of an open delivery.

    An upload without an announcement was already removed if another project registered after this one.
    """
    delivery = read(project)
    if delivery is None or delivery.stage == "presumed":
        return False
    return delivery.stage != "uploading" or capabilities.last_registered(project.settings) in {None, project.key}


def _record(project: ProjectSettings) -> Path:
    return project.home.state / "deliveries" / f"{project.key}.json"
