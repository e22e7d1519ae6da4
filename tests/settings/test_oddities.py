"""Wrong settings are never silent, and right ones never warned of."""

import json
from pathlib import Path

import pytest

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.spelling import is_near
from gros_agent.settings.load import load
from support.agent import Agent
from support.repository import AUTHOR, Repository
from support.zones import needs_time_zones


@pytest.mark.parametrize(
    ("text", "other", "near"),
    [
        ("SSH_HOTS", "SSH_HOST", True),
        ("JIRA_KEYS", "JIRA_KEY", True),
        ("JIRAKEY", "JIRA_KEY", True),
        ("ssh_host", "SSH_HOST", True),
        ("SSH_HOSZ", "SSH_HOST", True),
        ("JENKINS_HOME", "JENKINS_HOST", False),
        ("SSH_HSTO", "SSH_HOST", False),
        ("SSH", "SSH_HOST", False),
    ],
)
def test_near(text: str, other: str, near: bool) -> None:
    assert is_near(text, other) is is_near(other, text) is near


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SSH_HOTS", "SSH_HOST"),
        ("JIRA_KEYS", "JIRA_KEY"),
        ("GATHERER_URL_BLACKLSIT", "GATHERER_URL_BLACKLIST"),
        ("SOURCE_GITLAB_TOKENS", "SOURCE_GITLAB_TOKEN"),
        ("PREFLIGHT_ARG", "PREFLIGHT_ARGS"),
        ("CONTROLLER_ENVIROMENT", "CONTROLLER_ENVIRONMENT"),
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_misspelt_variables(tmp_path: Path, name: str, meant: str, in_file: bool) -> None:
    if in_file:
        (tmp_path / "env").write_text(f"{name}=secret-value\n")
    (warning,) = load(tmp_path, {} if in_file else {name: "secret-value"}).warnings
    assert f"did you mean {meant}?" in warning
    assert "secret-value" not in warning
    if in_file:
        assert f"{tmp_path}/env line 1" in warning


def test_misspelt_variables_of_a_file_without_a_family(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("loglevel=DEBUG\ncleanuprepos=true\n")
    assert len(load(tmp_path, {}).warnings) == 2


MACHINES = {
    "shell": "HOME PATH USER LOGNAME SHELL TERM LANG LC_ALL PWD OLDPWD SHLVL EDITOR DISPLAY MAIL HOSTNAME LS_COLORS "
    "XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK SSH_AGENT_PID SSH_CLIENT SSH_CONNECTION SSH_TTY "
    "VIRTUAL_ENV PYENV_ROOT LOG_LEVEL LOGLEVEL ftp_proxy FTP_PROXY rsync_proxy SSL_CERT_DIR CURL_CA_BUNDLE",
    "Jenkins": "JENKINS_HOME JENKINS_URL JENKINS_SERVER_COOKIE JENKINS_NODE_COOKIE JOB_NAME JOB_URL JOB_BASE_NAME "
    "BUILD_NUMBER BUILD_ID BUILD_URL BUILD_TAG NODE_NAME NODE_LABELS EXECUTOR_NUMBER WORKSPACE GIT_URL GIT_COMMIT "
    "GIT_BRANCH RUN_DISPLAY_URL HUDSON_HOME HUDSON_URL STAGE_NAME SONAR_HOST_URL SONAR_TOKEN CHANGE_ID",
    "Kubernetes": "KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_SERVICE_PORT_HTTPS KUBERNETES_PORT "
    "KUBERNETES_PORT_443_TCP KUBERNETES_PORT_443_TCP_ADDR JENKINS_SERVICE_HOST JENKINS_SERVICE_PORT JENKINS_PORT "
    "GITLAB_SERVICE_HOST SONAR_SERVICE_HOST SONAR_PORT GITLAB_PORT_443_TCP_PROTO GROS_AGENT_SERVICE_HOST_",
    "Docker": "HOSTNAME GPG_KEY PYTHON_VERSION PYTHON_SHA256 PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE "
    "DB_PORT_5432_TCP_ADDR DOCKER_HOST DOCKER_CERT_PATH DOCKER_TLS_VERIFY",
    "GitLab": "CI CI_JOB_TOKEN CI_PROJECT_URL GITLAB_CI GITLAB_USER_ID GITLAB_USER_NAME GITLAB_USER_LOGIN "
    "GITLAB_USER_EMAIL GITLAB_FEATURES CI_SERVER_HOST",
    "GitHub": "GITHUB_TOKEN GITHUB_API_URL GITHUB_ACTOR GITHUB_REF RUNNER_OS AGENT_TOOLSDIRECTORY AGENT_NAME",
    "Azure": "AGENT_ID AGENT_VERSION AGENT_HOMEDIRECTORY SYSTEM_TEAMPROJECT BUILD_SOURCEVERSION DD_AGENT_HOST",
}


@pytest.mark.parametrize("machine", MACHINES)
def test_variables_of_machines(tmp_path: Path, machine: str) -> None:
    assert load(tmp_path, dict.fromkeys(MACHINES[machine].split(), "value")).warnings == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[shs]\nhost=x\n", "there is no section [shs]: did you mean ssh?"),
        ("[ssh]\nhots=x\n", "line 2: [ssh] has no option hots: did you mean host?"),
        ("[bigboat]\nhots.ABC=x\n", "did you mean host?"),
        ("[ssh]\nentirely=x\n", "[ssh] has no option entirely"),
    ],
)
def test_options_of_the_settings_file(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "settings.cfg").write_text(content)
    (warning,) = load(tmp_path, {}).warnings
    assert words in warning


def test_options_of_the_credentials_file(tmp_path: Path) -> None:
    (tmp_path / "credentials.cfg").write_text("[git.example]\ngitlab_tokne=very-secret\ntype=git\nusername.ssh=x\n")
    (tmp_path / "settings.cfg").write_text("[jenkins]\npasword=other-secret\n[projects]\nABC=name\n")
    settings = load(tmp_path, {})
    assert any("did you mean gitlab_token?" in warning for warning in settings.warnings)
    assert not any("secret" in warning.partition("no option")[2] for warning in settings.warnings)
    assert {"very-secret", "other-secret"} == set(settings.secrets())  # in no log, and masked where settings are shown


def test_files_of_the_web_interface(tmp_path: Path) -> None:
    (tmp_path / "settings.cfg").write_text(
        "[projects]\nABC=x\n[teams]\n[ssh]\nhost=x\nhost.ABC=y\n[bigboat]\nkey.ABC=1\n"
    )
    (tmp_path / "credentials.cfg").write_text("[h:1]\ntype=git\nenv=SOURCE_0_CREDENTIALS_ENV\n")
    (tmp_path / "env").write_text('\nJIRA_KEY="ABC"\nSOURCE_0_CREDENTIALS_ENV=/x\nskip_dropin=0')
    assert load(tmp_path, {}).warnings == ()


class TestLosing:
    def test_against_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost=old.example\ncert=\n[jenkins]\npassword=one-secret\n")
        told = load(tmp_path, {"SSH_HOST": "new.example", "SSH_HTTPS_CERT": "x", "JENKINS_PASSWORD": "two"}).warnings
        assert len(told) == 3
        assert "SSH_HOST=new.example (environment) is ignored" in told[1]
        assert f"{tmp_path}/settings.cfg line 2 says old.example" in told[1]
        assert "says nothing for [ssh] cert" in told[2]
        assert not any("one-secret" in one or "two" in one for one in told)

    def test_not_where_both_say_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost=x.example\n")
        assert load(tmp_path, {"SSH_HOST": "x.example", "SSH_PORT": "22"}).warnings == ()

    def test_project_keys_of_the_environment_win(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[projects]\nOLD=x\n")
        assert load(tmp_path, {"JIRA_KEY": "NEW"}).projects[0] == "NEW"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("settings.cfg", "[ssh]\nport=22x\n"),
        ("settings.cfg", "[ssh]\nhttps_port=00\n"),
        ("settings.cfg", "[ssh]\nhost=h:abc\n"),
        ("settings.cfg", "[jenkins]\nhost=ftp://x.example\n"),
        ("settings.cfg", "[quality-time]\nurl=https://\n"),
        ("settings.cfg", "[sonar]\nurl.ABC=https://x.example:99999/\n"),
        ("credentials.cfg", "[h]\nport=70000\n"),
        ("credentials.cfg", "[h]\nweb_port=x\n"),
        ("credentials.cfg", "[h]\nprotocol=ssh\n"),
        ("env", "SSH_PORT=22x\n"),
        ("env", "SOURCE_HOST=h\nSOURCE_PORT=-1\n"),
        ("env", "JENKINS_HOST=two words\n"),
        ("env", "GROS_AGENT_WAIT=soon\n"),
        ("env", "CONTROLLER_ENVIRONMENT=some\n"),
    ],
)
def test_wrong_values(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    assert raised.value.hint


class TestCommands:
    @pytest.mark.parametrize(("command", "words"), [("scrap", "did you mean scrape?"), ("xyz", "there are bigboat,")])
    def test_commands(self, agent: Agent, command: str, words: str) -> None:
        done = agent(command)
        assert done.status == 2
        assert words in done.errors

    def test_types(self, agent: Agent) -> None:
        done = agent.scrape("--source", "gti:x=https://ada:secret-word@git.example/x")
        assert done.status == 7
        assert "did you mean git?" in done.errors
        assert "secret-word" not in done.errors

    def test_no_type(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", repository.path.as_uri())
        assert done.status == 0
        assert "has no type: it is taken for git" in done.errors

    def test_types_of_the_list(self, agent: Agent) -> None:
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(
            '[{"type": "gitlba", "name": "x", "url": "https://x.example/"}]'
        )
        done = agent.scrape()
        assert "did you mean gitlab?" in " ".join(done.output.split())

    def test_a_warning_is_told_once(self, agent: Agent) -> None:
        given = {"GROS_AGENT_SURCE": "git=x", "SSH_HOTS": "x"}
        for command in (("config", "show"), ("preflight", "--no-secrets"), ("scrape", "--project", "TEST"), ("run",)):
            done = agent(*command, variables={"COLUMNS": "400", "JIRA_KEY": "TEST", **given})
            told = done.errors + done.output
            assert told.count("did you mean GROS_AGENT_SOURCE?") == 1, command
            assert told.count("did you mean SSH_HOST?") == 1, command


class TestWords:
    def test_all_sources_failed(self, agent: Agent) -> None:
        done = agent("run", variables={"JIRA_KEY": "TEST", "GROS_AGENT_SOURCE": "git:x=file:///nonexistent/x"})
        assert done.status in {3, 4}
        done = agent.scrape("--source", "git:x=file:///nonexistent/x")
        assert done.status == 3
        assert "complete" not in (done.output + done.errors).replace("incomplete", "")

    def test_an_error_is_logged_once(self, agent: Agent) -> None:
        """In the log it stands once, and once in the results, which another program may read."""
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text("[]")
        done = agent("run", variables={"JIRA_KEY": "TEST"})
        assert done.status == 7
        assert done.errors.count("project TEST has no sources") == 1

    def test_columns(self, agent: Agent) -> None:
        for columns in (60, 100):
            lines = agent("preflight", variables={"COLUMNS": str(columns)}).output.splitlines()
            assert max(map(len, lines)) <= columns
        assert max(map(len, agent("preflight", variables={"COLUMNS": "x"}).output.splitlines())) > 100

    def test_a_dry_run_after_a_scrape(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        source = ("--source", f"git:x={repository.path.as_uri()}")
        assert agent.scrape(*source).status == 0
        assert "--full shows" in " ".join(agent.scrape(*source, "--dry-run").output.split())
        whole = " ".join(agent.scrape(*source, "--dry-run", "--full").output.split())
        assert "--full shows" not in whole
        assert AUTHOR[0] in whole

    @needs_time_zones
    def test_the_zone_of_a_batch(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        (agent.home / "env").write_text("TZ=Asia/Tokyo\n")
        assert agent.scrape("--source", f"git:x={repository.path.as_uri()}").status == 0
        assert json.loads((agent.export() / ".batch.json").read_text())["time_zone"] == "Asia/Tokyo"


def warnings(home: Path, variables: dict[str, str]) -> list[str]:
    return list(load(home, variables).warnings)


class TestLosingNames:
    def test_a_name(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[projects]\nABC=of the file\n")
        variables = {"JIRA_KEY": "ABC", "PROJECT_NAME": "of the variable"}
        (told,) = warnings(tmp_path, variables)
        assert "PROJECT_NAME=of the variable (environment) is ignored" in told
        assert f"{tmp_path}/settings.cfg line 2 says of the file for [projects] ABC" in told
        assert not warnings(tmp_path, variables | {"PROJECT_NAME": "of the file"})

    def test_a_key_that_the_file_lacks(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[projects]\nOLD=x\n")
        (told,) = warnings(tmp_path, {"JIRA_KEY": "ABC", "PROJECT_NAME": "x"})
        assert f"{tmp_path}/settings.cfg has no ABC in [projects]" in told


class TestLosingCredentials:
    @pytest.mark.parametrize("prefix", ["SOURCE_", "DEFINITIONS_"])
    def test_against_a_file(self, tmp_path: Path, prefix: str) -> None:
        (tmp_path / "credentials.cfg").write_text("[git.example]\nusername=ada\npassword=one-secret\n")
        names = {"HOST": "git.example", "USERNAME": "carl", "PASSWORD": "two-secret", "UNSAFE": "1"}
        told = warnings(tmp_path, {prefix + name: text for name, text in names.items()})
        assert len(told) == 3
        assert f"{prefix}USERNAME=carl (environment) is ignored" in told[0]
        assert f"{tmp_path}/credentials.cfg line 2 says ada for [git.example] username" in told[0]
        assert f"{tmp_path}/credentials.cfg line 3 says ******** for [git.example] password" in told[1]
        assert f"{tmp_path}/credentials.cfg has no unsafe_hosts in [git.example]" in told[2]
        assert "secret" not in "".join(told)

    def test_not_where_both_say_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "credentials.cfg").write_text("[git.example]\nusername=ada\n")
        assert not warnings(tmp_path, {"SOURCE_HOST": "Git.Example", "SOURCE_USERNAME": "ada", "SOURCE_PORT": ""})

    def test_without_a_host(self, tmp_path: Path) -> None:
        (told,) = warnings(tmp_path, {"SOURCE_PASSWORD": "a-secret", "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY"})
        assert told == "SOURCE_PASSWORD (environment) is ignored, since SOURCE_HOST does not say which host it is for"


def test_quotes_are_part_of_a_value(tmp_path: Path) -> None:
    (tmp_path / "settings.cfg").write_text('[projects]\nABC="my project"\n[teams]\nABC=the "A" team\n')
    (told,) = warnings(tmp_path, {})
    assert (
        told == f"{tmp_path}/settings.cfg line 2: [projects] abc is in quotes, "
        "which become part of the value: leave them out"
    )


@pytest.mark.parametrize("name", ["SETTINGS", "CREDENTIALS"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    variable, usual = f"GATHERER_{name}_FILE", f"{name.lower()}.cfg"
    (told,) = warnings(tmp_path, {variable: "conf.cfg"})
    assert f"{variable} (environment): there is no file {tmp_path}/conf.cfg" in told
    assert warnings(tmp_path, {variable: f"missing/{usual}"})
    assert not warnings(tmp_path, {variable: usual})  # which is made where it is missing


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("controller.example", True),
        ("controller.example:8443", True),
        ("192.0.2.1", True),
        ("[2001:db8::1]:443", True),
        ("the_controller", True),
        ("https://controller.example/", False),
        ("controller.example/x", False),
        ("controller.example d", False),
        ("ada:a-secret@controller.example", False),
        ('"controller.example"', False),
        ("controller.example:x", False),
    ],
)
def test_names_of_controllers(tmp_path: Path, host: str, *, fine: bool) -> None:
    if fine:
        assert load(tmp_path, {"SSH_HOST": host}).controller() == host
        return
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {"SSH_HOST": host})
    assert "variable SSH_HOST (environment)" in raised.value.message
    assert "HOST:PORT" in raised.value.hint
    assert "a-secret" not in raised.value.message


@pytest.mark.parametrize("name", ["settings.cfg", "credentials.cfg"])
def test_a_folder_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigurationError, match="it is a folder") as raised:
        load(tmp_path, {})
    assert raised.value.hint


class TestFilesInTheWay:
    @pytest.mark.parametrize("name", ["export", "state", "secrets"])
    def test_of_a_folder(self, agent: Agent, repository: Repository, name: str) -> None:
        repository.commit("one", {"a": "1"})
        (agent.home / name).write_text("x")
        done = agent("scrape", "--project", "TEST", "--source", f"git:x={repository.path.as_uri()}")
        assert done.status == 7
        assert "this is a file, but must be a folder" in " ".join(done.output.split())
        assert "move it away" in done.output
        assert (agent.home / name).read_text() == "x"


def test_keys_with_a_comma(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'ABC,DEF' \(JIRA_KEY, environment\)") as raised:
        load(tmp_path, {"JIRA_KEY": "ABC,DEF"})
    assert "spaces" in raised.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            '[{"type": "git", "name": "x", "url": "https://x.example"}, {"type": "git", "name": "x"}]',
            "entry 2 has no url",
        ),
        ('[{"type": "git", "name": 1, "url": "https://x.example"}]', "entry 1: Expected `str`, got `int`"),
        ("", "it is empty or ends too early"),
        ("[", "it is empty or ends too early"),
        ('{"type": "git"}', "Expected `array`, got `object`"),
    ],
)
def test_lists_of_sources(agent: Agent, content: str, words: str) -> None:
    agent.export().mkdir(parents=True)
    (agent.export() / "data_sources.json").write_text(content)
    done = agent("scrape", "--project", "TEST", variables={"COLUMNS": "400"})
    assert done.status == 7
    assert f"data_sources.json: the list of sources is damaged: {words}" in done.output


@pytest.mark.parametrize("proxy", ["foo://proxy.example", "://proxy"])
def test_proxies_that_are_none(agent: Agent, proxy: str) -> None:
    """What is named is the proxy: the address of the system is fine."""
    variables = {"https_proxy": proxy, "COLUMNS": "400"}
    source = ("--source", "quality-time:x=https://127.0.0.1:1/")
    done = agent("scrape", "--project", "TEST", *source, variables=variables)
    assert done.status == 3
    assert "its proxy is not a valid address" in done.output
    assert "correct http_proxy, https_proxy or all_proxy" in done.output


@pytest.mark.parametrize("section", ["https://git.example", "git.example/", "git.example:22x", "git example", "a,b"])
def test_a_section_that_is_no_host(tmp_path: Path, section: str) -> None:
    (tmp_path / "credentials.cfg").write_text(f"[{section}]\nusername=ada\n")
    (told,) = warnings(tmp_path, {})
    assert told == f"{tmp_path}/credentials.cfg: [{section}] is not a host: write [HOST] or [HOST:PORT]"


@pytest.mark.parametrize("section", ["git.example", "git.example:8443", "10.0.0.1", "[::1]:22", "localhost"])
def test_a_section_that_is_a_host(tmp_path: Path, section: str) -> None:
    (tmp_path / "credentials.cfg").write_text(f"[{section}]\nusername=ada\n")
    assert not warnings(tmp_path, {})


@pytest.mark.parametrize("name", ["SOURCE_MAX_SECONDS", "OUTBOX_MAX_BYTES", "PROGRAM_MAX_MEMORY"])
def test_a_limit_of_nothing(tmp_path: Path, name: str) -> None:
    (told,) = warnings(tmp_path, {name: "0"})
    assert told == f"{name}=0 (environment) leaves the default limit: write a number above 0"


def test_a_name_without_a_dot(tmp_path: Path) -> None:
    (told,) = warnings(tmp_path, {"GROS_AGENT_HOSTNAME": "machine"})
    assert "has no dot: it is not sent to the controller" in told
    assert not warnings(tmp_path, {"GROS_AGENT_HOSTNAME": "no"})


def test_services_beside_a_container(tmp_path: Path) -> None:
    """Kubernetes makes such variables for each Service of the namespace, also for one that has a name of ours."""
    made: dict[str, str] = {}
    for name, port in (("SSH", "22"), ("GROS_AGENT", "7070"), ("JENKINS", "8080")):
        made |= {
            f"{name}_SERVICE_HOST": "10.0.0.1",
            f"{name}_SERVICE_PORT": port,
            f"{name}_SERVICE_PORT_WEB": port,
            f"{name}_PORT": f"tcp://10.0.0.1:{port}",
            f"{name}_PORT_{port}_TCP": f"tcp://10.0.0.1:{port}",
            f"{name}_PORT_{port}_TCP_PROTO": "tcp",
            f"{name}_PORT_{port}_TCP_PORT": port,
            f"{name}_PORT_{port}_TCP_ADDR": "10.0.0.1",
        }
    settings = load(tmp_path, {**made, "SSH_HOST": "controller.example", "SOURCE_PORT": "22"})
    assert not settings.warnings[1:]
    assert settings.port("port") is None
    assert set(settings.environment.values) == {"SSH_HOST", "SOURCE_PORT"}
