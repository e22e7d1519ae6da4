"""Suggests the correct name for a misspelt one."""

from collections.abc import Iterable


def is_near(text: str, other: str) -> bool:
    """Whether two texts differ by one missing, wrong or swapped letter, or only in case."""
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
    """``: did you mean NAME?`` for the known name that is most similar, or an empty text if none is similar."""
    from difflib import get_close_matches  # noqa: PLC0415 (few names are wrong)

    names = tuple(known)
    near = [name for name in names if is_near(text, name)] or get_close_matches(text.lower(), names, 1, 0.7)
    return f": did you mean {near[0]}?" if near else ""
