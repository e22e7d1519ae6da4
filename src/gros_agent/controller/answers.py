"""The controller's answers to the calls of :mod:`.https`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from gros_agent.privacy.secrets import Secrets

MOST = 64
"""Limit for the host keys, capabilities or components in an answer; real controllers have far fewer."""


class Told(msgspec.Struct):
    """What some controllers add to the secrets in the answer to a registration."""

    host_keys: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)] = ()
    capabilities: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)] = ()


class Registration(msgspec.Struct, frozen=True):
    """The answer to a registration. Only some controllers include their SSH host keys and capabilities."""

    secrets: Secrets
    host_keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class BatchState(msgspec.Struct, frozen=True):
    """The state of a batch: taken, announced (waiting), refused (``reason`` says why), or unknown."""

    state: Literal["unknown", "announced", "taken", "refused"]
    reason: str = ""


class Component(msgspec.Struct, frozen=True):
    """The status of a part of the controller.

    In the component ``tracker``, some controllers give the schedule: ``interval`` is the time between two scrapes in
    seconds.
    """

    ok: bool
    message: str = ""
    contents: str = ""
    interval: float | None = None


@dataclass(frozen=True)
class ControllerStatus:
    """The controller's components, and the difference between our clock and its clock in seconds (None: not known).

    ``registered`` says whether the agent's last registration was for this project. Only then does the controller have
    the project's folders, so only then is the component ``permissions`` considered.
    """

    components: Mapping[str, Component]
    skew: float | None
    registered: bool = True

    @property
    def contents(self) -> str | None:
        """The environment file for the scrape, or None if the controller did not send it."""
        configuration = self.components.get("configuration")
        return configuration.contents if configuration and configuration.ok else None

    @property
    def faults(self) -> frozenset[str]:
        """The components with a fault, without those that only follow from others.

        ``importer`` is shared by all projects: it is not OK while any import is running, which is not a fault.
        """
        bad = {name for name, component in self.components.items() if not component.ok}
        causes = bad - _FOLLOW
        hints = {"importer"} if self.registered else {"importer", "permissions"}
        return frozenset((causes or bad) - hints - {"tracker"})

    @property
    def not_due(self) -> bool:
        """Whether the only problem is that it is too early by the schedule."""
        tracker = self.components.get("tracker")
        return tracker is not None and not tracker.ok and not self.faults


class VersionAnswer(msgspec.Struct, frozen=True):
    """Whether an agent's version is the newest."""

    up_to_date: bool
    version: str = ""


_FOLLOW = {"configuration", "total"}
"""Components that are not OK whenever another one is not."""


class BigBoatStatus(msgspec.Struct, frozen=True):
    """One measurement of a BigBoat dashboard.

    ``checked_time`` is in UTC. ``value`` and ``max`` are None if there is no number.
    """

    name: str
    checked_time: str
    ok: bool
    value: float | int | None
    max: float | int | None
