"""The modes of a container, against a reference controller in another one."""

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.agent import ROOT
from support.containers import HOME, Container, Engine

Run = Callable[..., Container]
IDENTITY = "-c user.name=Author -c user.email=author@a.example"
ARRIVED = """
import glob, json
for path in sorted(glob.glob("/home/agent/config/controller/inbox/ABC/[0-9]*/data_vcs_versions.json")):
    for row in json.load(open(path)):
        print(row["version_id"])
"""


class Repository:
    """A git repository in a volume, which belongs to the agent's user."""

    def __init__(self, run: Run, volume: str) -> None:
        self.mount = ("--volume", f"{volume}:/srv/code")
        self._run = run
        self._call("chown 1000:1000 /srv/code", "--user", "0")
        self._call("git init --quiet --initial-branch=main /srv/code/git")
        self.commit("one")

    def commit(self, text: str) -> None:
        self._call(f"cd /srv/code/git && echo {text} >> file && git add file && git {IDENTITY} commit -q -m {text}")

    def commits(self) -> set[str]:
        return set(self._call("git -C /srv/code/git rev-list HEAD").split())

    def _call(self, words: str, *options: str) -> str:
        one = self._run(*self.mount, *options, command=("sh", "-c", words))
        assert one.wait() == 0, one.logs()
        text = one.logs()
        one.remove()
        return text


@pytest.fixture
def repository(run: Run, volume: Callable[[], str]) -> Repository:
    return Repository(run, volume())


class Compose:
    """The project's own Compose file, under a name of this test."""

    def __init__(self, program: str, image: str) -> None:
        self._command = [program, "--project-name", f"gros{uuid.uuid4().hex[:10]}", "--file"]
        self._environment = os.environ | {"AGENT_IMAGE": image, "AGENT_PORT": "0"}
        self.file = ROOT / "docker-compose.yml"

    def __call__(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, str(self.file), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not ok or done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])
        return done


@pytest.fixture
def compose(image: str, cleaned: ExitStack) -> Compose:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    one = Compose(program, image)
    cleaned.callback(one, "down", "--volumes", "--timeout", "1")
    return one


def test_jenkins_style_by_compose(compose: Compose, repository: Repository) -> None:
    """Delivered; kept while the controller is away; delivered once when it is back."""
    options = (
        *("run", "--rm", "-T", "--no-deps", *repository.mount, "-e", "JENKINS_URL=value", "-e", "JIRA_KEY=ABC"),
        *("-e", "GROS_AGENT_SOURCE=git:code=file:///srv/code/git", "-e", "PREFLIGHT_ARGS=--no-ssh"),
    )
    compose("up", "--detach", "--no-build", "--wait", "controller")

    def arrived() -> Counter[str]:
        return Counter(compose("exec", "-T", "controller", "python", "-c", ARRIVED).stdout.split())

    done = compose(*options, "agent", ok=False)
    assert done.returncode == 0, done
    assert "in Jenkins-style mode, as JENKINS_URL is set: one run for ABC, then exit" in done.stderr
    assert "1 rows" not in done.stdout or "delivered to agent-ABC@controller:8022" in done.stdout
    assert arrived() == dict.fromkeys(repository.commits(), 1)

    repository.commit("two")
    compose("stop", "--timeout", "5", "controller")
    compose(*options, "agent", "gros-agent", "scrape", "--no-ssh")
    done = compose(*options, "agent", ok=False)
    assert done.returncode == 6, done
    assert "ABC was collected into the outbox, 2 batches wait" in done.stdout + done.stderr
    assert "data_vcs_versions.json" in compose(*options, "agent", "ls", "export/ABC").stdout

    compose("up", "--detach", "--no-build", "--wait", "controller")
    done = compose(*options, "agent", ok=False)
    assert done.returncode == 0, done
    assert arrived() == dict.fromkeys(repository.commits(), 1)
    assert len(arrived()) == 2


def test_compose_environment_reaches_the_settings(compose: Compose, tmp_path: Path) -> None:
    compose.file = tmp_path / "docker-compose.yml"
    compose.file.write_text(
        "services:\n  agent:\n    image: ${AGENT_IMAGE}\n    environment:\n      - SSH_HOST=composed.example\n"
        "      - QUALITY_TIME_URL=http://quality.example/{}\n      - JIRA_PASSWORD=composed-password\n"
    )
    shown = compose("run", "--rm", "-T", "agent", "gros-agent", "config", "show", "--json").stdout
    values = {(one["section"], one["option"]): one["value"] for one in json.loads(shown)["settings"]}
    assert values["ssh", "host"] == "composed.example"
    assert values["quality-time", "url"] == "http://quality.example/{}"
    assert values["jira", "password"] == "********"


def test_compose_files_are_well_formed(compose: Compose) -> None:
    second = ("--file", str(ROOT / "docker-compose.web-ui.yml"))
    found = json.loads(compose(*second, "config", "--format", "json").stdout)
    assert set(found["services"]) == {"agent", "controller", "web-ui"}
    shared = {one["target"] for one in found["services"]["web-ui"]["volumes"]}
    assert shared >= {f"{HOME}/export", f"{HOME}/config", f"{HOME}/.ssh"}
    assert f"{HOME}/secrets" not in shared


@pytest.fixture
def clocked(engine: Engine, image: str, tag: str, tmp_path: Path) -> str:
    """The image with a library that lets a file move the clock of its processes."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image}\nUSER 0\nRUN apt-get update && apt-get install -y --no-install-recommends faketime\nUSER 1000\n"
    )
    engine.build(tmp_path, tag)
    return tag


class Controllers:
    """Starts a controller, each time with what it knew; ``certificate`` is the mount that agents need."""

    def __init__(self, run: Run, network: str, folder: str, certificates: str) -> None:
        self._run = run
        self._options = ("--network", network, "--network-alias", "controller")
        self._mounts = ("--volume", f"{folder}:{HOME}/config", "--volume", f"{certificates}:{HOME}/certs")
        self.certificate = ("--volume", f"{certificates}:{HOME}/certs:ro")

    def __call__(self) -> Container:
        serve = ("gros-agent", "controller", "serve", f"--folder={HOME}/config/controller", "--listen=0.0.0.0")
        command = (*serve, "--name=controller", f"--publish={HOME}/certs")
        one = self._run(*self._options, *self._mounts, command=command)
        one.until('"https"')
        return one


@pytest.fixture
def controller(run: Run, network: str, volume: Callable[[], str]) -> Controllers:
    return Controllers(run, network, volume(), volume())


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "this took too long"
        time.sleep(0.2)
    return found


def test_daemon_runs_three_times(
    run: Run,
    network: str,
    clocked: str,
    controller: Controllers,
    repository: Repository,
    volume: Callable[[], str],
) -> None:
    """At its start, and at two turns; the second one finds no controller, which ends nothing and loses nothing."""
    clock = ("--volume", f"{volume()}:/clock")
    setter = run(*clock, "--user", "0", command=("sh", "-c", "echo +0 > /clock/now; chown -R 1000 /clock"))
    assert setter.wait() == 0
    first = controller()
    agent = run(
        *("--network", network, "--publish", "127.0.0.1::7070", *repository.mount, *clock),
        *(*controller.certificate, "-e", "CRON_PERIOD=15min", "-e", "JIRA_KEY=ABC"),
        *("-e", "SSH_HOST=controller", "-e", "SSH_PORT=8022", "-e", "SSH_HTTPS_PORT=8443"),
        *("-e", "SSH_HTTPS_CERT=certs/wwwgros.crt", "-e", "GROS_AGENT_SOURCE=git:code=file:///srv/code/git"),
        *("-e", "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "-e", "FAKETIME_NO_CACHE=1"),
        *("-e", "FAKETIME_TIMESTAMP_FILE=/clock/now"),
        of=clocked,
    )
    agent.until_ready()

    def runs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(agent.ask("/api/runs")[1])["runs"]
        return [one for one in found if one["ended"]]

    until(lambda: len(runs()) == 1)
    assert agent.ask("/readyz")[0] == 200
    first.remove()
    repository.commit("two")
    agent.exec("sh", "-c", "echo +17m > /clock/now")
    until(lambda: len(runs()) == 2, 60)
    assert agent.ask("/healthz")[0] == 200
    second = controller()
    agent.exec("sh", "-c", "echo +34m > /clock/now")
    until(lambda: len(runs()) == 3, 60)
    assert [one["status"]["number"] for one in runs()] == [0, 6, 0], agent.logs()
    assert [one["trigger"] for one in runs()] == ["schedule", "schedule", "start"]
    found = Counter(second.exec("python", "-c", ARRIVED).split())
    assert found == dict.fromkeys(repository.commits(), 1)

    page = agent.ask("/")[1]
    assert "delivery postponed" in page
    assert "can&#39;t be reached" in page or "can't be reached" in page
    metrics = agent.ask("/metrics")[1]
    assert re.search(r'^gros_agent_runs_total{project="ABC",status="done"} 2\.0$', metrics, re.MULTILINE), metrics
    assert re.search(r'^gros_agent_runs_total{project="ABC",status="postponed"} 1\.0$', metrics, re.MULTILINE), metrics
    status, took = agent.stop()
    assert status == 0
    assert took < 10


@pytest.mark.parametrize("moment", ["clone", "sleep"])
def test_stopped_in_the_middle(
    run: Run, network: str, repository: Repository, volume: Callable[[], str], moment: str
) -> None:
    """A container ends within seconds whatever it does, and its volumes hold what they held before."""
    export = volume()
    mounts = ("--volume", f"{export}:{HOME}/export", *repository.mount, "--network", network)
    silent = "import socket, time; s = socket.create_server(('', 9418)); time.sleep(600)"
    run("--network", network, "--network-alias", "silent", command=("python", "-c", silent))
    url = "git://silent/x" if moment == "clone" else "file:///srv/code/git"
    one = run(
        *mounts,
        *("-e", "CRON_PERIOD=daily", "-e", "JIRA_KEY=ABC", "-e", "PREFLIGHT_ARGS=--no-secrets"),
        *("-e", f"GROS_AGENT_SOURCE=git:code={url}"),
    )
    if moment == "clone":
        until(lambda: "ls-remote" in one.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", ok=False))
    else:
        one.until("the scrape ended: status 0")
    status, took = one.stop()
    assert status == 0
    assert took < 10, one.logs()
    left = run(*mounts, command=("sh", "-c", "ls -A export/ABC"))
    left.wait()
    assert not re.search("staging|publishing", left.logs())


def test_stopped_while_working_once(run: Run, network: str) -> None:
    silent = "import socket, time; s = socket.create_server(('', 9418)); time.sleep(600)"
    run("--network", network, "--network-alias", "silent", command=("python", "-c", silent))
    one = run(
        *("--network", network, "-e", "JENKINS_URL=value", "-e", "JIRA_KEY=ABC", "-e", "PREFLIGHT_ARGS=--no-secrets"),
        *("-e", "GROS_AGENT_SOURCE=git:code=git://silent/x"),
    )
    until(lambda: "ls-remote" in one.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", ok=False))
    status, took = one.stop()
    assert status == 130
    assert took < 10
    assert "Process ended with status code 130" in one.logs() or "interrupted" in one.logs()


def test_two_containers_on_one_volume(run: Run, network: str, volume: Callable[[], str]) -> None:
    config = volume()
    silent = "import socket, time; s = socket.create_server(('', 9418)); time.sleep(600)"
    run("--network", network, "--network-alias", "silent", command=("python", "-c", silent))
    options = (
        *("--network", network, "--volume", f"{config}:{HOME}/config", "-e", "JIRA_KEY=ABC", "-e", "JENKINS_URL=value"),
        *("-e", "PREFLIGHT_ARGS=--no-secrets", "-e", "GROS_AGENT_SOURCE=git:code=git://silent/x"),
    )
    first = run(*options)
    first.until("created secrets for project ABC")
    second = run(*options)
    assert second.wait() == 5
    assert "another run of this agent is running (process" in second.logs()


def test_variables_that_become_rubbish(run: Run) -> None:
    one = run(
        "--publish",
        "127.0.0.1::7070",
        "-e",
        "CRON_PERIOD=daily",
        "-e",
        "JIRA_KEY=ABC",
        "-e",
        "PREFLIGHT_ARGS=--no-secrets --skip",
    )
    one.until("the scrape ended")
    one.exec("sh", "-c", "echo 'LATER=yes' > config/env")
    one.until("the settings were read again")
    one.exec("sh", "-c", "echo 'rm -rf /; $(rubbish)' > config/env")
    one.until("the last valid settings stay in use")
    assert one.ask("/readyz")[0] == 503
    assert "can't read this line" in one.ask("/api/state")[1]
    before = one.logs().count("the scrape ended")
    assert one.ask("/scrape", method="POST")[0] in {201, 503}
    until(lambda: one.logs().count("the scrape ended") > before)
    assert "project ABC has no sources" in one.logs()
    one.exec("sh", "-c", "echo 'JIRA_KEY=DEF' > config/env")
    one.until("the settings can be read again")
    assert '"DEF"' in one.ask("/api/state")[1]
