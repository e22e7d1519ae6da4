"""The input and the results of checks."""

import enum
from dataclasses import dataclass, field
from pathlib import Path

from gros_agent.errors import AgentError, Own
from gros_agent.settings.model import Settings


class Verdict(enum.StrEnum):
    """The result of a check. ``AWAY``: the controller is unreachable, and batches wait in the outbox."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    AWAY = "away"
    NOT_DUE = "not due"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """The finding of one check, and what to do about it."""

    name: str
    status: Verdict
    detail: str
    hint: str = ""
    is_named_here: bool = True

    @property
    def logged_name(self) -> str:
        """The name for the log. Names that a server chose are not marked as our own text."""
        return Own(self.name) if self.is_named_here else self.name


@dataclass(frozen=True)
class Scope:
    """What to check: settings and projects, another secrets file, and checks to skip.

    If the controller is known to be ``away``, it is not asked again, since that could take a whole time-out. The checks
    fill ``passed``: the projects that the controller allows to be collected now, each with its environment text (None:
    no text). The next step (:mod:`.takeover`) stores these texts.
    """

    settings: Settings
    projects: tuple[str, ...] = ()
    secrets_path: Path | None = None
    no_secrets: bool = False
    no_ssh: bool = False
    silence: float = 30.0
    away: AgentError | None = None
    passed: dict[str, str | None] = field(default_factory=dict)
