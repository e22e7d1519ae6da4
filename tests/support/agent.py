"""Runs the command as a user does, and reads what it left."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gros_agent.tables.batch import ProjectFolder
from support import importer

ROOT = Path(__file__).parent.parent.parent
SALT, PEPPER = "some salt", "some pepper"
Rows = list[dict[str, Any]]
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH")


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
        self._check_batches()
        return Finished(process.returncode, output, errors)

    def given(self, content: bytes, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> Finished:
        """Run the command with this standard input. What lies in the home is not checked."""
        done = subprocess.run(
            [sys.executable, "-m", "gros_agent", *map(str, arguments)],
            cwd=self.home,
            env=self.environment(variables),
            input=content,
            capture_output=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def _check_batches(self) -> None:
        """Whatever a test is about: the existing importer must take each batch that lies here afterwards."""
        for manifest in self.home.glob("export/*/.batch.json"):
            project = manifest.parent.name
            told = self.home / "state" / "controllers" / f"{project}.json"
            whole = told.exists() and "whole-numbers" in told.read_text()
            assert not importer.problems(manifest.parent, whole_numbers=whole)
            if kept := os.environ.get("GROS_KEEP_BATCHES"):
                _keep(manifest.parent, Path(kept))

    def scrape(self, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> Finished:
        """Scrape the project TEST, after somebody has fetched what the scrape before brought."""
        ProjectFolder(self.export()).mark_delivered(datetime.now(UTC))
        return self("scrape", "--project", "TEST", *arguments, variables=variables)

    def export(self, project: str = "TEST") -> Path:
        return self.home / "export" / project


def _keep(batch: Path, folder: Path) -> None:
    """Copy a batch to a folder, for trying it with an importer by hand; one folder for each test, then each batch."""
    identifier = json.loads((batch / ".batch.json").read_text())["identifier"]
    test = re.sub(r"[^A-Za-z0-9.-]+", "_", os.environ.get("PYTEST_CURRENT_TEST", "no-test").partition(" ")[0])
    made = sorted((folder / test).glob("*")) if (folder / test).exists() else []
    if not any(one.name.endswith(identifier) for one in made):
        shutil.copytree(batch, folder / test / f"{len(made):03}-{identifier}" / batch.name, symlinks=True)


def table(agent: Agent, name: str) -> Rows:
    """The rows of a table."""
    rows: Rows = json.loads((agent.export() / f"{name}.json").read_text(encoding="utf-8"))
    return rows


def give_secrets(agent: Agent, project: str = "TEST") -> None:
    """Give a project secrets that the tests know."""
    path = agent.home / "secrets" / f"{project}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps({"salts": {"salt": SALT, "pepper": PEPPER}, "usernames": []}))
    path.chmod(0o600)
