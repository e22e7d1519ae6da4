"""Repositories behind real servers: who gets the password, what is pinned, and that no secret is left anywhere."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.settings.model import Host
from gros_agent.settings.values import Value
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.git import access
from support.agent import Agent, give_secrets, table
from support.leaks import leaks, watched_arguments
from support.repository import Repository
from support.servers import git_daemon, git_http, make_key, ssh_server

CANARY = "c4n4ry-p4ssw0rd$`'\""


@pytest.fixture
def ready(agent: Agent, repository: Repository) -> Agent:
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    return agent


class TestHttp:
    def test_password_is_in_no_argument_list(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", CANARY) as server, watched_arguments() as seen:
            (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\nusername=reader\npassword={CANARY}\n")
            for _ in range(3):
                assert ready.scrape("--source", f"git=http://127.0.0.1:{server.port}/repository").status == 0
        assert any(b"ls-remote" in arguments for arguments in seen)
        assert not any(CANARY.encode() in arguments for arguments in seen)

    def test_password_of_the_host(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", CANARY) as server:
            (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\nusername=reader\npassword={CANARY}\n")
            url = f"git=http://127.0.0.1:{server.port}/repository"
            done = ready("--log", "DEBUG", "scrape", "--project", "TEST", "--source", url)
        assert done.status == 0, done
        assert len(table(ready, "data_vcs_versions")) == 1
        assert server.authorizations
        assert CANARY not in done.output + done.errors
        assert leaks(ready.home, CANARY) == [ready.home / "credentials.cfg"]

    def test_password_in_the_url(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", "pass word") as server:
            url = f"git=http://reader:pass%20word@127.0.0.1:{server.port}/repository"
            assert ready.scrape("--source", url).status == 0
        assert leaks(ready.home, "pass%20word") == []

    def test_password_in_the_list_of_sources(self, ready: Agent, repository: Repository) -> None:
        ready.export().mkdir(parents=True)
        with git_http(repository.path.parent, "reader", CANARY) as server:
            url = f"http://127.0.0.1:{server.port}/repository"
            (ready.export() / "data_sources.json").write_text(f'[{{"type": "git", "name": "x", "url": "{url}"}}]')
            done = ready.scrape()
        assert done.status == 3
        assert "asks for a password or key that is missing or wrong" in " ".join(done.output.split())
        assert server.authorizations == []

    def test_wrong_password(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", "right") as server:
            (ready.home / "credentials.cfg").write_text("[127.0.0.1]\nusername=reader\npassword=wrong\n")
            done = ready.scrape("--source", f"git=http://127.0.0.1:{server.port}/repository")
        assert done.status == 3
        assert "password or key that is missing or wrong" in " ".join(done.output.split())

    def test_password_is_for_its_own_port(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", CANARY) as server:
            section = f"[127.0.0.1:{server.port + 1}]\nusername=reader\npassword={CANARY}\n"
            (ready.home / "credentials.cfg").write_text(section)
            done = ready.scrape("--source", f"git=http://127.0.0.1:{server.port}/repository")
        assert done.status == 3
        assert server.authorizations == []

    def test_another_port(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent, "reader", CANARY) as server:
            section = f"[127.0.0.1]\nusername=reader\npassword={CANARY}\nport={server.port}\n"
            (ready.home / "credentials.cfg").write_text(section)
            assert ready.scrape("--source", "git=http://127.0.0.1:1/repository").status == 0


@pytest.mark.integration
class TestSsh:
    def section(self, ready: Agent, text: str) -> None:
        (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\n{text}\n")

    def test_key_also_for_a_web_address(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}\nstrip=web")
            variables = {"THE_KEY": str(server.key)}
            for url in (f"http://127.0.0.1/web{repository.path}", f"ssh://127.0.0.1{repository.path}"):
                done = ready.scrape("--source", f"git={url}", "--full", variables=variables)
                assert done.status == 0, done
                assert len(table(ready, "data_vcs_versions")) == 1
            done = ready.scrape("--source", f"git=127.0.0.1:{repository.path}", "--full", variables=variables)
            assert done.status == 0, done

    def test_dry_run_pins_nothing(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}")
            variables = {"THE_KEY": str(server.key)}
            done = ready.scrape("--source", f"git=ssh://127.0.0.1{repository.path}", "--dry-run", variables=variables)
        assert done.status == 0, done
        assert not (ready.home / "state").exists()

    def test_host_key_is_pinned(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        variables = {"THE_KEY": str(tmp_path / "ssh" / "user_key")}
        source = ("--source", f"git=ssh://127.0.0.1{repository.path}", "--full")
        with ssh_server(tmp_path / "ssh") as server:
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}")
            assert ready.scrape(*source, variables=variables).status == 0
        for path in (server.host_key, server.host_key.with_suffix(".pub")):
            path.unlink()
        with ssh_server(tmp_path / "ssh", server.port):
            done = ready.scrape(*source, variables=variables)
            assert done.status == 3
            assert "another SSH key than the one that was pinned" in " ".join(done.output.split())
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}\nunsafe_hosts=true")
            assert ready.scrape(*source, variables=variables).status == 0

    def test_refused_key(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            other = make_key(tmp_path / "other")
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}")
            done = ready.scrape("--source", f"git=ssh://127.0.0.1{repository.path}", variables={"THE_KEY": str(other)})
        assert done.status == 3
        assert "asks for a password or key that is missing or wrong" in " ".join(done.output.split())


def resolved(url: str, options: Mapping[str, str], key: Path | None = None) -> access.Access:
    host = Host("h", {name: Value(text, "") for name, text in options.items()}, key)
    entry = SourceEntry("git", "x", url)
    return access.resolve(Context(entry=entry, host=host, folder=Path("f"), known_hosts=Path("/k h")))


def test_machine_without_ssh(ready: Agent, tmp_path: Path) -> None:
    """What is missing is the program, not the repository."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = ready.scrape("--source", "git=ssh://127.0.0.1:1/x", variables={"PATH": str(programs)})
    assert done.status == 3
    assert "the program ssh is not there" in " ".join(done.output.split())


class TestAddresses:
    def test_urls(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.touch()
        for url, options, expected in (
            ("https://h.example/a/b.git", {}, "https://h.example/a/b.git"),
            ("https://h.example/a/b.git", {"port": "8443"}, "https://h.example:8443/a/b.git"),
            ("ssh://u@h.example/a", {"username": "v", "port": "22"}, "ssh://v@h.example:22/a"),
            ("ssh://u@h.example/a", {"username": "-"}, "ssh://u@h.example/a"),
            ("u@h.example:a/b", {"username.ssh": "w"}, "w@h.example:a/b"),
            ("ssh://h.example/a", {"username": "tfs\\user"}, "ssh://tfs%5Cuser@h.example/a"),
            ("git://h.example/a", {"username": "x"}, "git://h.example/a"),
        ):
            assert resolved(url, options).url == expected
        assert resolved("https://h.example/a/b", {"username": "git"}, key).url == "ssh://git@h.example/a/b"
        assert resolved("https://h.example/a/b", {"strip": "a"}, key).url == "ssh://h.example/b"

    def test_no_secret_in_the_url(self) -> None:
        found = resolved("https://h.example/a", {"username": "u", "password": "hunter2"})
        assert "hunter2" not in found.url
        assert [name for name, text in found.environment.items() if "hunter2" in text] == ["GROS_PASSWORD"]

    def test_password_stays_away_from_what_needs_none(self) -> None:
        for url in ("git://h.example/a", "ssh://h.example/a", "file:///a"):
            assert "hunter2" not in str(resolved(url, {"username": "u", "password": "hunter2"}).environment)

    @pytest.mark.parametrize(
        ("url", "options", "words"),
        [
            ("ftp://h.example/a", {}, "transport ftp is not allowed"),
            ("https://h.example/a", {"port": "x"}, "is no port"),
            ("https://h.example/a", {"port": "70000"}, "is no port"),
            ("https://h.example/a", {"username": "u", "password": "a\nb"}, "line break"),
        ],
    )
    def test_refused(self, url: str, options: dict[str, str], words: str) -> None:
        with pytest.raises(SourceError, match=words):
            resolved(url, options)

    def test_missing_key(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no such SSH key"):
            resolved("ssh://h.example/a", {}, tmp_path / "none")

    def test_configuration_of_the_user_is_not_read(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        """What ~/.gitconfig says must not change what is collected, or run anything."""
        (tmp_path / ".gitconfig").write_text(
            f'[core]\n\tfsmonitor = touch {tmp_path}/ran\n[url "file:///nowhere"]\n\tinsteadOf = {repository.url}\n'
        )
        assert ready.scrape("--source", f"git={repository.path}", variables={"HOME": str(tmp_path)}).status == 0
        assert not (tmp_path / "ran").exists()

    def test_version_that_is_too_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access, "installed_version", lambda: (2, 30, 1))
        with pytest.raises(SourceError, match=r"git 2\.30\.1 is too old"):
            access.supported_version()


def test_options_that_nothing_acts_on_are_named(ready: Agent, repository: Repository) -> None:
    with git_daemon(repository.path.parent) as port:
        (ready.home / "credentials.cfg").write_text("[127.0.0.1]\nfrom_date=2024-01-01\ntag=-\n")
        done = ready.scrape("--source", f"git=git://127.0.0.1:{port}/repository")
    assert "[127.0.0.1] from_date is not acted on" in " ".join(done.output.split())
    assert " tag is not" not in done.output


def test_git_protocol(ready: Agent, repository: Repository) -> None:
    with git_daemon(repository.path.parent) as port:
        assert ready.scrape("--source", f"git=git://127.0.0.1:{port}/repository").status == 0
    assert len(table(ready, "data_vcs_versions")) == 1


def test_block_list(ready: Agent, repository: Repository) -> None:
    """What is blocked is never connected to, and named as what it is."""
    repository.commit("one", {"a": "1"})
    with git_daemon(repository.path.parent) as port:
        url = f"git://127.0.0.1:{port}/{repository.path.name}"
        blocked = ready.scrape(
            "--source", f"git={url}", variables={"GATHERER_URL_BLACKLIST": "http://x,git://127.0.0.1:*"}
        )
        assert ready.scrape("--source", f"git={url}").status == 0
    assert blocked.status == 3, blocked
    assert "is blocked by git://127.0.0.1:*" in " ".join(blocked.output.split())
