"""Runs real containers with whatever engine is there."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

IMAGE = "gros/data-gathering:test"
HOME = "/home/agent"
_SECONDS = 120


@dataclass(frozen=True)
class Engine:
    """An engine's client."""

    program: str

    def call(self, *arguments: str, stdin: str = "", ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; unless ``ok`` is false it must succeed."""
        done = subprocess.run(
            [self.program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"DOCKER_BUILDKIT": "1"},
        )
        assert not ok or done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def __call__(self, *arguments: str) -> str:
        """Run a command of the engine and return what it printed."""
        return self.call(*arguments).stdout

    def build(self, context: Path, tag: str, *options: str, buildkit: bool = True) -> str:
        """Build an image as the page says, and return the builder's words."""
        done = subprocess.run(
            [self.program, "build", *options, "-t", tag, "."],
            cwd=context,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"DOCKER_BUILDKIT": "1" if buildkit else "0"},
        )
        assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout + done.stderr

    def start(self, *options: str, image: str, command: tuple[str, ...] = ()) -> "Container":
        """Start a container in the background."""
        return Container(self, self("run", "--detach", *options, image, *command).strip())

    def inspect(self, what: str) -> Any:
        """Everything that the engine knows of an image or a container."""
        return json.loads(self("inspect", what))[0]


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    engine: Engine
    identifier: str

    def exec(self, *command: str, user: str | None = None, ok: bool = True) -> str:
        """Run a command in it and return what it printed."""
        options = ("--user", user) if user else ()
        done = self.engine.call("exec", *options, self.identifier, *command, ok=ok)
        return done.stdout + ("" if ok else done.stderr)

    def logs(self) -> str:
        """What it printed so far, both streams."""
        done = self.engine.call("logs", self.identifier)
        return done.stdout + done.stderr

    def wait(self, seconds: float = 60) -> int:
        """Its exit status, when it has ended."""
        done = subprocess.run(
            [self.engine.program, "wait", self.identifier], capture_output=True, text=True, timeout=seconds, check=True
        )
        return int(done.stdout)

    def state(self) -> Any:
        """Its state, as the engine has it."""
        return self.engine.inspect(self.identifier)["State"]

    def port(self) -> int:
        """Where its web interface is on this machine; it has to be published at a free port of 127.0.0.1."""
        (line, *_) = self.engine("port", self.identifier, "7070/tcp").splitlines()
        return int(line.rpartition(":")[2])

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Ask its web interface: status and text."""
        request = Request(f"http://127.0.0.1:{self.port()}{path}", method=method, headers=dict(headers or {}))
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310 (http, to this machine)
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def until(self, words: str, seconds: float = 30) -> str:
        """Wait until it has printed some words, and return all that it printed."""
        end = time.monotonic() + seconds
        while words not in (text := self.logs()):
            assert time.monotonic() < end, text
            assert self.state()["Running"] or words in self.logs(), self.logs()
            time.sleep(0.1)
        return text

    def until_ready(self, seconds: float = 30) -> float:
        """Wait until its web interface answers, and return the seconds that it took."""
        begun = time.monotonic()
        while True:
            try:
                if self.ask("/healthz")[0] == 200:
                    return time.monotonic() - begun
            except (URLError, OSError):
                assert time.monotonic() - begun < seconds, self.logs()
                assert self.state()["Running"], self.logs()
            time.sleep(0.02)

    def stop(self) -> tuple[int, float]:
        """Ask it to stop: its exit status, and the seconds that it took."""
        begun = time.monotonic()
        self.engine("stop", "--time", "30", self.identifier)
        return self.state()["ExitCode"], time.monotonic() - begun

    def remove(self) -> None:
        """End it, with its own volumes."""
        self.engine.call("rm", "--force", "--volumes", self.identifier)


def find_engine() -> Engine | str:
    """The engine that is there, or why there is none."""
    program = shutil.which("/usr/bin/docker") or shutil.which("docker")
    if program is None:
        return "there is no container engine: docker is not installed"
    done = subprocess.run([program, "info"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        return f"there is no container engine: docker info: {done.stderr.strip()}"
    return Engine(program)
