"""Places at a host in the whole cluster: a worker holds one while it collects there."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from distributed import Semaphore

from gros_agent.cluster.messages import HostPlace
from gros_agent.runtime import limits


@cache
def _places(place: HostPlace) -> Semaphore:
    return Semaphore(max_leases=place.count, name=f"{place.name}-{place.count}")


@contextmanager
def at(place: HostPlace | None) -> Iterator[None]:
    """Hold a place at a host, since another coordinator may ask it as well. This one submits no more than there are."""
    if place is None:
        yield
        return
    semaphore = _places(place)
    while not semaphore.acquire(timeout=1):
        limits.check()
    try:
        yield
    finally:
        semaphore.release()
