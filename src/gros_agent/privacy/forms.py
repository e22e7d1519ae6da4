"""The forms in which sources may write a name, an account or an address that somebody gives."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from gros_agent.rows import NOBODY, trimmed

_CONTACT = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
"""A name with an address or an account, as Git and Azure DevOps write it."""
_ALPHABETS: Mapping[str, Callable[[str], str]] = {
    "": str,
    "composed": partial(unicodedata.normalize, "NFC"),
    "decomposed": partial(unicodedata.normalize, "NFD"),
}
"""Systems store an accented letter as one character, or as a letter and its accent."""
_CASES: Mapping[str, Callable[[str], str]] = {"": str, "lower case": str.lower}


def forms(text: str) -> dict[str, str]:
    """Every form of a text, and what was changed in it. ``NAME <ADDRESS>`` is also a name and an address.

    A pseudonym depends on each character, upper and lower case included.
    """
    found: dict[str, str] = {}
    for what, part in _parts(trimmed(text)):
        for case, cased in _CASES.items():
            for alphabet, written in _ALPHABETS.items():
                one = written(cased(part))
                if one and one != NOBODY:
                    found.setdefault(one, ", ".join(filter(None, (what, case, alphabet))) or "as given")
    return found


def _parts(text: str) -> Iterator[tuple[str, str]]:
    yield "", text
    if match := _CONTACT.fullmatch(text):
        yield "name", trimmed(match["name"])
        yield "address", trimmed(match["address"])
