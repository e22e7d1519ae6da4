"""How much of a loop of kills and faults a run of the tests does: a sample of it, or with GROS_SOAK all of it.

What is in the sample is drawn by a seed, which a run prints at its end and GROS_SEED sets. All tests with such a loop
use the fixture ``draw``, which makes them members of ``nox -s soak``.
"""

import os
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """What a seed draws; ``is_whole`` is set where nothing is left out."""

    seed: int
    is_whole: bool = False

    @staticmethod
    def of_this_run() -> "Sample":
        """As the variables say; where none gives a seed, each run draws its own, which its workers share."""
        seed = int(os.environ.setdefault("GROS_SEED", str(random.SystemRandom().randrange(10**6))))
        return Sample(seed, bool(os.environ.get("GROS_SOAK")))

    def chance(self, name: str) -> random.Random:
        """Random numbers for a purpose, the same for every run with this seed."""
        return random.Random(f"{self.seed} {name}")

    def times(self, sample: int, whole: int) -> int:
        """How often a loop is run."""
        return whole if self.is_whole else sample

    def deal(self, name: str, cards: Collection[str], players: Sequence[str], least: int) -> Mapping[str, list[str]]:
        """The cards of each player, in their own order: each has at least so many, and each card somebody has.

        Where nothing is left out, all have all.
        """
        if self.is_whole:
            return {player: list(cards) for player in players}
        deck = list(cards)
        self.chance(name).shuffle(deck)
        size = min(len(deck), max(least, -(-len(deck) // len(players))))
        hands = {
            player: {deck[(number * size + place) % len(deck)] for place in range(size)}
            for number, player in enumerate(players)
        }
        return {player: [card for card in cards if card in hand] for player, hand in hands.items()}
