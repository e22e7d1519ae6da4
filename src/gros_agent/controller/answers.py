"""What a controller answers to the calls of :mod:`.https`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from gros_agent.privacy.secrets import Secrets

MOST = 64
"""Host keys, capabilities or components that a controller may name: far more than any has."""


class Told(msgspec.Struct):
    """What only some controllers add to the secrets of a registration."""

    host_keys: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)] = ()
    capabilities: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)] = ()


class Registration(msgspec.Struct, frozen=True):
    """What a controller answers to a registration; only some tell their SSH host keys, and what they can do."""

    secrets: Secrets
    host_keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class BatchState(msgspec.Struct, frozen=True):
    """What became of a batch: whether it was taken, waits to be, was refused (the reason says why), or is unknown."""

    state: Literal["unknown", "announced", "taken", "refused"]
    reason: str = ""


class Component(msgspec.Struct, frozen=True):
    """The status of a part of the controller.

    The component ``tracker`` of some controllers tells the schedule: ``interval`` is how many seconds after a scrape
    the next one is due.
    """

    ok: bool
    message: str = ""
    contents: str = ""
    interval: float | None = None


@dataclass(frozen=True)
class Status:
    """The controller's components, and how far its clock is from ours, in seconds (None: it did not say).

    ``registered`` says whether the agent's last registration was for this project: only then the controller has its
    folders, and the component ``permissions`` counts.
    """

    components: Mapping[str, Component]
    skew: float | None
    registered: bool = True

    @property
    def contents(self) -> str | None:
        """The environment file for the scrape; None where the controller did not hand it out."""
        configuration = self.components.get("configuration")
        return configuration.contents if configuration and configuration.ok else None

    @property
    def faults(self) -> frozenset[str]:
        """The components that are wrong, without those that merely follow from others, and without hints.

        ``importer`` is one for all projects: it is not OK while any import goes on, which is no fault.
        """
        bad = {name for name, component in self.components.items() if not component.ok}
        causes = bad - _FOLLOW
        hints = {"importer"} if self.registered else {"importer", "permissions"}
        return frozenset((causes or bad) - hints - {"tracker"})

    @property
    def not_due(self) -> bool:
        """Whether nothing is wrong but that the schedule says it is too early."""
        tracker = self.components.get("tracker")
        return tracker is not None and not tracker.ok and not self.faults


class VersionAnswer(msgspec.Struct, frozen=True):
    """Whether an agent's version is the newest."""

    up_to_date: bool
    version: str = ""


_FOLLOW = {"configuration", "total"}
"""Components that are not OK where any other is not."""


class BigBoatStatus(msgspec.Struct, frozen=True):
    """One measurement of a BigBoat dashboard.

    ``checked_time`` is in UTC, ``value`` and ``max`` are None where there is no number.
    """

    name: str
    checked_time: str
    ok: bool
    value: float | int | None
    max: float | int | None
