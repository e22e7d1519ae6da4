"""What a check is given, and what it says."""

import enum
from dataclasses import dataclass, field
from pathlib import Path

from gros_agent.errors import AgentError, Own
from gros_agent.settings.model import Settings


class Status(enum.StrEnum):
    """How a check ended. ``AWAY``: the controller does not answer, and what is collected waits in the outbox."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    AWAY = "away"
    NOT_DUE = "not due"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """What one check found, and what to do about it."""

    name: str
    status: Status
    detail: str
    hint: str = ""
    is_named_here: bool = True

    @property
    def logged_name(self) -> str:
        """The name for the log: one that a server gave is not among our own words."""
        return Own(self.name) if self.is_named_here else self.name


@dataclass(frozen=True)
class Scope:
    """What to check: the settings and projects, another secrets file, and what is left out.

    Where the controller is known to be ``away``, it is not asked again: that would take as long as a connection may.
    ``passed`` is filled by the checks: the projects that the controller lets collect now, each with the environment
    text that it hands out (None: none). Keeping that is the next step (:mod:`.takeover`).
    """

    settings: Settings
    projects: tuple[str, ...] = ()
    secrets_path: Path | None = None
    no_secrets: bool = False
    no_ssh: bool = False
    silence: float = 30.0
    away: AgentError | None = None
    passed: dict[str, str | None] = field(default_factory=dict)
