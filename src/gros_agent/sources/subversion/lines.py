"""Counts the lines added to and deleted from a text, with the same results as ``svn diff``.

Subversion finds a longest common subsequence of lines, so any exact search has the same counts: lines of the new text
that are not in the subsequence are added, those of the old text are deleted. A line ends with a line feed, a carriage
return or both; two lines are only equal if their ends are too. Each column of the search is one large number here, with
a bit for each line of the old text, which makes it fast (Hyyrö, *Bit-parallel LCS-length computation revisited*, 2004).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

_TEXT_TYPES = (b"image/x-xbitmap", b"image/x-xpixmap")


def is_binary(properties: Mapping[bytes, bytes]) -> bool:
    """Whether Subversion treats a file with these properties as binary, by its MIME type alone."""
    kind = properties.get(b"svn:mime-type", b"text/")
    return not kind.startswith(b"text/") and kind.partition(b";")[0].strip() not in _TEXT_TYPES


def count(old: bytes, new: bytes) -> tuple[int, int]:
    """The number of lines added and deleted."""
    if old == new:
        return 0, 0
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    common = _common(before, after)
    return len(after) - common, len(before) - common


def _common(before: Sequence[bytes], after: Sequence[bytes]) -> int:
    """The length of a longest common subsequence."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    left, right = before[start : len(before) - end], after[start : len(after) - end]
    # a line that only one text has can't be in a common subsequence
    known = set(right)
    places: dict[bytes, int] = defaultdict(int)
    width = 0
    for line in left:
        if line in known:
            places[line] |= 1 << width
            width += 1
    everything = (1 << width) - 1
    column = everything
    for line in right:
        if place := places.get(line):
            matched = column & place
            column = ((column + matched) | (column - matched)) & everything
    return start + end + width - column.bit_count()
