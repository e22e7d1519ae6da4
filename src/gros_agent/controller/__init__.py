"""Our side of the wire to the controller: :mod:`.client` speaks HTTPS, :mod:`.ssh` moves files, :mod:`.tls` pins."""

from gros_agent.errors import AgentError, ExitStatus


class ControllerError(AgentError):
    """The controller can't be reached, refuses, or answers something that it should not."""

    status = ExitStatus.PREFLIGHT
