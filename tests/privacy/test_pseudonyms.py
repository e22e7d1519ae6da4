"""Pseudonyms: the formula, the username patterns, and that nothing plain gets through."""

import hashlib
import re
import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import ConfigurationError
from gros_agent.privacy.pseudonyms import Pseudonymised, Pseudonymiser, pseudonym
from gros_agent.privacy.secrets import Salts, Secrets, UsernamePattern
from gros_agent.rows import TABLES, Row, VcsVersion

SALTS = Salts("s", "p")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def with_patterns(*patterns: dict[str, str]) -> Pseudonymiser:
    return Pseudonymiser(Secrets(SALTS, tuple(UsernamePattern(**pattern) for pattern in patterns)))


def sha(text: str) -> str:
    return hashlib.sha256(("s" + text + "p").encode()).hexdigest()


def version(**fields: str) -> VcsVersion:
    plain = dict.fromkeys(("sprint_id", "message", "developer", "developer_username", "developer_email"), "0")
    dates = dict.fromkeys(("commit_date", "author_date"), "2020-01-01 00:00:00")
    return VcsVersion(repo_name="r", version_id="ab", type="commit", **(plain | dates | fields))


@given(TEXT, TEXT.filter(bool), TEXT.filter(bool))
def test_formula(value: str, salt: str, pepper: str) -> None:
    hashed = pseudonym(value, Secrets(Salts(salt, pepper)))
    assert hashed == ("0" if value == "0" else hashlib.sha256(f"{salt}{value}{pepper}".encode()).hexdigest())


@given(st.text(st.characters(), max_size=5), st.characters(categories=["Cs"]))
def test_half_of_a_pair_of_surrogates(text: str, half: str) -> None:
    """No system's name may end a scrape; the same name has the same pseudonym wherever it was read."""
    secrets = Secrets(Salts("a" * 64, "b" * 64))
    for value in (text + half, half + text):
        shown = value.replace(half, "\N{REPLACEMENT CHARACTER}")
        assert pseudonym(value, secrets) == pseudonym(shown, secrets)


@given(TEXT, TEXT, TEXT)
def test_rows(name: str, username: str, message: str) -> None:
    row = version(developer=name, developer_username=username, message=message)
    (hashed,) = Pseudonymiser(Secrets(SALTS)).rows([row]).rows
    assert hashed.developer == ("0" if name == "0" else sha(name))
    assert hashed.developer_username == ("0" if username == "0" else sha(username))
    assert (hashed.message, hashed.encrypted, hashed.developer_email) == (message, "1", "0")
    assert (row.developer, row.encrypted) == (name, "0")


def test_nothing_plain_without_a_word() -> None:
    with pytest.raises(ConfigurationError, match="no secrets"):
        Pseudonymiser(None)
    with pytest.raises(TypeError):
        Pseudonymised([version(developer="Ada")], object())


def test_plain_on_request() -> None:
    rows = [version(developer="Ada", developer_email="ada@x"), version(developer_email="root")]
    plain = Pseudonymiser(None, plain=True).rows(rows).rows
    assert [(row.developer, row.developer_email, row.encrypted) for row in plain] == [
        ("Ada", "ada@x", "0"),
        ("0", "0", "0"),
    ]


def test_plain_names_have_no_blanks_around_them() -> None:
    """The importer would never find such a person again: several of them would be one."""
    (row,) = Pseudonymiser(None, plain=True).rows([version(developer="\t Ada  Author \n")]).rows
    assert row.developer == "Ada  Author"
    (row,) = Pseudonymiser(Secrets(SALTS)).rows([version(developer=" Ada ")]).rows
    assert row.developer == pseudonym(" Ada ", Secrets(SALTS))


def test_many_people_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gros_agent.privacy.pseudonyms.MAX_CACHED", 3)
    pseudonymiser = Pseudonymiser(Secrets(SALTS))
    for number in range(10):
        assert pseudonymiser.field("developer", str(number + 1)) == sha(str(number + 1))
    assert len(pseudonymiser._known) <= 3


@pytest.mark.parametrize(
    ("patterns", "username", "expected"),
    [
        ([{"prefix": "DOM\\"}], "DOM\\ada", "ada"),
        ([{"prefix": "DOM\\", "mutate": "lower"}], "DOM\\ADA", "ada"),
        ([{"prefix": "DOM\\"}], "XDOM\\ada", "XDOM\\ada"),
        ([{"prefix": "%@", "pattern": "@.*$"}], "ada@example.org", "ada"),
        ([{"prefix": "_da", "pattern": "^(.)(.*)$", "replace": "$2-$1"}], "ada", "da-a"),
        ([{"prefix": "%", "pattern": "(x)|(y)", "replace": "[$1$2]"}], "xyz", "[x][y]z"),
        ([{"prefix": "b"}, {"prefix": "a", "pattern": "a", "replace": "1"}, {"prefix": "ad"}], "ada", "1d1"),
        ([{"prefix": "a.c"}], "abc", "abc"),
        ([{"prefix": ""}], "ada", "ada"),
    ],
)
def test_username_patterns(patterns: list[dict[str, str]], username: str, expected: str) -> None:
    assert with_patterns(*patterns).field("author_username", username) == sha(expected)
    assert with_patterns(*patterns).field("author", username) == sha(username)


def like(pattern: str, text: str) -> bool:
    """LIKE for the start of a text, by trying everything."""

    @cache
    def matches(i: int, j: int) -> bool:
        if i == len(pattern):
            return True
        if pattern[i] == "%":
            return any(matches(i + 1, k) for k in range(j, len(text) + 1))
        return j < len(text) and pattern[i] in {"_", text[j]} and matches(i + 1, j + 1)

    return matches(0, 0)


@given(st.text("ab%_.", max_size=6), st.text("ab._\n", max_size=8))
def test_prefixes_are_like_patterns(prefix: str, username: str) -> None:
    taken = with_patterns({"prefix": prefix, "pattern": "^", "replace": "taken-"}).field("username", username)
    assert (taken == sha(f"taken-{username}")) == like(prefix, username)


def test_a_hostile_pattern_ends() -> None:
    pseudonymiser = with_patterns({"prefix": "%", "pattern": r"^(a|a|b?)*\1+$"})
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match="takes longer than"):
        pseudonymiser.field("author_username", "a" * 60 + "!")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("ending", ["", "b"])
def test_a_hostile_prefix_ends(ending: str) -> None:
    started = time.monotonic()
    pseudonymiser = with_patterns({"prefix": "%a%a%a%a%a%a%a%b", "pattern": "^", "replace": "x"})
    name = "a" * 3000 + ending
    assert pseudonymiser.field("author_username", name) == sha("x" * bool(ending) + name)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "pattern",
    [{"prefix": "a", "pattern": "("}, {"prefix": "a", "mutate": "upper"}, {"prefix": "a", "replace": "$1"}],
)
def test_bad_patterns_are_named(pattern: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="username pattern"):
        with_patterns(pattern)


PERSONAL = re.compile(
    r"user|author|assign|review|develop|tagger|committer|owner|member|person|mail|login|account|name|_by$|_to$"
    r"|reporter|creator|updater|approver|participant|contact|phone"
)
"""What the name of a field looks like whose values are people."""
THINGS = {
    *("author_date", "base_name", "domain_name", "gitlab_group_name", "jira_name", "name", "project_name"),
    *("quality_display_name", "quality_name", "repo_name", "review_comments", "sprint_name", "tag_name", "team_name"),
}
"""Fields that look like that, and whose values are moments, projects, repositories, metrics, sprints, teams, texts."""
NAMES_OF_PEOPLE = {"data_developer": {"name"}}
"""Tables in which such a field has people after all."""


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.table)
def test_every_personal_field_is_declared(row: type[Row]) -> None:
    """A new field that looks like a person is one, or somebody has said here that it is none."""
    things = THINGS - NAMES_OF_PEOPLE.get(row.table, set())
    assert {name for name in row.__struct_fields__ if PERSONAL.search(name)} - things == set(row.personal)
