"""The SSH server: only with public keys, and only for files in the agent's folder, by SFTP and classic scp."""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

import asyncssh

from gros_agent.errors import ConfigurationError
from gros_agent.reference import scp
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.store import USER, State
from gros_agent.runtime.storage import replace_file, storage_errors

_PUBLIC_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\r\n]*)?")
_MAX_KEY = 16_384
_LOGIN_SECONDS = 30
_STRANGERS = 64
"""Limit of connections of one address that are not logged in; with more, the oldest is closed."""
Strangers = dict[asyncssh.SSHServerConnection, str]
"""The connections that are not logged in, the oldest first, with their addresses."""
_DEPTH = 3  # export/KEY/FILE


def is_public_key(text: str) -> bool:
    """Whether a text is one line with an OpenSSH public key, without options or anything else."""
    if len(text) > _MAX_KEY or not _PUBLIC_KEY.fullmatch(text):
        return False
    try:
        asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        return False
    return True


def ensure_host_key(folder: Path) -> asyncssh.SSHKey:
    """The server's host key, which is made at the first start. Raises :class:`ConfigurationError` if it is damaged."""
    path = folder / "ssh_host_key"
    with storage_errors(folder):
        if not path.exists():
            replace_file(path, asyncssh.generate_private_key("ssh-ed25519").export_private_key(), 0o600)
        content = path.read_bytes()
    try:
        return asyncssh.import_private_key(content)
    except asyncssh.KeyImportError as error:
        raise ConfigurationError(
            f"{path} is not an SSH key: {error}",
            "restore it from a backup, or remove it: agents will notice the new one",
        ) from None


def host_key_line(key: asyncssh.SSHKey) -> str:
    """The public part of a host key as agents get it: type and key, without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])


async def listen(state: State, options: ServeOptions, host_key: asyncssh.SSHKey) -> asyncssh.SSHAcceptor:
    """Start the server. Raises :class:`OSError` if it can't listen."""
    strangers: Strangers = {}

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.exit(await _run(process, state, options))

    def files(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return _Files(channel, str(state.home(_user(channel))).encode())

    return await asyncssh.listen(
        options.listen,
        options.ssh_port,
        server_factory=lambda: _Server(state, strangers),
        server_host_keys=[host_key],
        process_factory=handle,
        sftp_factory=files if options.sftp else None,
        encoding=None,
        allow_pty=False,
        agent_forwarding=False,
        line_editor=False,
        login_timeout=_LOGIN_SECONDS,
    )


def _user(channel: Any) -> str:  # noqa: ANN401 (channels of several kinds)
    return str(channel.get_extra_info("username"))


async def _run(process: asyncssh.SSHServerProcess[bytes], state: State, options: ServeOptions) -> int:
    command = scp.parse(process.command or "") if options.scp and not process.subsystem else None
    if command is None:
        process.stderr.write(b"This account is only for files: " + _offered(options) + b"\n")
        return 1
    return await scp.serve(process, state.home(_user(process.channel)), command)


def _offered(options: ServeOptions) -> bytes:
    ways = (["sftp"] if options.sftp else []) + (
        ["scp -t ~/export/KEY/, scp -f ~/update/KEY/FILE"] if options.scp else []
    )
    return ", ".join(ways).encode() or b"both protocols are switched off"


class _Server(asyncssh.SSHServer):
    """Accepts only agents, with the key that they registered."""

    def __init__(self, state: State, strangers: Strangers) -> None:
        self._state = state
        self._strangers = strangers
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Close connections of an address if it has too many that are not logged in."""
        self._connection = conn
        self._strangers[conn] = (conn.get_extra_info("peername") or ("",))[0]
        same = [one for one, address in self._strangers.items() if address == self._strangers[conn]]
        for one in same[:-_STRANGERS]:
            del self._strangers[one]
            one.abort()

    def auth_completed(self) -> None:
        """Note that the connection is logged in."""
        self._known()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        del exc
        self._known()

    def _known(self) -> None:
        if self._connection is not None:
            self._strangers.pop(self._connection, None)

    def public_key_auth_supported(self) -> bool:
        """Allow public keys, which are the only way to log in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether this is the key that the account registered."""
        text = self._state.public_key(username) if USER.fullmatch(username) else None
        return text is not None and asyncssh.import_public_key(text).public_data == key.public_data


class _Files(asyncssh.SFTPServer):
    """SFTP in the agent's folder. Links can't be made, and existing ones can't lead out of it."""

    def map_path(self, path: bytes) -> bytes:
        """The real path of a client's path; ``~/`` is the agent's folder.

        Raises an SFTP error if it leads out of it.
        """
        root = self._chroot or b""
        if path in {b"~", b"/~"} or path.startswith((b"~/", b"/~/")):
            path = path.lstrip(b"/")[1:]
        relative = posixpath.normpath(b"/" + path).lstrip(b"/")
        mapped = os.path.realpath(posixpath.join(root, relative)) if relative else root
        if mapped != root and not mapped.startswith(root + b"/"):
            raise asyncssh.SFTPPermissionDenied("this path leads out of the agent's folder")
        return mapped

    def _changeable(self, path: bytes) -> bytes:
        """Return ``path`` if it is a file in ``export/KEY/``; else raise an SFTP error: others are protected."""
        relative = os.path.relpath(self.map_path(path), self._chroot).split(b"/")
        if len(relative) != _DEPTH or relative[0] != b"export":
            raise asyncssh.SFTPPermissionDenied("only files in export/KEY/ can be changed")
        return path

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:  # noqa: ANN401 (the base's)
        """Open a file, ignoring the client's permissions."""
        del attrs
        if pflags & ~asyncssh.FXF_READ:
            self._changeable(path)
        return super().open(path, pflags, asyncssh.SFTPAttrs())

    def remove(self, path: bytes) -> None:
        """Remove a file."""
        super().remove(self._changeable(path))

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file."""
        super().rename(self._changeable(oldpath), self._changeable(newpath))

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, and replace an existing one."""
        super().posix_rename(self._changeable(oldpath), self._changeable(newpath))

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Set size and times of a file, but neither permissions nor owner."""
        super().setstat(self._changeable(path), _harmless(attrs))

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """The same for a path that is not followed."""
        super().lsetstat(self._changeable(path), _harmless(attrs))

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """The same for an open file."""
        super().fsetstat(file_obj, _harmless(attrs))

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Refused: registration makes the folders."""
        del path, attrs
        raise asyncssh.SFTPPermissionDenied("folders can't be made")

    def rmdir(self, path: bytes) -> None:
        """Refused."""
        del path
        raise asyncssh.SFTPPermissionDenied("folders can't be removed")

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Refused."""
        del oldpath, newpath
        raise asyncssh.SFTPPermissionDenied("links can't be made")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Refused."""
        del oldpath, newpath
        raise asyncssh.SFTPPermissionDenied("links can't be made")


def _harmless(attrs: asyncssh.SFTPAttrs) -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(
        size=attrs.size, atime=attrs.atime, mtime=attrs.mtime, atime_ns=attrs.atime_ns, mtime_ns=attrs.mtime_ns
    )
