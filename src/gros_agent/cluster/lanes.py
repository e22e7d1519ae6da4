"""The parts that wait, in lanes by their host and account: which of them may be submitted now.

A task that waited for its host in the cluster would keep its worker idle.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What is in a lane: the lane, its host (None: nothing is asked), and the project that it is of."""

    @property
    def lane(self) -> Hashable:
        """What is paused together."""
        ...

    @property
    def host(self) -> str | None:
        """Where only so many may be at the same time."""
        ...

    @property
    def project(self) -> Hashable:
        """Projects take turns in a lane."""
        ...


W = TypeVar("W", bound=Queued)


class Lanes(Generic[W]):
    """What waits. ``per_host`` is the number for each host that may be under way."""

    def __init__(self, per_host: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_host = per_host
        self._clock = clock
        self._lanes: OrderedDict[Hashable, OrderedDict[Hashable, deque[W]]] = OrderedDict()
        self._under_way = Counter[str]()
        self._paused: dict[Hashable, float] = {}

    def add(self, one: W, *, first: bool = False) -> None:
        """Have a part wait; ``first`` puts it before the others of its project."""
        queue = self._lanes.setdefault(one.lane, OrderedDict()).setdefault(one.project, deque())
        (queue.appendleft if first else queue.append)(one)

    def take(self) -> W | None:
        """The part to submit next, or None if no host can take one now. Lanes take turns, and projects in each."""
        for lane in list(self._lanes):
            projects = self._lanes[lane]
            project, queue = next(iter(projects.items()))
            host = queue[0].host
            if self._paused.get(lane, 0.0) > self._clock() or (host and self._under_way[host] >= self._per_host):
                continue
            one = queue.popleft()
            projects.move_to_end(project)
            self._lanes.move_to_end(lane)
            self._drop_empty(lane, project)
            if host:
                self._under_way[host] += 1
            return one
        return None

    def end(self, one: W) -> None:
        """Give back the place of a part that was taken."""
        if one.host:
            self._under_way[one.host] -= 1

    def pause(self, lane: Hashable, seconds: float) -> None:
        """Take nothing from a lane for so many seconds."""
        self._paused[lane] = max(self._paused.get(lane, 0.0), self._clock() + seconds)

    def drop(self, project: Hashable) -> None:
        """Forget what waits of a project."""
        for lane in list(self._lanes):
            self._lanes[lane].pop(project, None)
            if not self._lanes[lane]:
                del self._lanes[lane]

    def _drop_empty(self, lane: Hashable, project: Hashable) -> None:
        if not self._lanes[lane][project]:
            del self._lanes[lane][project]
        if not self._lanes[lane]:
            del self._lanes[lane]
