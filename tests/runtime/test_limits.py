"""A limit that is ended before its time, from another thread, with all that is within it."""

import threading
import time

import pytest

from gros_agent.errors import SourceError
from gros_agent.runtime import limits, process


def later(work: threading.Timer) -> None:
    work.daemon = True
    work.start()


def test_a_cut_wakes_those_who_wait_within() -> None:
    begun = time.monotonic()
    with limits.within(60, "OUTER") as outer, limits.within(30, "INNER") as inner:
        later(threading.Timer(0.1, outer.cut))
        with pytest.raises(limits.TimeUpError):
            limits.sleep(20)
        assert inner.is_up
        with pytest.raises(limits.TimeUpError):
            limits.check()
    assert time.monotonic() - begun < 10


def test_a_cut_ends_programs() -> None:
    begun = time.monotonic()
    with limits.within(60, "OUTER") as outer, limits.within(30, "INNER"):
        later(threading.Timer(0.1, outer.cut))
        with process.start(["sleep", "20"], {}) as program:
            assert program.wait() != 0
        with pytest.raises(SourceError):
            process.start(["sleep", "20"], {})
    assert time.monotonic() - begun < 10


def test_what_is_cut_within_stops_nothing_outside() -> None:
    with limits.within(60, "OUTER") as outer:
        with limits.within(30, "INNER") as inner:
            inner.cut()
        assert not outer.is_up
        limits.check()
        limits.sleep(0.01)
    limits.check()
