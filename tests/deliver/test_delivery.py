"""Registration, trackers and delivery against a controller as installations have it, over OpenSSH and real TLS."""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gros_agent.controller import ControllerError, ssh
from gros_agent.controller import https as controller_https
from gros_agent.settings.load import load
from support.agent import Agent, Finished, table
from support.certificates import certificate
from support.drip import HEADS, dripping
from support.existing import SALTS, Answer, ExistingController, existing_controller, https, make_certificate
from support.proxy import Fault, proxy
from support.repository import Repository, linear_history
from support.sample import Sample
from support.servers import make_key, ssh_server

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sftp", "scp"])
def controller(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", request.param) as running:
        yield running


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", "scp") as running:
        yield running


def sha(text: str) -> str:
    return hashlib.sha256((SALTS["salt"] + text + SALTS["pepper"]).encode()).hexdigest()


class Chain:
    """The calls of one agent, in the order of a real run."""

    def __init__(self, agent: Agent, controller: ExistingController, repository: Repository) -> None:
        self.agent = agent
        self.controller = controller
        self.source = ("--source", f"git={repository.path}")

    def __call__(self, *arguments: str) -> Finished:
        return self.agent(*arguments, variables=self.controller.variables())

    def run(self) -> list[Finished]:
        done = [self("register"), self("preflight"), self("scrape", *self.source), self("export")]
        for one in done:
            assert one.status == 0, one
        return done


def test_the_whole_path(agent: Agent, controller: ExistingController, repository: Repository) -> None:
    first = repository.commit("one", {"a": "1"})
    chain = Chain(agent, controller, repository)
    way = {"scp": "scp", "sftp": "sftp"}[controller_way(controller)]
    _, preflight, _, export = chain.run()
    assert f"works, files go by {way}" in preflight.output
    (row,) = controller.rows("data_vcs_versions.json")
    assert row["version_id"] == first
    assert row["developer"] == sha("Ada Author")
    (announced,) = controller.announced
    tables = ["data_change_path.json", "data_project.json", "data_tag.json", "data_vcs_versions.json"]
    assert announced["files"]["export"] == [*tables, "data_sources.json"]
    assert announced["files"]["other"] == ["scrape.log"]
    assert announced["files"]["update"] == ["latest_vcs_versions.json", "preflight_date.txt"]
    assert announced["fields"] == ["agent", "batch", "files"]
    assert announced["agent"]["user"] == controller.variables()["SSH_USERNAME"]
    assert announced["agent"]["version"].startswith("gros_agent/")
    assert "delivered to" in export.output
    (receipt,) = (agent.home / "state" / "receipts" / "TEST").iterdir()
    assert json.loads(receipt.read_text())["way"] == way
    second = repository.commit("two", {"a": "2"})
    chain.run()
    assert [row["version_id"] for row in controller.rows("data_vcs_versions.json")] == [first, second]
    done = chain("export")
    assert done.status == 0
    assert "there is nothing to deliver" in done.output


def controller_way(controller: ExistingController) -> str:
    return "scp" if (controller.folder / "shell").exists() else "sftp"


class TestRegistration:
    def test_makes_a_pair_once(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        variables = classic.variables(THE_KEY=str(tmp_path / "keys" / "made"))
        for _ in range(2):
            assert agent("register", variables=variables).status == 0
        assert len(set(classic.keys)) == 1
        assert classic.keys[0].startswith("ssh-ed25519 ")
        assert "\n" not in classic.keys[0]
        assert stat.S_IMODE((tmp_path / "keys" / "made").stat().st_mode) == 0o600
        assert stat.S_IMODE((agent.home / "secrets" / "TEST.json").stat().st_mode) == 0o600

    def test_rsa_where_the_file_is_called_so(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        assert agent("register", variables=classic.variables(THE_KEY=str(tmp_path / "id_rsa"))).status == 0
        assert classic.keys[0].startswith("ssh-rsa ")

    def test_rotation(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        variables = classic.variables(THE_KEY=str(make_key(tmp_path / "mine")))
        before = (tmp_path / "mine").read_bytes()
        classic.misbehave["agent.py"] = lambda _handler: (400, "no")
        assert agent("register", "--rotate", variables=variables).status == 4
        assert (tmp_path / "mine").read_bytes() == before
        classic.misbehave.clear()
        assert agent("register", "--rotate", variables=variables).status == 0
        assert (tmp_path / "mine").read_bytes() != before
        assert (tmp_path / "mine.pub").read_text().strip() == classic.keys[-1]
        assert not list(tmp_path.glob("mine.next*"))

    def test_dry_run(self, agent: Agent, classic: ExistingController, tmp_path: Path) -> None:
        variables = classic.variables(THE_KEY=str(tmp_path / "none"))
        done = agent("register", "--dry-run", variables=variables)
        assert done.status == 0
        assert "would send a new public key" in done.output
        assert not classic.keys
        assert not (tmp_path / "none").exists()
        assert list(agent.home.iterdir()) == []

    def test_finishes_an_open_delivery_first(
        self, agent: Agent, classic: ExistingController, repository: Repository
    ) -> None:
        """Registering clears what was uploaded, so it must not come between upload and announcement."""
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, classic, repository)
        chain("register")
        chain("scrape", *chain.source)
        classic.misbehave["export.py"] = lambda _handler: (500, "broken")
        assert chain("export").status == 6
        done = chain("register")
        assert done.status == 6
        assert "was not delivered" in done.errors
        assert len(classic.keys) == 1
        classic.misbehave.clear()
        assert chain("register").status == 0
        assert len(classic.rows("data_vcs_versions.json")) == 1


def html(_handler: BaseHTTPRequestHandler) -> Answer:
    return 200, "<html><body>It works!</body></html>"


def cut(_handler: BaseHTTPRequestHandler) -> None:
    return None


class TestBadController:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((400, "unknown project"), "status 400: unknown project"),
            ((500, "<h1>Oops</h1>"), "status 500: a web page"),
            ((503, "locked"), "status 503: locked"),
            ((200, "<html></html>"), "lacks something"),
            ((200, "no json"), "lacks something"),
            ((200, {"salts": {"salt": "x"}}), "lacks something"),
            ((200, {"salts": {"salt": "", "pepper": "x"}}), "lacks something"),
            ((200, "x" * (10 << 20)), "larger than"),
            ((302, ""), "redirects to http://elsewhere.example/"),
        ],
    )
    def test_registration(self, agent: Agent, classic: ExistingController, answer: Answer, words: str) -> None:
        classic.misbehave["agent.py"] = lambda _handler: answer
        done = agent("register", variables=classic.variables())
        assert (done.status, words in done.errors) == (4, True), done
        assert "Traceback" not in done.errors
        assert not (agent.home / "secrets").exists()

    @pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 520])
    def test_a_passing_fault(self, agent: Agent, classic: ExistingController, code: int) -> None:
        """Whatever a controller, or a proxy before it, says when another try may do."""

        def once(_handler: BaseHTTPRequestHandler) -> Answer:
            del classic.misbehave["agent.py"]
            return code, "later"

        classic.misbehave["agent.py"] = once
        done = agent("register", variables=classic.variables())
        assert done.status == 0, done
        assert f"the controller is busy (status {code}); trying again" in done.errors

    def test_down(self, agent: Agent, classic: ExistingController) -> None:
        done = agent("register", variables=classic.variables(SSH_HTTPS_PORT="1"))
        assert done.status == 4
        assert "can't be reached at 127.0.0.1 port 1: Connection refused" in done.errors

    def test_cut_connection(self, agent: Agent, classic: ExistingController) -> None:
        classic.misbehave["agent.py"] = cut
        done = agent("register", variables=classic.variables())
        assert done.status == 4
        assert "can't be reached" in done.errors

    def test_status(self, agent: Agent, classic: ExistingController) -> None:
        assert agent("register", variables=classic.variables()).status == 0
        early = {"ok": False, "message": "too early"}
        classic.status = {"database": {"ok": True}, "tracker": early, "configuration": early, "total": early}
        done = agent("preflight", variables=classic.variables())
        assert done.status == 5, done
        assert "not due" in done.output
        assert not (agent.export() / "preflight_date.txt").exists()
        classic.status["database"] = {"ok": False, "message": "is down"}
        done = agent("preflight", variables=classic.variables())
        assert done.status == 4
        assert "is down" in done.output
        classic.status = {"total": {"ok": True}, "configuration": {"ok": True, "contents": "A=b\n"}}
        assert agent("preflight", variables=classic.variables()).status == 0
        assert (agent.export() / "preflight_env").read_text() == "A=b\n"
        written = (agent.export() / "preflight_date.txt").read_text()
        assert len(written) == len("2026-11-22T12:00:00.123456+00:00")

    def test_preflight_of_a_web_page(self, agent: Agent, classic: ExistingController) -> None:
        classic.misbehave["status.py"] = html
        done = agent("preflight", "--no-secrets", variables=classic.variables())
        assert done.status == 4
        assert "could not be parsed" in done.output


class TestCertificates:
    def test_another_one(self, agent: Agent, classic: ExistingController) -> None:
        """The server's certificate was swapped behind our back."""
        pinned = agent.home / "pinned.crt"
        shutil.copy(classic.certificate, pinned)
        variables = classic.variables(SSH_HTTPS_CERT=str(pinned))
        assert agent("register", variables=variables).status == 0
        make_certificate(classic)
        with https(classic) as port:
            variables["SSH_HTTPS_PORT"] = str(port)
            done = agent("register", variables=variables)
            assert done.status == 4
            assert "is not the pinned one, or not for this host" in done.errors
            done = agent("preflight", variables=variables)
            assert done.status == 4
            assert "; pinned is " in " ".join(done.output.split())
            both = pinned.read_bytes() + classic.certificate.read_bytes()
            pinned.write_bytes(both)
            assert agent("register", variables=variables).status == 0

    @pytest.mark.parametrize(("name", "days", "words"), [("other.example", 30, "match"), ("127.0.0.1", -1, "expired")])
    def test_of_another_host_or_expired(
        self, agent: Agent, classic: ExistingController, name: str, days: int, words: str
    ) -> None:
        if days < 0:
            certificate(classic.certificate, timedelta(-9), timedelta(days), ("127.0.0.1",), classic.folder / "tls.key")
        else:
            make_certificate(classic, name)
        with https(classic) as port:
            done = agent("register", variables=classic.variables(SSH_HTTPS_PORT=str(port)))
        assert done.status == 4
        assert words in done.errors


class TestHostKeys:
    def test_swapped(self, agent: Agent, classic: ExistingController, repository: Repository, tmp_path: Path) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, classic, repository)
        chain("register")
        chain("scrape", *chain.source)
        assert classic.ssh
        pinned = (agent.home / "state" / "controller_hosts").read_text()
        with ssh_server(tmp_path / "other") as other:
            shutil.copy(classic.ssh.key.with_suffix(".pub"), tmp_path / "other" / "authorized_keys")
            entry = pinned.replace(f":{classic.ssh.port} ", f":{other.port} ")
            (agent.home / "state" / "controller_hosts").write_text(entry)
            done = agent("export", variables=classic.variables(SSH_PORT=str(other.port)))
        assert done.status == 6
        shown = " ".join(done.output.split())
        assert shown.count("SHA256:") == 2
        assert "shows the SSH host key" in shown
        assert "remove the host's lines" in shown

    def test_deleted(self, agent: Agent, classic: ExistingController, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, classic, repository)
        chain("register")
        chain("scrape", *chain.source)
        (agent.home / "state" / "controller_hosts").unlink()
        done = chain("export")
        assert done.status == 6
        assert "no SSH host key is pinned" in " ".join(done.output.split())
        done = chain("register")
        assert done.status == 0
        assert "as it was shown" in done.output
        assert chain("export").status == 0

    def test_refused_key(
        self, agent: Agent, classic: ExistingController, repository: Repository, tmp_path: Path
    ) -> None:
        repository.commit("one", {"a": "1"})
        other = make_key(tmp_path / "unknown")
        variables = classic.variables(THE_KEY=str(other))
        assert agent("register", variables=variables).status == 0
        done = agent("scrape", "--source", f"git={repository.path}", variables=variables)
        assert done.status == 4
        assert f"refuses the key {other}" in " ".join(done.output.split())


class TestTrackers:
    def test_the_controllers_count(self, agent: Agent, controller: ExistingController, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, controller, repository)
        chain.run()
        (agent.export() / "latest_vcs_versions.json").unlink()
        second = repository.commit("two", {"a": "2"})
        chain("scrape", *chain.source)
        assert [row["version_id"] for row in table(agent, "data_vcs_versions")] == [second]

    def test_none_there_means_from_the_start(
        self, agent: Agent, controller: ExistingController, repository: Repository
    ) -> None:
        first = repository.commit("one", {"a": "1"})
        chain = Chain(agent, controller, repository)
        chain.run()
        controller.database.clear()
        chain("register")
        assert chain("scrape", *chain.source).status == 0
        assert [row["version_id"] for row in table(agent, "data_vcs_versions")] == [first]


class TestInterruptions:
    def test_answer_of_the_announcement_lost(
        self, agent: Agent, controller: ExistingController, repository: Repository
    ) -> None:
        """The controller took the batch, but its answer did not arrive: it must not be sent again."""
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, controller, repository)
        chain("register")
        chain("scrape", *chain.source)

        def take_and_cut(_handler: BaseHTTPRequestHandler) -> None:
            controller.announced.append({})
            controller.take("TEST", "TEST")

        controller.misbehave["export.py"] = take_and_cut
        assert chain("export").status == 0
        controller.misbehave.clear()
        assert "there is nothing to deliver" in chain("export").output
        assert len(controller.rows("data_vcs_versions.json")) == 1
        assert len(controller.announced) == 1

    def test_controller_that_never_takes(
        self, agent: Agent, classic: ExistingController, repository: Repository
    ) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, classic, repository)
        chain("register")
        chain("scrape", *chain.source)
        classic.misbehave["export.py"] = lambda _handler: (202, "")
        done = chain("export", "--wait", "0.2")
        assert done.status == 6
        assert "has not taken the announced batch within 0.2 s" in " ".join(done.output.split())
        classic.misbehave.clear()
        repository.commit("two", {"a": "2"})
        done = agent("scrape", *chain.source, variables=classic.variables(GROS_AGENT_WAIT="0.2"))
        assert done.status == 0, done
        assert len(table(agent, "data_vcs_versions")) == 1
        assert not classic.rows("data_vcs_versions.json")
        assert chain("export", "--wait", "1").status == 0
        assert len(classic.rows("data_vcs_versions.json")) == 2

    @pytest.mark.slow
    def test_killed_at_any_moment(
        self, agent: Agent, classic: ExistingController, tmp_path: Path, draw: Sample
    ) -> None:
        """Whatever is interrupted, each commit arrives; an existing controller may get a batch twice, never torn."""
        repository = linear_history(tmp_path / "long", 300)
        chain = Chain(agent, classic, repository)
        assert chain("register").status == 0
        chance = draw.chance("delivery")
        for _ in range(draw.times(4, 12)):
            for command in (("scrape", *chain.source), ("export",)):
                process = agent.start(*command, variables=classic.variables())
                time.sleep(chance.uniform(0.1, 1.2))
                process.kill()
                process.communicate()
        assert chain("export").status in {0, 6}
        assert chain("scrape", *chain.source).status == 0
        assert chain("export").status == 0
        arrived = [row["version_id"] for row in classic.rows("data_vcs_versions.json")]
        assert set(arrived) == set(repository.git("rev-list", "HEAD").splitlines())


class TestUpload:
    def test_folder_that_takes_nothing(
        self, agent: Agent, controller: ExistingController, repository: Repository
    ) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, controller, repository)
        chain("register")
        chain("scrape", *chain.source)
        folder = controller.home / "export" / "TEST"
        folder.rmdir()
        folder.touch()
        done = chain("export")
        assert done.status == 6, done
        assert "could not be uploaded" in " ".join(done.output.split())
        assert len(table(agent, "data_vcs_versions")) == 1
        folder.unlink()
        folder.mkdir()
        assert chain("export").status == 0
        assert len(controller.rows("data_vcs_versions.json")) == 1

    def test_dry_run_sends_nothing(self, agent: Agent, controller: ExistingController, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        chain = Chain(agent, controller, repository)
        chain("register")
        chain("scrape", *chain.source)
        done = chain("export", "--dry-run")
        assert done.status == 0
        assert "would be delivered to" in done.output
        assert "data_vcs_versions.json" in done.output
        assert not list((controller.home / "export" / "TEST").iterdir())
        assert not controller.announced


class TestLogRecords:
    def test_warnings_arrive(self, agent: Agent, classic: ExistingController) -> None:
        agent("register", variables=classic.variables(AGENT_LOGGING="1"))
        (record,) = classic.logged
        assert record["levelname"] == "WARNING"
        assert record["message"].startswith("pinned the SSH host key")
        assert set(record) >= {"asctime", "created", "lineno", "funcName", "process", "exc_info"}

    def test_a_controller_that_takes_none_does_no_harm(self, agent: Agent, classic: ExistingController) -> None:
        classic.misbehave["log.py"] = lambda _handler: (500, "no")
        assert agent("register", variables=classic.variables(AGENT_LOGGING="1")).status == 0
        assert not classic.logged


def test_variables_of_the_controller_count(agent: Agent, classic: ExistingController, repository: Repository) -> None:
    """What preflight brought is used by the scrape; the agent's own environment file wins."""
    repository.commit("one", {"a": "1"})
    given = {"ok": True, "contents": "cleanupRepos=true\nlogLevel=ERROR\n"}
    classic.status = {"configuration": given, "total": {"ok": True}}
    (agent.home / "env").write_text("logLevel=INFO\n")
    chain = Chain(agent, classic, repository)
    chain.run()
    assert list((agent.home / "state" / "repos" / "TEST").iterdir()) == []


def test_version_check(agent: Agent, classic: ExistingController) -> None:
    done = agent("version", "--check", variables=classic.variables())
    assert done.output == "0.1.0: the controller can't tell whether it is up to date\n"
    classic.misbehave["version.py"] = lambda _handler: (200, {"up_to_date": False, "version": "9"})
    done = agent("version", "--check", "--json", variables=classic.variables())
    assert json.loads(done.output)["controller"] == "the controller knows 9: update the agent"
    assert agent("version", "--check").status == 4


def test_no_secret_in_logs_or_open_files(agent: Agent, controller: ExistingController, repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    chain = Chain(agent, controller, repository)
    calls = (("register",), ("preflight",), ("scrape", *chain.source), ("export",))
    done = [chain("--log", "DEBUG", *arguments) for arguments in calls]
    assert [one.status for one in done] == [0, 0, 0, 0]
    assert controller.ssh
    private = controller.ssh.key.read_text().splitlines()[2]
    for secret in (*SALTS.values(), private):
        assert not any(secret in one.output + one.errors for one in done)
        for path in agent.home.rglob("*"):
            if path.is_file() and secret.encode() in path.read_bytes():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with contextlib.suppress(FileNotFoundError):
        assert os.listdir(agent.home / "state" / "deliveries") == []  # noqa: PTH208


def test_a_tracker_that_is_too_big(agent: Agent, controller: ExistingController, repository: Repository) -> None:
    """It is given up where it is too much, by SFTP as by scp, and nothing of it is left on the disk."""
    repository.commit("one", {"a": "1"})
    chain = Chain(agent, controller, repository)
    assert chain("register").status == 0
    tracker = controller.home / "update" / "TEST" / "latest_vcs_versions.json"
    tracker.touch()
    os.truncate(tracker, 1 << 32)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    begun = time.monotonic()
    done = chain("scrape", *chain.source)
    assert time.monotonic() - begun < 60
    assert done.status == 4, done
    assert f"latest_vcs_versions.json has more than {128 << 20} bytes" in done.errors
    assert "Traceback" not in done.errors
    assert not table_exists(agent)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before < 250 << 10


def table_exists(agent: Agent) -> bool:
    return (agent.export() / "data_vcs_versions.json").exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"[" * 100_000, "could not be parsed"),
        (b'{"database": {"ok": true, "more": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "could not be parsed"),
        (json.dumps({f"c{number}": {"ok": True} for number in range(1000)}).encode(), "has 1000 components"),
        (b'{"database": {"ok": true, "message": "\xff"}}', "could not be parsed"),
    ],
    ids=["brackets", "nested", "many", "no Unicode"],
)
def test_an_odd_answer(
    agent: Agent, classic: ExistingController, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    monkeypatch.setattr(classic, "answer", lambda *_: (200, answer))
    done = agent("preflight", variables=classic.variables())
    assert done.status == 4, done
    assert words in done.output
    assert "unexpected" not in done.output + done.errors


def test_too_many_host_keys(agent: Agent, classic: ExistingController, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"salts": SALTS, "usernames": [], "host_keys": ["ssh-ed25519 AAAA"] * 10_000}
    monkeypatch.setattr(classic, "answer", lambda *_: (200, told))
    done = agent("register", variables=classic.variables())
    assert done.status == 4, done
    assert "the controller's answer to the registration of TEST lacks something" in done.errors


@pytest.mark.parametrize("head", HEADS)
def test_a_controller_that_drips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(controller_https, "ANSWER_SECONDS", 0.5)
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate(pem, timedelta(days=-1), timedelta(days=1), ("127.0.0.1",), key)
    both = tmp_path / "both.pem"
    both.write_bytes(pem.read_bytes() + key.read_bytes())
    with dripping(HEADS[head], both) as port:
        variables = {"SSH_HOST": "127.0.0.1", "SSH_HTTPS_PORT": str(port), "SSH_HTTPS_CERT": str(pem)}
        asking = controller_https.ControllerClient(load(tmp_path, variables), read_seconds=0.4)
        begun = time.monotonic()
        with pytest.raises(ControllerError, match=r"not complete after 0\.5 s"):
            asking.version("1")
        assert time.monotonic() - begun < 4


def test_a_file_that_trickles_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is never a silence, by SFTP within one answer: the connection is closed from outside."""
    monkeypatch.setattr(ssh, "FETCH_SECONDS", 1.0)
    subsystem = "Subsystem sftp internal-sftp\n"
    with (
        ssh_server(tmp_path / "ssh", options=subsystem) as server,
        proxy(server.port) as between,
    ):
        (tmp_path / "update").mkdir()
        (tmp_path / "update" / "tracker.json").write_bytes(os.urandom(200_000))
        pinned = ssh.HostKeys(tmp_path / "known")
        pinned.pin("127.0.0.1", between.port, [ssh.shown_host_key("127.0.0.1", server.port)])
        between.set(Fault("drip", at=30_000, towards="client"))
        with ssh.Connection("127.0.0.1", between.port, server.user, server.key, pinned) as connection:
            begun = time.monotonic()
            with pytest.raises(ControllerError, match=r"was not complete after 1 s"):
                connection.get(str(tmp_path / "update"), "tracker.json")
            assert time.monotonic() - begun < 10
        assert between.struck
