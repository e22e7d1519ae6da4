"""Our side of the wire to the controller: HTTPS calls, files over SSH, and what pins both."""

from gros_agent.errors import AgentError, ExitStatus


class ControllerError(AgentError):
    """The controller can't be reached, refuses, or answers something that it should not."""

    status = ExitStatus.PREFLIGHT

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        own: str = "",
        transient: bool = False,
        answered: int | None = None,
        away: bool = False,
        stranger: bool = False,
    ) -> None:
        super().__init__(message, hint, own=own)
        self.away = away
        self.stranger = stranger
        """Whether the controller does not know this agent, or its key: somebody registered another one, perhaps."""
        self.answered = answered
        """The HTTP status of a refusal; None where nothing was answered, or over SSH."""
        self.transient = transient
        """Whether another try may go better: a connection broke, nothing was refused."""
