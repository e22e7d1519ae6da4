"""Collects one part of an entry into a sink."""

from collections.abc import Callable, Generator, Sequence

from gros_agent.rows import Row
from gros_agent.runtime import limits
from gros_agent.sources.base import Collected


def drain(collection: Generator[Sequence[Row], None, Collected], take: Callable[[Sequence[Row]], None]) -> Collected:
    """Hand over each block of a collection, and return how it ended. Raises :class:`TimeUpError` if its time is up."""
    while True:
        try:
            block = next(collection)
        except StopIteration as end:
            collected: Collected = end.value
            return collected
        limits.check()
        take(block)
