"""Real counterparts on loopback: git over HTTP with basic authentication, and OpenSSH's server."""

import base64
import contextlib
import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(1200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers at port {port}")


@contextlib.contextmanager
def git_daemon(folder: Path) -> Iterator[int]:
    """Git's own server."""
    port = free_port()
    arguments = [
        "daemon",
        "--export-all",
        "--listen=127.0.0.1",
        f"--port={port}",
        f"--base-path={folder}",
        "--reuseaddr",
    ]
    with subprocess.Popen(["git", *arguments, str(folder)], process_group=0, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield port
        finally:
            os.killpg(server.pid, signal.SIGTERM)


@dataclass
class HttpServer:
    """Where git's smart HTTP server runs, and which Authorization headers reached it. ``latency`` is in seconds."""

    port: int
    authorizations: list[str] = field(default_factory=list)
    latency: float = 0.0


@contextlib.contextmanager
def git_http(
    folder: Path, username: str, password: str, tls: tuple[Path, Path] | None = None, host: str = "127.0.0.1"
) -> Iterator[HttpServer]:
    """Git's smart HTTP server (git http-backend) behind basic authentication; ``tls`` is a certificate and its key."""
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            self.answer(b"")

        def do_POST(self) -> None:
            self.answer(_body(self))

        def answer(self, body: bytes) -> None:
            time.sleep(server.latency)
            authorization = self.headers.get("Authorization")
            if authorization:
                server.authorizations.append(authorization)
            if authorization != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, headers, content = _git_backend(folder, username, self, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    with Server((host, 0), Handler) as listener:
        server = HttpServer(listener.server_address[1])
        if tls:
            listener.socket = _secured(listener.socket, *tls)
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """What a request brings, in one piece or in chunks."""
    if length := int(request.headers.get("Content-Length") or 0):
        return request.rfile.read(length)
    content = b""
    while size := int(request.rfile.readline(), 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return content


def _git_backend(
    folder: Path, username: str, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content that git http-backend answers."""
    path, _, query = request.path.partition("?")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": username,
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers.pop("Status", "200 OK").split()[0]), headers, content


def _secured(listener: socket.socket, certificate: Path, key: Path) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)


@dataclass
class SshServer:
    """Where OpenSSH's server listens, whose key it takes, and where its host key lies."""

    port: int
    key: Path
    host_key: Path
    user: str


def make_key(path: Path, rsa_bits: int | None = None, passphrase: str = "") -> Path:
    """Write a private key, Ed25519 unless it is to be RSA, and its public key beside it."""
    private = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ed25519.Ed25519PrivateKey.generate()
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(private.private_bytes(*form, lock))
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(f"{path.name}.pub").write_bytes(public + b" a test\n")
    return path


@contextlib.contextmanager
def ssh_server(
    folder: Path,
    port: int | None = None,
    options: str = "",
    accounts: Path | None = None,
) -> Iterator[SshServer]:
    """OpenSSH's server for the user who runs the tests. Skips where there is none.

    ``options`` stand at the end of its configuration; ``accounts`` is what it sees in place of /etc/passwd, in a mount
    namespace of its own, which only root can make.
    """
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    missing = [name for name in ("ssh", "scp") if shutil.which(name) is None] + ([] if program else ["sshd"])
    if program is None or missing:
        pytest.skip(f"OpenSSH is not complete on this machine: there is no {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    host_key, key = folder / "host_key", folder / "user_key"
    for path in (host_key, key):
        if not path.exists():
            make_key(path)
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"{options}"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
    if accounts:
        script = 'mount --bind "$1" /etc/passwd; shift; exec "$@"'
        command = ["unshare", "--mount", "sh", "-ec", script, "sh", str(accounts), *command]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield SshServer(port, key, host_key, getpass.getuser())
        finally:
            server.terminate()
