"""Builds repositories with real git, the same each time."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

AUTHOR = ("Ada Author", "ada@author.example")
COMMITTER = ("Carl Committer", "carl@committer.example")
START = 1_600_000_000


@dataclass
class Repository:
    """A repository with a working tree; every commit is a minute after the one before."""

    path: Path
    moment: int = START
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path, *options: str) -> "Repository":
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--initial-branch=main", *options)
        return repository

    def environment(self) -> dict[str, str]:
        self.moment += 60
        return {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_EDITOR": "true",
            "GIT_AUTHOR_NAME": AUTHOR[0],
            "GIT_AUTHOR_EMAIL": AUTHOR[1],
            "GIT_AUTHOR_DATE": f"{self.moment} +0200",
            "GIT_COMMITTER_NAME": COMMITTER[0],
            "GIT_COMMITTER_EMAIL": COMMITTER[1],
            "GIT_COMMITTER_DATE": f"{self.moment} +0200",
            "HOME": os.devnull,
            "TZ": "UTC",
            **self.variables,
        }

    def git_bytes(self, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.git_bytes(*arguments, stdin=stdin).decode(errors="replace").strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "a change", files: Mapping[str, str | bytes] | None = None) -> str:
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def count(self) -> int:
        return int(self.git("rev-list", "--count", "HEAD"))

    @property
    def url(self) -> str:
        return self.path.as_uri()


def linear_history(path: Path, commits: int) -> Repository:
    """A history of any length, made in no time: a file changes, a file comes, now and then one goes."""
    repository = Repository.make(path)
    stream = []
    for number in range(1, commits + 1):
        person = number % 7
        stream.append(
            f"commit refs/heads/main\nmark :{number}\n"
            f"author Person {person} <p{person}@people.example> {START + number} +0000\n"
            f"committer Person {person} <p{person}@people.example> {START + number} +0000\n"
        )
        message = f"change {number}\n\nwith some words\n"
        stream.append(f"data {len(message)}\n{message}")
        content = f"line {number}\n" * (number % 5 + 1)
        stream.append(f"M 100644 inline changing.txt\ndata {len(content)}\n{content}\n")
        stream.append(f"M 100644 inline folder{number % 13}/file{number}.txt\ndata {len(content)}\n{content}\n")
        if number > 20:
            old = number - 20
            stream.append(f"D folder{old % 13}/file{old}.txt\n")
    repository.git("fast-import", "--quiet", stdin="".join(stream).encode())
    repository.git("update-ref", "HEAD", "refs/heads/main")
    return repository
