"""The page that describes the container to its users, command by command, with the paths of this project.

What the page says is a promise: each of its commands is run here as it is written there.
"""

import fcntl
import json
import os
import pty
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent import __version__
from support.agent import ROOT
from support.containers import HOME, Container, Engine

PAGE = Path(__file__).parent.parent / "recordings" / "page" / "docker.md"
STAMP = (
    "echo $(grep __version__ src/gros_agent/__init__.py | \\\n"
    '       sed -E "s/__version__ = .([0-9\\\\.]+)./\\\\1/")-$(git rev-parse \\\n'
    "       --abbrev-ref HEAD)-$(git rev-parse HEAD) > VERSION\n"
)
BUILD = "docker build -t gros/data-gathering ."
RUN = "docker run --name data-gathering -v env:/home/agent/env gros/data-gathering"
ENTER = "docker exec -it data-gathering /home/agent/scraper/agent/env.sh"
ADA = "-c user.name='Ada Lovelace' -c user.email=ada@example.org"
NAMES = ("Ada", "Lovelace", "ada@example.org")
LINKS = ("installation.md", "configuration.md", "overview.md")


@pytest.fixture(scope="module")
def page(engine: Engine, context: Callable[[], Path]) -> Iterator[Path]:
    """A checkout with a commit, built as the page says; nobody else may use the page's names meanwhile."""
    with (Path(tempfile.gettempdir()) / "gros-agent-page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _built(engine, context())


def _built(engine: Engine, folder: Path) -> Path:
    identity = ("-c", "user.name=Author", "-c", "user.email=author@a.example")
    (folder / ".gitignore").write_text("VERSION\n")
    subprocess.run(["git", "init", "-q", "-b", "some-branch"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "All"], cwd=folder, check=True)
    subprocess.run(["/bin/sh", "-c", STAMP], cwd=folder, check=True)
    command = BUILD.replace("docker", engine.program, 1)
    subprocess.run(
        command.split(), cwd=folder, check=True, capture_output=True, env=os.environ | {"DOCKER_BUILDKIT": "1"}
    )
    return folder


@pytest.fixture
def named(engine: Engine, page: Path, cleaned: ExitStack) -> Callable[..., subprocess.Popen[str]]:
    """Runs the page's commands, for a container of the page's name."""
    assert page
    cleaned.callback(engine.call, "volume", "rm", "--force", "env", ok=False)
    cleaned.callback(engine.call, "rm", "--force", "--volumes", "data-gathering", ok=False)

    def start(command: str, folder: Path | None = None) -> subprocess.Popen[str]:
        words = ["/bin/sh", "-c", command.replace("docker", engine.program, 1)]
        return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def until(engine: Engine, words: str, seconds: float = 30) -> str:
    end = time.monotonic() + seconds
    while True:
        done = engine.call("logs", "data-gathering", ok=False)
        if words in done.stdout + done.stderr:
            return done.stdout + done.stderr
        assert time.monotonic() < end, done
        time.sleep(0.2)


def test_version_file(page: Path) -> None:
    text = (page / "VERSION").read_text()
    assert re.fullmatch(rf"{re.escape(__version__)}-some-branch-[0-9a-f]{{40}}\n", text), text


def test_run_and_enter(engine: Engine, page: Path, named: Callable[..., subprocess.Popen[str]]) -> None:
    """``env`` as a name is a volume to the engine: the container starts, and says what was probably meant."""
    with named(RUN) as running:
        text = until(engine, "ready")
        assert "neither CRON_PERIOD" in text
        assert '-v "$PWD/env:/home/agent/env"' in text
        assert _enter(engine, b"gros-agent version\nexit\n").count((page / "VERSION").read_text().strip()) == 1
        engine("stop", "data-gathering")
        running.communicate(timeout=20)
    assert running.returncode == 0


def _enter(engine: Engine, typed: bytes) -> str:
    """Type something at the terminal of the command that enters a container, and return what it showed."""
    master, slave = pty.openpty()
    command = ENTER.replace("docker", engine.program, 1).split()
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        os.write(master, typed)
        shown = b""
        while True:
            try:
                block = os.read(master, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if not block:
                break
            shown += block
        process.wait(20)
    os.close(master)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_file_with_variables_and_daemon_mode(
    engine: Engine, named: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "env").write_text('CRON_PERIOD=hourly\nBIGBOAT_PERIOD=15min\nJIRA_KEY="ABC DEF"\n')
    command = RUN.replace("-v env:", '-d -e JIRA_KEY=LESS -v "$PWD/env:')
    command = command.replace("/home/agent/env gros", '/home/agent/env" gros')
    with named(command, tmp_path) as running:
        assert running.wait(30) == 0, running.communicate()
    assert "in Daemon mode, as CRON_PERIOD is set: a scrape of ABC, DEF every hour" in until(engine, "ready")


def test_jenkins_mode_and_preflight_arguments(engine: Engine, named: Callable[..., subprocess.Popen[str]]) -> None:
    given = '-e JENKINS_URL=value -e JIRA_KEY=ABC -e PREFLIGHT_ARGS="--no-secrets --no-ssh"'
    with named(RUN.replace("-v env:/home/agent/env", given)) as running:
        text, _ = running.communicate(timeout=60)
    assert running.returncode == 7, text
    assert "Jenkins-style" in text
    assert "preflight: secrets: skipped: left out with --no-secrets" in text
    assert "preflight: SSH key: skipped: left out with --no-ssh" in text
    assert "project ABC has no sources" in text
    assert engine.inspect("data-gathering")["State"]["Running"] is False


def test_waived_checks_and_a_source(
    engine: Engine,
    run: Callable[..., Container],
    named: Callable[..., subprocess.Popen[str]],
    volume: Callable[[], str],
) -> None:
    """Without any controller or secret: pseudonyms all the same, with secrets of the project's own, which stay."""
    places = {name: volume() for name in ("code", "export", "config", "secrets")}
    mounts = [f"-v {places['code']}:/srv/code"]
    mounts += [f"-v {places[name]}:{HOME}/{name}" for name in ("export", "config", "secrets")]

    def look(script: str, *options: str) -> str:
        one = run(*" ".join(mounts).split(), *options, command=("sh", "-c", script))
        assert one.wait() == 0, one.logs()
        return one.logs()

    def scrape() -> tuple[int, str]:
        given = '-e JENKINS_URL=value -e JIRA_KEY=ABC -e PREFLIGHT_ARGS="--no-secrets --no-ssh"'
        given += f" -e GROS_AGENT_SOURCE=git:code=/srv/code {' '.join(mounts)}"
        with named(RUN.replace("-v env:/home/agent/env", given)) as running:
            text, _ = running.communicate(timeout=60)
        engine("rm", "--force", "--volumes", "data-gathering")
        assert not any(name in text for name in NAMES), text
        assert "open to others" not in text
        return running.returncode, text

    commit = f"git -C /srv/code {ADA} commit --quiet --allow-empty -m"
    look(f"git init --quiet /srv/code && {commit} one", "--user", "0")
    status, text = scrape()
    assert status == 3, text
    assert "git refuses to read a repository that belongs to another user" in text
    assert "--user NUMBER" in text

    look("chown -R 1000 /srv/code", "--user", "0")
    status, text = scrape()
    assert status == 0, text
    made = f"created secrets for project ABC in {HOME}/secrets/ABC.json"
    assert made not in text, "the run before made them"
    first = look("cat export/ABC/data_vcs_versions.json")

    look(f"{commit} two")
    status, text = scrape()
    assert status == 0, text
    rows = look("cat export/ABC/data_vcs_versions.json")
    assert rows != first
    for name in ("developer", "developer_username", "developer_email"):
        found = [json.loads(text)[0][name] for text in (first, rows)]
        assert re.fullmatch("[0-9a-f]{64}", found[0]), found
        assert found[0] == found[1]
    assert [row["encrypted"] for row in json.loads(first) + json.loads(rows)] == ["1", "1"]
    tables = look("cat export/ABC/*.json config/state/outbox/ABC/*/*.json")
    assert first in tables, "what was not delivered waits"
    assert not any(name in tables for name in NAMES)
    folders = ("secrets", "config/state", "config/state/outbox", "config/state/outbox/ABC", "config/state/repos")
    assert set(look(f"stat -c '%a %u' {' '.join(folders)}").splitlines()) == {"700 1000"}
    assert look("stat -c %a secrets/ABC.json") == "600\n"


def test_both_places_of_variables(engine: Engine, named: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    (tmp_path / "env").write_text("SSH_HOST=first.example\nJIRA_KEY=ABC\n")
    (tmp_path / "config").mkdir(mode=0o777)
    (tmp_path / "config").chmod(0o777)
    (tmp_path / "config" / "env").write_text("SSH_HOST=second.example\n")
    mounts = f'-d -v "$PWD/env:{HOME}/env" -v "$PWD/config:{HOME}/config"'
    with named(RUN.replace("-v env:/home/agent/env", mounts), tmp_path) as running:
        assert running.wait(30) == 0, running.communicate()
    until(engine, "ready")
    shown = engine("exec", "data-gathering", f"{HOME}/scraper/agent/env.sh", "gros-agent", "config", "show", "--json")
    assert '"value": "ABC"' in shown
    assert "second.example" in shown
    assert "first.example" not in shown


def test_pages_that_it_links_to() -> None:
    for name in LINKS:
        assert (ROOT / "docs" / name).is_file(), name
    assert re.search("^## Environment$", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    text = (ROOT / "docs" / "docker.md").read_text()
    assert re.search("^## Compose$", text, re.MULTILINE)


def test_nothing_on_the_page_was_forgotten() -> None:
    text = PAGE.read_text().replace("gatherer/__init__.py", "src/gros_agent/__init__.py")
    commands = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    assert commands == [STAMP]
    joined = [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text.replace("```", ""))]
    assert {found for found in joined if found.startswith("docker ")} == {BUILD, RUN, ENTER, "docker run"}
    assert set(re.findall(r"\]\((\w+\.md)", text)) == set(LINKS)
