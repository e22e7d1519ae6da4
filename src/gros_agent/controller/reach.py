"""The address of the controller's SSH server, and logging in there."""

from pathlib import Path

from gros_agent.controller.https import ControllerClient, agent_user
from gros_agent.controller.ssh import DEFAULT_PORT, Connection, HostKeys
from gros_agent.settings.model import ProjectSettings, Settings


def connect(project: ProjectSettings, known_hosts: Path | None = None) -> Connection:
    """Log in to the controller as the agent's user. Raises :class:`ControllerError`."""
    host, port = ssh_address(project.settings)
    pinned = HostKeys(known_hosts or controller_hosts(project.settings))
    return Connection(host, port, agent_user(project), project.settings.key, pinned)


def controller_hosts(settings: Settings) -> Path:
    """The file with the SSH host keys of the controller."""
    return settings.home.state / "controller_hosts"


def ssh_address(settings: Settings) -> tuple[str, int]:
    """Host and SSH port of the controller. Raises :class:`ControllerError` if no controller is configured."""
    host, _ = ControllerClient(settings).host
    return host, settings.port("port") or DEFAULT_PORT
