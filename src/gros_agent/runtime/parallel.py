"""Runs several tasks at once in threads, with a limit for tasks at the same host."""

import contextlib
import contextvars
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from gros_agent.runtime import process

_NOTICE_SECONDS = 0.1
"""Time after which a thread with an item notices that its consumer has stopped."""

T = TypeVar("T")
R = TypeVar("R")

_END_SECONDS = 5.0
"""Time that all threads have to end after a failure; they end with the program in any case."""


@dataclass(frozen=True)
class _Done(Generic[R]):
    """The end of a task. ``result`` returns its result or raises its error."""

    number: int
    result: Callable[[], R]


def _thread(name: str, work: Callable[..., object], *arguments: object) -> threading.Thread:
    """Make a thread that inherits the time limit of its creator.

    It is a daemon thread, so that waiting for a host's answer does not delay the program's end.
    """
    context = contextvars.copy_context()
    return threading.Thread(target=context.run, args=(work, *arguments), name=name, daemon=True)


def run(
    tasks: Sequence[T],
    work: Callable[[T], R],
    *,
    at_once: int | Callable[[], int],
    lane: Callable[[T], Hashable | None],
    per_lane: int,
    stop: Callable[[], object] = lambda: None,
) -> list[R]:
    """Do ``work`` for each task, and return the results in the order of the tasks.

    At most ``at_once`` tasks run at the same time, and at most ``per_lane`` tasks with the same ``lane`` (no limit for
    None). A single task runs in the caller's thread. If a task fails or the program is interrupted, running tasks are
    ended together with the programs that they started, no other task starts, and the error is raised. ``stop`` is
    called before, to end what tasks wait for. If ``at_once`` is a function, it is asked whenever a task ends.
    """
    most = at_once if callable(at_once) else lambda: at_once
    if most() == 1 or len(tasks) == 1:
        return [work(task) for task in tasks]
    return _Crew(tasks, work, most, lane, per_lane, stop).run()


class _Crew(Generic[T, R]):
    def __init__(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        at_once: Callable[[], int],
        lane: Callable[[T], Hashable | None],
        per_lane: int,
        stop: Callable[[], object],
    ) -> None:
        self._tasks = tasks
        self._stop = stop
        self._work = work
        self._at_once = at_once
        self._lanes = [lane(task) for task in tasks]
        self._per_lane = per_lane
        self._waiting = deque(range(len(tasks)))
        self._in_lane: Counter[Hashable] = Counter()
        self._done: queue.SimpleQueue[_Done[R]] = queue.SimpleQueue()
        self._threads: dict[int, threading.Thread] = {}

    def run(self) -> list[R]:
        results: dict[int, R] = {}
        try:
            while len(results) < len(self._tasks):
                self._begin()
                done = self._done.get()
                results[done.number] = done.result()
                self._threads.pop(done.number).join()
                self._in_lane[self._lanes[done.number]] -= 1
        except BaseException:
            self._end()
            raise
        return [results[number] for number in range(len(self._tasks))]

    def _begin(self) -> None:
        """Start as many waiting tasks as the limits allow, in order."""
        passed = deque[int]()
        most = self._at_once()
        while self._waiting and len(self._threads) < most:
            number = self._waiting.popleft()
            lane = self._lanes[number]
            if lane is not None and self._in_lane[lane] >= self._per_lane:
                passed.append(number)
                continue
            self._in_lane[lane] += 1
            thread = _thread(f"task-{number}", self._do, number)
            self._threads[number] = thread
            thread.start()
        self._waiting.extendleft(reversed(passed))

    def _do(self, number: int) -> None:
        done: Future[R] = Future()
        _settle(done, lambda: self._work(self._tasks[number]))
        self._done.put(_Done(number, done.result))

    def _end(self) -> None:
        self._stop()
        until = time.monotonic() + _END_SECONDS
        with process.none_left():
            for thread in self._threads.values():
                thread.join(max(0.0, until - time.monotonic()))


def started(work: Callable[[], R]) -> Callable[[], R]:
    """Start work in a thread of its own. Returns a function that waits for its result, or raises its error."""
    done: Future[R] = Future()
    _thread("ahead", _settle, done, work).start()
    return done.result


def merged(streams: Sequence[Iterator[R]], ahead: int = 2) -> Generator[R, None, None]:
    """Merge several iterators, each in its own thread, with up to ``ahead`` items per stream read in advance.

    The items of one stream stay in order. If a stream fails, its error is raised, and the others end with their next
    item. The same happens if the consumer stops.
    """
    items: queue.Queue[Future[R] | None] = queue.Queue(maxsize=ahead * max(1, len(streams)))
    is_over = threading.Event()

    def put(item: Future[R] | None) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=_NOTICE_SECONDS)
                return

    def produce(stream: Iterator[R]) -> None:
        try:
            for item in stream:
                done: Future[R] = Future()
                done.set_result(item)
                put(done)
                if is_over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 (raised again in the consumer)
            failed: Future[R] = Future()
            failed.set_exception(error)
            put(failed)
        put(None)

    for number, stream in enumerate(streams):
        _thread(f"stream-{number}", produce, stream).start()
    left = len(streams)
    try:
        while left:
            taken = items.get()
            if taken is None:
                left -= 1
            else:
                yield taken.result()
    finally:
        is_over.set()


def mapped(work: Callable[[T], R], items: Iterable[T], at_once: int = 8) -> Generator[R, None, None]:
    """Yield the result of ``work`` for each item in order, while the next items are being processed.

    An error is raised in its turn; items that have not started by then are not processed.
    """
    tasks: queue.SimpleQueue[tuple[Future[R], T] | None] = queue.SimpleQueue()
    threads: list[threading.Thread] = []
    window: deque[Future[R]] = deque()
    try:
        for item in items:
            if len(threads) < at_once:
                thread = _thread(f"worker-{len(threads)}", _serve, tasks, work)
                threads.append(thread)
                thread.start()
            window.append(Future())
            tasks.put((window[-1], item))
            if len(window) > 2 * at_once:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()
    finally:
        for waiting in window:
            waiting.cancel()
        for _ in threads:
            tasks.put(None)


def _serve(tasks: "queue.SimpleQueue[tuple[Future[R], T] | None]", work: Callable[[T], R]) -> None:
    while (task := tasks.get()) is not None:
        done, item = task
        if done.set_running_or_notify_cancel():
            _settle(done, partial(work, item))


def _settle(done: Future[R], work: Callable[[], R]) -> None:
    """Work, and leave the result or the error in a future."""
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits for it)
        done.set_exception(error)
