"""The interface of a running agent: this is all that its web interface uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gros_agent.run.history import History


@dataclass(frozen=True)
class Attention:
    """A problem that keeps the agent from working, or a warning for its operator, and what to do about it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The waiting batches of a project: how many batches, their size in bytes, and when the oldest was made.

    ``away`` is since when the controller does not answer, according to the last run. If the batches can't be read,
    ``problem`` says why, and the numbers are meaningless.
    """

    project: str
    batches: int
    size: int
    oldest: datetime | None = None
    away: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use the web interface: allowed ``Host`` headers (empty: any), and the required token (None: no token)."""

    hosts: tuple[str, ...] = ()
    token: str | None = None


class Duty(Protocol):
    """A running agent. Methods return quickly, and all but :meth:`start` may be called from any thread."""

    @property
    def history(self) -> History:
        """The history of runs."""
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
        """Who may use the web interface, by the current environment files."""
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
        """When the next scrape is due; None if no scrape is planned."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether a scrape is running, whoever started it."""
        ...

    def obstacles(self) -> Sequence[Attention]:
        """The problems that keep the agent from working: a wrong configuration, a controller that can't be reached."""
        ...

    def warnings(self) -> Sequence[Attention]:
        """Warnings for its operator."""
        ...

    def outbox(self) -> Sequence[Kept]:
        """The waiting batches of each project."""
        ...

    async def start(self, trigger: str) -> None:
        """Start a scrape of all projects that ignores the result of preflight, and return once it runs.

        Raises :class:`BusyError` if one is running, :class:`SourceError` if it fails at once, and
        :class:`AgentError` if it can't be started.
        """
        ...
