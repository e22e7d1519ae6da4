"""Registers the agent at the controller: sends its public key, and stores the project's secrets that come back."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gros_agent.controller import capabilities
from gros_agent.controller.https import ControllerClient, agent_key, agent_user
from gros_agent.controller.reach import controller_hosts, ssh_address
from gros_agent.controller.ssh import HostKeys, parse_key, read_private_key, shown_host_key
from gros_agent.deliver.delivery import abandon, export, finish_open
from gros_agent.errors import ConfigurationError
from gros_agent.privacy import secrets
from gros_agent.runtime.files import owner
from gros_agent.runtime.storage import exclusive, make_missing, make_private, replace_file, storage_errors
from gros_agent.settings.model import ProjectSettings, Settings

log = logging.getLogger(__name__)

RSA_BITS = 4096
RSA_NAME = "id_rsa"
"""A key file of this name holds an RSA key, since the configuration web interface uses this name for one."""


@dataclass(frozen=True)
class Registered:
    """The result of a registration. ``pinned`` says where the SSH host key came from."""

    project: str
    agent: str
    user: str
    key: Path
    made_key: bool
    secrets: Path
    pinned: str

    def rows(self) -> dict[str, str]:
        """The registration as a table of names and texts, for output."""
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
class RegistrationOptions:
    """Options of a registration.

    ``key`` and ``known_hosts`` are other files than the defaults. ``rotate`` makes a new key pair; ``no_ssh`` makes no
    SSH connection. ``finish`` finishes open deliveries first, and is false if the caller has done so. ``force`` gives
    them up (:func:`~gros_agent.deliver.delivery.abandon`), and takes the run lock for that.
    """

    key: Path | None = None
    known_hosts: Path | None = None
    rotate: bool = False
    no_ssh: bool = False
    finish: bool = True
    force: bool = False


def plan(project: ProjectSettings, key: Path | None, *, rotate: bool) -> str:
    """A phrase that says what a registration would send."""
    path = key or project.settings.key
    if rotate or not path.exists():
        return f"a new public key, to be made at {path}, as agent {agent_key(project)}"
    return f"{public_line(path)}, as agent {agent_key(project)}"


def register(project: ProjectSettings, options: RegistrationOptions) -> Registered:
    """Register a project, and store its secrets. Raises :class:`AgentError`.

    The controller removes all files of the agent, so open deliveries are finished first. With ``rotate`` a new key pair
    replaces the old one once the controller has accepted it.
    """
    make_private(project.home.state)
    hosts = HostKeys(options.known_hosts or controller_hosts(project.settings))
    everyone = tuple(dict.fromkeys((*project.settings.projects, project.key)))
    if options.force:
        with exclusive(project.home.run_lock, "a run of this agent"):
            for one in everyone:
                abandon(project.settings.project(one), options.known_hosts)
            return _register(project, options, hosts)
    if options.finish:
        finish_open(
            project.settings,
            everyone,
            lambda one: export(project.settings.project(one), known_hosts=options.known_hosts),
        )
    return _register(project, options, hosts)


def _register(project: ProjectSettings, options: RegistrationOptions, hosts: HostKeys) -> Registered:
    path, rotate = options.key or project.settings.key, options.rotate
    made = _new_pair(project.settings, options.key, rotate=rotate)
    answer = ControllerClient(project.settings).register(project.key, made.line if made else public_line(path))
    if made:
        _store(path, made)  # only after the controller accepted it; a key that is lost here is replaced by the next try
    stored = secrets.candidates(project.home.root, project.key)[0]
    if (before := secrets.find(project.home.root, project.key)) and secrets.read(before).salts != answer.secrets.salts:
        words = "the controller has other secrets for %s than before: people have other pseudonyms from now on"
        log.warning(words, project.key)
    secrets.write(stored, answer.secrets)
    capabilities.keep(project, answer.capabilities)
    pinned = _pin(project.settings, hosts, answer.host_keys, no_ssh=options.no_ssh)
    return Registered(project.key, agent_key(project), agent_user(project), path, made is not None, stored, pinned)


def _pin(settings: Settings, hosts: HostKeys, told: tuple[str, ...], *, no_ssh: bool) -> str:
    """Pin the SSH host keys that came over HTTPS; without any, the key that the host shows at first contact.

    Returns a phrase that says where the key came from.
    """
    host, port = ssh_address(settings)
    known = hosts.of(host, port)
    if told:
        keys = [parse_key(line) for line in told]
        if known and not set(keys) & set(known.values()):
            log.warning("the controller has other SSH host keys than the pinned ones: the new keys are pinned now")
        hosts.pin(host, port, keys)
        return "sent by the controller over HTTPS"
    if known:
        return "pinned before"
    if no_ssh:
        return "not pinned: no SSH connection with --no-ssh"
    shown = shown_host_key(host, port)
    hosts.pin(host, port, [shown])
    log.warning("pinned the SSH host key %s of %s as it was shown: compare it", shown.fingerprint, host)
    return f"as it was shown, {shown.fingerprint}"


@dataclass(frozen=True)
class _Pair:
    """A key pair in memory: the content of the private key's file, and the line of the public key."""

    private: bytes = field(repr=False)
    line: str


def _new_pair(settings: Settings, named: Path | None, *, rotate: bool) -> _Pair | None:
    """Make a new key pair, without storing it; None if the existing one is used.

    Raises :class:`ConfigurationError` if the pair could not be stored, or the agent was registered with another key.
    """
    path = named or settings.key
    if path.exists() and not rotate:
        return None
    if not path.exists():
        if rotate:
            raise ConfigurationError(f"{path}: there is no key to replace", "register without --rotate")
        if named is None:
            _check_earlier(settings, path)
    existing = next(one for one in path.absolute().parents if one.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{path}: the agent's key can't be stored: {existing} can't be written (it belongs to {owner(existing)})",
            f"let user {os.getuid()} write there, or mount it writable",
        )
    private = (
        rsa.generate_private_key(65537, RSA_BITS) if path.name == RSA_NAME else ed25519.Ed25519PrivateKey.generate()
    )
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return _Pair(content, public.decode())


def _check_earlier(settings: Settings, path: Path) -> None:
    """Raise :class:`ConfigurationError` if the agent was registered with the user's own key, as older versions did."""
    earlier = Path("~/.ssh/id_rsa").expanduser()
    is_known = controller_hosts(settings).exists() and any(
        secrets.find(settings.home.root, project) for project in settings.projects
    )
    if path == settings.home.key and path != earlier and is_known and earlier.exists():
        raise ConfigurationError(
            f"this agent is registered, there is no key {path}, and {earlier} is no longer used automatically",
            f"to keep that key: DEFINITIONS_CREDENTIALS_ENV=AGENT_KEY and AGENT_KEY={earlier}; "
            f"for a key of the agent's own: gros-agent register --path {path}",
        )


def _store(path: Path, pair: _Pair) -> None:
    make_missing(path.parent)
    with storage_errors(path.parent):
        replace_file(_public(path), pair.line.encode() + b"\n", 0o644)
        replace_file(path, pair.private, 0o600)  # in one step: half a key would make every later run fail


def public_line(path: Path) -> str:
    """The line of a public key, always the same bytes, without a newline at its end.

    The comment is left out, since it often names a person and a machine.
    """
    private = read_private_key(path)
    return f"{private.get_name()} {private.get_base64()}"


def _public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")
