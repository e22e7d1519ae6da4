"""The forms of a name or an address in which sources may have it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.privacy.forms import forms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna", {"anna": "as given"}),
        ("  Anna  ", {"Anna": "as given", "anna": "lower case"}),
        (
            "Anna <Anna@x.org>",
            {
                "Anna <Anna@x.org>": "as given",
                "anna <anna@x.org>": "lower case",
                "Anna": "name",
                "anna": "name, lower case",
                "Anna@x.org": "address",
                "anna@x.org": "address, lower case",
            },
        ),
        ("<DOMAIN\\a>", {"<DOMAIN\\a>", "<domain\\a>", "DOMAIN\\a", "domain\\a"}),
        ("é", {"\u00e9": "as given", "e\u0301": "decomposed"}),
        ("e\u0301", {"e\u0301": "as given", "\u00e9": "composed"}),
        ("0", {}),
        (" \t", {}),
        ("a <> b", {"a <> b": "as given"}),
    ],
)
def test_forms(text: str, expected: dict[str, str] | set[str]) -> None:
    found = forms(text)
    assert found == expected if isinstance(expected, dict) else set(found) == expected


@given(st.text())
def test_what_was_given_is_the_first(text: str) -> None:
    found = list(forms(text))
    assert not found or found[0] == text.strip("".join(map(chr, range(33))))
    assert all(one.strip() or unicodedata.normalize("NFC", one) for one in found)
