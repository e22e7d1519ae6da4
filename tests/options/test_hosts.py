"""Options of a host: a source reads those that it declares, and a secret of another one is seen nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from gros_agent.options.hosts import HostOption, UndeclaredOptionError, by_name
from gros_agent.options.values import Secret, Value
from gros_agent.sources import host_options, sources
from gros_agent.sources.base import Source
from gros_agent.sources.common.host_options import COMMON
from support.agent import Agent
from support.hosts import host_with

CANARY = "canary-3f9c1"
OWN = HostOption("widget_token", "API token", secret=True)
PLACE = HostOption("widget_key", "file with a key", file=True)


def test_what_is_not_declared_can_not_be_read() -> None:
    host = host_with("h", {"widget_token": Value(CANARY, "test"), "username": Value("reader", "test")})
    for read in (host.get, host.secret, host.is_on, host.file):
        with pytest.raises(UndeclaredOptionError, match="widget_token is not declared"):
            read("widget_token")
    limited = host.limited_to(by_name((OWN,)))
    assert limited.secret("widget_token") == Secret(CANARY)
    assert "username" not in limited.options
    with pytest.raises(UndeclaredOptionError, match="is not declared"):
        limited.username("ssh")
    assert "widget_token" not in host.limited_to(by_name(COMMON)).options


def test_is_read_as_what_it_is_declared() -> None:
    """A secret never as a plain text, a plain text never as a secret, which nothing would mask."""
    host = host_with("h", {"widget_token": Value(CANARY, "test")}).limited_to(by_name((OWN, PLACE, *COMMON)))
    with pytest.raises(UndeclaredOptionError, match="is a secret"):
        host.get("widget_token")
    with pytest.raises(UndeclaredOptionError, match="not declared as a secret"):
        host.secret("username")
    with pytest.raises(UndeclaredOptionError, match="not declared as a file"):
        host.file("username")


@pytest.mark.parametrize("source", sources().values(), ids=lambda source: source.kind)
def test_declarations(source: Source) -> None:
    """Each has what every source has, and two of one name are one."""
    declared = by_name(source.host_options)
    assert set(by_name(COMMON)) <= set(declared)
    assert len(declared) == len(source.host_options)
    assert all(host_options()[name] == option for name, option in declared.items())
    for option in declared.values():
        assert option.secret or not option.git_user
        looks_secret = any(word in option.name for word in ("token", "password", "secret"))
        assert option.secret == looks_secret, f"{option.name}: is it a secret?"


NEW = """
import logging
from gros_agent.errors import SourceError
from gros_agent.options.hosts import HostOption
from gros_agent.rows import VcsVersion
from gros_agent.sources.base import Declared, Order
from gros_agent.sources.common.host_options import COMMON

log = logging.getLogger("gros_agent.sources.widget")


class Widget(Declared):
    kind, title, order = "widget", "Widget", Order.BUILDS
    tables, items, tracker = (VcsVersion,), VcsVersion, "widget_update.json"
    host_options = (*COMMON, {declared})

    def check(self, context):
        return self.token(context)

    def collect(self, context, since):
        yield []
        raise SourceError("the widget says: " + self.token(context), "ask it")

    def token(self, context):
        log.debug("the section has %s", dict(context.host.options))
        text = context.host.secret("widget_token").reveal()
        log.debug("the token is %s", text)
        return text


SOURCE = Widget()
"""
START = """
import sys
import gros_agent.sources
gros_agent.sources.__path__.append(sys.argv.pop(1))
from gros_agent.__main__ import main
main()
"""


def asked(agent: Agent, folder: Path, *arguments: str) -> str:
    """All that a command shows, and all that lies there afterwards but the settings."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder), *arguments],
        cwd=agent.home,
        env=agent.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    files = [path for path in agent.home.rglob("*") if path.is_file() and path.name != "credentials.cfg"]
    return "\n".join((done.stdout, done.stderr, *(path.read_text(errors="replace") for path in files)))


def test_a_new_source_with_an_undeclared_secret(agent: Agent, tmp_path: Path) -> None:
    """Its developer is told, and what the secret says is shown by nothing."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "widget.py").write_text(NEW.replace("{declared}", ""))
    agent.home.joinpath("credentials.cfg").write_text(f"[widget.example]\nwidget_token={CANARY}\n")
    source = ("--source", "widget=https://widget.example/one")
    told = asked(agent, folder, "--log", "DEBUG", "scrape", "--project", "TEST", *source)
    assert "the host option widget_token is not declared" in told
    assert "the section has {}" in told
    assert CANARY not in told
    shown = asked(agent, folder, "config", "show")
    assert "widget_token" in shown
    assert CANARY not in shown


def test_a_new_source_with_a_declared_secret(agent: Agent, tmp_path: Path) -> None:
    """It is masked everywhere, without a word about it anywhere else than in the source."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "widget.py").write_text(NEW.replace("{declared}", 'HostOption("widget_token", "token", secret=True)'))
    agent.home.joinpath("credentials.cfg").write_text(f"[widget.example]\nwidget_token={CANARY}\n")
    source = ("--source", "widget=https://widget.example/one")
    told = asked(agent, folder, "--log", "DEBUG", "scrape", "--project", "TEST", *source)
    assert "the widget says" in told
    assert "the token is" in told
    assert CANARY not in told
    assert CANARY not in asked(agent, folder, "config", "show")
