"""What the programs that connect for a source share: environment variables, ports, and SSH options."""

import atexit
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, quote

from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.options.hosts import Host
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import make_missing, replace_file, storage_errors
from gros_agent.sources.base import Context

_FROM_OUTSIDE = (
    *("PATH", "HOME", "TMPDIR", "LANG", "TZ", "LD_LIBRARY_PATH"),
    # lets users without an account have a name, as in a container
    *("LD_PRELOAD", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP"),
)


def from_outside() -> dict[str, str]:
    """The environment variables that are passed to programs, with a locale whose messages can be parsed."""
    return {name: os.environ[name] for name in _FROM_OUTSIDE if name in os.environ} | {"LC_ALL": "C.UTF-8"}


def port_of(host: Host, option: str = "port") -> int | None:
    """The configured port of a host. Raises :class:`SourceError` if it is invalid."""
    port = host.get(option)
    if port is None:
        return None
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SourceError(f"[{host.section}] {option} = {port}: this is not a port", "write a number below 65536")
    return int(port)


def with_port(parts: SplitResult, host: Host, username: str | None) -> SplitResult:
    """A URL with this user, and with the host's configured port instead of its own."""
    return parts._replace(netloc=address(parts, username, port_of(host) or parts.port))


def address(parts: SplitResult, username: str | None, port: int | None) -> str:
    """User, host and port, as they are written in a URL."""
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    user = f"{quote(username, safe='')}@" if username else ""
    return user + name + (f":{port}" if port else "")


def check_key_variable(host: Host) -> None:
    """Raise :class:`SourceError` if a host is configured with an SSH key whose variable is not set."""
    if host.unset_variable:
        raise SourceError(
            f"[{host.section}] env: the variable {host.unset_variable} is not set",
            "set it to the path of an SSH private key",
        )


def authorities(host: Host) -> Path | None:
    """The file with the certificates that verify a host. None means those that come with the library.

    Raises :class:`SourceError` if it can't be read.
    """
    if host.authorities is None:
        return None
    try:
        found = read_text(host.authorities, "the file with certificates")
    except ConfigurationError as error:
        raise SourceError(error.message, error.hint) from None
    if found is None:
        raise SourceError(f"{host.authorities}: there is no such file", f"see {host.authorities_from}")
    return host.authorities


def ssh_command(context: Context, port: int | None) -> list[str]:
    """The ssh command: it never prompts, uses the configured key, and pins the first host key that it sees.

    Raises :class:`SourceError` if the key is missing.
    """
    host = context.host
    command = ["ssh", "-oBatchMode=yes", "-oConnectTimeout=30", "-oServerAliveInterval=15", "-oServerAliveCountMax=4"]
    if host.key is not None:
        command += ["-F", os.devnull, "-oIdentitiesOnly=yes", "-i", str(_usable_key(host.key, host.section))]
    if host.is_on("unsafe_hosts"):
        command += ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR"]
    else:
        # the first key that a host shows is pinned; a different key is refused later
        make_missing(context.known_hosts.parent)
        command += ["-oStrictHostKeyChecking=accept-new", f"-oUserKnownHostsFile={_quoted(context.known_hosts)}"]
    if port:
        command.append(f"-oPort={port}")
    return command


def ssh_agent(host: Host) -> dict[str, str]:
    """The variable for the user's SSH agent, if no key is configured for the host."""
    wanted = "SSH_AUTH_SOCK" in os.environ and host.key is None
    return {"SSH_AUTH_SOCK": os.environ["SSH_AUTH_SOCK"]} if wanted else {}


def _usable_key(path: Path, section: str) -> Path:
    """A private key file that ssh accepts: this one, or a copy that exists while this process runs.

    ssh refuses a key that belongs to the user and that others may read, a key with CRLF line ends, and a key without a
    final newline. The configuration web UI writes such files.
    """
    try:
        text = read_text(path, "the SSH key")
    except ConfigurationError as error:
        raise SourceError(error.message, error.hint) from None
    if text is None:
        raise SourceError(f"{path}: there is no such SSH key", f"see env in [{section}]")
    whole = with_unix_lines(text)
    found = path.stat()
    is_refused = found.st_uid == os.getuid() and found.st_mode & 0o077
    if whole == text and not is_refused:
        return path
    copy = _folder_for_keys() / hashlib.sha256(str(path).encode()).hexdigest()[:16]
    with storage_errors(copy.parent):
        replace_file(copy, whole.encode(), 0o600)
    return copy


def with_unix_lines(key: str) -> str:
    """The text of a private key as ssh takes it: without CRLF, and with a final newline."""
    return key.replace("\r\n", "\n").rstrip("\n") + "\n"


@cache
def _folder_for_keys() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gros-agent-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _quoted(path: Path) -> str:
    """A path as ssh's option parser expects it."""
    return '"' + str(path).replace("%", "%%") + '"'
