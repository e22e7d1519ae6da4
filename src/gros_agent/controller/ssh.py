"""Moves files to and from the controller over SSH: by SFTP if the server supports it, else by classic scp.

The host key is pinned; another key is refused with an error that has both fingerprints. Existing controllers permit
classic scp into ``~/export`` and out of ``~/update`` and refuse SFTP; newer ones support only SFTP. The first file
finds out.
"""

import base64
import logging
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko
import scp

from gros_agent.controller import ControllerError
from gros_agent.errors import ConfigurationError
from gros_agent.runtime.storage import make_missing, replace_file, storage_errors

DEFAULT_PORT = 22
CONNECT_SECONDS = 20.0
SILENCE_SECONDS = 60.0
"""Time limit for an answer about a file. It is long, since a slow line first has to transfer pending data."""
LARGEST_FETCHED = 128 << 20
"""Limit of a fetched file in bytes; a tracker has about a hundred bytes per source."""
FETCH_SECONDS = 600.0
"""Time limit for fetching a file, even if data keeps arriving slowly."""
_REQUEST = 128 << 10
"""Bytes in one SFTP write; OpenSSH takes messages of up to 256 KiB (SFTP_MAX_MSG_LENGTH)."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_GONE = re.compile("no such file", re.IGNORECASE)
_SSH_ERRORS = (paramiko.SSHException, scp.SCPException, EOFError, OSError)

# without a handler its thread's tracebacks would go to standard error; we report errors ourselves
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class HostKeys:
    """A ``known_hosts`` file with the keys of controllers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys = paramiko.HostKeys()
        if path.exists():
            try:
                self._keys.load(str(path))
            except (OSError, paramiko.SSHException) as error:
                raise ConfigurationError(f"{path}: the host keys can't be read: {error}", "correct the file") from None

    def of(self, host: str, port: int) -> dict[str, paramiko.PKey]:
        """The pinned keys of a host by key type."""
        found = self._keys.lookup(_entry(host, port))
        return dict(found.items()) if found else {}

    def pin(self, host: str, port: int, keys: Iterable[paramiko.PKey]) -> None:
        """Pin these keys of a host, and remove its old ones."""
        name = _entry(host, port)
        if self._keys.lookup(name):
            del self._keys[name]
        for key in keys:
            self._keys.add(name, key.get_name(), key)
        lines = (
            f"{pattern} {kind} {key.get_base64()}\n"
            for pattern, kinds in self._keys.items()
            for kind, key in kinds.items()
        )
        with storage_errors(self.path.parent):
            make_missing(self.path.parent)
            replace_file(self.path, "".join(lines).encode(), 0o600)


def read_private_key(path: Path) -> paramiko.PKey:
    """Read an SSH private key. Raises :class:`ConfigurationError`."""
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such SSH key", "gros-agent register makes it") from None
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: the SSH key can't be read: {reason}", "see preflight") from None


def parse_key(line: str) -> paramiko.PKey:
    """Parse the line of a public key. Raises :class:`ControllerError`."""
    try:
        kind, content = line.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(content))
    except Exception as error:  # noqa: BLE001 (paramiko fails on invalid input in many ways)
        raise ControllerError(f"the controller sent an invalid host key: {error}", "report it") from None


def _entry(host: str, port: int) -> str:
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


class Connection:
    """An SSH connection to the controller as the agent's user. All failures raise :class:`ControllerError`."""

    def __init__(self, host: str, port: int, user: str, key: Path, pinned: HostKeys) -> None:
        self._place = f"{host} port {port}"
        self._sftp: paramiko.SFTPClient | None = None
        self._classic = False
        private = read_private_key(key)
        known = pinned.of(host, port)
        if not known:
            raise ControllerError(
                f"no SSH host key is pinned for {self._place} in {pinned.path}", "register: that pins it"
            )
        try:
            plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
            self._transport = _start(plain, known)
        except _SSH_ERRORS as error:
            raise self._broken(error) from None
        try:
            check_host_key(self._transport.get_remote_server_key(), known, self._place, pinned.path)
            self._transport.auth_publickey(user, private)
        except paramiko.AuthenticationException as error:
            broken = not self._transport.is_active()  # paramiko reports that as failed authentication, too
            self._transport.close()
            if broken:
                raise self._broken(error) from None
            raise ControllerError(
                f"{self._place} refuses the key {key} for {user}", "register: that makes the key known", stranger=True
            ) from None
        except _SSH_ERRORS as error:
            self._transport.close()
            raise self._broken(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    @property
    def way(self) -> str:
        """The protocol for files: ``sftp``, or ``scp`` if the server refuses SFTP."""
        return "scp" if self._open_sftp() is None else "sftp"

    def put(self, source: Path, folder: str, name: str) -> None:
        """Upload a file. By SFTP it gets a temporary name, and is renamed once it is complete."""
        _check_name(name)
        sftp = self._open_sftp()
        try:
            if sftp is None:
                with self._scp() as client, source.open("rb") as stream:
                    client.putfo(stream, f"~/{folder}/{name}", size=source.stat().st_size)
            else:
                temporary = f"{folder}/.{name}.part"
                _upload(sftp, source, temporary)
                sftp.posix_rename(temporary, f"{folder}/{name}")
        except _SSH_ERRORS as error:
            raise self._broken(error, f"{name} could not be uploaded") from None

    def get(self, folder: str, name: str) -> bytes | None:
        """Download a file of up to :data:`LARGEST_FETCHED` bytes, or return None if it does not exist."""
        _check_name(name)
        sftp = self._open_sftp()
        fetching = _Fetching(self._place, name, self._transport)
        try:
            with fetching:
                if sftp is not None:
                    return self._download(sftp, folder, name, fetching)
                with tempfile.TemporaryDirectory(prefix="gros-agent-") as temporary, self._scp(fetching) as client:
                    target = Path(temporary) / name
                    client.get(f"~/{folder}/{name}", str(target))
                    return target.read_bytes()
        except _SSH_ERRORS as error:
            if _is_missing(error):
                return None
            fetching.check()
            raise self._broken(error, f"{name} could not be fetched") from None

    @staticmethod
    def _download(sftp: paramiko.SFTPClient, folder: str, name: str, fetching: "_Fetching") -> bytes:
        content = bytearray()
        with sftp.open(f"{folder}/{name}", "rb") as remote:
            remote.prefetch(min(remote.stat().st_size or 0, LARGEST_FETCHED))
            while block := remote.read(_REQUEST):
                content += block
                fetching(name, 0, len(content))
        return bytes(content)

    def exists(self, folder: str, name: str) -> bool:
        """Whether a file exists. By scp it has to be fetched for that, so ask for small files."""
        sftp = self._open_sftp()
        if sftp is None:
            return self.get(folder, name) is not None
        try:
            sftp.stat(f"{folder}/{name}")
        except FileNotFoundError:
            return False
        except _SSH_ERRORS as error:
            raise self._broken(error) from None
        return True

    def _open_sftp(self) -> paramiko.SFTPClient | None:
        if self._sftp is None and not self._classic:
            try:
                self._sftp = paramiko.SFTPClient.from_transport(self._transport)
            except _SSH_ERRORS as error:
                if not self._transport.is_active() or isinstance(error, TimeoutError):
                    raise self._broken(error) from None
                self._classic = True  # refused: an existing controller
            else:
                if self._sftp is not None and (channel := self._sftp.get_channel()) is not None:
                    channel.settimeout(SILENCE_SECONDS)
        return self._sftp

    def _scp(self, told: "_Fetching | None" = None) -> scp.SCPClient:
        # the tilde must arrive unquoted; our paths need no quotes
        return scp.SCPClient(self._transport, sanitize=False, socket_timeout=SILENCE_SECONDS, progress=told)

    def _broken(self, error: BaseException, what: str = "the SSH connection failed") -> ControllerError:
        words = str(getattr(error, "strerror", None) or error) or type(error).__name__
        hint = "try again; what is to be delivered is kept"
        return ControllerError(f"{self._place}: {what}: {words}", hint, transient=True, away=True)


class _Fetching:
    """Limits the size of a fetched file and the time for it, before and during the transfer.

    Slowly arriving data does not trigger the time-out for silence, so a timer closes the connection when the time is
    up.
    """

    def __init__(self, place: str, name: str, transport: paramiko.Transport) -> None:
        self._place = place
        self._name = name
        self._until = time.monotonic() + FETCH_SECONDS
        self._timer = threading.Timer(FETCH_SECONDS, transport.close)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def __call__(self, _name: bytes | str, size: int, so_far: int) -> None:
        """Raise :class:`ControllerError` if the file is too large, or takes too long."""
        if max(size, so_far) > LARGEST_FETCHED:
            raise ControllerError(
                f"{self._place}: {self._name} has more than {LARGEST_FETCHED} bytes",
                "have the controller's operator look at it: this file should be small",
            )
        self.check()

    def check(self) -> None:
        """Raise :class:`ControllerError` if the time is up."""
        if time.monotonic() >= self._until:
            raise ControllerError(
                f"{self._place}: {self._name} was not complete after {FETCH_SECONDS:g} s",
                "try again later; see what slows the controller down",
                transient=True,
            )


def _upload(sftp: paramiko.SFTPClient, source: Path, target: str) -> None:
    """Upload a file without waiting for each answer, and check that all of it arrived."""
    with source.open("rb") as stream, sftp.open(target, "wb") as remote:
        remote.MAX_REQUEST_SIZE = _REQUEST
        remote.set_pipelined(True)
        while block := stream.read(_REQUEST):
            remote.write(block)
    size = sftp.stat(target).st_size
    if size != source.stat().st_size:
        raise paramiko.SSHException(f"{size} bytes of {source.stat().st_size} arrived")


def _start(plain: socket.socket, known: dict[str, paramiko.PKey]) -> paramiko.Transport:
    """Do the SSH handshake, preferring host keys of the pinned types."""
    transport = paramiko.Transport(plain)
    transport.channel_timeout = CONNECT_SECONDS  # default: an hour
    options = transport.get_security_options()
    kinds = set(known) | ({"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in known else set())
    wanted = [kind for kind in options.key_types if kind in kinds]
    options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)  # encrypts and signs in one pass
    options.key_types = [*wanted, *(kind for kind in options.key_types if kind not in kinds)]
    try:
        transport.start_client(timeout=CONNECT_SECONDS)
    except BaseException as error:
        transport.close()
        if isinstance(error, Exception) and not isinstance(error, _SSH_ERRORS):
            # data before the key exchange has no integrity check, and paramiko fails on damage in many ways
            raise paramiko.SSHException(f"the handshake could not be parsed: {error}") from error
        raise
    return transport


def shown_host_key(host: str, port: int) -> paramiko.PKey:
    """The key that a host shows, without verifying it. Raises :class:`ControllerError` if it can't be reached."""
    try:
        transport = _start(socket.create_connection((host, port), timeout=CONNECT_SECONDS), {})
    except _SSH_ERRORS as error:
        raise ControllerError(
            f"no SSH connection to {host} port {port}: {error}", "check the host, the port and the network"
        ) from None
    try:
        return transport.get_remote_server_key()
    finally:
        transport.close()


def check_host_key(shown: paramiko.PKey, known: dict[str, paramiko.PKey], place: str, path: Path) -> None:
    """Raise :class:`ControllerError` with the fingerprints if a host shows another key than the pinned ones."""
    if shown in known.values():
        return
    pinned = ", ".join(key.fingerprint for key in known.values())
    raise ControllerError(
        f"{place} shows the SSH host key {shown.fingerprint}, pinned is {pinned}",
        f"find out why; if the change is legitimate, remove the host's lines from {path} and register",
    )


def _check_name(name: str) -> None:
    if not _PLAIN_NAME.fullmatch(name):
        raise ControllerError(f"{name!r} is not a valid file name for the controller", "report this as a mistake")


def _is_missing(error: BaseException) -> bool:
    return isinstance(error, FileNotFoundError) or _GONE.search(str(error)) is not None
