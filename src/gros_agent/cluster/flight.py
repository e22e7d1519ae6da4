"""Which parts are submitted now: a bounded number in all, and not too many of one host.

A task that waited for its host in the cluster would keep its worker idle.
"""

from collections import Counter, deque
from collections.abc import Sequence

from gros_agent.collect.engine import PER_HOST, Job


class Flight:
    """The parts that wait, and those that are in flight, by the keys of their tasks."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._waiting = deque(jobs)
        self._flying: dict[object, Job] = {}

    @property
    def goes_on(self) -> bool:
        """Whether a part waits or is in flight."""
        return bool(self._waiting or self._flying)

    def ready(self, window: int) -> list[Job]:
        """The parts to begin now, in order: so many that the window is full, and no host has too many."""
        hosts = Counter(job.host for job in self._flying.values())
        found: list[Job] = []
        passed = deque[Job]()
        while self._waiting and len(self._flying) + len(found) < window:
            job = self._waiting.popleft()
            if job.host is not None and hosts[job.host] >= PER_HOST:
                passed.append(job)
                continue
            hosts[job.host] += 1
            found.append(job)
        self._waiting.extendleft(reversed(passed))
        return found

    def begin(self, key: object, job: Job) -> None:
        """Note that a part was submitted under a key."""
        self._flying[key] = job

    def end(self, key: object) -> Job:
        """Note that the task with this key is over, and return its part."""
        return self._flying.pop(key)

    def again(self, job: Job) -> None:
        """Have a part wait again, before the others."""
        self._waiting.appendleft(job)
