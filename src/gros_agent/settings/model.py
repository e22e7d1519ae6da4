"""The settings as the rest of the agent sees them: frozen, and with the origin of every value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gros_agent.errors import ConfigurationError
from gros_agent.options.hosts import Host
from gros_agent.options.values import Value
from gros_agent.runtime.masking import MASK
from gros_agent.settings import authorities
from gros_agent.settings.environment import VARIABLES, AgentVariables
from gros_agent.settings.home import Home
from gros_agent.settings.template import (
    SECRET_VARIABLES,
    Sections,
    is_declared_secret,
    is_secret,
    is_secret_host_option,
)
from gros_agent.sources import host_options

HTTPS_PORT = 443


class InvalidPortError(ConfigurationError):
    """A port of the controller is not a number from 1 to 65535."""


@dataclass(frozen=True)
class Settings:
    """All settings of one run. They are created by :func:`gros_agent.settings.load.load` and never change."""

    home: Home
    environment: AgentVariables
    sections: Sections
    hosts: Sections
    settings_file: Path
    credentials_file: Path
    warnings: tuple[str, ...] = ()

    def value(self, section: str, option: str, project: str | None = None) -> Value | None:
        """The value of an option. A value for the project takes precedence."""
        content = self.sections.get(section, {})
        if project is not None and (specific := content.get(f"{option}.{project.lower()}")):
            return specific
        return content.get(option)

    def get(self, section: str, option: str, project: str | None = None) -> str | None:
        """The text of an option, or None if it is missing or switched off."""
        value = self.value(section, option, project)
        return value.effective if value else None

    def project(self, key: str) -> "ProjectSettings":
        """The settings of one project."""
        return ProjectSettings(self, key)

    @property
    def projects(self) -> tuple[str, ...]:
        """The configured project keys, starting with the agent key."""
        named = (key.upper() for key in self.sections.get("projects", {}))
        return tuple(dict.fromkeys((*self.environment.projects, *named)))

    def controller(self, project: str | None = None) -> str | None:
        """The controller's host, or None if no controller is configured."""
        return self.get("ssh", "host", project)

    def controller_address(self) -> tuple[str, int] | None:
        """The controller's host and HTTPS port, or None.

        Raises :class:`ConfigurationError` if the address is invalid.
        """
        configured = self.controller()
        if configured is None:
            return None
        parts = urlsplit(f"//{configured}")
        try:
            own_port = parts.port
        except ValueError:
            value = self.value("ssh", "host")
            message = f"[ssh] host = {configured} ({value.origin if value else 'default'}): its port can't be read"
            raise ConfigurationError(message, "write HOST or HOST:PORT, with a port from 1 to 65535") from None
        return parts.hostname or configured, self.port("https_port") or own_port or HTTPS_PORT

    def port(self, option: str) -> int | None:
        """A port of the controller, or None if it is not set. Raises :class:`ConfigurationError` if it is invalid."""
        text = self.get("ssh", option)
        if text is None:
            return None
        if not text.isdecimal() or not 0 < int(text) < 1 << 16:
            value = self.value("ssh", option)
            origin = value.origin if value else "default"
            raise InvalidPortError(
                f"[ssh] {option} = {text} ({origin}): this is not a port", "write a number below 65536"
            )
        return int(text)

    @property
    def certificate(self) -> Path | None:
        """The controller's certificate file, or None if none is configured."""
        path = self.get("ssh", "cert")
        return self.home.resolve(path) if path else None

    @property
    def trusted(self) -> Path | None:
        """The file that verifies the controller: its certificate, or the trusted authorities."""
        return self.certificate or self._authorities()[0]

    def _authorities(self) -> tuple[Path | None, str]:
        """The file with the authorities for hosts without their own, and the origin of that file."""
        found = authorities.named(self.environment.get)
        if found is None:
            return authorities.of_the_system(), "the system's authorities"
        variable, path = found
        return self.home.resolve(path), variable

    @property
    def key(self) -> Path:
        """The agent's own SSH private key."""
        return self._key_of(self.environment.get("DEFINITIONS_CREDENTIALS_ENV")) or self.home.key

    def _key_of(self, variable: str | None) -> Path | None:
        path = self.environment.get(variable) if variable else None
        return self.home.resolve(path) if path else None

    def host(self, name: str, port: int | None = None) -> Host:
        """The options of a host in ``credentials.cfg``.

        A section with the port is preferred; a redirection is followed once.
        """
        section, address = self._section(name, port), ""
        options = self.hosts.get(section, {})
        if (target := options.get("host")) and target.effective:
            address = target.effective
            other, other_port = _split_host(address)
            section = self._section(other, other_port) or section
            options = self.hosts[section]
            own_port = options.get("port")
            if other_port and not (own_port and own_port.effective):
                options = {**options, "port": Value(str(other_port), target.origin)}
        env = options.get("env")
        variable = env.effective if env else None
        key = self._key_of(variable)
        unset = variable if variable and key is None else ""
        files = dict(self._files(options))
        cacert = files.get("cacert")
        trusted, origin = (cacert, f"cacert in [{section}]") if cacert else self._authorities()
        return Host(section, options, host_options(), key, unset, trusted, origin, files, address)

    def _files(self, options: Mapping[str, Value]) -> Iterator[tuple[str, Path]]:
        for name, declared in host_options().items():
            if declared.file and name in options and (path := options[name].effective):
                yield name, self.home.resolve(path)

    def _section(self, name: str, port: int | None) -> str:
        wanted = (f"{name}:{port}".lower(), name.lower()) if port else (name.lower(),)
        return next((section for section in wanted if section in self.hosts), "")

    def secrets(self) -> Iterator[str]:
        """Every secret in variables and configuration files, for redaction in the log.

        An unknown option is included only if its name looks like that of a secret. Nothing reads it, and its value may
        be any word.
        """
        for section, option, value, secret in self.rows():
            if secret and value.effective and (is_declared_secret(section, option) or _may_be_secret(option, value)):
                yield value.effective
        for name in SECRET_VARIABLES:
            if secret_text := self.environment.get(name):
                yield secret_text

    def rows(self) -> Iterator[tuple[str, str, Value, bool]]:
        """Every setting as section, option, value, and whether it is secret. Variables come first."""
        for name in VARIABLES:
            if name in self.environment.values:
                yield "environment", name, self.environment.values[name], name in SECRET_VARIABLES
        for section, options in self.sections.items():
            for option, value in options.items():
                yield section, option, value, is_secret(section, option)
        for section, options in self.hosts.items():
            for option, value in options.items():
                yield section, option, value, is_secret_host_option(option)


@dataclass(frozen=True)
class ProjectSettings:
    """The settings of one project: its key, its values, and its folder."""

    settings: Settings
    key: str

    @property
    def home(self) -> Home:
        """The agent's folders."""
        return self.settings.home

    @property
    def environment(self) -> AgentVariables:
        """The merged environment variables."""
        return self.settings.environment

    @property
    def folder(self) -> Path:
        """The folder with the project's tables, trackers and list of sources."""
        return self.home.export / self.key

    @property
    def team(self) -> str | None:
        """The project's team, as other systems call it."""
        return self.settings.get("teams", self.key.lower())

    @property
    def long_name(self) -> str | None:
        """The project's long name."""
        return self.settings.get("projects", self.key.lower())

    @property
    def controller(self) -> str | None:
        """The host of the project's controller, or None if no controller is configured."""
        return self.settings.controller(self.key)

    def value(self, section: str, option: str) -> Value | None:
        """The value of an option. A value for the project takes precedence."""
        return self.settings.value(section, option, self.key)

    def get(self, section: str, option: str) -> str | None:
        """The text of an option, or None if it is missing or switched off."""
        return self.settings.get(section, option, self.key)


_SECRET_NAME = re.compile(r"pass?w|pwd|tok[en]|secret|key|cred|auth")
_SECRET_LENGTH = 8


def _may_be_secret(option: str, value: Value) -> bool:
    return len(value.text.strip()) >= _SECRET_LENGTH and _SECRET_NAME.search(option) is not None


def _split_host(text: str) -> tuple[str, int | None]:
    name, _, port = text.rpartition(":")
    return (name, int(port)) if name and port.isdigit() else (text, None)


def masked(value: Value, *, secret: bool) -> str:
    """A value for display. Secrets are masked, and an empty value stays empty."""
    return MASK if secret and value.text else value.text
