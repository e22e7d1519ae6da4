"""Says how long a cluster takes for very many sources, what holds it up, and how many workers it should have.

Usage: python benchmarks/cluster_model.py

It prints the tables of docs/cluster.md. A scrape goes on at the least of four rates: that of the workers, of the hosts
(so many parts of one at a time), of the tokens (GitHub's limit for an hour), and of the coordinator, which hands out
parts one by one. What the coordinator needs for a part, in time and memory, is what ``cluster.py idle`` measured.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

PER_HOST = 4
"""Parts of one host at the same time, in the whole cluster."""
TOKEN_REQUESTS = 5000
"""Requests that GitHub answers in an hour for one token."""
COORDINATOR_SECONDS, SCHEDULER_SECONDS = 0.0045, 0.0024
"""The processor time for a part, of which each has one processor at most: 100,000 parts took 446 and 239 s."""
COORDINATOR_MIB, COORDINATOR_KIB = 113.0, 0.85
"""The coordinator's memory at the start, and what it keeps of each source until its end: 193 MiB after 100,000."""
SCHEDULER_MIB, SCHEDULER_KIB = 80.0, 0.55
"""The same of the scheduler: 134 MiB."""
BUSY = 0.8
"""The share of a worker's time that it collects: what was measured with eight is no less."""
_HOUR = 3600.0
_NIGHT = 4 * _HOUR
"""The time within which a cluster should be done."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What is to be collected. ``requests``, ``latency`` and ``work`` (a processor's seconds) are those of a source.

    ``tokens`` share the sources that are at GitHub, which are all of them; 0 is none.
    """

    sources: int
    requests: float = 4
    latency: float = 0.05
    work: float = 0.05
    hosts: int = 1000
    tokens: int = 0

    @property
    def seconds(self) -> float:
        """The time that one source takes."""
        return self.requests * self.latency + self.work


def rates(one: Collection, workers: int) -> dict[str, float]:
    """Sources a second that each of those allows that can hold the scrape up."""
    found = {
        "workers": BUSY * workers / one.seconds,
        "hosts": PER_HOST * one.hosts / one.seconds,
        "coordinator": 1 / COORDINATOR_SECONDS,
        "scheduler": 1 / SCHEDULER_SECONDS,
    }
    if one.tokens:
        found["tokens"] = one.tokens * TOKEN_REQUESTS / _HOUR / one.requests
    return found


def limit(one: Collection, workers: int) -> tuple[str, float]:
    """What holds the scrape up, and the seconds that it takes."""
    name, rate = min(rates(one, workers).items(), key=lambda found: found[1])
    return name, one.sources / rate


def workers_for(one: Collection, seconds: float) -> int | None:
    """The workers that are done in time; None if no number of them is, since something else is slower."""
    needed = max(1, math.ceil(one.sources * one.seconds / seconds / BUSY))
    return needed if limit(one, needed)[1] <= seconds * (1 + 1e-9) else None


def memory(sources: int) -> tuple[float, float]:
    """The memory of coordinator and scheduler in MiB, at the end of a command that collects so many sources."""
    return COORDINATOR_MIB + sources * COORDINATOR_KIB / 1024, SCHEDULER_MIB + sources * SCHEDULER_KIB / 1024


LATENCIES = (0.02, 0.05, 0.2, 0.5)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGE = Collection(sources=1_000_000)
CASES: dict[str, tuple[Collection, int]] = {
    "1,000 hosts, 50 ms, 40 workers": (LARGE, 40),
    "1,000 hosts, 50 ms, 80 workers": (LARGE, 80),
    "1,000 hosts, 200 ms, 80 workers": (replace(LARGE, latency=0.2), 80),
    "10 hosts, 50 ms, 80 workers": (replace(LARGE, hosts=10), 80),
    "GitHub, 1 token, 2 requests": (replace(LARGE, hosts=1, tokens=1, requests=2), 80),
    "GitHub, 10 tokens, 2 requests": (replace(LARGE, hosts=1, tokens=10, requests=2), 80),
}
"""What 10,000 projects with a million sources can be like, and the number of workers."""


def sizing() -> Iterator[str]:
    """How many workers are done within four hours, for so many sources at such latencies."""
    yield f"| sources | {' | '.join(f'{latency * 1000:.0f} ms' for latency in LATENCIES)} |"
    yield "| --- " * (len(LATENCIES) + 1) + "|"
    for size in SIZES:
        found = (workers_for(Collection(sources=size, latency=latency), _NIGHT) for latency in LATENCIES)
        yield f"| {size:,} | {' | '.join('-' if one is None else f'{one:,}' for one in found)} |"


def large() -> Iterator[str]:
    """How long a million sources take, and what holds them up."""
    yield "| where the sources are | sources a second | requests a second | hours | held up by |"
    yield "| --- " * 5 + "|"
    for name, (one, workers) in CASES.items():
        by, seconds = limit(one, workers)
        rate = one.sources / seconds
        yield f"| {name} | {rate:.1f} | {rate * one.requests:.1f} | {seconds / _HOUR:.1f} | {by} |"


if __name__ == "__main__":
    print("\n".join(("", *sizing(), "", *large())))
