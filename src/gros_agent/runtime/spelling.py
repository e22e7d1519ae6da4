"""Finds the name that a misspelt one was probably meant for."""

from collections.abc import Iterable


def is_near(text: str, other: str) -> bool:
    """Whether two texts differ by one letter that is missing, is another or changed places, or in their case alone."""
    one, two = text.lower(), other.lower()
    if one == two:
        return True
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    is_one_letter = max(len(one), len(two)) == 1
    return is_one_letter or (len(one) == len("ab") and one == two[::-1])


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """A question for the known name that a text is probably meant to be; nothing where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 (few names are wrong)

    names = tuple(known)
    near = [name for name in names if is_near(text, name)] or get_close_matches(text.lower(), names, 1, 0.7)
    return f": did you mean {near[0]}?" if near else ""
