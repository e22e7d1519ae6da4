"""What a running agent can be asked: this is all that its web interface knows of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gros_agent.run.history import History


@dataclass(frozen=True)
class Attention:
    """Something that keeps the agent from its work, or that its operator should know, and what to do about it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What waits for the delivery of a project: how many batches, how many bytes, and since when the oldest does.

    ``away`` says since when the controller does not answer, as far as the last run found out. Where what waits can't be
    read, ``problem`` says why, and the numbers say nothing.
    """

    project: str
    batches: int
    size: int
    oldest: datetime | None = None
    away: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may ask: the host names that requests must carry (none: any), and a token that they need (None: none)."""

    hosts: tuple[str, ...] = ()
    token: str | None = None


class Duty(Protocol):
    """The agent that is on duty. Every method answers at once, and may be called from any thread but :meth:`start`."""

    @property
    def history(self) -> History:
        """The runs that were."""
        ...

    @property
    def version(self) -> str:
        """The agent's version string."""
        ...

    @property
    def mode(self) -> str:
        """``Daemon``, or ``on request`` where no period is set."""
        ...

    @property
    def reason(self) -> str:
        """A sentence that says why it is that mode, and how to get another."""
        ...

    @property
    def access(self) -> Access:
        """Who may ask, as the environment files say now."""
        ...

    @property
    def projects(self) -> tuple[str, ...]:
        """The keys of the projects that are configured now."""
        ...

    @property
    def controller(self) -> str | None:
        """The controller's host, or None."""
        ...

    @property
    def next_run(self) -> datetime | None:
        """When the next scrape is due; None where none is planned."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether a scrape is running, whoever started it."""
        ...

    def obstacles(self) -> Sequence[Attention]:
        """What keeps the agent from working: wrong configuration, a controller that was not seen."""
        ...

    def warnings(self) -> Sequence[Attention]:
        """What its operator should know."""
        ...

    def outbox(self) -> Sequence[Kept]:
        """What waits for its delivery, for each project."""
        ...

    async def start(self, trigger: str) -> None:
        """Start a scrape of all projects that goes on whatever preflight says, and return when it runs.

        Raises :class:`BusyError` if one is running, :class:`SourceError` if it fails at once, and
        :class:`AgentError` if it can't be started.
        """
        ...
