"""Turns the history since the last scrape into rows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gros_agent.errors import SourceError
from gros_agent.rows import NOBODY, ChangePath, Row, VcsVersion
from gros_agent.rows.moments import UNKNOWN, Moments
from gros_agent.sources.base import Progress
from gros_agent.sources.common.capacity import Capacity
from gros_agent.sources.git import log, order
from gros_agent.sources.git.clone import Clone
from gros_agent.sources.git.sizes import BLOCK, Sizes
from gros_agent.tables.trackers import is_version

_REVERT = re.compile(r'\ARevert "|^This reverts commit [0-9a-f]{7,}', re.MULTILINE)
_EPOCH = "1970-01-01 00:00:00"


class History:
    """The commits of a clone since a position, or in a first collection since the moment ``oldest``.

    ``expected`` is the number of commits that git lists, ``notes`` are remarks for the outcome. Both are complete once
    all rows were read.
    """

    def __init__(self, clone: Clone, head: str, since: str | None, name: str, oldest: int | None = None) -> None:
        self._clone = clone
        self._name = name
        self._notes: list[str] = []
        self.moments = Moments()
        start = self._start(head, since)
        width = len(head) // 2
        if start == head:
            self._order = order.Order(width)
        else:
            self._order = order.read(clone, head, start, oldest if since is None else None)
        self.expected = len(self._order)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for readers of the rows."""
        return (*self._notes, *self.moments.notes())

    def rows(self, capacity: Capacity, progress: Progress, *, with_statistics: bool) -> Iterator[Sequence[Row]]:
        """Yield blocks of commits, and of changed files, oldest first. Raises :class:`SourceError`."""
        if not self.expected:
            return
        commits = log.read(self._clone, self._order, with_changes=with_statistics, capacity=capacity)
        blocks = self._with_sizes(commits) if with_statistics else self._without(commits)
        done = 0
        for versions, changes in blocks:
            yield versions
            yield changes
            done += len(versions)
            progress("commits", done, self.expected)
        if done != self.expected:
            raise SourceError(f"git lists {self.expected} commits, but printed {done}", "run again")

    def _start(self, head: str, since: str | None) -> str | None:
        if since is None or since == head:
            return since
        if not is_version(since):
            raise SourceError(f"the tracker's position {since!r} is not a commit", "correct it, or collect with --full")
        if not self._clone.has(since):
            self._notes.append(f"commit {since[:12]} of the last scrape is gone: everything was collected again")
            return None
        if self._clone.git("merge-base", "--is-ancestor", since, head).status:
            base = self._clone.git("merge-base", since, head).output.decode().strip()
            common = f"from what is left in common, {base[:12]}" if base else "anew, as nothing is left in common"
            self._notes.append(f"history was rewritten since {since[:12]}: collected {common}")
        return since

    def _without(self, commits: Iterator[log.Commit]) -> Iterator[tuple[list[VcsVersion], list[ChangePath]]]:
        block: list[VcsVersion] = []
        for commit in commits:
            block.append(self._version(commit))
            if len(block) == BLOCK:
                yield block, []
                block = []
        yield block, []

    def _with_sizes(self, commits: Iterator[log.Commit]) -> Iterator[tuple[list[VcsVersion], list[ChangePath]]]:
        """Fill in sizes one block later: git looks up the sizes of a block while the next one is read."""
        with Sizes(self._clone) as sizes:
            asked, block = _Block(), _Block()
            for commit in commits:
                version = self._version_with_statistics(commit)
                for change in commit.changes:
                    if block.is_full:
                        yield asked.answered(sizes)
                        block.ask(sizes)
                        asked, block = block, _Block()
                    block.add(change.blob, self._change(commit.version, change))
                if block.is_full:
                    yield asked.answered(sizes)
                    block.ask(sizes)
                    asked, block = block, _Block()
                block.add(commit.version, version)
            yield asked.answered(sizes)
            block.ask(sizes)
            yield block.answered(sizes)
            if sizes.missing:
                self._notes.append(f"{sizes.missing} objects are not in the clone: their size is unknown")

    def _version(self, commit: log.Commit) -> VcsVersion:
        author = commit.author or NOBODY
        return VcsVersion(
            repo_name=self._name,
            version_id=commit.version,
            sprint_id=NOBODY,
            message=commit.message,
            type=_kind(commit),
            developer=author,
            developer_username=author,
            developer_email=commit.address or NOBODY,
            commit_date=self.moments.local(commit.committed, _EPOCH),
            author_date=self.moments.local(commit.authored, UNKNOWN),
        )

    def _version_with_statistics(self, commit: log.Commit) -> VcsVersion:
        version = self._version(commit)
        insertions = sum(change.insertions for change in commit.changes)
        deletions = sum(change.deletions for change in commit.changes)
        version.branch = commit.branch
        version.insertions = str(insertions)
        version.deletions = str(deletions)
        version.number_of_files = str(len(commit.changes))
        version.number_of_lines = str(insertions + deletions)
        return version

    def _change(self, version: str, change: log.Change) -> ChangePath:
        return ChangePath(
            repo_name=self._name,
            version_id=version,
            file=change.path,
            change_type=change.kind,
            insertions=str(change.insertions),
            deletions=str(change.deletions),
            size="0",
        )


@dataclass(slots=True)
class _Block:
    """Rows whose sizes are looked up together."""

    objects: list[str] = field(default_factory=list)
    sized: list[VcsVersion | ChangePath] = field(default_factory=list)
    versions: list[VcsVersion] = field(default_factory=list)
    changes: list[ChangePath] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.versions) + len(self.changes) >= BLOCK

    def add(self, name: str, row: VcsVersion | ChangePath) -> None:
        if name:
            self.objects.append(name)
            self.sized.append(row)
        if isinstance(row, VcsVersion):
            self.versions.append(row)
        else:
            self.changes.append(row)

    def ask(self, sizes: Sizes) -> None:
        sizes.ask(self.objects)

    def answered(self, sizes: Sizes) -> tuple[list[VcsVersion], list[ChangePath]]:
        for row, size in zip(self.sized, sizes.answer(), strict=True):
            row.size = size
        return self.versions, self.changes


def _kind(commit: log.Commit) -> str:
    if commit.is_merge:
        return "merge"
    return "revert" if _REVERT.search(commit.message) else "commit"
