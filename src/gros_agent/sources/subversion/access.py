"""The URL and credentials for Subversion, with a private configuration folder and no password in an argument list.

The programs read a private folder (``--config-dir``) that exists for one call. So the user's configuration has no
effect, nothing is stored, and certificates, proxies and the password are only passed as described here. The password is
the first line of standard input (``--password-from-stdin``).
"""

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from gros_agent.errors import MachineError, SourceError
from gros_agent.options.values import Secret
from gros_agent.runtime.storage import storage_errors
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

MINIMUM_VERSION = (1, 14)
"""The oldest Subversion that is still maintained, and that has all the options in use."""
PROTOCOLS = ("file", "http", "https", "svn", "svn+ssh")
"""The transports that Subversion is allowed to use."""

_TRUSTED = "unknown-ca,cn-mismatch,expired,not-yet-valid,other"
_CONFIGURATION = "[auth]\npassword-stores =\n[helpers]\n[tunnels]\n[miscellany]\n"
_SERVERS = "store-passwords = no\nstore-auth-creds = no\nstore-plaintext-passwords = no\n"


@dataclass(frozen=True)
class Access:
    """A URL without credentials, and the settings for a program that connects to it.

    ``options`` are arguments, ``servers`` are lines of the configuration file with that name.
    """

    url: str
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()
    password: Secret | None = None
    timeout: int = 120
    servers: str = field(default="", repr=False)

    def at(self, path: str, revision: int) -> str:
        """The URL of a path below, in a revision. An ``@`` in a name is not taken as a peg revision."""
        below = f"/{quote(path)}" if path else ""
        return f"{self.url}{below}@{revision}"

    @property
    def stdin(self) -> bytes:
        """The standard input of the program."""
        return b"" if self.password is None else self.password.reveal().encode() + b"\n"


def resolve(context: Context) -> Access:
    """Determine how to connect to a repository. Raises :class:`SourceError` for an invalid or forbidden URL."""
    entry, host = context.entry, context.host
    parts = split(entry.url)
    if parts.scheme not in PROTOCOLS:
        shown = "user@host:path" if parts.scheme == SCP else parts.scheme
        raise SourceError(
            f"{entry.url}: the transport {shown} is not allowed", f"use one of {', '.join(PROTOCOLS)}, or a path"
        )
    # Subversion's canonical form of a URL has no final slash
    parts = parts._replace(path=quote(unquote(parts.path)).rstrip("/"), query="", fragment="")
    timeout = max(1, int(context.silence))
    if parts.scheme == "file":
        return Access(urlunsplit(parts), from_outside(), timeout=timeout)
    if parts.scheme == "svn+ssh":
        return _ssh(context, parts, timeout)
    username = host.username("http") or entry.username or (unquote(parts.username) if parts.username else None)
    password = host.secret("password") or entry.password
    if any("\n" in text for text in (username or "", password.reveal() if password else "")):
        raise SourceError("a user name or password contains a line break", "correct the credentials file")
    options = ["--username", username] if username else []
    if password is not None:
        options.append("--password-from-stdin")
    if host.is_on("unsafe_hosts"):
        options += ["--trust-server-cert-failures", _TRUSTED]
    url = urlunsplit(with_port(parts, host, None))
    servers = _proxy(url, context.proxies) + "ssl-trust-default-ca = yes\n"
    environment = from_outside()
    if path := authorities(host):
        # uses all certificates of the file and no others; its own configuration would only use the first
        environment |= {"SSL_CERT_FILE": str(path), "SSL_CERT_DIR": os.devnull}
    return Access(url, environment, tuple(options), password, timeout, servers)


def _ssh(context: Context, parts: SplitResult, timeout: int) -> Access:
    """Subversion passes only the host to its tunnel, so the port is in the command."""
    host = context.host
    check_key_variable(host)
    username = host.username("ssh") or context.entry.username or (unquote(parts.username) if parts.username else None)
    command = [*ssh_command(context, port_of(host) or parts.port), "--"]
    url = urlunsplit(parts._replace(netloc=address(parts, username, None)))
    return Access(url, from_outside() | ssh_agent(host) | {"SVN_SSH": shlex.join(command)}, timeout=timeout)


def _proxy(url: str, proxies: Mapping[str, str]) -> str:
    """The proxy in the environment for a URL, as lines of Subversion's configuration."""
    parts = urlsplit(url)
    found = proxies.get(f"{parts.scheme}_proxy") or proxies.get("all_proxy")
    if not found or parts.scheme not in {"http", "https"} or _needs_none(parts, proxies.get("no_proxy", "")):
        return ""
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    lines = [("host", proxy.hostname or ""), ("port", str(proxy.port or 80))]
    lines += [("username", unquote(proxy.username or "")), ("password", unquote(proxy.password or ""))]
    # a percent sign starts a placeholder in this file
    return "".join(f"http-proxy-{name} = {text.replace('%', '%%')}\n" for name, text in lines if text)


def _needs_none(parts: SplitResult, hosts: str) -> bool:
    """Whether a host, or a domain that it is in, is listed as needing no proxy. ``*`` matches all hosts."""
    listed = [one.strip().lstrip(".").lower() for one in hosts.split(",") if one.strip()]
    names = (parts.hostname or "", parts.netloc.lower())
    return "*" in listed or any(name == one or name.endswith(f".{one}") for one in listed for name in names)


@contextlib.contextmanager
def private_configuration(access: Access, folder: Path) -> Iterator[tuple[str, ...]]:
    """Make a private configuration folder for one call, and yield the options that all programs need."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="configuration-", dir=folder)
    with made as path:
        with storage_errors(folder):
            (Path(path) / "config").write_text(_CONFIGURATION, encoding="utf-8")
            servers = Path(path) / "servers"
            servers.touch(mode=0o600)
            content = f"[global]\n{_SERVERS}http-timeout = {access.timeout}\n{access.servers}"
            servers.write_text(content, encoding="utf-8")
        yield ("--non-interactive", "--no-auth-cache", "--config-dir", path, *access.options)


@cache
def installed_version() -> tuple[int, ...]:
    """The version of the installed Subversion. Raises :class:`SourceError` if it is not installed."""
    try:
        for program in ("svnrdump", "svnadmin", "svnserve", "svn"):
            answer = subprocess.run(
                [program, "--version", "--quiet"],
                env=from_outside(),
                capture_output=True,
                check=True,
                timeout=30,
                text=True,
            )
    except (OSError, subprocess.SubprocessError):
        raise MachineError("Subversion is not installed, or does not start", "install subversion") from None
    match = re.search(r"\d+(?:\.\d+)+", answer.stdout)
    return tuple(map(int, match[0].split("."))) if match else (0,)


def supported_version() -> str:
    """The version of Subversion as text. Raises :class:`SourceError` if it is missing or too old."""
    version = installed_version()
    text = ".".join(map(str, version))
    if version < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise SourceError(f"Subversion {text} is too old", f"install {wanted} or newer")
    return text
