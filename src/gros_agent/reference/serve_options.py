"""The options of a controller's operator."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import msgspec

from gros_agent.database.loading import check_url
from gros_agent.errors import ConfigurationError
from gros_agent.privacy.secrets import UsernamePattern
from gros_agent.reference.store import KEY
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import read_text

Networks = Mapping[str, tuple[IPv4Network | IPv6Network, ...]]


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of ``controller serve``. A scrape is due ``days`` days minus ``drift`` minutes after the last one.

    Batches are loaded into the database at the URL ``load_to``, unless it is empty. The commands that the
    controller starts have the options ``command_options``.
    """

    folder: Path
    listen: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    https_port: int = 8443
    ssh_port: int = 8022
    sftp: bool = True
    scp: bool = True
    projects: tuple[str, ...] = ()
    days: int | None = None
    drift: int = 0
    networks: Networks = field(default_factory=dict)
    publish: Path | None = None
    environment: Path | None = None
    usernames: tuple[UsernamePattern, ...] = ()
    load_to: str = ""
    command_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the options before anything starts. Raises :class:`ConfigurationError`."""
        try:
            ip_address(self.listen)
        except ValueError:
            raise ConfigurationError(
                f"option --listen: {self.listen!r} is not an IP address", "try 127.0.0.1"
            ) from None
        for key in (*self.projects, *self.networks):
            if not KEY.fullmatch(key):
                raise ConfigurationError(f"{key!r} is not a project key", "a key consists of upper-case letters")
        if self.environment:
            self.contents()
        if self.load_to:
            check_url(self.load_to)

    def contents(self) -> str:
        """The content of the environment file that agents get for a scrape. Raises :class:`ConfigurationError`."""
        if self.environment is None:
            return ""
        text = read_text(self.environment, "the environment file")
        if text is None:
            raise ConfigurationError(f"{self.environment}: there is no such file", "correct --environment")
        return text

    def sees(self, address: str, project: str) -> bool:
        """Whether a client at an address may access a project. Without an allow-list everybody may."""
        allowed = self.networks.get(project)
        return allowed is None or any(ip_address(address) in network for network in allowed)


def parse_networks(texts: Iterable[str]) -> Networks:
    """Parse ``KEY=CIDR`` options. Raises :class:`ConfigurationError`."""
    found: dict[str, tuple[IPv4Network | IPv6Network, ...]] = {}
    for text in texts:
        key, _, network = text.partition("=")
        try:
            found[key] = (*found.get(key, ()), ip_network(network))
        except ValueError as error:
            raise ConfigurationError(f"option --network {text!r}: {error}", "write KEY=192.0.2.0/24") from None
    return found


def read_usernames(path: Path | None) -> tuple[UsernamePattern, ...]:
    """Read the username patterns that agents get. Raises :class:`ConfigurationError`."""
    text = read_text(path, "the username patterns") if path else "[]"
    if text is None:
        raise ConfigurationError(f"{path}: there is no such file", "correct --usernames")
    try:
        return decoder(tuple[UsernamePattern, ...]).decode(text)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path}: {error}", 'write a JSON list of {"prefix": …, "replace": …}') from None
