"""Pseudonyms by default: what waives them, what doesn't, and what is kept private for them."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gros_agent.preflight.local import check_export
from gros_agent.preflight.results import Scope
from gros_agent.run.history import History
from gros_agent.service.entrypoint import prepare
from gros_agent.settings.load import load
from support.agent import Agent, give_secrets, table
from support.duty import FakeDuty, serving
from support.existing import ExistingController, existing_controller
from support.repository import Repository

PLAIN = "NAMES AND ADDRESSES ARE WRITTEN AS THEY ARE"


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", "scp") as running:
        yield running


def told(repository: Repository) -> dict[str, str]:
    repository.commit("one", {"a": "1"})
    return {"JIRA_KEY": "TEST", "GROS_AGENT_SOURCE": f"git:code={repository.path.as_uri()}"}


def encrypted(agent: Agent) -> set[str]:
    return {str(row["encrypted"]) for row in table(agent, "data_vcs_versions")}


@pytest.mark.parametrize("arguments", ["--no-secrets --no-ssh", "--no-secrets", "--skip", ""])
@pytest.mark.parametrize("command", [("entrypoint",), ("run",), ("scrape",)], ids=" ".join)
def test_a_waived_check_writes_nothing_plain(
    agent: Agent, repository: Repository, arguments: str, command: tuple[str, ...]
) -> None:
    """As Docker's page has it: no controller, no secrets, and checks that are left out."""
    variables = told(repository) | {"JENKINS_URL": "value", "PREFLIGHT_ARGS": arguments, "GROS_AGENT_NO_SECRETS": "1"}
    done = agent(*command, variables=variables)
    assert done.status == 0, done
    assert encrypted(agent) == {"1"}
    assert f"created secrets for project TEST in {agent.home}/secrets/TEST.json" in done.errors
    first = table(agent, "data_vcs_versions")[0]["developer"]
    assert agent(*command, "--quiet", variables=variables).status == 0
    repository.commit("two", {"a": "2"})
    assert agent("scrape", "--full", variables=variables).status == 0
    assert table(agent, "data_vcs_versions")[0]["developer"] == first


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (("scrape", "--no-secrets"), {}),
        (("scrape",), {"GROS_AGENT_PLAIN": "yes"}),
        (("run",), {"GROS_AGENT_PLAIN": "yes"}),
    ],
)
def test_plain_on_demand(
    agent: Agent, repository: Repository, command: tuple[str, ...], variables: dict[str, str]
) -> None:
    variables = told(repository) | variables
    done = agent(*command, variables=variables)
    assert done.status == 0
    assert encrypted(agent) == {"0"}
    assert PLAIN in " ".join(done.output.split())
    assert PLAIN in done.errors
    if command == ("run",):
        assert "secrets: warning: TEST: has no secrets" in done.errors
    assert not (agent.home / "secrets").exists()


def test_secrets_count_whatever_is_said(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    assert agent("run", variables=told(repository) | {"GROS_AGENT_PLAIN": "yes"}).status == 0
    assert encrypted(agent) == {"1"}


@pytest.mark.parametrize("said", ["maybe", "2"])
def test_plain_has_to_be_said_clearly(agent: Agent, repository: Repository, said: str) -> None:
    done = agent("run", variables=told(repository) | {"GROS_AGENT_PLAIN": said})
    assert done.status == 7
    assert f"GROS_AGENT_PLAIN (environment): '{said}': this is neither yes nor no" in done.errors


@pytest.mark.parametrize(
    ("options", "variables"),
    [(("--make-secrets", "--no-secrets"), {}), (("--make-secrets",), {"GROS_AGENT_PLAIN": "yes"})],
)
def test_contradiction(
    agent: Agent, repository: Repository, options: tuple[str, ...], variables: dict[str, str]
) -> None:
    done = agent("scrape", *options, variables=told(repository) | variables)
    assert done.status == 7
    assert "contradict" in done.errors
    assert not agent.export().exists()


def test_a_project_of_a_controller_waits_for_its_secrets(agent: Agent, repository: Repository) -> None:
    variables = told(repository) | {"SSH_HOST": "127.0.0.1", "PREFLIGHT_ARGS": "--no-secrets --no-ssh --skip"}
    done = agent("scrape", "--no-ssh", variables=variables)
    assert done.status == 7
    assert not (agent.home / "secrets").exists()
    assert not list(agent.export().glob("data_*.json"))


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
@pytest.mark.parametrize(
    "command",
    [("scrape",), ("run",), ("register", "--no-ssh")],
    ids=" ".join,
)
def test_folders_are_private(
    agent: Agent, classic: ExistingController, repository: Repository, umask: int, command: tuple[str, ...]
) -> None:
    variables = told(repository) | (classic.variables() if command[0] == "register" else {})
    before = os.umask(umask)
    try:
        assert agent(*command, variables=variables).status == 0
    finally:
        os.umask(before)
    made = [agent.home / "state", *(agent.home / "state").iterdir(), agent.home / "secrets"]
    for folder in (one for one in made if one.is_dir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert not [path for path in agent.home.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]


@pytest.mark.parametrize("name", ["state", "secrets", "state/outbox"])
def test_preflight_warns_of_open_folders(agent: Agent, name: str) -> None:
    (agent.home / name).mkdir(parents=True)
    (agent.home / name).chmod(0o755)
    done = agent("preflight", "--json", "--no-secrets", "--no-ssh")
    assert any(
        one["status"] == "warning" and f"{name} is open to others" in one["detail"] for one in json.loads(done.output)
    )


def test_whoever_comes_in_by_the_group_is_not_told_to_close_it(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user without a name is no owner of the image's folders, and would be shut out."""
    folder = agent.home / "secrets"
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    scope = Scope(load(agent.home, {}), ())
    folder.chmod(0o770)
    assert [one.name for one in check_export(scope)] == ["export folder"]
    folder.chmod(0o775)
    (warned,) = (one for one in check_export(scope) if one.name == "secrets folder")
    assert warned.hint.startswith(f"chmod o-rwx {folder}")


@pytest.mark.parametrize("name", ["secrets", ".ssh"])
def test_a_container_closes_its_own(agent: Agent, name: str) -> None:
    (agent.home / name).mkdir()
    (agent.home / name).chmod(0o770)
    prepare(load(agent.home, {}))
    assert stat.S_IMODE((agent.home / name).stat().st_mode) == 0o700


class TestKey:
    """The agent's own key lies in its home, and is stored when the controller took it."""

    def variables(self, controller: ExistingController, tmp_path: Path) -> dict[str, str]:
        given = controller.variables(HOME=str(tmp_path / "user"))
        return {name: text for name, text in given.items() if name not in {"DEFINITIONS_CREDENTIALS_ENV", "THE_KEY"}}

    def test_of_the_home(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        own = tmp_path / "user" / ".ssh" / "id_rsa"
        own.parent.mkdir(parents=True)
        own.write_text("the user's")
        done = agent("register", "--no-ssh", variables=self.variables(classic, tmp_path))
        assert done.status == 0, done
        key = agent.home / ".ssh" / "id_rsa"
        assert (stat.S_IMODE(key.stat().st_mode), stat.S_IMODE(key.parent.stat().st_mode)) == (0o600, 0o700)
        assert key.with_suffix(".pub").read_text().strip() == classic.keys[-1]
        assert own.read_text() == "the user's"

    def test_none_before_the_answer(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        classic.misbehave["agent.py"] = lambda _handler: (400, "no")
        variables = self.variables(classic, tmp_path)
        assert agent("register", "--no-ssh", variables=variables).status == 4
        assert not (agent.home / ".ssh").exists()
        classic.misbehave.clear()
        assert agent("register", "--no-ssh", variables=variables).status == 0

    def test_a_lost_answer_is_repaired(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        """The controller took a key that nobody has any more."""
        variables = self.variables(classic, tmp_path)
        assert agent("register", "--no-ssh", variables=variables).status == 0
        for path in (agent.home / ".ssh").iterdir():
            path.unlink()
        (agent.home / "secrets" / "TEST.json").unlink()
        assert agent("register", "--no-ssh", variables=variables).status == 0
        assert classic.keys[-1] != classic.keys[0]
        assert (agent.home / ".ssh" / "id_rsa.pub").read_text().strip() == classic.keys[-1]

    def test_registered_with_the_users_key(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        """Which counted by itself once: it is not replaced without a word."""
        variables = self.variables(classic, tmp_path)
        own = tmp_path / "user" / ".ssh" / "id_rsa"
        assert agent("register", "--path", own, variables=variables).status == 0
        done = agent("register", variables=variables)
        assert done.status == 7
        assert f"AGENT_KEY={own}" in done.errors
        assert not (agent.home / ".ssh").exists()
        named = variables | {"DEFINITIONS_CREDENTIALS_ENV": "AGENT_KEY", "AGENT_KEY": str(own)}
        assert agent("register", variables=named).status == 0
        assert len(set(classic.keys)) == 1
        assert agent("register", "--path", agent.home / ".ssh" / "id_rsa", variables=variables).status == 0
        assert agent("register", variables=variables).status == 0


def test_plain_values_are_told_wherever_a_run_is_shown(agent: Agent, repository: Repository) -> None:
    """In the table, the log, the history, and by it in the API and on the page."""
    done = agent("run", variables=told(repository) | {"GROS_AGENT_PLAIN": "yes"})
    assert PLAIN in " ".join(done.output.split())
    assert PLAIN in done.errors
    history = History(agent.home / "state" / "history.sqlite")
    assert any(PLAIN in note for note in history.runs(1)[0].notes)
    with serving(FakeDuty(history, projects=("TEST",))) as one:
        assert PLAIN in one.get("/api/runs").text
        assert PLAIN in one.get("/").text
