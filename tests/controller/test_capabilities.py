"""What a controller says that it can do is kept with its project, and nothing else is assumed."""

import subprocess
import sys
from pathlib import Path

import pytest

from gros_agent.controller import capabilities
from gros_agent.errors import ConfigurationError
from gros_agent.settings.load import load
from gros_agent.settings.model import Settings
from support.agent import Agent
from support.controller import controller
from support.existing import existing_controller


def settings(home: Path, host: str = "controller.example", **more: str) -> Settings:
    return load(home, {"SSH_HOST": host, **more})


def test_kept_for_each_project(tmp_path: Path) -> None:
    assert capabilities.capabilities(settings(tmp_path).project("ABC")) == frozenset()
    capabilities.keep(settings(tmp_path).project("ABC"), ("batch", "later-one", "batch"))
    capabilities.keep(settings(tmp_path).project("DEF"), ())
    assert capabilities.capabilities(settings(tmp_path).project("ABC")) == {"batch", "later-one"}
    assert capabilities.capabilities(settings(tmp_path).project("DEF")) == frozenset()


def test_the_last_registration_counts(tmp_path: Path) -> None:
    """A controller that was set back to an older release says less than before."""
    capabilities.keep(settings(tmp_path).project("ABC"), ("whole-numbers",))
    capabilities.keep(settings(tmp_path).project("ABC"), ())
    assert capabilities.capabilities(settings(tmp_path).project("ABC")) == frozenset()


@pytest.mark.parametrize(
    "changed", [{"host": "other.example"}, {"SSH_HTTPS_PORT": "8443"}, {"host": "no"}], ids=["host", "port", "none"]
)
def test_what_another_controller_said_does_not_count(tmp_path: Path, changed: dict[str, str]) -> None:
    capabilities.keep(settings(tmp_path).project("ABC"), ("whole-numbers",))
    assert capabilities.capabilities(settings(tmp_path, **changed).project("ABC")) == frozenset()


def test_damaged(tmp_path: Path) -> None:
    capabilities.keep(settings(tmp_path).project("ABC"), ("batch",))
    (path,) = (tmp_path / "state" / "controllers").iterdir()
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        capabilities.capabilities(settings(tmp_path).project("ABC"))


def test_is_quick_to_import() -> None:
    slow = "{'paramiko', 'requests', 'cryptography'}"
    code = f"import sys, gros_agent.controller.capabilities; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.integration
class TestRegistration:
    def test_with_the_reference_controller(self, agent: Agent, tmp_path: Path) -> None:
        with controller(tmp_path / "controller") as running:
            variables = running.variables(agent.home)
            assert agent("register", variables=variables).status == 0
        assert capabilities.capabilities(load(agent.home, variables).project("TEST")) == {
            "batch",
            "whole-numbers",
            "jira",
        }

    def test_with_an_existing_controller(self, agent: Agent, tmp_path: Path) -> None:
        with existing_controller(tmp_path / "controller", "scp") as running:
            variables = running.variables()
            assert agent("register", variables=variables).status == 0
        known = capabilities.registration(load(agent.home, variables).project("TEST"))
        assert known is not None
        assert known.capabilities == ()

    def test_that_names_no_names(self, agent: Agent, tmp_path: Path) -> None:
        with existing_controller(tmp_path / "controller", "scp") as running:
            answer = {"salts": {"salt": "a", "pepper": "b"}, "usernames": [], "capabilities": [1]}
            running.misbehave["agent.py"] = lambda _handler: (200, answer)
            done = agent("register", variables=running.variables())
        assert done.status == 4
        assert "lacks something" in done.errors
