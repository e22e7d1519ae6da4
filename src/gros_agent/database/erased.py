"""Recognises the people who were erased.

Only the SHA-256 hash of each pseudonym is remembered. A pseudonym in a later batch is recognised by its hash, but can't
be calculated from it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gros_agent.errors import ConfigurationError, Problems

LENGTH = 64
"""The number of hexadecimal digits of a pseudonym."""
WORD = "erased"
"""What stands in free text for a person who was erased."""
_PSEUDONYM = re.compile(f"[0-9a-f]{{{LENGTH}}}")
_DIGIT = b"x"
_DIGITS = bytes(_DIGIT[0] if chr(one) in "0123456789abcdef" else ord(" ") for one in range(256))
"""Translates each hexadecimal digit to the same letter: searching for a text is much faster than for a pattern."""
_BLOCK = 1 << 20
_KNOWN = 50_000


@lru_cache(_KNOWN)
def digest(pseudonym: str) -> str:
    """What is remembered of a pseudonym."""
    return hashlib.sha256(pseudonym.encode()).hexdigest()


def check_pseudonyms(given: Sequence[str]) -> tuple[str, ...]:
    """Return the pseudonyms, each once.

    Raises :class:`ConfigurationError` for a text that is none. The text is not repeated: it may be a name.
    """
    if not given:
        raise ConfigurationError("no pseudonym was given", "gros-agent person shows those of a person, at the agent")
    Problems.raise_if(
        ConfigurationError(
            f"number {number} of the given texts is not a pseudonym: these have {LENGTH} digits from 0 to f",
            "gros-agent person shows the pseudonyms of a person, at the agent",
        )
        for number, one in enumerate(given, 1)
        if not _PSEUDONYM.fullmatch(one)
    )
    return tuple(dict.fromkeys(given))


@dataclass(frozen=True)
class Erased:
    """The hashes of the pseudonyms that were erased."""

    digests: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pseudonyms: Iterable[str]) -> "Erased":
        """The people with these pseudonyms."""
        return cls(frozenset(map(digest, pseudonyms)))

    def __or__(self, other: "Erased") -> "Erased":
        return Erased(self.digests | other.digests)

    def __sub__(self, other: "Erased") -> "Erased":
        return Erased(self.digests - other.digests)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def among(self, pseudonyms: Iterable[str]) -> frozenset[str]:
        """Those of the pseudonyms that were erased."""
        return frozenset(one for one in pseudonyms if digest(one) in self.digests)

    def within(self, path: Path) -> frozenset[str]:
        """The pseudonyms in a file that were erased."""
        return self.among(_in_file(path)) if self else frozenset()


def _in_file(path: Path) -> Iterator[str]:
    """Each sequence of so many digits, also within a longer one."""
    rest = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            content = rest + block
            digits, start = content.translate(_DIGITS), -1
            while (start := digits.find(_DIGIT * LENGTH, start + 1)) >= 0:
                yield content[start : start + LENGTH].decode()
            rest = content[1 - LENGTH :]
