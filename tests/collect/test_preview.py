"""What a dry run says about a field that some rows have and others lack."""

from itertools import permutations

import pytest

from gros_agent.collect.preview import _Examples
from gros_agent.rows import JiraDeveloper
from support.sources import SAFE

PEOPLE = (
    JiraDeveloper(name="ann", display_name="Ann"),
    JiraDeveloper(name="bea", display_name="Bea", email="bea@example.org"),
    JiraDeveloper(name="cleo", display_name="Cleo"),
)


@pytest.mark.parametrize(
    "people", list(permutations(PEOPLE)), ids=lambda people: "".join(one.name[0] for one in people)
)
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_field_of_some_rows_leaves(people: tuple[JiraDeveloper, ...], at_once: int) -> None:
    """In whatever order they come, in one block or several: it is missing only if every row lacks it."""
    seen = _Examples([JiraDeveloper], SAFE, whole_numbers=False)
    for first in range(0, len(people), at_once):
        seen.take(people[first : first + at_once])
    email = seen.tables["data_developer"].fields["email"]
    assert (email.treatment, email.before) == ("pseudonym", "bea@example.org")
    assert email.after != email.before


def test_a_field_of_no_row_does_not() -> None:
    seen = _Examples([JiraDeveloper], SAFE, whole_numbers=False)
    seen.take(PEOPLE[:1])
    assert seen.tables["data_developer"].fields["email"].treatment == "not at all"
