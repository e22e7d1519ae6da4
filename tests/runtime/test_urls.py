"""URLs of sources: taken apart as git does it, and never with a password left in them."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.project import entries
from gros_agent.project.entries import is_path, parse
from gros_agent.runtime import masking, urls
from gros_agent.runtime.masking import MASK, Redactor
from gros_agent.runtime.urls import at_host, blocking_pattern, host_of, split, take_credentials, without_password
from gros_agent.settings.load import load

WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/@:#?[]\\%"), min_size=1)


@given(WORD, WORD, st.sampled_from(["http", "https", "ssh", "git"]))
def test_credentials_are_taken_out(username: str, password: str, scheme: str) -> None:
    url, found_name, found_password = take_credentials(f"{scheme}://{username}:{password}@host.example:1234/a/b.git")
    assert (found_name, found_password) == (username, password)
    keep = f"{username}@" if scheme in {"ssh", "git"} else ""
    assert url == f"{scheme}://{keep}host.example:1234/a/b.git"


@given(WORD, WORD)
def test_credentials_never_reach_a_log(username: str, password: str) -> None:
    shown = without_password(f"x https://{username}:{password}@host.example/a y")
    assert shown == "x https://********@host.example/a y"


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://host.example/x", "host.example", None),
        ("ssh://git@host.example:2222/x", "host.example", 2222),
        ("git@host.example:group/x.git", "host.example", None),
        ("host.example:x", "host.example", None),
        ("https://[::1]:8443/x", "::1", 8443),
        ("file:///some/path", "", None),
    ],
)
def test_host(url: str, host: str, port: int | None) -> None:
    assert host_of(url) == (host, port)


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("https://host.example:1/x", "other.example", "https://other.example/x"),
        ("ssh://git@host.example/x", "other.example:22", "ssh://git@other.example:22/x"),
        ("git@host.example:group/x.git", "other.example:22", "git@other.example:group/x.git"),
        ("host.example:x", "other.example", "other.example:x"),
        ("host.example:x", "[::1]:22", "[::1]:x"),
    ],
)
def test_another_host(url: str, address: str, expected: str) -> None:
    assert at_host(url, address) == expected


@pytest.mark.parametrize(
    "url",
    ["", "-x", "--upload-pack=x", "ext::sh -c x", "https:///x", "https://h:99999/x", "ssh://-oProxyCommand=x/y", "-o:x",
     "a\nb:c", "https://h\0/x", "-h.example:x"],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(SourceError):
        split(url)


@given(st.text())
def test_any_text_is_taken_apart_or_refused(url: str) -> None:
    try:
        parts = split(url)
    except SourceError:
        return
    assert parts.scheme
    assert not url.startswith("-")


@pytest.mark.parametrize(
    ("option", "kind", "name", "url"),
    [
        ("git=https://h.example/group/repo.git/", "git", "repo", "https://h.example/group/repo.git/"),
        ("git:My Name=git@h.example:a/b.git", "git", "My Name", "git@h.example:a/b.git"),
        ("git=git@h.example:b.git", "git", "b", "git@h.example:b.git"),
        ("git=.", "git", "here", "file:///some/here"),
        ("git=sub dir/x", "git", "x", "file:///some/here/sub%20dir/x"),
        ("git=/else/where", "git", "where", "file:///else/where"),
        ("git:a=b=https://h.example/x", "git", "a", "file:///some/here/b%3Dhttps%3A/h.example/x"),
    ],
)
def test_source_options(option: str, kind: str, name: str, url: str) -> None:
    if "b=https" in option:
        with pytest.raises(ConfigurationError):
            parse([option], Path("/some/here"))
        return
    (entry,) = parse([option], Path("/some/here"))
    assert (entry.type, entry.name, entry.url) == (kind, name, url)


def test_paths() -> None:
    assert all(map(is_path, (".", "a/b:c", "/x", "~/y")))
    assert not any(map(is_path, ("h:x", "ssh://h/x", "-x")))


@pytest.mark.parametrize("text", ["x", "a/", "://", "a@", "https://u:x@h ", "=x ", "%61"])
@pytest.mark.parametrize("before", ["", "https://", "https://u:"])
def test_masking_takes_no_square_of_a_text(text: str, before: str) -> None:
    """Whatever a server sends: the time grows as the text does."""
    redactor = Redactor()
    redactor.hide([f"a-secret-of-{number}" for number in range(20)])
    begun = time.process_time()
    redactor.redact(before + text * 100_000)
    redactor.redact(before + "a:" * 100_000)
    assert time.process_time() - begun < 3


def test_redactor() -> None:
    redactor = Redactor()
    redactor.hide(["long-secret", "abc", "long-secret-tail"])
    assert redactor.redact("a long-secret-tail, long-secret and abc") == "a ********, ******** and abc"


@given(st.text("ab*", max_size=8), st.text("abA\n", max_size=8))
def test_patterns_of_the_block_list(pattern: str, text: str) -> None:
    expected = ".*".join(map(re.escape, pattern.split("*")))
    assert urls._matches(pattern, text) is (re.fullmatch(expected, text.lower(), re.DOTALL) is not None)


def test_patterns_take_no_square_of_a_text() -> None:
    begun = time.process_time()
    assert blocking_pattern("https://h.example/" + "a" * 60_000, ("h.example/" + "*a" * 30_000 + "b",)) is None
    assert time.process_time() - begun < 1


def test_what_no_option_knows_is_hidden_nowhere_but_in_settings(tmp_path: Path) -> None:
    """It may be any word: in every line of a log it would hide that."""
    (tmp_path / "settings.cfg").write_text("[jenkins]\npasswrod = name\npassword = a-secret\n")
    (tmp_path / "credentials.cfg").write_text("[h.example]\ncolour = scrape\ngithub_token = another-secret\n")
    assert set(load(tmp_path, {}).secrets()) == {"a-secret", "another-secret"}


def test_names_of_fields_are_never_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "redactor", Redactor())
    masking.redactor.hide(["status", "message"])
    assert masking.shown_in({"status": "status", "a status": {"last_message": "message"}}) == {
        "status": MASK,
        f"a {MASK}": {"last_message": MASK},
    }


def test_a_password_in_the_address_of_a_source_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Redactor()
    monkeypatch.setattr(entries, "redactor", known)
    parse(["git=https://reader:a%20pass-word@h.example/x"], Path("/"))
    assert known.redact("you said a pass-word") == f"you said {MASK}"
