"""Preflight: every check in each of its states, and the exit status that they add up to."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from support.agent import Agent, give_secrets
from support.certificates import certificate
from support.repository import Repository
from support.servers import make_key


def results(agent: Agent, *arguments: str, variables: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    done = agent("preflight", "--json", *arguments, variables=variables)
    return {one["name"]: (one["status"], one["detail"]) for one in json.loads(done.output)}


def test_without_anything(agent: Agent) -> None:
    done = agent("preflight", "--no-secrets", "--no-ssh")
    assert done.status == 0
    assert list(agent.home.iterdir()) == []
    for words in ("left out with --no-secrets", "left out with --no-ssh", "no controller is configured"):
        assert words in done.output


class TestCertificate:
    @pytest.mark.parametrize(
        ("start", "end", "status", "words"),
        [
            (-1, 365, "ok", "for controller.example, valid until"),
            (-1, 29, "warning", "valid until"),
            (-365, -1, "failed", "expired on"),
            (1, 365, "failed", "only"),
        ],
    )
    def test_dates(self, agent: Agent, start: int, end: int, status: str, words: str) -> None:
        path = certificate(agent.home / "c.crt", timedelta(days=start), timedelta(days=end))
        found = results(agent, "--cert", str(path))["certificate"]
        assert (found[0], words in found[1]) == (status, True)

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "No such file"), (b"no certificate", "no PEM certificate"),
         (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is damaged")],
    )  # fmt: skip
    def test_no_certificate(self, agent: Agent, content: bytes | None, words: str) -> None:
        if content is not None:
            (agent.home / "c.crt").write_bytes(content)
        done = agent("preflight", "--no-secrets", "--no-ssh", variables={"SSH_HTTPS_CERT": "c.crt", "SSH_HOST": "x"})
        assert done.status == 4
        assert words in " ".join(done.output.split())

    def test_two_while_one_replaces_the_other(self, agent: Agent) -> None:
        old = certificate(agent.home / "a", timedelta(days=-90), timedelta(days=10)).read_bytes()
        new = certificate(agent.home / "b", timedelta(days=-1), timedelta(days=90)).read_bytes()
        (agent.home / "both.crt").write_bytes(old + new)
        done = agent("preflight", "--json", "--cert", "both.crt", "--no-secrets", "--no-ssh")
        found = [one["status"] for one in json.loads(done.output) if one["name"] == "certificate"]
        assert found == ["warning", "ok"]


class TestSecrets:
    def test_states(self, agent: Agent) -> None:
        assert results(agent)["secrets"][0] == "skipped"
        assert results(agent, "--project", "TEST")["secrets"][0] == "ok"  # the first scrape makes them
        assert results(agent, "--project", "TEST", "--ssh", "127.0.0.1:1")["secrets"][0] == "failed"
        give_secrets(agent)
        assert results(agent, "--project", "TEST")["secrets"][0] == "ok"
        path = agent.home / "secrets" / "TEST.json"
        path.chmod(0o644)
        assert "can be read by others" in results(agent, "--project", "TEST")["secrets"][1]
        path.chmod(0o600)
        path.write_text('{"salts": {"salt": "x"}}')
        assert "incomplete" in results(agent, "--project", "TEST")["secrets"][1]
        assert results(agent, "--secrets", str(path))["secrets"][0] == "failed"

    def test_older_file(self, agent: Agent) -> None:
        give_secrets(agent)
        (agent.home / "secrets" / "TEST.json").rename(agent.home / "secrets.json")
        assert results(agent, "--project", "TEST")["secrets"][0] == "ok"


class TestKey:
    def test_states(self, agent: Agent, tmp_path: Path) -> None:
        variables = {"SSH_HOST": "controller.example", "DEFINITIONS_CREDENTIALS_ENV": "K", "K": str(tmp_path / "key")}

        def state() -> tuple[str, str]:
            return results(agent, variables=variables)["SSH key"]

        assert "no such key" in state()[1]
        key = make_key(tmp_path / "key")
        assert state() == ("ok", f"{key}: ssh-ed25519, 256 bits")
        key.chmod(0o644)
        assert "ssh refuses it" in state()[1]
        key.chmod(0o600)
        key.write_text("no key")
        assert state()[0] == "failed"
        for bits, status in ((1024, "failed"), (2048, "warning"), (4096, "ok")):
            make_key(key, bits)
            assert state()[0] == status
        make_key(key, passphrase="passphrase")
        assert "passphrase" in state()[1]

    def test_not_needed_without_a_controller(self, agent: Agent) -> None:
        assert results(agent)["SSH key"][0] == "skipped"


class TestSources:
    def test_each_answers(self, agent: Agent, repository: Repository) -> None:
        commit = repository.commit("one", {"a": "1"})
        agent.export().mkdir(parents=True)
        listed = [
            {"type": "git", "name": "good", "url": repository.url},
            {"type": "git", "name": "bad", "url": "file:///nowhere"},
            {"type": "tfvc", "name": "later", "url": "http://x/"},
        ]
        (agent.export() / "data_sources.json").write_text(json.dumps(listed))
        done = agent("preflight", "--json", "--project", "TEST", "--no-secrets")
        assert done.status == 4
        found = {one["name"]: one for one in json.loads(done.output)}
        assert found["TEST: good"]["detail"] == f"answers; newest commit {commit[:12]}"
        assert found["TEST: bad"]["status"] == "failed"
        assert found["TEST: later"]["status"] == "warning"

    def test_programs(self, agent: Agent) -> None:
        """Subversion is wanted where a source is of its type."""
        assert results(agent, "--project", "TEST")["git"][0] == "ok"
        agent.export().mkdir(parents=True)
        listed = [{"type": "subversion", "name": "old", "url": "file:///nowhere"}]
        (agent.export() / "data_sources.json").write_text(json.dumps(listed))
        found = results(agent, "--project", "TEST")["svn"]
        if shutil.which("svnrdump"):
            assert (found[0], found[1][:10]) == ("ok", "version 1.")
        else:
            assert found == ("failed", "Subversion is not installed, or does not start")

    def test_damaged_list(self, agent: Agent) -> None:
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text("{")
        assert results(agent, "--project", "TEST")["TEST: sources"][0] == "failed"


class TestSettings:
    def test_what_is_odd(self, agent: Agent) -> None:
        path = agent.home / "credentials.cfg"
        path.write_text("[h.example]\nunsafe_hosts=true\nenv=NOT_SET\n")
        path.chmod(0o644)
        done = agent("preflight", "--no-secrets", "--no-ssh")
        assert done.status == 4
        for words in ("unsafe_hosts: certificates", "variable NOT_SET is not set", "can be read by everybody"):
            assert words in " ".join(done.output.split())

    def test_environment_file_is_a_folder(self, agent: Agent) -> None:
        (agent.home / "env").mkdir()
        (agent.home / "env" / "pyvenv.cfg").touch()
        done = agent("preflight", "--no-secrets", "--no-ssh")
        assert done.status == 0
        assert "is a Python virtual environment" in " ".join(done.output.split())


def test_skip_runs_all_and_ends_well(agent: Agent) -> None:
    done = agent("preflight", "--project", "TEST", "--skip", "--ssh", "127.0.0.1:1")
    assert done.status == 0
    assert "failed" in done.output


@pytest.mark.parametrize(
    "wrong", [{"SSH_HTTPS_PORT": "abc"}, {"SSH_PORT": "70000"}, {"SSH_HOST": "127.0.0.1:abc"}], ids=str
)
def test_port_that_is_none(agent: Agent, wrong: dict[str, str]) -> None:
    """A wrong value is the user's mistake, and no mistake of the agent."""
    variables = {"SSH_HOST": "127.0.0.1", "JIRA_KEY": "TEST", **wrong}
    for command in (("export", "--dry-run"), ("register", "--dry-run"), ("scrape",), ("run",), ("preflight",)):
        agent.export().mkdir(parents=True, exist_ok=True)
        done = agent(*command, variables=variables)
        assert done.status == 7, done
        assert "bug in the agent" not in done.errors + done.output


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("--ssh", "x", "--no-ssh"), 7), (("--project", "x1"), 7), (("--timeout", "0"), 2)],
)
def test_wrong_options(agent: Agent, arguments: tuple[str, ...], status: int) -> None:
    assert agent("preflight", *arguments).status == status
