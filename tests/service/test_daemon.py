"""The agent that stays up, as a process of its own: modes, requests, files that change, signals."""

import contextlib
import json
import os
import re
import signal
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from gros_agent import __version__
from gros_agent.errors import ExitStatus
from gros_agent.run.history import Ended, History
from gros_agent.service import daemon
from gros_agent.service.daemon import Daemon
from gros_agent.service.image.health import is_healthy
from gros_agent.service.live_settings import LastGood
from gros_agent.settings.home import Home
from support.agent import Agent
from support.controller import controller, wait_until
from support.duty import serving
from support.repository import Repository
from support.servers import free_port
from support.web import json_answer, silent, web

EVER = {"CRON_PERIOD": "monthly", "JIRA_KEY": "TEST", "PREFLIGHT_ARGS": "--no-secrets"}


class Running:
    """An agent that stays up, and what it printed."""

    def __init__(self, agent: Agent, variables: dict[str, str]) -> None:
        self._process = agent.start("entrypoint", "--port", "0", variables=variables)
        self.lines: list[str] = []
        self._readers = [threading.Thread(target=self._read, args=(stream,)) for stream in self._streams()]
        for reader in self._readers:
            reader.start()
        found = re.search(r"port (\d+)", self.until("ready: the web interface is at"))
        assert found
        self.port = int(found[1])

    def _streams(self) -> list[Any]:
        return [self._process.stdout, self._process.stderr]

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.lines.append(line)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def until(self, words: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while True:
            for line in list(self.lines):
                if words in line:
                    return line
            assert time.monotonic() < end, self.text
            assert self._process.poll() is None or words in self.text, self.text
            time.sleep(0.02)

    def ask(self, path: str, method: str = "GET", **headers: str) -> requests.Response:
        return requests.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=60)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Its exit status, and the seconds that it took to end."""
        begun = time.monotonic()
        if self._process.poll() is None:
            self._process.send_signal(number)
        status = self._process.wait(60)
        for reader in self._readers:
            reader.join()
        for stream in self._streams():
            stream.close()
        return status, time.monotonic() - begun


@pytest.fixture
def stay(agent: Agent) -> Iterator[Callable[..., Running]]:
    with contextlib.ExitStack() as stack:

        def start(**variables: str) -> Running:
            one = Running(agent, EVER | variables)
            stack.callback(one.end)
            return one

        yield start


def listed(agent: Agent, url: str) -> None:
    agent.export().mkdir(parents=True, exist_ok=True)
    (agent.export() / "data_sources.json").write_text(json.dumps([{"type": "git", "name": "code", "url": url}]))


def test_files_that_are_missing_are_made(agent: Agent, stay: Callable[..., Running]) -> None:
    (agent.home / "config").mkdir()
    (agent.home / "config" / "settings.cfg").write_text("[ssh]\nhost = kept.example\n")
    files = {
        "GATHERER_SETTINGS_FILE": "config/settings.cfg",
        "GATHERER_CREDENTIALS_FILE": "config/credentials.cfg",
        "SOURCE_HOST": "git.example",
        "SOURCE_PASSWORD": "a-password",
        "SSH_HOST": "other.example",
    }
    stay(**files)
    made = agent.home / "config" / "credentials.cfg"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert "[git.example]" in made.read_text()
    assert "a-password" in made.read_text()
    assert (agent.home / "config" / "settings.cfg").read_text() == "[ssh]\nhost = kept.example\n"
    assert (agent.home / "config" / "VERSION").read_text() == f"{__version__}\n"


class TestStart:
    def test_runs_once_if_it_is_due(self, agent: Agent, repository: Repository, stay: Callable[..., Running]) -> None:
        repository.commit("one", {"a": "1"})
        listed(agent, repository.url)
        one = stay()
        one.until("the scrape ended: status 0")
        (run,) = one.ask("/api/runs").json()["runs"]
        assert run["trigger"] == "start"

    def test_does_not_if_it_is_not(self, agent: Agent, repository: Repository, stay: Callable[..., Running]) -> None:
        listed(agent, repository.url)
        history = History(agent.home / "state" / "history.sqlite")
        history.end(history.begin("TEST", "schedule"), Ended(status=ExitStatus.DONE))
        one = stay()
        # one that it began would be in the way of this one, or come to an end before it
        assert one.ask("/scrape", "POST").status_code == 201
        one.until("the scrape ended")
        assert [run["trigger"] for run in one.ask("/api/runs").json()["runs"]] == ["request", "schedule"]
        assert "a scrape is running" not in one.text
        planned = datetime.fromisoformat(one.ask("/api/state").json()["next_run"])
        assert timedelta() < planned - datetime.now(UTC) < timedelta(days=32)

    def test_without_a_project(self, stay: Callable[..., Running]) -> None:
        one = stay(JIRA_KEY="-")
        one.until("no project is configured: set JIRA_KEY")
        assert one.ask("/readyz").status_code == 503
        assert one.ask("/healthz").status_code == 200

    def test_port_taken(self, agent: Agent, stay: Callable[..., Running]) -> None:
        one = stay(JIRA_KEY="-")
        done = agent("entrypoint", "--port", str(one.port), variables=EVER)
        assert done.status == 7
        assert f"port {one.port} is in use" in done.errors

    def test_once_and_end(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        listed(agent, repository.url)
        done = agent("entrypoint", variables=EVER | {"JENKINS_URL": "value"})
        assert done.status == 0, done
        assert "in Jenkins-style mode, as JENKINS_URL is set: one run for TEST, then exit" in done.errors
        (run,) = History(agent.home / "state" / "history.sqlite").runs()
        assert run.trigger == "jenkins"


class TestRequests:
    def test_a_scrape(self, agent: Agent, repository: Repository, stay: Callable[..., Running]) -> None:
        repository.commit("one", {"a": "1"})
        one = stay(CRON_PERIOD="-")
        assert one.ask("/status").status_code == 503
        listed(agent, repository.url)
        answer = one.ask("/scrape", "POST")
        assert (answer.status_code, answer.json()) == (201, {"ok": True})
        one.until("the scrape ended: status 0")
        (run,) = one.ask("/api/runs").json()["runs"]
        assert run["trigger"] == "request"
        assert run["status"]["number"] == 0

    def test_while_one_runs(self, agent: Agent, stay: Callable[..., Running]) -> None:
        """What asks for a scrape gets its answer while the scrape goes on; clients wait for a second."""
        assert daemon.AT_ONCE_SECONDS < 1
        with silent() as server:
            listed(agent, f"{server.url}/code.git")
            one = stay(CRON_PERIOD="-", PREFLIGHT_ARGS="--no-secrets")
            assert one.ask("/scrape", "POST").status_code == 201
            assert one.ask("/status").status_code == 200
            assert one.ask("/status").json()["ok"] is True
            answer = one.ask("/scrape", "POST")
            assert answer.status_code == 503
            assert answer.json()["error"]["status"] == "503 Service Unavailable"
            # somebody else's run counts too, and a second one is refused
            done = agent("run", variables=EVER)
            assert done.status == 5, done
            assert one.end()[1] < 10

    def test_one_that_fails_at_once(self, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        """However long a busy machine takes until it fails, here it is waited for."""
        monkeypatch.setattr(daemon, "AT_ONCE_SECONDS", 60)
        good = LastGood(agent.home, agent.environment({"JIRA_KEY": "-", "GROS_AGENT_HOME": str(agent.home)}))
        with serving(Daemon(good, (sys.executable, "-m", "gros_agent"))) as one:
            answer = one.post("/scrape")
            assert answer.status_code == 503, answer.text
            assert "failed at once: status 7" in answer.json()["error"]["message"]
            assert one.get("/healthz").status_code == 200

    def test_host_and_token(self, agent: Agent, stay: Callable[..., Running]) -> None:
        one = stay(CRON_PERIOD="-", AGENT_HOST="agent.example", AGENT_TOKEN="the-token")
        assert one.ask("/status").status_code == 403
        assert one.ask("/status", Host="agent.example").status_code == 401
        assert one.ask("/status", Host="agent.example", Authorization="Bearer the-token").status_code == 503
        # both may change while it runs
        (agent.home / "env").write_text("AGENT_HOST=other.example\nAGENT_TOKEN=-\n")
        one.until("the settings were read again")
        assert one.ask("/status", Host="other.example").status_code == 503
        assert one.ask("/status", Host="agent.example").status_code == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stalls", [True, False], ids=["at work", "idle"])
def test_signals(agent: Agent, stay: Callable[..., Running], number: int, *, stalls: bool) -> None:
    with silent() as server:
        if stalls:
            listed(agent, f"{server.url}/code.git")
        one = stay(JIRA_KEY="TEST" if stalls else "-")
        if stalls:
            wait_until(lambda: server.asked)
        status, took = one.end(number)
    assert status == 0, one.text
    assert took < 10
    assert "stopped" in one.text
    if stalls:
        (run,) = History(agent.home / "state" / "history.sqlite").runs()
        assert run.status is ExitStatus.INTERRUPTED


def test_one_that_ignores_the_request_is_killed(agent: Agent, stay: Callable[..., Running]) -> None:
    """A process that hangs is killed in time; the next run says so, and goes on."""
    with silent() as server:
        listed(agent, f"{server.url}/code.git")
        one = stay()
        wait_until(lambda: server.asked)
        holder = (agent.home / "state" / "run.lock").read_text()
        found = re.search(r"process (\d+)", holder)
        assert found
        os.kill(int(found[1]), signal.SIGSTOP)
        status, took = one.end()
    assert status == 0
    assert took < 10
    assert "is killed: the next one continues from there" in one.text
    History(agent.home / "state" / "history.sqlite").close_killed()
    (run,) = History(agent.home / "state" / "history.sqlite").runs()
    assert run.error == "was killed before its end"


def test_changed_variables_count_for_the_next_run(agent: Agent, stay: Callable[..., Running], tmp_path: Path) -> None:
    """Also while they are rubbish: then those count that were good last."""
    with controller(tmp_path / "controller") as running:
        one = stay(CRON_PERIOD="-", **running.variables(agent.home, "-", PREFLIGHT_ARGS=""))
        repository = Repository.make(tmp_path / "code")
        repository.commit("one", {"a": "1"})
        listed(agent, repository.url)
        (agent.home / "env").write_text("\nJIRA_KEY='TEST'")
        one.until("the settings were read again")
        (agent.home / "env").write_text("JIRA_KEY=TEST\n$(rubbish)\n")
        one.until("the last valid settings stay in use")
        assert one.ask("/readyz").status_code == 503
        assert one.ask("/scrape", "POST").status_code == 201
        one.until("the scrape ended: status 0")
        (batch,) = running.inbox("TEST")
        rows = json.loads((batch / "data_vcs_versions.json").read_text())
        assert Counter(row["encrypted"] for row in rows) == {"1": 1}
    one.end()
    assert not (agent.home / "state" / "last-good").exists()


def test_readiness_follows_the_controller(agent: Agent, stay: Callable[..., Running], tmp_path: Path) -> None:
    with controller(tmp_path / "controller") as running:
        one = stay(CRON_PERIOD="-", **running.variables(agent.home, PREFLIGHT_ARGS=""))
        wait_until(lambda: one.ask("/readyz").status_code == 200)
    away = stay(
        CRON_PERIOD="-", **running.variables(agent.home, PREFLIGHT_ARGS="") | {"SSH_HTTPS_PORT": str(free_port())}
    )
    away.until("the controller 127.0.0.1: Connection refused")
    assert away.ask("/readyz").status_code == 503


def test_dashboard_status_is_sent_at_its_period(agent: Agent, stay: Callable[..., Running], tmp_path: Path) -> None:
    """The turn itself is a matter of the schedule; here is what it starts."""
    with controller(tmp_path / "controller") as running, web(lambda _: json_answer([])) as board:
        given = running.variables(agent.home, PREFLIGHT_ARGS="") | {
            "BIGBOAT_HOST": board.url,
            "BIGBOAT_PERIOD": "monthly",
        }
        one = stay(**given)
        assert one.ask("/healthz").status_code == 200
        done = agent("bigboat", variables=EVER | given)
        assert done.status == 0, done


class TestHealth:
    def test_of_one_that_stays(self, agent: Agent, stay: Callable[..., Running]) -> None:
        one = stay(JIRA_KEY="-")
        assert is_healthy(Home.of(agent.home, {}), one.port)

    def test_of_nobody(self, agent: Agent) -> None:
        assert not is_healthy(Home.of(agent.home, {}), free_port())

    def test_of_one_that_works_once(self, agent: Agent) -> None:
        with silent() as server:
            listed(agent, f"{server.url}/code.git")
            process = agent.start("run", variables=EVER)
            wait_until(lambda: server.asked)
            assert is_healthy(Home.of(agent.home, {}), free_port())
            process.terminate()
            process.communicate(timeout=10)
        assert process.returncode == 130


def test_what_is_odd_is_on_the_page(agent: Agent, stay: Callable[..., Running]) -> None:
    """Misspelt variables, also of options of the command line alone, and what the controller may not set."""
    agent.export().mkdir(parents=True)
    (agent.export() / "preflight_env").write_text("GROS_AGENT_PLAIN=yes\nSSH_HOST=other.example\n")
    one = stay(GROS_AGENT_TIMOUT="5", GROS_AGENT_WIAT="5", SSH_HOST="127.0.0.1:1", GATHERER_URL_BLACKLSIT="x")
    told = one.ask("/").text
    assert "did you mean GROS_AGENT_TIMEOUT?" in told
    assert "did you mean GROS_AGENT_WAIT?" in told
    assert "did you mean GATHERER_URL_BLACKLIST?" in told
    assert "TEST: GROS_AGENT_PLAIN of the controller was not taken" in told
    assert "TEST: SSH_HOST of the controller was not taken" in told
    # also when the settings are read again
    (agent.home / "env").write_text("GROS_AGENT_RPEOS=x\n")
    wait_until(lambda: "did you mean GROS_AGENT_REPOS?" in one.ask("/").text)
    assert one.ask("/").text.count("did you mean GROS_AGENT_WAIT?") == 1
