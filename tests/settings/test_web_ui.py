"""What the configuration web interface of existing installations writes, and when: also in the middle of a scrape."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gros_agent.errors import ConfigurationError, ExitStatus
from gros_agent.options.values import Secret
from gros_agent.project import entries
from gros_agent.run.history import History
from gros_agent.runtime import files
from gros_agent.service.entrypoint import prepare
from gros_agent.service.live_settings import LastGood
from gros_agent.settings.load import load
from gros_agent.settings.template import HOST_OPTIONS
from gros_agent.sources import sources
from support.agent import Agent
from support.controller import Controller, controller
from support.repository import Repository
from support.web_ui import FORMS, SECRETS, SWITCHES, TEXTS, VARIABLES, Form, shows

by_form = pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
# As node writes a file: emptied first, then written. Between the two it takes its time, more than once.
WRITER = """
import pathlib, sys, time
folder, seconds, *names = sys.argv[1:]
whole = {pathlib.Path(name): pathlib.Path(name).read_bytes() for name in names}
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    for path in whole:
        path.open("w").close()
    pathlib.Path(folder, "began").touch()
    time.sleep(0.05)
    for path, content in whole.items():
        path.write_bytes(content[: len(content) // 2])
    time.sleep(0.05)
for path, content in whole.items():
    path.write_bytes(content)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller") as one:
        yield one


@by_form
class TestForms:
    def test_means_what_it_says(self, agent: Agent, form: Form) -> None:
        form.put(agent.home)
        settings = load(agent.home, VARIABLES)
        assert settings.projects == form.projects
        assert {key: settings.get("projects", key.lower()) or "" for key in form.projects} == form.names
        assert settings.get("ssh", "username") == f"agent-{form.projects[0]}"
        assert settings.controller() == settings.controller(form.projects[0]) == "controller.example"
        assert settings.controller_address() == ("controller.example", 443)
        assert settings.certificate == agent.home / "certs" / "wwwgros.crt"
        assert set(settings.secrets()) == form.all_secrets
        assert not settings.warnings
        said = {
            (section, option): value.effective
            for section in ("bigboat", "jenkins", "quality-time", "sonar")
            for option, value in settings.sections[section].items()
            if value.effective
        }
        assert said == form.settings | form.secrets

    def test_hosts(self, agent: Agent, form: Form) -> None:
        form.put(agent.home)
        settings = load(agent.home, VARIABLES)
        assert list(settings.hosts) == list(form.hosts)
        assert {option for host in settings.hosts.values() for option in host} <= {one.name for one in HOST_OPTIONS}
        for name, meant in form.hosts.items():
            domain, _, port = name.partition(":")
            host = settings.host(domain, int(port) if port else None)
            assert host.section == name
            assert host.get("type") == meant.kind
            assert host.username("ssh") == host.username("http") == meant.username
            assert host.key == (agent.home / ".ssh" / meant.key if meant.key else None)
            assert host.unset_variable == ""
            assert {option for option in SWITCHES if host.is_on(option)} == meant.on
            assert {option: text for option in TEXTS if (text := host.get(option))} == meant.texts
            secrets = {option: secret for option in SECRETS if (secret := host.secret(option))}
            assert secrets == {option: Secret(text) for option, text in meant.secrets.items()}
        assert settings.host("tfs.example", 443).section == ""

    def test_shown(self, agent: Agent, form: Form) -> None:
        form.put(agent.home)
        done = agent("config", "show", "--json", variables=VARIABLES)
        assert done.status == 0, done
        shows(form, done.output)
        assert not [secret for secret in form.all_secrets if secret in done.errors]

    def test_sources_that_nothing_collects_are_named(self, agent: Agent, form: Form) -> None:
        """The list stays as the interface wrote it, as it reads its own entries back. No host is asked here."""
        form.put(agent.home)
        project = form.projects[0]
        path = agent.home / "export" / project / entries.FILE
        listed = entries.read(path)
        variables = VARIABLES | {"GATHERER_URL_BLACKLIST": "*"}
        done = agent("scrape", "--project", project, "--no-ssh", "--no-secrets", variables=variables)
        if not form.sources:
            assert listed is None
            assert done.status == 3, "the form names a Quality-time"
            assert "source quality-time-data failed: http://quality-time.example is blocked" in done.errors
            return
        assert listed is not None
        assert tuple((one.type, one.name, one.url) for one in listed) == form.sources
        assert done.status == 3, done
        for kind, name, _ in form.sources:
            assert name in done.output
            words = "is blocked by *" if kind in sources() else f"collects no sources of type {kind}"
            assert words in " ".join(done.output.split())
        assert path.read_bytes() == (form.folder / "export" / project / entries.FILE).read_bytes()

    def test_whole_run(self, agent: Agent, running: Controller, form: Form) -> None:
        """The interface drops the controller's ports, which it does not know: their variables still count."""
        form.put(agent.home)
        at_controller(agent, running, "controller.example")
        variables = ports(running) | {"PREFLIGHT_ARGS": "--skip", "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY"}
        variables["GATHERER_URL_BLACKLIST"] = "*"
        done = agent("run", variables=variables | {"THE_KEY": str(agent.home / ".ssh" / "id_rsa")})
        runs = History(agent.home / "config" / "state" / "history.sqlite").runs()
        assert {run.project for run in runs} == set(form.projects)
        assert (running.home(form.projects[0]) / "export").is_dir()
        if form.sources:
            assert done.status == 3, done
            (run,) = runs
            assert [one.name for one in run.sources] == [name for _, name, _ in form.sources]
        else:
            assert done.status == 3, done
            assert [one.name for run in runs for one in run.sources] == ["quality-time-data"] * 2


def ports(running: Controller) -> dict[str, str]:
    return VARIABLES | {"SSH_PORT": str(running.ssh), "SSH_HTTPS_PORT": str(running.https)}


def at_controller(agent: Agent, running: Controller, instead_of: str) -> None:
    path = agent.home / "config" / "settings.cfg"
    path.write_text(path.read_text().replace(instead_of, "127.0.0.1"))
    (agent.home / "certs").mkdir()
    shutil.copy(running.certificate, agent.home / "certs" / "wwwgros.crt")


class Configured:
    """A home that the interface configured, with a repository of its own at a controller."""

    def __init__(self, agent: Agent, running: Controller, folder: Path) -> None:
        self.agent = agent
        self.repository = Repository.make(folder / "repository")
        self.repository.commit("one", {"a": "1"})
        FORMS[1].put(agent.home)
        at_controller(agent, running, "controller.example")
        self.config = agent.home / "config"
        with (self.config / "env").open("a") as env:
            env.write(f"\nDEFINITIONS_CREDENTIALS_ENV=THE_KEY\nTHE_KEY={agent.home / 'id_ed25519'}")
        (self.config / "credentials.cfg").write_text("")
        self.list = agent.home / "export" / "ABC" / entries.FILE
        self.list.write_text(json.dumps([{"type": "git", "name": "dummy code", "url": self.repository.url}]))
        self.variables = ports(running)

    @contextlib.contextmanager
    def written(self, folder: Path, seconds: float) -> Iterator[None]:
        """A process writes all files anew for a while; they hold what they held before in the end."""
        names = [self.config / "env", self.config / "settings.cfg", self.config / "credentials.cfg", self.list]
        command = [sys.executable, "-c", WRITER, str(folder), str(seconds), *map(str, names)]
        with subprocess.Popen(command) as writer:
            wait_until(lambda: (folder / "began").exists() or writer.poll() is not None)
            try:
                yield
            finally:
                assert writer.wait(timeout=30) == 0


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class TestWritten:
    """The interface may write at any moment."""

    def test_when_a_run_begins(self, agent: Agent, running: Controller, tmp_path: Path) -> None:
        """Half a configuration parses well, and has no controller or no project: a run waits for the whole."""
        configured = Configured(agent, running, tmp_path)
        with configured.written(tmp_path, 2.5):
            done = agent("run", variables=configured.variables)
        assert done.status == 0, done
        assert len(running.inbox("ABC")) == 1

    @pytest.mark.parametrize(
        "stage",
        [*(pytest.param(one, marks=pytest.mark.slow) for one in ("deliver", "register", "preflight")), "scrape"],
    )
    def test_while_one_goes_on(self, agent: Agent, running: Controller, tmp_path: Path, stage: str) -> None:
        """It keeps what it read; the next one does what the files say by then."""
        configured = Configured(agent, running, tmp_path)
        history = History(configured.config / "state" / "history.sqlite")
        with agent.start("run", variables=configured.variables) as process:
            wait_until(
                lambda: ((run := history.current()) is not None and run.stage == stage) or process.poll() is not None
            )
            settings = configured.config / "settings.cfg"
            settings.write_text(settings.read_text().replace("[ssh]\n", "[ssh]\nhttps_port=1\n"))
            (configured.config / "credentials.cfg").write_text("[half")
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, (output, errors)
        assert len(running.inbox("ABC")) == 1
        (configured.config / "credentials.cfg").write_text("")
        done = agent("run", variables=configured.variables)
        assert "port 1:" in done.output, done
        assert done.status in {ExitStatus.PREFLIGHT, ExitStatus.POSTPONED}, done
        assert [run.status for run in history.runs()] == [done.status, ExitStatus.DONE]

    @pytest.mark.slow
    def test_again_and_again(self, agent: Agent, running: Controller, tmp_path: Path) -> None:
        """Whatever a run meets, its status says so, and nothing crashes; when the files are whole it is done."""
        configured = Configured(agent, running, tmp_path)
        with configured.written(tmp_path, 4.0):
            scrapes = [
                agent("scrape", "--no-ssh", "--no-secrets", "--project", "ABC", variables=configured.variables)
                for _ in range(3)
            ]
        for done in scrapes:
            assert done.status in {ExitStatus.DONE, ExitStatus.PARTLY, ExitStatus.POSTPONED, ExitStatus.WRONG_INPUT}
            assert "Traceback" not in done.output + done.errors
        done = agent("run", variables=configured.variables)
        assert done.status == 0, done

    def test_while_an_agent_stays_up(self, agent: Agent, tmp_path: Path) -> None:
        """Before it works, it waits until there are projects and a controller again."""
        FORMS[1].put(agent.home)
        good = LastGood(agent.home, VARIABLES)
        names = [agent.home / "config" / name for name in ("env", "settings.cfg", "credentials.cfg")]
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, "1.0", *names]) as writer:
            wait_until((tmp_path / "began").exists)
            good.refresh()
            assert good.settings.projects == () or good.problems
            good.settle()
            good.refresh()
            assert writer.wait(timeout=20) == 0
        assert not good.problems
        assert good.settings.projects == ("ABC",)
        assert good.settings.controller() == "controller.example"

    def test_list_of_sources(self, tmp_path: Path) -> None:
        """One that is damaged is read again when nobody writes it any more."""
        path, began = tmp_path / entries.FILE, tmp_path / "began"
        path.write_text('[{"type": "git", "name": "code", "url": "git://h.example/x"}]')
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, "1.0", path]) as writer:
            wait_until(began.exists)
            found = entries.read(path)
            assert writer.wait(timeout=20) == 0
        assert found is not None
        assert [one.name for one in found] == ["code"]
        path.write_text("[")
        with pytest.raises(ConfigurationError, match="the list of sources is damaged"):
            entries.read(path)


class TestKept:
    def test_nothing_is_waited_for(self, tmp_path: Path) -> None:
        """A file that has been there for a while, that is not there, or whose clock is ahead."""
        old, ahead = tmp_path / "old", tmp_path / "ahead"
        for path, shift in ((old, -60), (ahead, 60)):
            path.touch()
            set_age(path, shift)
        before = time.monotonic()
        assert files.settle(lambda: (old, ahead, tmp_path / "none"))
        assert time.monotonic() - before < 0.2

    def test_patience_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "PATIENCE_SECONDS", 1.0)

        def touched() -> tuple[Path]:
            (tmp_path / "file").write_text("more")
            return (tmp_path / "file",)

        assert not files.settle(touched)
        with files.kept(touched, tuple) as settled:
            assert not settled
            assert files.read_text(tmp_path / "file", "it") == "more"

    def test_files_stay_what_they_were(self, tmp_path: Path) -> None:
        there, missing, folder = tmp_path / "there", tmp_path / "missing", tmp_path / "folder"
        there.write_text("before")
        set_age(there, -60)
        folder.mkdir()
        with files.kept(lambda: (there, missing, folder), tuple) as settled:
            assert settled
            there.write_text("after")
            missing.write_text("after")
            assert files.read_text(there, "it") == "before"
            assert files.read_text(missing, "it") is None
            with pytest.raises(ConfigurationError, match="it is a folder"):
                files.read_text(folder, "it")
        assert files.read_text(there, "it") == files.read_text(missing, "it") == "after"


def set_age(path: Path, seconds: float) -> None:
    moment = time.time() + seconds
    os.utime(path, (moment, moment))


def test_template_names_projects_as_the_interface_reads_them(agent: Agent) -> None:
    """It takes a key from the file as it stands there, and writes that to its own files."""
    variables = VARIABLES | {"JIRA_KEY": "ABC DEF", "PROJECT_NAME": "long name", "SUBPROJECT_KEY": "SUB"}
    prepare(load(agent.home, variables))
    text = (agent.home / "config" / "settings.cfg").read_text()
    assert "[projects]\nABC = long name\nDEF = long name\n" in text
    assert "[subprojects]\nSUB = ABC DEF\n" in text
    assert load(agent.home, VARIABLES).projects == ("ABC", "DEF")
