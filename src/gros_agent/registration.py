"""Makes the agent known to the controller: its key pair, its public key over there, a project's secrets back."""

import logging
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gros_agent import capabilities, open_deliveries
from gros_agent.controller.client import ControllerClient, agent_key, agent_user
from gros_agent.controller.reach import controller_hosts, ssh_address
from gros_agent.controller.ssh import HostKeys, parse_key, read_private_key, shown_host_key
from gros_agent.delivery import export, finish_open
from gros_agent.errors import ConfigurationError
from gros_agent.settings import secrets
from gros_agent.settings.model import Settings
from gros_agent.storage import make_private, replace_file, storage_errors

log = logging.getLogger(__name__)

RSA_BITS = 4096
RSA_NAME = "id_rsa"
"""A key file of this name holds an RSA key: the configuration web interface asks for it so."""


@dataclass(frozen=True)
class Registered:
    """What a registration did. ``pinned`` says how the SSH host key became known."""

    project: str
    agent: str
    user: str
    key: Path
    made_key: bool
    secrets: Path
    pinned: str

    def rows(self) -> dict[str, str]:
        """The registration as names and texts, for people and programs."""
        made = "made" if self.made_key else "kept"
        return {
            "project": self.project,
            "agent": self.agent,
            "user": self.user,
            "key": f"{self.key} ({made})",
            "secrets": str(self.secrets),
            "host key": self.pinned,
        }


@dataclass(frozen=True)
class Options:
    """How to register: another key or file of host keys, with a new key pair, without any SSH connection.

    Without ``finish`` somebody has seen to the open deliveries. With ``force`` they are given up, and their batches are
    delivered again, unless the controller has them.
    """

    key: Path | None = None
    known_hosts: Path | None = None
    rotate: bool = False
    no_ssh: bool = False
    finish: bool = True
    force: bool = False


def plan(settings: Settings, project: str, key: Path | None, *, rotate: bool) -> str:
    """What a registration would send, in words."""
    path = key or settings.key
    if rotate or not path.exists():
        return f"a new public key, to be made at {path}, as agent {agent_key(settings, project)}"
    return f"{public_line(path)}, as agent {agent_key(settings, project)}"


def register(settings: Settings, project: str, options: Options) -> Registered:
    """Register a project, and store its secrets. Raises :class:`AgentError`.

    The controller clears all that the agent has there, so open deliveries are finished first. With ``rotate`` a new
    key pair replaces the old one as soon as the controller took it.
    """
    make_private(settings.home.state)
    path, rotate = options.key or settings.key, options.rotate
    hosts = HostKeys(options.known_hosts or controller_hosts(settings))
    everyone = tuple(dict.fromkeys((*settings.projects, project)))
    if options.force:
        for one in everyone:
            open_deliveries.abandon(settings, one)
    elif options.finish:
        finish_open(settings, everyone, lambda one: export(settings, one, known_hosts=options.known_hosts))
    made = _make_pair(path, rotate=rotate)
    used = _next(path) if rotate else path
    answer = ControllerClient(settings).register(project, public_line(used))
    if rotate:
        with storage_errors(path.parent):
            _public(used).replace(_public(path))
            used.replace(path)
    stored = secrets.candidates(settings.home.root, project)[0]
    if (before := secrets.find(settings.home.root, project)) and secrets.read(before).salts != answer.secrets.salts:
        words = "the controller has other secrets for %s than before: people have other pseudonyms from now on"
        log.warning(words, project)
    secrets.write(stored, answer.secrets)
    capabilities.keep(settings, project, answer.capabilities)
    pinned = _pin(settings, hosts, answer.host_keys, no_ssh=options.no_ssh)
    return Registered(project, agent_key(settings, project), agent_user(settings, project), path, made, stored, pinned)


def _pin(settings: Settings, hosts: HostKeys, told: tuple[str, ...], *, no_ssh: bool) -> str:
    """Pin the SSH host key: those that came over HTTPS; else the one that is shown, the first time."""
    host, port = ssh_address(settings)
    known = hosts.of(host, port)
    if told:
        keys = [parse_key(line) for line in told]
        if known and not set(keys) & set(known.values()):
            log.warning("the controller tells other SSH host keys than those that were pinned: they are pinned now")
        hosts.pin(host, port, keys)
        return "told by the controller over HTTPS"
    if known:
        return "pinned before"
    if no_ssh:
        return "not pinned: no SSH connection with --no-ssh"
    shown = shown_host_key(host, port)
    hosts.pin(host, port, [shown])
    log.warning("pinned the SSH host key %s of %s as it was shown: compare it", shown.fingerprint, host)
    return f"as it was shown, {shown.fingerprint}"


def _make_pair(path: Path, *, rotate: bool) -> bool:
    """Make the key pair if it is missing, or another beside it for a rotation. Returns whether one was made."""
    if rotate:
        if not path.exists():
            raise ConfigurationError(f"{path}: there is no key to replace", "register without --rotate")
        for leftover in (_next(path), _public(_next(path))):
            leftover.unlink(missing_ok=True)
        _write_pair(_next(path), path.name)
        return True
    if path.exists():
        return False
    _write_pair(path, path.name)
    return True


def _write_pair(path: Path, name: str) -> None:
    private = rsa.generate_private_key(65537, RSA_BITS) if name == RSA_NAME else ed25519.Ed25519PrivateKey.generate()
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    with storage_errors(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(_public(path), public + b"\n", 0o644)
        replace_file(path, content, 0o600)  # all at once: half a key would stand in the way of every later run


def public_line(path: Path) -> str:
    """The one line of a public key, the same bytes each time, without a newline at its end.

    It has no comment: that of a key which somebody made names who did, and on which machine.
    """
    private = read_private_key(path)
    return f"{private.get_name()} {private.get_base64()}"


def _public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")
