"""Determines which commits to collect, in which order, and on which branch each was made.

A first pass over the history reads no trees: it lists the commits newest first, and passes each commit's branch on to
its parents. A commit that came in through several merges belongs to the oldest of them. Only commits whose children
were seen, but which were not seen themselves, are kept in a table. So memory is little more than 24 bytes per commit.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gros_agent.sources.git.clone import Clone
from gros_agent.sources.git.stream import GitStream

NO_BRANCH = "0"
_MERGE_SUBJECTS = (
    re.compile(r"Merge branch '([^']+)'"),
    re.compile(r"Merge remote-tracking branch '(?:refs/remotes/)?origin/([^']+)'"),
    re.compile(r"Merge pull request #\d+ (?:in \S+ )?from (\S+)"),
    re.compile(r"Merged in (\S+) \(pull request #\d+\)"),
)


def merged_branch(subject: str) -> str:
    """The branch that the subject of a merge names, or ``"0"``."""
    matches = (pattern.match(subject) for pattern in _MERGE_SUBJECTS)
    return next((match[1] for match in matches if match), NO_BRANCH)


@dataclass
class Order:
    """The commits of a history, newest first, and the merge that brought each onto the default branch.

    ``hashes`` has them in binary, ``width`` bytes each. ``merges`` has the number of that merge for each commit,
    counted back from the newest commit of the default branch, or -1 for a commit of the default branch itself.
    """

    width: int
    hashes: bytearray = field(default_factory=bytearray)
    merges: "array[int]" = field(default_factory=lambda: array("i"))
    branches: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.merges)

    def oldest_first(self, size: int) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the commits' hashes and branches in blocks of up to ``size``."""
        for end in range(len(self), 0, -size):
            start = max(0, end - size)
            digits = self.hashes[start * self.width : end * self.width].hex()
            step = 2 * self.width
            hashes = [digits[i : i + step] for i in range(0, len(digits), step)]
            branches = [self.branches.get(merge, NO_BRANCH) for merge in self.merges[start:end]]
            yield hashes[::-1], branches[::-1]


def read(clone: Clone, head: str, since: str | None, oldest: int | None = None) -> Order:
    """List the commits that are ancestors of ``head`` and not of ``since``. Raises :class:`SourceError`.

    Commits before the moment ``oldest``, in seconds since 1970, are left out.
    """
    range_ = (head, f"^{since}") if since else (head,)
    branches = _merged_branches(clone, range_)
    order = Order(width=len(head) // 2)
    with GitStream(clone, "rev-list", "--topo-order", "--parents", "--timestamp", *range_) as stream:
        assign(order, (line.decode("ascii") for line in stream.records(b"\n")), head, branches, oldest)
    return order


def assign(
    order: Order, lines: Iterable[str], head: str, branches: Mapping[str, str], oldest: int | None = None
) -> None:
    """Fill ``order`` from lines with a moment, a commit and its parents. Every commit comes after all its children.

    ``branches`` has the branch named by each merge into the default branch, if it names one. Commits before the moment
    ``oldest`` pass their branch on, but are left out.
    """
    mainline, number = head, 0  # the next commit of the default branch
    pending: dict[str, int] = {}
    for line in lines:
        moment, commit, *parents = line.split(" ")
        merge = pending.pop(commit, -1)
        if commit == mainline:
            merge = -1
            if commit in branches:
                order.branches[number] = branches[commit]
            for parent in parents[1:]:
                pending[parent] = number  # the oldest merge so far, since numbers grow towards the past
            mainline = parents[0] if parents else ""
            number += 1
        else:
            for parent in parents:
                pending[parent] = max(merge, pending.get(parent, -1))
        if oldest is None or int(moment) >= oldest:
            order.hashes += bytes.fromhex(commit)
            order.merges.append(merge)


def _merged_branches(clone: Clone, range_: tuple[str, ...]) -> dict[str, str]:
    arguments = (
        "log",
        "--first-parent",
        "--min-parents=2",
        "--encoding=UTF-8",
        "-z",
        "--format=%H %s",
        *range_,
    )
    found = {}
    with GitStream(clone, *arguments) as stream:
        for record in stream.records(b"\0"):
            commit, _, subject = record.decode(errors="replace").partition(" ")
            branch = merged_branch(subject)
            if branch != NO_BRANCH:
                found[commit] = branch
    return found
