"""Settings of an agent that stays up: secrets from files, files made from templates, and files that change under it."""

import contextlib
import os
import stat
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import ConfigurationError, Problems
from gros_agent.options.values import Value
from gros_agent.service.live_settings import LastGood
from gros_agent.service.modes import ServiceMode, mode_of
from gros_agent.settings import ini
from gros_agent.settings.load import load
from gros_agent.settings.template import SECRET_VARIABLES, fill_settings
from support.agent import Agent


class TestSecretsInFiles:
    def test_every_secret_variable(self, tmp_path: Path) -> None:
        variables = {"SOURCE_HOST": "a.example", "DEFINITIONS_HOST": "b.example"}
        for name in SECRET_VARIABLES:
            (tmp_path / name).write_text(f"secret of {name}\n")
            variables[f"{name}_FILE"] = str(tmp_path / name)
        settings = load(tmp_path, variables)
        assert {f"secret of {name}" for name in SECRET_VARIABLES} == set(settings.secrets())
        assert settings.value("jira", "password") == Value(
            "secret of JIRA_PASSWORD", f"variable JIRA_PASSWORD (file {tmp_path / 'JIRA_PASSWORD'})"
        )
        token = settings.environment.agent_token
        assert token is not None
        assert token.reveal() == "secret of AGENT_TOKEN"

    def test_both(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("x")
        with pytest.raises(ConfigurationError, match=r"AGENT_TOKEN \(environment\) and AGENT_TOKEN_FILE .* both set"):
            load(tmp_path, {"AGENT_TOKEN": "direct", "AGENT_TOKEN_FILE": str(tmp_path / "token")})

    def test_missing_and_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        variables = {"AGENT_TOKEN_FILE": str(tmp_path / "none"), "GITLAB_TOKEN_FILE": str(tmp_path / "binary")}
        with pytest.raises(Problems) as caught:
            load(tmp_path, variables)
        assert "AGENT_TOKEN_FILE (environment): there is no file" in str(caught.value)
        assert "the file of GITLAB_TOKEN_FILE is not UTF-8 text" in str(caught.value)

    def test_switched_off(self, tmp_path: Path) -> None:
        assert load(tmp_path, {"AGENT_TOKEN_FILE": "-"}).environment.agent_token is None

    def test_nothing_shows_it(self, agent: Agent) -> None:
        (agent.home / "token").write_text("very-secret-token")
        done = agent("config", "show", variables={"AGENT_TOKEN_FILE": str(agent.home / "token")})
        assert done.status == 0
        assert "AGENT_TOKEN" in done.output
        assert "very-secret" not in done.output + done.errors


class TestTemplates:
    @given(
        st.dictionaries(
            st.sampled_from(("SSH_HOST", "JIRA_PASSWORD", "QUALITY_TIME_URL", "LDAP_SEARCH_FILTER")),
            st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"))),
        )
    )
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> None:
        path = tmp_path_factory.mktemp("template") / "settings.cfg"
        sections = fill_settings({name: Value(text, "environment") for name, text in variables.items()})
        ini.write_new(path, "the settings file", sections)
        again = ini.read(path, "the settings file")
        assert again is not None
        for section, options in sections.items():
            assert {name: value.text for name, value in again[section].items()} == {
                name: value.text for name, value in options.items()
            }
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @given(st.text(st.sampled_from("a =[]#;:\n\r\t\0\x85\u2028%")))
    def test_as_it_is_or_not_at_all(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        path = tmp_path_factory.mktemp("template") / "settings.cfg"
        sections = fill_settings({"SSH_HOST": Value(text, "environment")})
        with contextlib.suppress(ConfigurationError):
            ini.write_new(path, "the settings file", sections)
        again = ini.read(path, "the settings file")
        assert again is None or again["ssh"]["host"].text == text.strip()
        assert [one.name for one in path.parent.iterdir()] == ([] if again is None else ["settings.cfg"])

    def test_what_a_file_can_not_hold(self, tmp_path: Path) -> None:
        sections = fill_settings({"SSH_HOST": Value("a\n# gone", "environment")})
        with pytest.raises(
            ConfigurationError, match=r"\[ssh\] host can't hold what variable SSH_HOST \(environment\) says"
        ):
            ini.write_new(tmp_path / "settings.cfg", "the settings file", sections)

    def test_a_host_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="can't be made"):
            ini.write_new(tmp_path / "c", "the credentials file", {"a]\n[b": {"x": Value("y", "z")}})


class TestModes:
    @pytest.mark.parametrize(
        ("variables", "mode", "words"),
        [
            ({}, ServiceMode.ON_REQUEST, "neither CRON_PERIOD (15min, hourly, daily, weekly, monthly) nor JENKINS_URL"),
            ({"JENKINS_URL": "-"}, ServiceMode.ON_REQUEST, "set CRON_PERIOD"),
            ({"JENKINS_URL": "value", "JIRA_KEY": "A B"}, ServiceMode.JENKINS, "one run for A, B, then exit"),
            ({"JENKINS_URL": "value", "CRON_PERIOD": "daily"}, ServiceMode.JENKINS, "JENKINS_URL is set"),
            ({"CRON_PERIOD": "15min", "JIRA_KEY": "A"}, ServiceMode.DAEMON, "a scrape of A every 15 minutes"),
            ({"CRON_PERIOD": "daily"}, ServiceMode.DAEMON, "no project, as JIRA_KEY is not set"),
        ],
    )
    def test_of_an_environment(self, tmp_path: Path, variables: dict[str, str], mode: ServiceMode, words: str) -> None:
        found, reason = mode_of(load(tmp_path, variables))
        assert found is mode
        assert words in reason

    @pytest.mark.parametrize("name", ["CRON_PERIOD", "BIGBOAT_PERIOD"])
    def test_unknown_period(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"{name}.*15min, hourly, daily, weekly, monthly"):
            load(tmp_path, {name: "fortnightly"})

    def test_unknown_time_zone(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"TZ .*there is no such time zone"):
            load(tmp_path, {"TZ": "Europe/Nowhere"})

    def test_time_zone_that_the_system_does_not_know(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python may know it from a package; the moments in the tables would silently be those of UTC."""
        monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path),))
        with pytest.raises(ConfigurationError, match=r"TZ .*install tzdata, or write UTC"):
            load(tmp_path, {"TZ": "Europe/Amsterdam"})
        assert load(tmp_path, {"TZ": "UTC"}).environment.get("TZ") == "UTC"


class TestLastGood:
    """Whatever becomes of the files, a process that works reads what was good last."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "env").write_text("JIRA_KEY=ABC\n")
        (tmp_path / "settings.cfg").write_text("[ssh]\nhost=controller.example\n")
        return tmp_path

    @staticmethod
    def worker(good: LastGood, home: Path) -> tuple[tuple[str, ...], str | None]:
        settings = load(home, good.variables())
        return settings.projects, settings.controller()

    def test_nothing_changed(self, home: Path) -> None:
        good = LastGood(home, {})
        assert not good.refresh()
        assert self.worker(good, home) == (("ABC",), "controller.example")
        assert not (home / "state").exists()

    def test_changed(self, home: Path) -> None:
        good = LastGood(home, {})
        (home / "config" / "env").write_text("JIRA_KEY='ABC DEF'\n")
        assert good.refresh()
        assert good.settings.projects == ("ABC", "DEF")
        assert not good.refresh()

    @pytest.mark.parametrize(
        ("name", "rubbish"),
        [
            ("config/env", "JIRA_KEY=ABC\n$$$ rubbish\n"),
            ("config/env", "CRON_PERIOD=never\n"),
            ("env", "`rubbish`\n"),
            ("settings.cfg", "no section\n"),
            ("credentials.cfg", "[a]\n[a]\n"),
        ],
    )
    def test_rubbish(self, home: Path, name: str, rubbish: str, caplog: pytest.LogCaptureFixture) -> None:
        good = LastGood(home, {})
        (home / name).write_text(rubbish)
        assert not good.refresh()
        assert good.problems
        assert "the last valid settings stay in use" in caplog.text
        assert self.worker(good, home) == (("ABC",), "controller.example")
        copies = [path for path in (home / "state" / "last-good").rglob("*") if path.is_file()]
        assert copies
        assert {stat.S_IMODE(path.stat().st_mode) for path in copies} == {0o600}
        (home / name).write_text("JIRA_KEY=NEW\n" if name.endswith("env") else "[ssh]\nhost=new.example\n")
        assert good.refresh()
        assert not good.problems
        settings = load(home, {})
        assert self.worker(good, home) == (settings.projects, settings.controller())
        good.clear()
        assert not (home / "state" / "last-good").exists()

    def test_gone(self, home: Path) -> None:
        """A file that was removed is no rubbish: its settings are gone."""
        good = LastGood(home, {})
        (home / "settings.cfg").unlink()
        assert good.refresh()
        assert good.settings.controller() is None

    def test_wrong_from_the_start(self, home: Path) -> None:
        (home / "settings.cfg").write_text("rubbish\n")
        with pytest.raises(ConfigurationError):
            LastGood(home, {})

    def test_in_a_directory(self, home: Path) -> None:
        (home / "env").mkdir()
        good = LastGood(home, {})
        (home / "env" / "env").write_text("JIRA_KEY=DEF\n")
        os.utime(home / "env" / "env", (1, 1))
        assert good.refresh()
        assert good.settings.projects == ("ABC",)  # config/env comes later, and wins
