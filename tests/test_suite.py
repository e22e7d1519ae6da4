"""What the tests themselves stand on: samples in which nothing is forgotten, and which warnings are faults."""

import logging
import re
import tomllib
import warnings
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.runtime.masking import redactor
from support import differing
from support.agent import ROOT
from support.sample import Sample

CARDS = [f"fault {number}" for number in range(26)]


@given(st.integers(), st.integers(1, 40), st.integers(1, 12), st.integers(1, 40))
def test_every_card_is_dealt(seed: int, cards: int, players: int, least: int) -> None:
    names, there = [str(number) for number in range(players)], [str(number) for number in range(cards)]
    hands = Sample(seed).deal("a", there, names, least)
    assert list(hands) == names
    assert set(chain(*hands.values())) == set(there)
    assert all(len(hand) >= min(least, cards) for hand in hands.values())
    assert hands == Sample(seed).deal("a", there, names, least)


def test_a_sample_is_less_than_all() -> None:
    hands = Sample(1).deal("a", CARDS, "abcdefgh", 5)
    assert {len(hand) for hand in hands.values()} == {5}
    assert Sample(1).times(3, 50) == 3


def test_seeds_draw_different_ones() -> None:
    """A pair of player and card that one seed leaves out comes with another."""
    seen = {(player, card) for seed in range(100) for player, hand in dealt(seed) for card in hand}
    assert len(seen) == len(CARDS) * 8


def dealt(seed: int) -> list[tuple[str, list[str]]]:
    return list(Sample(seed).deal("a", CARDS, "abcdefgh", 5).items())


def test_whole() -> None:
    assert Sample(1, is_whole=True).deal("a", CARDS, "ab", 5) == {"a": CARDS, "b": CARDS}
    assert Sample(1, is_whole=True).times(3, 50) == 50


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROS_SEED", "77")
    monkeypatch.setenv("GROS_SOAK", "1")
    assert Sample.of_this_run() == Sample(77, is_whole=True)
    monkeypatch.delenv("GROS_SEED")
    drawn = Sample.of_this_run()
    assert drawn == Sample.of_this_run()


@pytest.mark.parametrize("category", [DeprecationWarning, UserWarning])
def test_our_warnings_are_faults_and_those_of_others_are_not(category: type[Warning]) -> None:
    with pytest.raises(category):
        warnings.warn_explicit("ours", category, "file.py", 1, module="gros_agent.http.client")
    with warnings.catch_warnings(record=True) as told:
        warnings.warn_explicit("theirs", category, "file.py", 1, module="gros_agent_friend.http")
    assert [one.category for one in told] == [category]


@pytest.mark.parametrize("turn", range(2))
def test_the_log_is_as_it_was(turn: int) -> None:
    logger = logging.getLogger("gros_agent")
    assert (logger.level, logger.propagate) == (logging.NOTSET, True), turn
    logger.setLevel("ERROR")
    logger.propagate = False


@pytest.mark.parametrize("turn", range(2))
def test_secrets_are_as_they_were(turn: int) -> None:
    """What one test hides is not masked in the next."""
    word = "a-word-that-is-hidden"
    assert redactor.redact(word) == word
    redactor.hide([word])
    assert redactor.redact(word) != word, turn


def test_every_dependency_is_tried_where_it_can_differ() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [
        *project["dependencies"],
        *(one for name in extras if name not in {"test", "dev"} for one in extras[name]),
    ]
    assert set(differing.DEPENDENCIES) == {re.split(r"[\[<>=]", one)[0] for one in needed}
    assert {name for name in differing.FILES if not (ROOT / "tests" / f"{name}.py").exists()} == set()
