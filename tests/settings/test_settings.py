"""Environment files, configuration files, templates and what comes out of them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import ConfigurationError, Problems
from gros_agent.options.hosts import UndeclaredOptionError
from gros_agent.options.values import Secret, Value, is_falsy
from gros_agent.runtime.masking import MASK
from gros_agent.settings import envfile, ini
from gros_agent.settings.load import load
from support.agent import Agent

HERE = Path("env")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
LINES = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]))


def texts(content: envfile.Variables) -> dict[str, str]:
    return {name: value.text for name, value in content.variables.items()}


class TestEnvironmentFile:
    @given(NAMES, LINES)
    def test_double_quotes_hold_anything(self, name: str, value: str) -> None:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        content = envfile.parse(f'{name}="{escaped}"\n', HERE)
        assert (texts(content), content.problems) == ({name: value}, ())

    @given(NAMES, LINES.filter(lambda text: "'" not in text))
    def test_single_quotes_hold_anything_else(self, name: str, value: str) -> None:
        assert texts(envfile.parse(f"export {name}='{value}'", HERE)) == {name: value}

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_reported(self, text: str) -> None:
        content = envfile.parse(text, HERE)
        lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
        assert len(content.variables) + len(content.problems) <= len(lines)
        assert bool(lines) == bool(content.variables or content.problems)

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("A=b", "b"),
            ("A=", ""),
            ("  export   A=b c  ", "b c"),
            ("A=b # a comment", "b"),
            ("A=b#c", "b#c"),
            ("A='b' # a comment", "b"),
            (r"A=tfs\user", r"tfs\user"),
            ("A=$HOME/`id`$(id)", "$HOME/`id`$(id)"),
            (r'A="\$x \n"', r"$x \n"),
            ('A="ABC DEF"\r', "ABC DEF"),
            ("A=b=c", "b=c"),
            ("A=it's", "it's"),
        ],
    )
    def test_value(self, line: str, expected: str) -> None:
        assert texts(envfile.parse(line, HERE)) == {"A": expected}

    @pytest.mark.parametrize(
        "line", ["A", "A b=c", "1A=b", "A='b", 'A="b', "A='b'c'", "A = b", "=b", "source x", "A=\0"]
    )
    def test_unreadable(self, line: str) -> None:
        content = envfile.parse(f"# first\n{line}", Path("dir/env"))
        assert not content.variables
        assert content.problems[0].message.startswith("dir/env:2:")

    def test_as_the_web_interface_writes_it(self) -> None:
        text = '\nJIRA_KEY="TEST OTHER"\nSSH_USERNAME=agent-TEST\n\nSOURCE_0_CREDENTIALS_ENV=/home/agent/.ssh/id_rsa'
        content = envfile.parse(text, HERE)
        assert texts(content)["JIRA_KEY"] == "TEST OTHER"
        assert content.variables["SOURCE_0_CREDENTIALS_ENV"].origin == "env line 5"
        assert not content.problems

    def test_a_directory(self, tmp_path: Path) -> None:
        path = tmp_path / "env"
        path.mkdir()
        assert "named volume" in envfile.read(path).warnings[0]
        (path / "env").write_text("A=b")
        assert texts(envfile.read(path)) == {"A": "b"}
        (path / "pyvenv.cfg").touch()
        assert not envfile.read(path).variables
        assert "virtual environment" in envfile.read(path).warnings[0]
        assert f'-v "$PWD/env:{path}"' in envfile.read(path).warnings[0]

    @pytest.mark.parametrize(("content", "words"), [(b"A=b\nC=\xff", ":2:"), (b"#" * (1 << 21), "larger than")])
    def test_a_file_that_is_none(self, tmp_path: Path, content: bytes, words: str) -> None:
        (tmp_path / "env").write_bytes(content)
        assert words in envfile.read(tmp_path / "env").problems[0].message


class TestFalsy:
    @pytest.mark.parametrize("text", ["", "0", "-", "no", "NO", "off", "False", " false "])
    def test_switches_off(self, text: str) -> None:
        assert is_falsy(text)
        assert Value(text, "").effective is None

    @pytest.mark.parametrize("text", ["1", "true", "none", "00", "--"])
    def test_anything_else_does_not(self, text: str) -> None:
        assert Value(text, "").effective == text


class TestPrecedence:
    def test_later_files_win_over_the_process(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "env").write_text("JIRA_KEY=AB\nlogLevel=DEBUG\nAGENT_HOST=x\n")
        (tmp_path / "config" / "env").write_text("logLevel=ERROR\n")
        settings = load(tmp_path, {"JIRA_KEY": "OLD", "AGENT_HOST": "y", "AGENT_LOGGING": "1", "cleanupRepos": "no"})
        assert settings.projects == ("AB",)
        assert settings.environment.log_level == "ERROR"
        assert settings.environment.agent_hosts == ("x",)
        assert settings.environment.agent_logging
        assert not settings.environment.cleanup_repos

    def test_template_in_memory_without_a_file(self, tmp_path: Path) -> None:
        settings = load(tmp_path, {"JIRA_KEY": "AB CD", "PROJECT_NAME": "long", "SSH_HOST": "h", "BIGBOAT_KEY": "k"})
        assert settings.get("projects", "cd") == "long"
        assert settings.controller() == "h"
        assert settings.value("ssh", "host") == Value("h", "variable SSH_HOST (environment)")

    def test_a_file_is_the_authority(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost = file\n")
        settings = load(tmp_path, {"SSH_HOST": "variable", "SSH_USERNAME": "variable"})
        assert settings.controller() == "file"
        assert settings.get("ssh", "username") is None
        assert settings.value("ssh", "host") == Value("file", f"{tmp_path / 'settings.cfg'} line 2")

    def test_an_option_of_the_command_line_wins(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost = file\n")
        settings = load(tmp_path, {}, {("ssh", "host"): Value("given", "option --ssh")})
        assert settings.controller() == "given"

    def test_an_option_of_one_project(self, tmp_path: Path) -> None:
        (tmp_path / "settings.cfg").write_text("[bigboat]\nHost = all\nhost.ABC = one\nkey.ABC = secret-key\n")
        settings = load(tmp_path, {})
        assert settings.get("bigboat", "host", "ABC") == "one"
        assert settings.get("bigboat", "host", "DEF") == "all"
        assert list(settings.secrets()) == ["secret-key"]

    def test_paths_of_the_files(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "s.cfg").write_text("[ssh]\ncert=certs/wwwgros.crt\n")
        settings = load(tmp_path, {"GATHERER_SETTINGS_FILE": "config/s.cfg"})
        assert settings.certificate == tmp_path / "certs" / "wwwgros.crt"


class TestHosts:
    TEXT = """
[git.example]
env=KEY
username=all
username.http=web
password=p%word
strip=-
[git.example:8080]
env=-
port=99
[alias.example]
host=git.example:8080
[lost.example]
env=NOT_SET
"""

    def test_lookup(self, tmp_path: Path) -> None:
        (tmp_path / "credentials.cfg").write_text(self.TEXT)
        settings = load(tmp_path, {"KEY": "~/key"})
        host = settings.host("git.example", 22)
        assert (host.username("ssh"), host.username("http")) == ("all", "web")
        assert host.secret("password") == Secret("p%word")
        assert host.key == Path("~/key").expanduser()
        assert host.get("strip") is None
        with pytest.raises(UndeclaredOptionError):
            host.get("password")
        assert settings.host("GIT.example", 8080).get("port") == "99"
        assert settings.host("git.example", 8080).key is None
        assert settings.host("alias.example").section == "git.example:8080"
        assert settings.host("lost.example").unset_variable == "NOT_SET"
        assert settings.host("nowhere.example").section == ""

    def test_template(self, tmp_path: Path) -> None:
        variables = {"SOURCE_HOST": "a.example:1", "SOURCE_PASSWORD": "pw", "SOURCE_GITLAB_GROUP": "g"}
        settings = load(tmp_path, {**variables, "DEFINITIONS_HOST": "b", "DEFINITIONS_CREDENTIALS_ENV": "K", "K": "/k"})
        assert settings.host("a.example", 1).get("group") == "g"
        assert settings.host("b").key == Path("/k")
        assert settings.key == Path("/k")
        assert set(settings.secrets()) == {"pw"}


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("host=x\n", ":1:"),
            ("[ssh]\nhost=x\nnothing\n", ":3:"),
            ("[ssh]\n[ssh]\n", ":2: [ssh] appears here a second time"),
            ("[ssh]\na=1\na=2\n", ":3: [ssh] a appears here a second time"),
        ],
    )
    def test_names_the_line(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "settings.cfg"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"settings\.cfg") as error:
            ini.read(path, "the settings file")
        assert words in error.value.message

    def test_all_problems_together(self, tmp_path: Path) -> None:
        (tmp_path / "env").write_text("bad line\n")
        (tmp_path / "settings.cfg").write_text("bad\n")
        (tmp_path / "credentials.cfg").write_text("bad\n")
        with pytest.raises(Problems) as error:
            load(tmp_path, {"CRON_PERIOD": "never", "JIRA_KEY": "a1", "PREFLIGHT_ARGS": "'", "logLevel": "LOUD"})
        assert len(error.value.problems) == 7


class TestConfigShow:
    def test_masks_and_names_origins(self, agent: Agent) -> None:
        (agent.home / "settings.cfg").write_text("[jenkins]\npassword = hunter2\nhost = http://j.example\n")
        (agent.home / "env").write_text("JIRA_KEY=ABC\n")
        done = agent("config", "show")
        assert done.status == 0
        assert "hunter2" not in done.output + done.errors
        rows = [line.split() for line in done.output.splitlines()]
        path = str(agent.home / "settings.cfg")
        assert ["jenkins", "password", MASK, path, "line", "2"] in rows
        assert ["environment", "JIRA_KEY", "ABC", str(agent.home / "env"), "line", "1"] in rows

    def test_json(self, agent: Agent) -> None:
        done = agent("config", "show", "--json", "--all", variables={"SONAR_URL": "http://s.example"})
        settings = json.loads(done.output)["settings"]
        (sonar,) = [one for one in settings if (one["section"], one["option"]) == ("sonar", "url")]
        assert sonar == {
            "section": "sonar",
            "option": "url",
            "value": "http://s.example",
            "origin": "variable SONAR_URL (environment)",
        }


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


class TestSeconds:
    def test_defaults(self, tmp_path: Path) -> None:
        environment = load(tmp_path, {"GROS_AGENT_WAIT": ""}).environment
        assert (environment.wait, environment.import_limit, environment.pick_up_max) == (300, 6 * 3600, 24 * 3600)

    def test_set(self, tmp_path: Path) -> None:
        variables = {"GROS_AGENT_WAIT": "1.5", "GROS_AGENT_IMPORT_LIMIT": "7200", "GROS_AGENT_PICK_UP_MAX": "60"}
        environment = load(tmp_path, variables).environment
        assert (environment.wait, environment.import_limit, environment.pick_up_max) == (1.5, 7200, 60)

    @pytest.mark.parametrize("text", ["-1", "6h", "nan", "inf", "1e9"])
    def test_that_are_none(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigurationError, match="GROS_AGENT_IMPORT_LIMIT"):
            load(tmp_path, {"GROS_AGENT_IMPORT_LIMIT": text})
