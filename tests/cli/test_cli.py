"""The command line itself: options before and after, variables, help, versions, logs, exit statuses."""

import contextlib
import fcntl
import importlib
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO

import click
import pytest
from click.testing import CliRunner

from gros_agent import __version__
from gros_agent.cli import COMMANDS, main
from gros_agent.cli.options import VariableOption
from gros_agent.errors import SEVERITY, ExitStatus, worst
from support.agent import ROOT, Agent, give_secrets
from support.repository import Repository, linear_history


class TestGlobalOptions:
    @pytest.mark.parametrize("before", [True, False])
    def test_before_and_after(self, agent: Agent, tmp_path: Path, *, before: bool) -> None:
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost=here\n")
        options, command = ("--home", str(tmp_path)), ("config", "show", "--json")
        done = agent(*options, *command) if before else agent(*command, *options)
        assert json.loads(done.output)["home"] == str(tmp_path)

    def test_after_wins(self, agent: Agent, tmp_path: Path) -> None:
        done = agent(
            "--home", "/", "config", "show", "--json", "--home", str(tmp_path), variables={"GROS_AGENT_HOME": "/x"}
        )
        assert json.loads(done.output)["home"] == str(tmp_path)

    def test_variable(self, agent: Agent, tmp_path: Path) -> None:
        done = agent("config", "show", "--json", variables={"GROS_AGENT_HOME": str(tmp_path)})
        assert json.loads(done.output)["home"] == str(tmp_path)

    def test_working_directory_by_default(self, agent: Agent) -> None:
        assert json.loads(agent("config", "show", "--json").output)["home"] == str(agent.home)

    def test_home_that_is_none(self, agent: Agent) -> None:
        done = agent("--home", "nowhere", "config", "show")
        assert done.status == 7
        assert "the agent's home is not a folder" in done.errors

    def test_project_from_an_environment_file(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        for project in ("ABC", "DEF"):
            give_secrets(agent, project)
        (agent.home / "env").write_text('JIRA_KEY="ABC DEF"\n')
        assert agent("scrape", "--source", f"git={repository.path}").status == 0
        assert sorted(path.name for path in (agent.home / "export").iterdir()) == ["ABC", "DEF"]

    def test_flag_from_a_variable(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", variables={"GROS_AGENT_DRY_RUN": "1"})
        assert "this was a dry run" in done.output


class TestLogs:
    def test_json(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--no-secrets", "--log-format", "json")
        record, *others = [json.loads(line) for line in done.errors.splitlines()]
        assert record["level"] == "WARNING"
        assert [one["level"] for one in others] == ["INFO"]
        assert record["time"].endswith("Z")

    @pytest.mark.parametrize("arguments", [(), ("--quiet",), ("--log", "CRITICAL"), ("--log", "DEBUG")])
    def test_the_delivered_log_is_the_same(
        self, agent: Agent, repository: Repository, arguments: tuple[str, ...]
    ) -> None:
        """How much is shown is for whoever looks: what is kept and delivered does not depend on it."""
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--no-secrets", *arguments)
        assert done.status == 0
        lines = [line.partition(":")[2] for line in (agent.export() / "scrape.log").read_text().splitlines()]
        assert any(":INFO:project TEST: source" in line for line in lines)
        assert not any(":DEBUG:" in line for line in lines)

    def test_quiet(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--no-secrets", "--quiet")
        assert done.errors == ""
        assert "data_vcs_versions 1" in done.output

    def test_results_and_logs_are_apart(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--no-secrets", "--json")
        (report,) = json.loads(done.output)
        assert report["status"] == 0
        assert report["outcomes"][0]["items"] == 1
        assert "WARNING" in done.errors


class TestTerminal:
    def test_bars_are_gone_before_the_table(self, agent: Agent, tmp_path: Path) -> None:
        """What the bars do to the cursor must not wipe out what was printed."""
        repository = linear_history(tmp_path / "long", 800)
        reader, writer = pty.openpty()
        command = ["scrape", "--project", "TEST", "--source", f"git={repository.path}", "--no-secrets"]
        with subprocess.Popen(
            [sys.executable, "-m", "gros_agent", *command],
            cwd=agent.home,
            env=agent.environment({"TERM": "xterm", "COLUMNS": "100"}),
            stdin=writer,
            stdout=writer,
            stderr=writer,
        ) as process:
            os.close(writer)
            shown = b""
            with contextlib.suppress(OSError):  # the terminal's end
                while block := os.read(reader, 65536):
                    shown += block
        os.close(reader)
        assert process.returncode == 0
        text = shown.decode()
        assert "commits" in text
        assert "\x1b[1A" not in text.partition("data_vcs_versions")[2]
        assert "HAS NO SECRETS" in text


class TestHelp:
    @pytest.mark.parametrize("command", ["", *COMMANDS, "config show"])
    def test_has_an_example(self, agent: Agent, command: str) -> None:
        done = agent(*command.split(), "--help")
        assert done.status == 0
        assert "Example" in done.output

    def test_loads_little(self) -> None:
        """What makes a start slow is loaded by the commands that need it."""
        script = "import sys; from gros_agent.cli import execute; execute(['{}']); print(*sys.modules, file=sys.stderr)"
        for argument in ("--help", "version"):
            done = subprocess.run(
                [sys.executable, "-c", script.format(argument)], capture_output=True, text=True, check=True
            )
            heavy = {"rich", "environs", "marshmallow", "msgspec", "paramiko", "OpenSSL", "requests", "regex"}
            assert not heavy & set(done.stderr.split())

    def test_every_option_has_a_variable(self) -> None:

        context = click.Context(main)
        for name in COMMANDS:
            command = main.get_command(context, name)
            commands = command.commands.values() if isinstance(command, click.Group) else [command]
            for one in commands:
                assert one is not None
                for parameter in one.params:
                    if isinstance(parameter, click.Argument):
                        continue
                    assert parameter.envvar, (name, parameter.name)

    def test_completion(self, agent: Agent) -> None:
        done = subprocess.run(
            [Path(sys.executable).parent / "gros-agent"],
            env=agent.environment({"_GROS_AGENT_COMPLETE": "bash_source"}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "_gros_agent_completion" in done.stdout


class TestVersion:
    def test_module_alone(self, agent: Agent) -> None:
        assert agent("version").output == agent("--version").output == f"{__version__}\n"

    @pytest.mark.parametrize("folder", ["", "config"])
    def test_stamped(self, agent: Agent, folder: str) -> None:
        text = f"{__version__}-feature/a-b-{'a1' * 20}"
        (agent.home / folder).mkdir(exist_ok=True)
        (agent.home / folder / "VERSION").write_text(text + "\n")
        assert agent("version").output == text + "\n"
        content = json.loads(agent("version", "--json").output)
        assert content == {"version": text, "module": __version__, "branch": "feature/a-b", "commit": "a1" * 20}

    @pytest.mark.parametrize("text", ["0.0.1-main-" + "a" * 40, "rubbish", "", f"{__version__}-main-abc"])
    def test_stamp_of_another_version(self, agent: Agent, text: str) -> None:
        (agent.home / "VERSION").write_text(text)
        assert agent("version").output == f"{__version__}\n"

    def test_stamp(self, agent: Agent, tmp_path: Path) -> None:
        assert agent("version", "--stamp").status == 7
        repository = Repository(agent.home)
        repository.git("init", "--quiet", "--initial-branch=my-branch")
        commit = repository.commit("one")
        assert agent("version", "--stamp").output == f"{__version__}-my-branch-{commit}\n"
        del tmp_path

    def test_file_in_the_repository(self) -> None:
        assert (ROOT / "VERSION").read_text() == f"{__version__}\n"


class TestExitStatus:
    def test_worst(self) -> None:
        assert worst([]) == ExitStatus.DONE
        for index, status in enumerate(SEVERITY):
            assert worst([*SEVERITY[:index], status, ExitStatus.DONE]) == status
        assert [int(status) for status in SEVERITY] == [0, 5, 3, 6, 4, 7, 1]

    def test_all_have_a_meaning(self) -> None:
        assert all(status.meaning for status in ExitStatus)

    def test_reader_that_goes_away(self, agent: Agent) -> None:
        script = f"{sys.executable} -m gros_agent config show --all | head -n 1"
        done = subprocess.run(
            ["sh", "-c", script], cwd=agent.home, env=agent.environment(), capture_output=True, check=True
        )
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("GROS_AGENT_PLAIN", "perhaps", "'perhaps': this is neither yes nor no"),
        ("GROS_AGENT_FULL", "perhaps", "'perhaps': this is neither yes nor no"),
        ("GROS_AGENT_QUIET", "perhaps", "'perhaps': this is neither yes nor no"),
        ("GROS_AGENT_TIMEOUT", "soon", "'soon' is not a number of seconds"),
        ("GROS_AGENT_TIMEOUT", "nan", "'nan': must be more than 0 and at most 2592000 seconds"),
        ("GROS_AGENT_LOG", "LOUD", "'LOUD' is not one of"),
        ("GROS_AGENT_LOG_FORMAT", "xml", "'xml' is not one of"),
        ("GROS_AGENT_REPOS", "/etc/passwd", "is a file"),
        ("GROS_AGENT_HOME", "/etc/passwd", "is a file"),
    ],
)
def test_a_wrong_variable_is_named(agent: Agent, variable: str, text: str, words: str) -> None:
    """And not the option that it stands for, which nobody gave."""
    done = agent("scrape", "--project", "TEST", "--source", f"git=file://{agent.home}", variables={variable: text})
    assert done.status == 7
    assert f"error: {variable} (environment)" in done.errors
    assert words in done.errors
    assert "--" not in done.errors
    assert done.output == ""


def test_a_wrong_variable_of_a_file_is_named(agent: Agent) -> None:
    (agent.home / "env").write_text("TZ=UTC\nGROS_AGENT_TIMEOUT=soon\n")
    done = agent("preflight")
    assert done.status == 7
    assert f"GROS_AGENT_TIMEOUT ({agent.home}/env line 2): 'soon' is not a number of seconds" in done.errors


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1", "0", "1e9", "never"])
def test_times_that_are_none(agent: Agent, text: str) -> None:
    done = agent("scrape", "--project", "TEST", f"--timeout={text}", "--source", f"git=file://{agent.home}")
    assert done.status == 2
    assert "Invalid value for '--timeout'" in done.errors
    assert "seconds" in done.errors


def test_every_option_with_a_variable_names_it() -> None:
    groups = [importlib.import_module(f"gros_agent.cli.{name}").command for name in COMMANDS]
    commands = [each for one in groups for each in (one, *getattr(one, "commands", {}).values())]
    options = [option for command in commands for option in command.params if option.envvar]
    assert len(options) > 100
    assert all(isinstance(option, VariableOption) for option in options)


class TestOnePlace:
    """Where results and log are read together, an error stands there once; where they are apart, in each of them."""

    FAILS = (
        (("run",), "project TEST has no sources"),
        (("scrape",), "project TEST has no sources"),
        (("scrape", "--source", "git:x=file:///nonexistent/x"), "'/nonexistent/x' does not appear"),
        (("register",), "no controller is configured"),
        (("export",), "no controller is configured for project TEST"),
        (("bigboat",), "no controller is configured for project TEST"),
    )

    @pytest.fixture
    def wrong(self, agent: Agent) -> Agent:
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text("[]")
        return agent

    def start(self, agent: Agent, arguments: tuple[str, ...], **streams: int | IO[bytes]) -> None:
        variables = {"JIRA_KEY": "TEST", "COLUMNS": "400"}
        done = subprocess.run(
            [sys.executable, "-m", "gros_agent", *arguments],
            cwd=agent.home,
            env=agent.environment(variables),
            stdin=subprocess.DEVNULL,
            check=False,
            **streams,  # type: ignore[call-overload]
        )
        assert done.returncode in {3, 4, 7}

    @pytest.mark.parametrize(("arguments", "words"), FAILS)
    @pytest.mark.parametrize("place", ["pipe", "file", "terminal"])
    def test_together(self, wrong: Agent, arguments: tuple[str, ...], words: str, place: str) -> None:
        if place == "pipe":
            reader, writer = os.pipe()
        elif place == "terminal":
            reader, writer = pty.openpty()
        else:
            writer = os.open(wrong.home / "out", os.O_WRONLY | os.O_CREAT)
            reader = os.open(wrong.home / "out", os.O_RDONLY)
        if place == "terminal":
            fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
        self.start(wrong, arguments, stdout=writer, stderr=writer)
        shown = os.read(reader, 1 << 16).decode()
        os.close(reader)
        os.close(writer)
        assert shown.count(words) == 1, shown
        if arguments[0] in {"run", "scrape"}:  # whose log for others has the error, too
            assert "ERROR:" in (wrong.export() / "scrape.log").read_text()

    @pytest.mark.parametrize(("arguments", "words"), FAILS[:3])
    def test_apart(self, wrong: Agent, arguments: tuple[str, ...], words: str) -> None:
        done = wrong(*arguments, variables={"JIRA_KEY": "TEST", "COLUMNS": "400"})
        assert (done.output.count(words), done.errors.count(words)) == (1, 1)

    def test_what_the_agent_starts_itself(self, wrong: Agent) -> None:
        """Both streams of a container end in its one log."""
        done = wrong("run", "--trigger", "schedule", variables={"JIRA_KEY": "TEST"})
        assert (done.output + done.errors).count("project TEST has no sources") == 1

    def test_a_log_for_programs_is_whole(self, wrong: Agent) -> None:
        with (wrong.home / "out").open("wb") as out:
            self.start(wrong, ("--log-format", "json", "run"), stdout=out, stderr=out)
        lines = (wrong.home / "out").read_text().splitlines()
        assert any(json.loads(line)["level"] == "ERROR" for line in lines if line.startswith("{"))

    def test_a_log_that_leaves_errors_out(self, wrong: Agent) -> None:
        with (wrong.home / "out").open("wb") as out:
            self.start(wrong, ("--log", "CRITICAL", "run"), stdout=out, stderr=out)
        assert (wrong.home / "out").read_text().count("project TEST has no sources") == 1


def required() -> list[tuple[tuple[str, ...], str]]:
    """The required options of all commands, each with the words of its command."""
    found = []
    for name in COMMANDS:
        one: click.Command = importlib.import_module(f"gros_agent.cli.{name}").command
        own = {(): one} if not isinstance(one, click.Group) else {(word,): sub for word, sub in one.commands.items()}
        found += [
            ((str(one.name), *words), parameter.opts[0])
            for words, command in own.items()
            for parameter in command.params
            if parameter.required and isinstance(parameter, click.Option)
        ]
    return found


@pytest.mark.parametrize(("words", "option"), required())
def test_missing_option_is_named(words: tuple[str, ...], option: str) -> None:
    done = CliRunner().invoke(main, [*words])
    assert done.exit_code == 2
    assert f"Missing option '{option}'" in done.output


def test_options_are_required() -> None:
    assert (("cluster", "certificates"), "--to") in required()
    assert len(required()) >= 5
