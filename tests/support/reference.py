"""What the tables of a Git history must hold, found out the slow way: one plumbing call for each little question.

Nothing here shares code with the agent: commits are read as raw objects, changes with ``diff-tree`` one commit at a
time, branches by asking each merge what it brought.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True)
class Git:
    """Plumbing calls in one repository."""

    path: Path

    def __call__(self, *arguments: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> bytes:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-c", "core.quotePath=false", *arguments],
            cwd=self.path,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode in ok, (arguments, done.stderr)
        return done.stdout

    def lines(self, *arguments: str) -> list[str]:
        return self(*arguments).decode(errors="replace").splitlines()


Rows = list[dict[str, str]]


def text(content: bytes) -> str:
    return content.decode(errors="replace")


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def rows(path: Path, head: str, name: str, *since: str) -> tuple[Rows, Rows]:
    """The rows of commits and changed files for what leads to ``head`` and not to ``since``, not hashed."""
    git = Git(path)
    commits = git.lines("rev-list", "--topo-order", "--reverse", head, *(f"^{commit}" for commit in since))
    branches = dict(slow_branches(git, head))
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda commit: _commit(git, commit, head, branches.get(commit, "0"), name), commits))
    return [version for version, _ in found], [change for _, changes in found for change in changes]


def slow_branches(git: Git, head: str) -> Iterator[tuple[str, str]]:
    """Commit → branch: go through the merges of the default branch, the oldest first, and see what each brought."""
    seen: set[str] = set()
    for commit in git.lines("rev-list", "--first-parent", "--reverse", "--min-parents=2", head):
        brought = set(git.lines("rev-list", commit, f"^{commit}^1"))
        subject = git("log", "-1", "--format=%s", "--encoding=UTF-8", commit).decode(errors="replace").strip()
        for one in brought - seen - {commit}:
            yield one, subject_branch(subject)
        seen |= brought


def subject_branch(subject: str) -> str:
    for pattern in (
        r"Merge branch '(.*?)'",
        r"Merge pull request #\d+ from (\S+)",
        r"Merge remote-tracking branch 'origin/(.*?)'",
        r"Merged in (\S+) \(pull request #\d+\)",
    ):
        if match := re.match(pattern, subject):
            return match[1]
    return "0"


def _commit(git: Git, commit: str, head: str, branch: str, name: str) -> tuple[dict[str, str], Rows]:
    raw = git("cat-file", "commit", commit)
    header, _, body = raw.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    parents = 0
    for line in header.split(b"\n"):
        key, _, value = line.partition(b" ")
        parents += key == b"parent"
        fields.setdefault(key, value)
    encoding = fields.get(b"encoding", b"utf-8").decode()
    author, address, authored = _person(fields[b"author"], encoding)
    committed = _person(fields[b"committer"], encoding)[2]
    author, address = _mailmapped(git, head, author, address)
    message = body.decode(encoding, errors="replace")
    before = f"{commit}^1" if parents else EMPTY_TREE
    changes = _changes(git, commit, before, name)
    insertions = sum(int(change["insertions"]) for change in changes)
    deletions = sum(int(change["deletions"]) for change in changes)
    version = {
        "repo_name": name,
        "version_id": commit,
        "sprint_id": "0",
        "message": message,
        "type": _kind(parents, message),
        "developer": author or "0",
        "developer_username": author or "0",
        "developer_email": address or "0",
        "commit_date": moment(committed),
        "author_date": moment(authored),
        "branch": branch,
        "insertions": str(insertions),
        "deletions": str(deletions),
        "number_of_files": str(len(changes)),
        "number_of_lines": str(insertions + deletions),
        "size": str(len(raw)),
    }
    return version, changes


def _kind(parents: int, message: str) -> str:
    if parents > 1:
        return "merge"
    reverts = message.startswith('Revert "') or "\nThis reverts commit " in f"\n{message}"
    return "revert" if reverts else "commit"


def _person(line: bytes, encoding: str) -> tuple[str, str, int]:
    match = re.fullmatch(rb"(.*?) ?<([^>]*)>.*? (-?\d+) ([-+]\d+)", line, re.DOTALL)
    assert match, line
    return match[1].decode(encoding, "replace"), match[2].decode(encoding, "replace"), int(match[3])


def _mailmapped(git: Git, head: str, author: str, address: str) -> tuple[str, str]:
    exists = git("ls-tree", head, ".mailmap")
    if not exists or not address:
        return author, address
    contact = f"{author} <{address}>"
    answer = git("-c", f"mailmap.blob={head}:.mailmap", "check-mailmap", contact).decode(errors="replace").strip()
    name, _, rest = answer.rpartition("<")
    return name.strip(), rest.removesuffix(">")


def _changes(git: Git, commit: str, before: str, name: str) -> Rows:
    raw = git("diff-tree", "-r", "-M", "-z", "--raw", "--no-abbrev", before, commit).split(b"\0")
    counted = _numstat(git("diff-tree", "-r", "-M", "-z", "--numstat", before, commit).split(b"\0"))
    found: Rows = []
    records = iter(raw)
    for record in records:
        if not record:
            break
        _, mode, _, blob, kind = record[1:].split(b" ")
        path = next(records)
        if kind[:1] == b"R":
            path = next(records)
        gone = kind == b"D" or mode == b"160000"
        insertions, deletions = counted[path]
        found.append(
            {
                "repo_name": name,
                "version_id": commit,
                "file": text(path),
                "change_type": {"T": "M"}.get(kind[:1].decode(), kind[:1].decode()),
                "insertions": insertions,
                "deletions": deletions,
                "size": "0" if gone else git("cat-file", "-s", blob.decode()).decode().strip(),
            }
        )
    return found


def _numstat(records: list[bytes]) -> dict[bytes, tuple[str, str]]:
    found = {}
    rest = iter(records)
    for record in rest:
        if not record:
            break
        insertions, deletions, path = record.split(b"\t", 2)
        if not path:
            next(rest)
            path = next(rest)
        found[path] = (insertions.decode().replace("-", "0"), deletions.decode().replace("-", "0"))
    return found
