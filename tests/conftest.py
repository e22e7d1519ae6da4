"""What all tests share: a guard that keeps them on this machine, a home, a way to run the command, real repositories."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support.repository import Repository

ROOT = Path(__file__).parent.parent
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH")


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[0] != "localhost" and not ip_address(address[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {address}: only loopback is allowed")


def pytest_configure() -> None:
    sys.addaudithook(_stay_here)


@dataclass(frozen=True)
class Finished:
    """What a run of the command left."""

    status: int
    output: str
    errors: str


@dataclass
class Agent:
    """Runs the command in a process of its own, with an environment that holds nothing of the machine's."""

    home: Path

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**inherited, "TZ": "UTC", **(variables or {})}

    def start(self, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gros_agent", *map(str, arguments)],
            cwd=self.home,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> Finished:
        with self.start(*arguments, variables=variables) as process:
            output, errors = process.communicate(timeout=120)
        return Finished(process.returncode, output, errors)

    def scrape(self, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> Finished:
        return self("scrape", "--project", "TEST", *arguments, variables=variables)

    def export(self, project: str = "TEST") -> Path:
        return self.home / "export" / project


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    home = tmp_path / "home"
    home.mkdir()
    return Agent(home)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    yield Repository.make(tmp_path / "repository")
