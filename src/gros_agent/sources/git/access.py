"""The URL and credentials for git, without credentials in a URL, argument list or configuration file.

Git gets a password through a credential helper that prints an environment variable. It only runs the helper for the
scheme, host and port that the password belongs to.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlunsplit

from gros_agent.errors import MachineError, SourceError
from gros_agent.options.hosts import Host
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import SCP, split
from gros_agent.sources.base import Context
from gros_agent.sources.common.transport import (
    address,
    authorities,
    check_key_variable,
    from_outside,
    port_of,
    ssh_agent,
    ssh_command,
    with_port,
)

MINIMUM_VERSION = (2, 36)
"""The first git whose ``cat-file --batch-command`` has a ``flush`` command."""
PROTOCOLS = ("file", "git", "http", "https", "ssh")
"""The transports that git is allowed to use."""

_CONFIGURATION = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "attr.tree=refs/gros/no-attributes",  # since 2.43, the attributes of HEAD apply in a bare repository otherwise
    "core.commitGraph=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "protocol.version=2",
    "transfer.credentialsInUrl=die",
    "log.showSignature=false",
    "log.mailmap=true",
    "diff.renames=true",
    "diff.renameLimit=1000",
    "diff.algorithm=myers",
    "http.lowSpeedLimit=1",
)
_HELPER = '!f() { test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "$GROS_USERNAME" "$GROS_PASSWORD"; }; f'


def base_environment() -> dict[str, str]:
    """The variables for a git that does not connect: no configuration but ours, and no prompts."""
    environment = from_outside() | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
    }
    return configured(environment, _CONFIGURATION)


def configured(environment: Mapping[str, str], settings: tuple[str, ...]) -> dict[str, str]:
    """Add ``name=value`` configuration to the variables for git, after any existing configuration."""
    result = dict(environment)
    count = int(result.get("GIT_CONFIG_COUNT", "0"))
    for number, setting in enumerate(settings, start=count):
        name, _, value = setting.partition("=")
        result |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return result | {"GIT_CONFIG_COUNT": str(count + len(settings))}


@dataclass(frozen=True)
class Access:
    """A URL without credentials, and the environment variables for a git that connects to it."""

    url: str
    environment: Mapping[str, str]


def resolve(context: Context) -> Access:
    """Determine how to connect to a repository. Raises :class:`SourceError` for an invalid or forbidden URL."""
    entry, host = context.entry, context.host
    parts = split(entry.url)
    if parts.scheme not in {*PROTOCOLS, SCP}:
        raise SourceError(
            f"{entry.url}: the transport {parts.scheme} is not allowed",
            f"use one of {', '.join(PROTOCOLS)}, or a path",
        )
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        # a bundle is a file, and git only reads it by its path
        return Access(str(path) if path.is_file() else entry.url, base_environment())
    check_key_variable(host)
    username = entry.username
    if parts.scheme in {"http", "https"} and host.key is not None:
        parts = _over_ssh(parts, host)
    if parts.scheme in {"ssh", SCP}:
        return _ssh(context, parts, host.username("ssh") or username)
    if parts.scheme == "git":
        return Access(urlunsplit(with_port(parts, host, None)), base_environment())
    return _http(context, with_port(parts, host, None), host.username("http") or username)


def _over_ssh(parts: SplitResult, host: Host) -> SplitResult:
    """The SSH form of an HTTP(S) URL, for a host with a configured key."""
    path = parts.path
    strip = host.get("strip")
    if strip and path.startswith(f"/{strip.strip('/')}/"):
        path = path[len(strip.strip("/")) + 1 :]
    return SplitResult("ssh", address(parts, None, None), path, "", "")


def _ssh(context: Context, parts: SplitResult, username: str | None) -> Access:
    username = username or (unquote(parts.username) if parts.username else None)
    port = port_of(context.host) if parts.scheme == SCP else None
    command = ssh_command(context, port)
    environment = base_environment() | {"GIT_SSH_COMMAND": shlex.join(command), "GIT_SSH_VARIANT": "ssh"}
    environment |= ssh_agent(context.host)
    if parts.scheme == SCP:
        user = f"{username}@" if username else ""
        return Access(f"{user}{parts.netloc.rpartition('@')[2]}:{parts.path}", environment)
    return Access(urlunsplit(with_port(parts, context.host, username)), environment)


def _http(context: Context, parts: SplitResult, username: str | None) -> Access:
    host = context.host
    password = host.secret("password") or context.entry.password
    if password is None:
        username, password = _token(host)
    url = urlunsplit(parts)
    settings = [f"http.lowSpeedTime={max(1, int(context.silence))}"]
    if host.is_on("unsafe_hosts"):
        settings.append("http.sslVerify=false")
    elif path := authorities(host):
        settings.append(f"http.sslCAInfo={path}")
    environment = {**base_environment(), **context.proxies}
    if password is not None:
        origin = f"{parts.scheme}://{parts.netloc}"
        settings += [f"credential.{origin}.helper=", f"credential.{origin}.helper={_HELPER}"]
        environment |= _credentials(username or "git", password)
    return Access(url, configured(environment, tuple(settings)))


def _token(host: Host) -> tuple[str | None, Secret | None]:
    """The host's API token and the user name to use with it: the token gives access to repositories too."""
    found = ((one.git_user, host.secret(one.name)) for one in host.declared.values() if one.git_user)
    return next(((name, token) for name, token in found if token is not None), (None, None))


def _credentials(username: str, password: Secret) -> dict[str, str]:
    if "\n" in username or "\n" in password.reveal():
        raise SourceError("a user name or password contains a line break", "correct the credentials file")
    return {"GROS_USERNAME": username, "GROS_PASSWORD": password.reveal()}


@cache
def installed_version() -> tuple[int, ...]:
    """The version of the installed git. Raises :class:`SourceError` if it is not installed."""
    try:
        answer = subprocess.run(
            ["git", "version"], env=base_environment(), capture_output=True, check=True, timeout=30, text=True
        )
    except (OSError, subprocess.SubprocessError):
        raise MachineError("git is not installed, or does not start", "install git") from None
    match = re.search(r"\d+(?:\.\d+)+", answer.stdout)
    return tuple(map(int, match[0].split("."))) if match else (0,)


def supported_version() -> str:
    """The version of git as text. Raises :class:`SourceError` if it is too old."""
    version = installed_version()
    text = ".".join(map(str, version))
    if version < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise SourceError(f"git {text} is too old", f"install git {wanted} or newer")
    return text
