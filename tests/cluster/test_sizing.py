"""The model of very large collections: what holds them up, and that the documentation shows what it says."""

import sys
from dataclasses import replace

import pytest

from support.agent import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import cluster_model as model

SMALL = model.Collection(sources=1000, requests=4, latency=0.2, work=0.2)


def held_up(one: model.Collection, workers: int, by: str, seconds: float) -> bool:
    name, found = model.limit(one, workers)
    return name == by and found == pytest.approx(seconds)


def test_workers_are_the_limit_as_long_as_there_are_few() -> None:
    """Twice as many are done in half the time, until something else is slower."""
    assert held_up(SMALL, 4, "workers", 1000 / (4 * 0.8))
    assert held_up(SMALL, 8, "workers", 1000 / (8 * 0.8))
    assert model.limit(SMALL, 10_000)[0] == "coordinator"


def test_hosts_take_four_at_a_time() -> None:
    one = replace(SMALL, hosts=2)
    assert held_up(one, 100, "hosts", 1000 / 8)
    assert model.workers_for(one, 100) is None
    assert model.workers_for(one, 125) == 10


def test_tokens_have_a_limit_for_an_hour() -> None:
    one = replace(SMALL, hosts=1, tokens=1, requests=2, sources=25_000)
    assert held_up(one, 100, "tokens", 10 * 3600)
    assert held_up(replace(one, tokens=2), 100, "tokens", 5 * 3600)


def test_memory_is_what_was_measured() -> None:
    """100,000 parts that do nothing: docs/benchmarks.md."""
    coordinator, scheduler = model.memory(100_000)
    assert coordinator == pytest.approx(193, abs=5)
    assert scheduler == pytest.approx(134, abs=5)


@pytest.mark.parametrize("seconds", [60.0, 3600.0, 14_400.0])
@pytest.mark.parametrize("sources", [1, 999, 100_000])
def test_so_many_workers_are_enough_and_one_less_is_not(sources: int, seconds: float) -> None:
    one = replace(SMALL, sources=sources)
    needed = model.workers_for(one, seconds)
    if needed is None:
        assert model.limit(one, 10**6)[1] > seconds
        return
    assert model.limit(one, needed)[1] <= seconds * 1.000001
    assert needed == 1 or model.limit(one, needed - 1)[1] > seconds


def test_documentation_shows_it() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    for table in (model.sizing(), model.large()):
        assert "\n".join(table) in page, "python benchmarks/cluster_model.py prints the tables"
