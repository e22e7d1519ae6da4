"""What settings and addresses say about a Jira: which server, whose log-in, which project."""

from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.options.values import Secret
from gros_agent.project.configured import with_configured
from gros_agent.settings.load import load
from gros_agent.sources.base import SourceEntry
from gros_agent.sources.jira import address

SERVER, SITE = "https://jira.example/jira", "https://team.atlassian.net"
GATEWAY = "https://api.atlassian.com/ex/jira/0b-1c"


@pytest.mark.parametrize(
    ("url", "server", "key"),
    [
        ("https://host", "https://host", None),
        ("https://host:8443/jira/", "https://host:8443/jira", None),
        (f"{SERVER}/projects/ABC", SERVER, "ABC"),
        (f"{SERVER}/projects/ABC/issues/ABC-1?filter=allopenissues", SERVER, "ABC"),
        (f"{SERVER}/browse/ABC", SERVER, "ABC"),
        (f"{SERVER}/browse/A_B1-17", SERVER, "A_B1"),
        (f"{SERVER}/issues/?jql=project%20%3D%20ABC", SERVER, None),
        (f"{SERVER}/secure/RapidBoard.jspa?rapidView=7", SERVER, None),
        (f"{SITE}/jira/software/c/projects/ABC/boards/3", SITE, "ABC"),
        (f"{SITE}/jira/your-work", SITE, None),
        (GATEWAY, GATEWAY, None),
    ],
)
def test_addresses(url: str, server: str, key: str | None) -> None:
    assert address.place(url) == (server, key)


def test_no_address() -> None:
    with pytest.raises(SourceError):
        address.place("nowhere")


def configured(home: Path, listed: list[SourceEntry], **options: str) -> list[SourceEntry]:
    lines = (f"{name.replace('__', '.')} = {value}" for name, value in options.items())
    (home / "settings.cfg").write_text("\n".join(("[jira]", *lines, "")))
    return list(with_configured(load(home, {"JIRA_KEY": "ABC"}).project("ABC"), listed))


def jira(url: str, user: str | None = None, password: str | None = None) -> SourceEntry:
    return SourceEntry("jira", "Tracker", url, user, Secret(password) if password else None)


def log_in(entry: SourceEntry) -> tuple[str | None, str | None]:
    return entry.username, entry.password.reveal() if entry.password else None


@pytest.mark.parametrize(
    ("server", "options", "expected"),
    [
        (SERVER, {"username": "me", "password": "word"}, ("me", "word")),
        (SERVER, {"password": "word"}, (None, "word")),
        (SERVER, {"username": "me", "password": "word", "token": "t"}, (None, "t")),
        (SITE, {"username": "me@example.org", "token": "t"}, ("me@example.org", "t")),
        (GATEWAY, {"username": "me@example.org", "token": "t"}, ("me@example.org", "t")),
        (GATEWAY, {"token": "t"}, (None, "t")),
        ("https://you:secret@jira.example", {"username": "me", "password": "word"}, ("you", "secret")),
        (SERVER, {}, (None, None)),
        (SERVER, {"password": "false"}, (None, None)),
    ],
)
def test_log_ins(tmp_path: Path, server: str, options: dict[str, str], expected: tuple[str, str]) -> None:
    (entry,) = configured(tmp_path, [], server=server, **options)
    assert (entry.type, entry.name, log_in(entry)) == ("jira", "ABC", expected)


@pytest.mark.parametrize("value", ["", "-", "false"])
def test_no_server(tmp_path: Path, value: str) -> None:
    assert configured(tmp_path, [], server=value, username="me", password="word") == []


def test_options_of_one_project(tmp_path: Path) -> None:
    options = {"server": SITE, "server__ABC": SERVER, "username": "me", "password__abc": "word", "token__OTHER": "t"}
    (entry,) = configured(tmp_path, [], **options)
    assert (entry.url, log_in(entry)) == (SERVER, ("me", "word"))


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        (f"{SERVER}/", f"{SERVER}/"),
        ("http://JIRA.example/jira", SERVER),
        (f"{SERVER}/projects/XYZ/issues", f"{SERVER}/projects/XYZ/issues"),
    ],
)
def test_a_listed_entry_of_the_same_server(tmp_path: Path, listed: str, url: str) -> None:
    """It has the log-in and the scheme of the settings, and the page of the list."""
    (entry,) = configured(tmp_path, [jira(listed)], server=SERVER, username="me", password="word")
    assert (entry.name, entry.url, log_in(entry)) == ("Tracker", url, ("me", "word"))


def test_a_log_in_of_the_list_counts(tmp_path: Path) -> None:
    (entry,) = configured(tmp_path, [jira(SERVER, "you", "secret")], server=SERVER, username="me", password="word")
    assert log_in(entry) == ("you", "secret")


@pytest.mark.parametrize("listed", ["https://other.example", "https://jira.example/elsewhere", "nowhere"])
def test_a_listed_server_elsewhere(tmp_path: Path, listed: str) -> None:
    assert configured(tmp_path, [jira(listed)], server=SERVER, username="me", password="word") == [jira(listed)]
