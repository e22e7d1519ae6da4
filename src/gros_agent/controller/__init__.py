"""The client side of the controller: HTTPS calls, files over SSH, and the pinning of certificates and host keys."""

from gros_agent.errors import AgentError, ExitStatus


class ControllerError(AgentError):
    """The controller can't be reached, refuses a request, or sends an invalid answer."""

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
        """Whether the controller does not know this agent or its key; perhaps another agent took its place."""
        self.answered = answered
        """The HTTP status of a refusal; None without an answer, or over SSH."""
        self.transient = transient
        """Whether another try may succeed: a connection broke, but nothing was refused."""
