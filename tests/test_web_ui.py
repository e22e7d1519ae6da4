"""What the configuration web interface of existing installations writes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gros_agent import entries
from gros_agent.container.entrypoint import prepare
from gros_agent.history import History
from gros_agent.settings.load import load
from gros_agent.settings.options import HOST_OPTIONS
from gros_agent.settings.values import Secret
from support.agent import Agent
from support.controller import Controller, controller
from support.web_ui import FORMS, SECRETS, SWITCHES, TEXTS, VARIABLES, Form, shows

by_form = pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])


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
        """The list stays as the interface wrote it, as it reads its own entries back."""
        form.put(agent.home)
        project = form.projects[0]
        path = agent.home / "export" / project / entries.FILE
        listed = entries.read(path)
        done = agent("scrape", "--project", project, "--no-ssh", "--no-secrets", variables=VARIABLES)
        if not form.sources:
            assert listed is None
            assert done.status == 7
            assert f"project {project} has no sources" in done.output
            return
        assert listed is not None
        assert tuple((one.type, one.name, one.url) for one in listed) == form.sources
        assert done.status == 3, done
        for kind, name, _ in form.sources:
            assert name in done.output
            assert f"collects no sources of type {kind}" in " ".join(done.output.split())
        assert path.read_bytes() == (form.folder / "export" / project / entries.FILE).read_bytes()

    def test_whole_run(self, agent: Agent, running: Controller, form: Form) -> None:
        """The interface drops the controller's ports, which it does not know: their variables still count."""
        form.put(agent.home)
        at_controller(agent, running, "controller.example")
        variables = ports(running) | {"PREFLIGHT_ARGS": "--skip", "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY"}
        done = agent("run", variables=variables | {"THE_KEY": str(agent.home / ".ssh" / "id_rsa")})
        runs = History(agent.home / "config" / "state" / "history.sqlite").runs()
        assert {run.project for run in runs} == set(form.projects)
        assert (running.home(form.projects[0]) / "export").is_dir()
        if form.sources:
            assert done.status == 3, done
            (run,) = runs
            assert [one.name for one in run.sources] == [name for _, name, _ in form.sources]
        else:
            assert done.status == 7, done
            assert done.output.count("has no sources") == 2


def ports(running: Controller) -> dict[str, str]:
    return VARIABLES | {"SSH_PORT": str(running.ssh), "SSH_HTTPS_PORT": str(running.https)}


def at_controller(agent: Agent, running: Controller, instead_of: str) -> None:
    path = agent.home / "config" / "settings.cfg"
    path.write_text(path.read_text().replace(instead_of, "127.0.0.1"))
    (agent.home / "certs").mkdir()
    shutil.copy(running.certificate, agent.home / "certs" / "wwwgros.crt")


def test_template_names_projects_as_the_interface_reads_them(agent: Agent) -> None:
    """It takes a key from the file as it stands there, and writes that to its own files."""
    variables = VARIABLES | {"JIRA_KEY": "ABC DEF", "PROJECT_NAME": "long name", "SUBPROJECT_KEY": "SUB"}
    prepare(load(agent.home, variables))
    text = (agent.home / "config" / "settings.cfg").read_text()
    assert "[projects]\nABC = long name\nDEF = long name\n" in text
    assert "[subprojects]\nSUB = ABC DEF\n" in text
    assert load(agent.home, VARIABLES).projects == ("ABC", "DEF")
