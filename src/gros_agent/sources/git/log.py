"""Reads commits with their changed files from ``git log``, in several processes at a time, in the requested order.

Each process gets a block of commits. While the output of the first one is processed, that of the others is read ahead
up to a limit. This keeps the order without threads, and memory does not grow with the history.

The output is a sequence of records that end with NUL: the seven fields of a commit, the first with a mark before it,
then for each changed file a ``--raw`` record and its paths, then for each file a ``--numstat`` record and its paths.
Paths are read by count, so that a path or message is never mistaken for another record.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gros_agent.errors import SourceError
from gros_agent.runtime import limits
from gros_agent.sources.common.capacity import Capacity
from gros_agent.sources.git.clone import Clone
from gros_agent.sources.git.order import Order
from gros_agent.sources.git.stream import GitStream, Readahead, split

BLOCK = 1024
"""Commits per process if several run: enough to make starting one cheap, and few enough to share them evenly."""
SINGLE_BLOCK = 4096
"""Commits for a process that runs alone."""
LARGEST_BLOCK = 1 << 30
"""Bytes that git may print for a block of commits. A commit that adds a million files has some 200 million."""
_OVERHEAD = 4
"""Bytes of memory for each byte of output, measured with changes of short paths."""
_ROOM = 32 << 20
"""Bytes that are read ahead from all processes together."""

_MARK = b"\x01"
_FORMAT = "--format=%x01%H%x00%P%x00%at%x00%ct%x00%aN%x00%aE%x00%B"
_OPTIONS = (
    "--no-walk=unsorted",
    "--stdin",
    "-z",
    "--encoding=UTF-8",
    "--no-show-signature",
    "--no-decorate",
    _FORMAT,
)
_CHANGES = (
    "--raw",
    "--numstat",
    "--no-abbrev",
    "-M",
    "--diff-merges=first-parent",
    "--root",
    "--no-ext-diff",
)
_MOMENT = re.compile(rb"^(author|committer) .*> (-?\d+) [-+]\d+$", re.MULTILINE)
_SUBMODULE = b"160000"
_RENAMED = (b"R", b"C")


class Change(NamedTuple):
    """A changed file: kind (M, A, D or R), its new blob (empty for none), its path, and lines added and deleted."""

    kind: str
    blob: str
    path: str
    insertions: int
    deletions: int


@dataclass(slots=True)
class Commit:
    """A commit as git prints it. Moments are in seconds since 1970, or None if the commit has none."""

    version: str
    branch: str
    is_merge: bool
    authored: int | None
    committed: int | None
    author: str
    address: str
    message: str
    changes: list[Change] = field(default_factory=list)


def read(clone: Clone, order: Order, *, with_changes: bool, capacity: Capacity) -> Iterator[Commit]:
    """Yield the commits of ``order``, oldest first. Raises :class:`SourceError`."""
    arguments = ("log", *_OPTIONS, *(_CHANGES if with_changes else ("--no-patch",)))
    blocks = order.oldest_first(BLOCK if capacity.cores > 1 else SINGLE_BLOCK)
    running: deque[tuple[GitStream, list[str], list[str]]] = deque()
    ahead = Readahead(_ROOM // capacity.cores)
    try:
        while True:
            while len(running) < capacity.jobs() and (block := next(blocks, None)):
                hashes, branches = block
                content = "\n".join(reversed(hashes)).encode() + b"\n"
                running.append((GitStream(clone, *arguments, stdin=content), hashes, branches))
                ahead.add(running[-1][0])
            if not running:
                return
            stream, hashes, branches = running[0]
            commits = list(_parse(split(_bounded(ahead.blocks(stream)), b"\0")))
            # git is asked for the newest first, since packs store older objects as changes to newer ones
            commits.reverse()
            for commit in commits:
                if commit.authored is None or commit.committed is None:
                    _read_moments(clone, commit)
            if len(commits) < len(hashes):
                running.popleft()[0].finish()  # explains why git ended, if git says so
            yield from _matched(iter(commits), hashes, branches)
            if running and running[0][0] is stream:
                running.popleft()[0].finish()
    finally:
        ahead.close()
        for stream, _, _ in running:
            stream.abandon()


def _bounded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Raise :class:`SourceError` if the output exceeds the memory limit: a block must be complete before it is used."""
    size, limit = 0, limits.current()
    memory = None if limit is None else limit.memory
    most = LARGEST_BLOCK if memory is None else min(LARGEST_BLOCK, memory // _OVERHEAD)
    for block in blocks:
        size += len(block)
        if size > most:
            raise SourceError(
                f"up to {SINGLE_BLOCK} commits of the repository have more than {most} bytes of changes",
                "look for commits that change millions of files; raise PROGRAM_MAX_MEMORY, or set skip_stats for its "
                "host to skip files",
                own="commits of the repository have too many changes",
            )
        yield block


def _read_moments(clone: Clone, commit: Commit) -> None:
    """Read moments from the commit itself, since ``git log`` does not support those before 1970."""
    header = clone.git("cat-file", "commit", commit.version).output.partition(b"\n\n")[0]
    moments = dict(_MOMENT.findall(header))
    commit.authored = _seconds(moments.get(b"author", b""))
    commit.committed = _seconds(moments.get(b"committer", b""))


def _matched(commits: Iterator[Commit], hashes: list[str], branches: list[str]) -> Iterator[Commit]:
    """Set the branch of each commit, and make sure that git printed all requested commits."""
    count = 0
    for commit, version, branch in zip(commits, hashes, branches, strict=False):
        if commit.version != version:
            break
        commit.branch = branch
        count += 1
        yield commit
    if count != len(hashes):
        raise SourceError(f"git log did not print commit {hashes[count]}", "remove the local clone, and run again")


def _parse(records: Iterator[bytes]) -> Iterator[Commit]:
    record = next(records, None)
    while record is not None:
        if not record.startswith(_MARK):
            raise SourceError(f"git log printed something unexpected: {record[:80]!r}")
        commit = _commit(record[1:], records)
        record = next(records, None)
        if record is not None and record.startswith(b"\n"):
            record = _read_changes(commit, record[1:], records)
        yield commit


def _commit(version: bytes, records: Iterator[bytes]) -> Commit:
    parents, authored, committed, author, address, message = (next(records, b"") for _ in range(6))
    return Commit(
        version.decode("ascii"),
        "",
        b" " in parents,
        _seconds(authored),
        _seconds(committed),
        text(author),
        text(address),
        text(message),
    )


def _read_changes(commit: Commit, record: bytes | None, records: Iterator[bytes]) -> bytes | None:
    """Read the raw and numstat records of a commit, and return the record that follows them."""
    raw: list[tuple[str, str, bytes]] = []
    while record is not None and record.startswith(b":"):
        _, new_mode, _, blob, kind = record.split(b" ")
        path = next(records, b"")
        if kind.startswith(_RENAMED):
            path = next(records, b"")
        exists = kind != b"D" and new_mode != _SUBMODULE
        raw.append((_KINDS[kind[:1]], blob.decode("ascii") if exists else "", path))
        record = next(records, None)
    lines: dict[bytes, tuple[int, int]] = {}
    while record is not None and record[:1] in _COUNTS:
        insertions, deletions, path = record.split(b"\t", 2)
        if not path:  # a rename: the old path, then the new one
            next(records, None)
            path = next(records, b"")
        lines[path] = (_number(insertions), _number(deletions))
        record = next(records, None)
    commit.changes = [Change(kind, blob, text(path), *lines.get(path, (0, 0))) for kind, blob, path in raw]
    return record


_KINDS = {b"M": "M", b"A": "A", b"D": "D", b"R": "R", b"T": "M", b"C": "A", b"U": "M", b"X": "M", b"B": "M"}
_COUNTS = frozenset(b"%d" % digit for digit in range(10)) | {b"-"}


def text(content: bytes) -> str:
    """Decode text of a repository. Invalid Unicode is replaced."""
    return content.decode(errors="replace")


def _number(content: bytes) -> int:
    return 0 if content == b"-" else int(content)


def _seconds(content: bytes) -> int | None:
    try:
        return int(content)
    except ValueError:
        return None
