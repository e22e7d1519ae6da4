"""Finds rows of a table with the same key, with eight bytes per row, so that a long history needs little memory.

It stores only hashes of the keys. If a hash occurs twice, the rows themselves are read from the file and compared.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from gros_agent.rows import Row, key_of

_BUCKETS = 16
"""Number of parts in which the hashes are sorted, so that only a part of them is in memory as a list at a time."""


class Keys:
    """The hashes of the keys of a table's rows, or of the groups if the keys are grouped."""

    def __init__(self, row: type[Row]) -> None:
        group = row.key_fields[: row.grouped] or row.key_fields
        self._has_key = bool(row.key_fields)
        self._hash_of = key_of(row, group)
        self._members_of = (attrgetter(*group), attrgetter(*row.key_fields[row.grouped :])) if row.grouped else None
        self._hashes = [array("q") for _ in range(_BUCKETS)]
        self._repeated = set[int]()
        self._group: object = None
        self._members = set[object]()

    def add(self, rows: Iterable[Row]) -> None:
        """Store the hashes of rows. Call it in the order in which the rows are written."""
        if not self._has_key:
            return
        if self._members_of is None:
            for row in rows:
                self._note(row)
            return
        group_of, member_of = self._members_of
        for row in rows:
            group, member = group_of(row), member_of(row)
            if group != self._group:
                self._group, self._members = group, {member}
                self._note(row)
            elif member in self._members:
                self._repeated.add(hash(self._hash_of(row)))
            else:
                self._members.add(member)

    def _note(self, row: Row) -> None:
        number = hash(self._hash_of(row))
        self._hashes[number % _BUCKETS].append(number)

    def is_among(self, row: Row, hashes: set[int]) -> bool:
        """Whether the key of a row, or its group, has one of these hashes."""
        return hash(self._hash_of(row)) in hashes

    def repeated(self, others: Sequence["Keys"] = ()) -> set[int]:
        """The hashes that occur several times, here and in ``others`` together."""
        several = (self, *others)
        within = {number for one in several for number in one.within()}
        return within.union(*(_twice(bucket) for bucket in zip(*(one.buckets() for one in several), strict=True)))

    def within(self) -> set[int]:
        """The hashes of groups with the same member twice."""
        return self._repeated

    def buckets(self) -> Sequence["array[int]"]:
        """All hashes, divided into parts by their remainder."""
        return self._hashes


def _twice(several: Iterable["array[int]"]) -> Iterator[int]:
    numbers = sorted(number for one in several for number in one)
    return (number for number, following in pairwise(numbers) if number == following)
