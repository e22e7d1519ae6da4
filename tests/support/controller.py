"""Starts the reference controller as its operator does, and speaks to it as an agent does."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import requests

from support.servers import make_key

START_SECONDS = 20


@dataclass
class Controller:
    """A running controller."""

    https: int
    ssh: int
    certificate: Path
    folder: Path
    process: subprocess.Popen[str]
    log: Path
    session: requests.Session

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https}/auth/"

    def variables(self, home: Path, keys: str = "TEST", **more: str) -> dict[str, str]:
        """What leads an agent with a home to this controller; its key lies in the home."""
        return {
            "SSH_HOST": "127.0.0.1",
            "SSH_PORT": str(self.ssh),
            "SSH_HTTPS_PORT": str(self.https),
            "SSH_HTTPS_CERT": str(self.certificate),
            "JIRA_KEY": keys,
            "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY",
            "THE_KEY": str(home / "id_ed25519"),
            **more,
        }

    def request(self, method: str, call: str, data: Any = None, **query: str) -> requests.Response:
        return self.session.request(
            method, f"{self.url}{call}.py", params=query, data=data, verify=str(self.certificate), timeout=10
        )

    def get(self, call: str, **query: str) -> requests.Response:
        return self.request("GET", call, **query)

    def post(self, call: str, data: Any, **query: str) -> requests.Response:
        return self.request("POST", call, data, **query)

    def register(self, key: Path, project: str = "ABC", agent: str = "ABC") -> requests.Response:
        """Register the public part of a private key file."""
        text = key.with_name(f"{key.name}.pub").read_text().strip()
        return self.post("agent", {"public_key": text}, project=project, agent=agent)

    def export(
        self,
        files: Mapping[str, Sequence[str]],
        project: str = "ABC",
        user: str = "agent-ABC",
        batch: str | None = None,
        **form: str,
    ) -> requests.Response:
        """Announce a batch."""
        agent = {"user": user, "key": project, "hostname": "host", "version": "gros_agent/0.1 requests/2"}
        named = {"batch": batch} if batch else {}
        form = {"files": json.dumps(files), "agent": json.dumps(agent), **named, **form}
        return self.post("export", form, project=project)

    def home(self, agent: str = "ABC") -> Path:
        return self.folder / "agents" / f"agent-{agent}"

    def inbox(self, project: str = "ABC") -> list[Path]:
        """The batches that were taken, the oldest first."""
        return sorted((self.folder / "inbox" / project).glob("[0-9]*"))

    @contextlib.contextmanager
    def sftp(self, key: Path, user: str = "agent-ABC") -> Iterator[paramiko.SFTPClient]:
        with self.shell(key, user) as client:
            session = client.open_sftp()
            try:
                yield session
            finally:
                session.close()

    @contextlib.contextmanager
    def shell(self, key: Path, user: str = "agent-ABC") -> Iterator[paramiko.SSHClient]:
        """A connection that commands can be sent over."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        host_key = paramiko.Ed25519Key.from_private_key_file(str(self.folder / "ssh_host_key"))
        client.get_host_keys().add(f"[127.0.0.1]:{self.ssh}", host_key.get_name(), host_key)
        try:
            client.connect(
                "127.0.0.1",
                self.ssh,
                username=user,
                key_filename=str(key),
                allow_agent=False,
                look_for_keys=False,
                timeout=10,
            )
            yield client
        finally:
            client.close()

    def run(self, key: Path, command: str) -> tuple[int, str]:
        """Run a command over SSH. Returns its status and what it said on standard error."""
        with self.shell(key) as client:
            _, output, errors = client.exec_command(command, timeout=10)
            return output.channel.recv_exit_status(), errors.read().decode()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> int:
        self.session.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


def start(folder: Path, *options: str) -> Controller:
    """Start the command and wait until it says that it listens. An ``AssertionError`` has its log."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    arguments = ["controller", "serve", "--folder", str(folder), "--https-port", "0", "--ssh-port", "0", *options]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "gros_agent", *arguments],
            cwd=folder.parent,
            env={**inherited, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.wait()
        process.stdout.close()
        raise AssertionError(log.read_text())
    said = json.loads(line)
    session = requests.Session()
    session.trust_env = False
    session.headers["Connection"] = "close"  # a kept connection may be closed at the very moment of its next request
    paths = (Path(said["certificate"]), Path(said["folder"]))
    return Controller(said["https"], said["ssh"], *paths, process, log, session)


@contextlib.contextmanager
def controller(folder: Path, *options: str) -> Iterator[Controller]:
    """A controller that runs on free ports; the same folder again is a restart. Whatever happens, it ends."""
    running = start(folder, *options)
    try:
        yield running
    finally:
        running.session.close()
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        assert running.process.stdout
        running.process.stdout.close()


def client_key(folder: Path, name: str = "id") -> Path:
    """A private key for an agent, with its public key beside it."""
    return make_key(folder / name)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what another program does; the time is that of the busiest machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
