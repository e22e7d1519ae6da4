"""Another try, later: how often, after which waits, and how many there were."""

import threading
from collections.abc import Callable

import pytest

from gros_agent.errors import AgentError, SourceError
from gros_agent.runtime import limits, parallel, retry
from gros_agent.runtime.retry import PassingError, repeat


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def failing(times: int, pause: float | None = None) -> Callable[[], str]:
    left = list(range(1, times + 1))

    def work() -> str:
        if left:
            raise PassingError(SourceError(f"failed {left.pop(0)}"), pause)
        return "done"

    return work


def test_until_it_succeeds(waits: list[float]) -> None:
    told: list[AgentError | str] = []
    assert repeat(failing(2), 3, told.append, lambda number: 10.0 * number) == "done"
    assert [str(error) for error in told] == ["failed 1", "failed 2"]
    assert waits == [10.0, 20.0]


def test_why_is_told_in_other_words(waits: list[float]) -> None:
    told: list[AgentError | str] = []

    def work() -> None:
        raise PassingError(SourceError("it refused with status 503"), reason="it is busy")

    with pytest.raises(SourceError, match="it refused"):
        repeat(work, 2, told.append)
    assert (told, len(waits)) == (["it is busy"], 1)


def test_the_last_error_is_raised(waits: list[float]) -> None:
    with pytest.raises(SourceError, match="failed 3"):
        repeat(failing(9), 3, lambda _: None)
    assert len(waits) == 2


def test_a_pause_that_is_known(waits: list[float]) -> None:
    repeat(failing(1, 3.5), 2, lambda _: None)
    assert waits == [3.5]


def test_what_another_try_would_not_mend(waits: list[float]) -> None:
    def work() -> None:
        raise SourceError("for good")

    with pytest.raises(SourceError, match="for good"):
        repeat(work, 3, lambda _: None)
    assert not waits


def test_waits_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    wait = retry.exponential(0.5, 30)
    assert [wait(number) for number in (1, 2, 3, 9)] == [1.0, 1.5, 2.5, 30.5]
    assert [retry.linear(number) for number in (1, 2)] == [1.5, 3.0]


def test_counted_in_threads(waits: list[float]) -> None:
    """Whatever is logged, and in whichever thread it happens."""
    with retry.counted() as retries:
        parallel.run(
            [1, 2, 3], lambda _: repeat(failing(2), 3, lambda _: None), at_once=3, lane=lambda _: None, per_lane=3
        )
    assert retries.count == 6
    repeat(failing(1), 2, lambda _: None)
    assert retries.count == 6
    assert len(waits) == 7


def test_the_time_of_a_source_ends_the_waiting() -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        raise PassingError(SourceError("busy"), 60)

    with limits.within(0.2, "SOURCE_MAX_SECONDS"), pytest.raises(limits.TimeUpError):
        repeat(work, 3, lambda _: None)
    assert begun.is_set()
