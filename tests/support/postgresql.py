"""A PostgreSQL server on loopback, of the version that is installed, run by a user other than root."""

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

OLDEST = 15
PASSWORD = "a pass/word@of the:server"
START_SECONDS = 60


def programs() -> Path | None:
    """The folder with initdb and postgres, of the newest version that is there; None if none is new enough."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    found = [path for path in found if int(path.parent.name) >= OLDEST]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@dataclass
class Server:
    """A running server; its superuser logs in over TCP with a password, and over its socket without."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    names: list[str] = field(default_factory=list)

    def url(self, name: str, password: str = "") -> str:
        """The URL of a database, over TCP with a password if there is one, else over the socket."""
        host = f"owner:{password}@127.0.0.1:{self.port}" if password else "owner@"
        rest = "" if password else f"?host={self.folder}&port={self.port}"
        return f"postgresql://{host}/{name}{rest}"

    def new(self) -> str:
        """Make a database, and return the URL to it."""
        name = f"test_{secrets.token_hex(4)}"
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def connect(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url(name), autocommit=True)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=START_SECONDS)


def _user() -> str | None:
    """The user to run the server as, if we are root, as which it refuses to run."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("there is no user postgres or nobody to run PostgreSQL as")


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Start a server, and stop it at the end. Skips where PostgreSQL is not installed."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip(f"PostgreSQL {OLDEST} or newer is not installed")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="gros-pg-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    word = folder / "password"
    word.write_text(PASSWORD)
    word.chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    plain = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "Asia/Kolkata"}
    options = ("-U", "owner", "-E", "UTF8", "-N", "--auth-local=trust", "--auth-host=scram-sha-256")
    made = subprocess.run(
        [str(bin_folder / "initdb"), "-D", str(data), "--pwfile", str(word), *options],
        user=user,
        cwd=folder,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(folder)}
    settings |= {"fsync": "off", "shared_buffers": "32MB"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(bin_folder / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())],
            user=user,
            cwd=folder,
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Server(folder, port, process)
    try:
        _wait(running)
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


def _wait(running: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            running.connect("postgres").close()
        except psycopg.OperationalError:
            assert running.process.poll() is None, (running.folder / "log").read_text()
            assert time.monotonic() < end, (running.folder / "log").read_text()
            time.sleep(0.05)
        else:
            return
