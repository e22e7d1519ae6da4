"""Repositories behind real servers: who gets the password, what is pinned, and that no secret is left anywhere."""

import json
import random
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.options.values import Value
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.git import access
from gros_agent.sources.git.clone import Remote
from support.agent import Agent, Finished, give_secrets, table
from support.certificates import certificate
from support.forward import forward_proxy
from support.hosts import host_with
from support.leaks import leaks, watched_programs
from support.proxy import Fault, Proxy, proxy
from support.repository import Repository, linear_history
from support.servers import git_daemon, git_http, make_key, ssh_server

CANARY = f"c4n4ry-{uuid.uuid4().hex}$`'\""  # other tests run beside it


@pytest.fixture
def ready(agent: Agent, repository: Repository) -> Agent:
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    return agent


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    key = tmp_path / "key.pem"
    return certificate(tmp_path / "certificate.pem", -timedelta(1), timedelta(9), ("localhost",), key), key


class TestHttps:
    def test_password_is_only_where_it_was_put(self, ready: Agent, tmp_path: Path, tls: tuple[Path, Path]) -> None:
        """It is in no argument list, log, file or clone, and in the variables of programs that connect alone."""
        repository = linear_history(tmp_path / "origins" / "repository", 2500)
        repository.git("tag", "-a", "v1", "-m", "one")
        arguments = ("--log", "DEBUG", "scrape", "--project", "TEST", "--full", "--source")
        with git_http(repository.path.parent, "reader", CANARY, tls) as server, watched_programs(CANARY) as seen:
            section = f"[localhost]\nusername=reader\npassword={CANARY}\ncacert={tls[0]}\n"
            (ready.home / "credentials.cfg").write_text(section)
            for _ in range(3):
                done = ready(*arguments, f"git=https://localhost:{server.port}/repository")
                assert done.status == 0, done
                assert CANARY not in done.output + done.errors
        assert len(table(ready, "data_vcs_versions")) == 2500
        assert server.authorizations
        assert not any(CANARY.encode() in program.arguments for program in seen)
        assert any(b"git\0log" in program.arguments for program in seen)
        with_it = [program.arguments for program in seen if program.has_it]
        connecting = (b"ls-remote", b"fetch", b"remote-https", b"GROS_PASSWORD", b"index-pack", b"rev-list")
        assert any(b"ls-remote" in one for one in with_it)
        assert [one for one in with_it if not any(word in one for word in connecting)] == []
        assert leaks(ready.home, CANARY) == [ready.home / "credentials.cfg"]
        assert leaks(ready.home / "state" / "repos", str(server.port)) == []

    @pytest.mark.parametrize(("option", "user"), [("github_token", "x-access-token"), ("gitlab_token", "oauth2")])
    def test_token_opens_repositories(
        self, ready: Agent, repository: Repository, tls: tuple[Path, Path], option: str, user: str
    ) -> None:
        """The token for the API is git's password where there is no other; it is in as few places as that one."""
        with git_http(repository.path.parent, user, CANARY, tls) as server, watched_programs(CANARY) as seen:
            section = f"[localhost]\n{option}={CANARY}\ncacert={tls[0]}\n"
            (ready.home / "credentials.cfg").write_text(section)
            done = ready(
                "--log",
                "DEBUG",
                "scrape",
                "--project",
                "TEST",
                "--source",
                f"git=https://localhost:{server.port}/repository",
            )
        assert CANARY not in done.output + done.errors
        assert table(ready, "data_vcs_versions")
        assert not any(CANARY.encode() in program.arguments for program in seen)
        assert leaks(ready.home, CANARY) == [ready.home / "credentials.cfg"]

    def test_certificates(self, ready: Agent, repository: Repository, tmp_path: Path, tls: tuple[Path, Path]) -> None:
        """One that nobody vouches for is refused, unless it is named, installed, or not to be verified."""
        other = certificate(tmp_path / "other.pem", -timedelta(1), timedelta(9), ("localhost",))
        access = "[localhost]\nusername=reader\npassword=right\n"
        with git_http(repository.path.parent, "reader", "right", tls) as server:
            for option, variables, status in (
                ("", {}, 3),
                ("", {"SSL_CERT_FILE": str(tls[0])}, 0),
                ("", {"REQUESTS_CA_BUNDLE": str(tls[0])}, 0),
                ("", {"SSL_CERT_FILE": str(other), "REQUESTS_CA_BUNDLE": str(tls[0])}, 3),
                (f"cacert={tls[0]}", {}, 0),
                (f"cacert={tls[0]}", {"SSL_CERT_FILE": str(other)}, 0),
                (f"cacert={other}", {"SSL_CERT_FILE": str(tls[0])}, 3),
                (f"cacert={tmp_path / 'none.pem'}", {"SSL_CERT_FILE": str(tls[0])}, 3),
                (f"cacert={other}\nunsafe_hosts=true", {}, 0),
            ):
                (ready.home / "credentials.cfg").write_text(access + option)
                done = ready.scrape(
                    "--full", "--source", f"git=https://localhost:{server.port}/repository", variables=variables
                )
                assert done.status == status, (option, done)
                if status and "none.pem" in option:
                    assert "none.pem: there is no such file" in " ".join(done.output.split())
                elif status:
                    assert "the host's certificate is not trusted" in " ".join(done.output.split())

    @pytest.mark.parametrize(("value", "status"), [("true", 0), ("1", 0), ("false", 3), ("-", 3), ("", 3)])
    def test_certificates_are_not_verified(
        self, ready: Agent, repository: Repository, tls: tuple[Path, Path], value: str, status: int
    ) -> None:
        with git_http(repository.path.parent, "reader", "right", tls) as server:
            section = f"[127.0.0.1]\nusername=reader\npassword=right\nport={server.port}\n"
            (ready.home / "credentials.cfg").write_text(f"{section}unsafe_hosts={value}\n")
            done = ready.scrape("--source", "git=https://127.0.0.1/repository")
        assert done.status == status, done
        assert bool(server.authorizations) == (status == 0)


class TestHttp:
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
            (ready.home / "credentials.cfg").write_text("[127.0.0.1]\nusername=reader\npassword=another-one\n")
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

    def test_another_host(self, ready: Agent, repository: Repository) -> None:
        """A section leads to another host, its port and its section; where that one leads to does not count."""
        source = ("--full", "--source", "git=http://old.example:1/repository")
        with git_http(repository.path.parent, "reader", CANARY) as server:
            there = f"127.0.0.1:{server.port}"
            text = f"[old.example]\nhost={there}\nusername=other\npassword=wrong\nport=2\n"
            section = f"[{there}]\nusername=reader\npassword={CANARY}\nport=\nhost=none.example\n"
            (ready.home / "credentials.cfg").write_text(text + section)
            done = ready.scrape(*source)
            assert done.status == 0, done
            assert len(set(server.authorizations)) == 1
            blocked = ready.scrape(*source, variables={"GATHERER_URL_BLACKLIST": "http://127.0.0.1:*"})
            assert blocked.status == 3
            assert "is blocked by http://127.0.0.1:*" in " ".join(blocked.output.split())
            # the port that a section has itself wins
            closed = section.replace(there, "127.0.0.1").replace("port=", "port=1")
            (ready.home / "credentials.cfg").write_text(text + closed)
            assert ready.scrape(*source).status == 3
        assert (ready.home / "state" / "repos" / "TEST").exists()
        assert len(table(ready, "data_vcs_versions")) == 1

    def test_strip_is_for_ssh(self, ready: Agent, repository: Repository) -> None:
        with git_http(repository.path.parent.parent, "reader", CANARY) as server:
            section = f"[127.0.0.1]\nusername=reader\npassword={CANARY}\nstrip={repository.path.parent.name}\n"
            (ready.home / "credentials.cfg").write_text(section)
            url = f"http://127.0.0.1:{server.port}/{repository.path.parent.name}/repository"
            done = ready.scrape("--source", f"git={url}")
        assert done.status == 0, done

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

    def test_strip(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        """The first part of a web address's path goes when it becomes an SSH one, and is left in every other."""
        path = repository.path
        with ssh_server(tmp_path / "ssh") as server:
            for strip, url, status in (
                ("web", f"https://127.0.0.1/web{path}", 0),
                ("/web/", f"https://127.0.0.1:1/web{path}", 0),
                ("we", f"https://127.0.0.1/web{path}", 3),
                ("-", f"https://127.0.0.1/web{path}", 3),
                ("web", f"https://127.0.0.1{path}", 0),
                (path.parts[1], f"ssh://127.0.0.1{path}", 0),
                (path.parts[1], f"127.0.0.1:{path}", 0),
            ):
                self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}\nstrip={strip}")
                done = ready.scrape("--source", f"git={url}", "--full", variables={"THE_KEY": str(server.key)})
                assert done.status == status, (strip, url, done)
                assert not status or "there is no such repository" in " ".join(done.output.split())

    @pytest.mark.parametrize("form", ["ssh://old.example:1{}", "old.example:{}", "https://old.example:1{}"])
    def test_another_host(self, ready: Agent, repository: Repository, tmp_path: Path, form: str) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            text = f"env=THE_KEY\nusername={server.user}\n[old.example]\nhost=127.0.0.1:{server.port}\nport=2"
            self.section(ready, text)
            url = form.format(repository.path)
            done = ready.scrape("--source", f"git={url}", variables={"THE_KEY": str(server.key)})
        assert done.status == 0, done
        pinned = (ready.home / "state" / "known_hosts").read_text()
        assert pinned.startswith(f"[127.0.0.1]:{server.port} ")

    @pytest.mark.parametrize("change", ["mode", "line ends", "end"])
    def test_key_that_ssh_would_refuse(self, ready: Agent, repository: Repository, tmp_path: Path, change: str) -> None:
        """As the configuration web interface writes one: for all to read, with a browser's line ends or no last one."""
        with ssh_server(tmp_path / "ssh") as server:
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}")
            text = server.key.read_text()
            key = tmp_path / "source_h.example:8080"
            key.write_text(
                {"line ends": text.replace("\n", "\r\n"), "end": text.rstrip("\n")}.get(change, text), newline=""
            )
            key.chmod(0o644 if change == "mode" else 0o600)
            before = key.read_bytes()
            temporary = tmp_path / "temporary"
            temporary.mkdir()
            done = ready.scrape(
                *("--source", f"git=ssh://127.0.0.1{repository.path}"),
                variables={"THE_KEY": str(key), "TMPDIR": str(temporary)},
            )
        assert done.status == 0, done
        assert key.read_bytes() == before
        assert not list(temporary.iterdir())

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

    @pytest.mark.parametrize(("value", "pins"), [("true", False), ("no", True)])
    def test_host_key_is_not_verified(
        self, ready: Agent, repository: Repository, tmp_path: Path, value: str, *, pins: bool
    ) -> None:
        """What is not verified is not pinned either, and what was pinned before does not count."""
        pinned = ready.home / "state" / "known_hosts"
        pinned.parent.mkdir()
        with ssh_server(tmp_path / "ssh") as server:
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}\nunsafe_hosts={value}")
            source = ("--source", f"git=ssh://127.0.0.1{repository.path}", "--full")
            variables = {"THE_KEY": str(server.key)}
            assert ready.scrape(*source, variables=variables).status == 0
            assert pinned.exists() == pins
            other = make_key(tmp_path / "other").with_name("other.pub").read_text().rsplit(" ", 2)[0]
            pinned.write_text(f"[127.0.0.1]:{server.port} {other}\n")
            done = ready.scrape(*source, variables=variables)
        assert done.status == (3 if pins else 0), done
        assert not pins or "another SSH key than the one that was pinned" in " ".join(done.output.split())

    def test_refused_key(self, ready: Agent, repository: Repository, tmp_path: Path) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            other = make_key(tmp_path / "other")
            self.section(ready, f"env=THE_KEY\nusername={server.user}\nport={server.port}")
            done = ready.scrape("--source", f"git=ssh://127.0.0.1{repository.path}", variables={"THE_KEY": str(other)})
        assert done.status == 3
        assert "asks for a password or key that is missing or wrong" in " ".join(done.output.split())


def resolved(url: str, options: Mapping[str, str], key: Path | None = None, silence: float = 120) -> access.Access:
    host = host_with("h", {name: Value(text, "") for name, text in options.items()}, key)
    entry = SourceEntry("git", "x", url)
    context = Context(entry=entry, host=host, folder=Path("f"), known_hosts=Path("/k h"), silence=silence)
    return access.resolve(context)


def test_machine_without_ssh(ready: Agent, tmp_path: Path) -> None:
    """What is missing is the program, not the repository."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = ready.scrape("--source", "git=ssh://127.0.0.1:1/x", variables={"PATH": str(programs)})
    assert done.status == 3
    assert "the program ssh is not installed" in " ".join(done.output.split())


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
            ("https://h.example/a", {"port": "x"}, "is not a port"),
            ("https://h.example/a", {"port": "70000"}, "is not a port"),
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


@pytest.mark.parametrize(
    ("section", "url"),
    [
        ("", "git://127.0.0.1:{}/repository"),
        ("[127.0.0.1]\nport={}\n", "git://127.0.0.1/repository"),
        ("[127.0.0.1]\nport={}\n", "git://127.0.0.1:1/repository"),
        ("[127.0.0.1]\nport=2\n[127.0.0.1:1]\nport={}\n", "git://127.0.0.1:1/repository"),
        ("[old.example:1]\nhost=127.0.0.1:{}\n", "git://old.example:1/repository"),
    ],
)
def test_git_protocol(ready: Agent, repository: Repository, section: str, url: str) -> None:
    with git_daemon(repository.path.parent) as port:
        (ready.home / "credentials.cfg").write_text(section.format(port))
        done = ready.scrape("--source", f"git={url.format(port)}")
    assert done.status == 0, done
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


class TestProxies:
    """A proxy takes every name for this machine, so a repository at a host that is not there came through it."""

    @pytest.fixture
    def served(self, ready: Agent, repository: Repository) -> Iterator[str]:
        """A repository over HTTP, at a host that nobody but a proxy finds."""
        with git_http(repository.path.parent, "reader", CANARY) as server:
            (ready.home / "credentials.cfg").write_text(f"[code.example]\nusername=reader\npassword={CANARY}\n")
            yield f"git=http://code.example:{server.port}/repository"

    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
    def test_http(self, ready: Agent, served: str, name: str) -> None:
        with forward_proxy() as between:
            variables = {name: f"http://127.0.0.1:{between.port}", "no_proxy": "other.example,.none.example"}
            done = ready.scrape("--source", served, variables=variables)
        assert done.status == 0, done
        assert len(table(ready, "data_vcs_versions")) == 1
        assert f"GET {served[4:]}/info/refs?service=git-upload-pack" in between.asked

    @pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
    def test_https(self, ready: Agent, repository: Repository, tmp_path: Path, name: str) -> None:
        """The proxy opens a tunnel, and sees no password."""
        key = tmp_path / "key.pem"
        made = certificate(tmp_path / "made.pem", -timedelta(1), timedelta(9), ("code.example",), key)
        with git_http(repository.path.parent, "reader", "right", (made, key)) as server, forward_proxy() as between:
            section = f"[code.example]\nusername=reader\npassword=right\ncacert={made}\n"
            (ready.home / "credentials.cfg").write_text(section)
            url = f"git=https://code.example:{server.port}/repository"
            variables = {name: f"127.0.0.1:{between.port}", "http_proxy": "http://127.0.0.1:1"}
            done = ready.scrape("--source", url, variables=variables)
        assert done.status == 0, done
        assert set(between.asked) == {f"CONNECT code.example:{server.port}"}

    @pytest.mark.parametrize(
        ("name", "value"),
        [("no_proxy", "127.0.0.1"), ("no_proxy", "a.example,127.0.0.1"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "*")],
    )
    def test_none_for_a_host(self, ready: Agent, repository: Repository, name: str, value: str) -> None:
        with git_http(repository.path.parent, "reader", "right") as server, forward_proxy() as between:
            (ready.home / "credentials.cfg").write_text("[127.0.0.1]\nusername=reader\npassword=right\n")
            source = ("--full", "--source", f"git=http://127.0.0.1:{server.port}/repository")
            proxies = {"http_proxy": f"http://127.0.0.1:{between.port}"}
            assert ready.scrape(*source, variables={**proxies, name: value}).status == 0
            assert between.asked == []
            assert ready.scrape(*source, variables=proxies).status == 0
            assert between.asked

    def test_environment_file(self, ready: Agent, served: str) -> None:
        """It wins over the process's own variables, and a falsy value switches one off."""
        with forward_proxy() as between:
            (ready.home / "env").write_text(f"export http_proxy=http://127.0.0.1:{between.port}\nall_proxy=-\n")
            variables = {"http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
            assert ready.scrape("--source", served, variables=variables).status == 0
            assert between.asked

    def test_password(self, ready: Agent, served: str) -> None:
        with forward_proxy("me:open s3same") as between, watched_programs("open%20s3same") as seen:
            for password, status in (("open%20s3same", 0), ("wrong", 3)):
                variables = {"http_proxy": f"http://me:{password}@127.0.0.1:{between.port}"}
                done = ready("--log", "DEBUG", "scrape", "--project", "TEST", "--source", served, variables=variables)
                assert done.status == status, done
                assert "s3same" not in done.output + done.errors
        assert not any(b"s3same" in program.arguments for program in seen)
        assert leaks(ready.home, "s3same") == []

    def test_one_that_is_not_there(self, ready: Agent, served: str) -> None:
        done = ready.scrape("--source", served, variables={"http_proxy": "http://127.0.0.1:1"})
        assert done.status == 3
        assert "check its URL, the network and the proxy" in " ".join(done.output.split())

    def test_other_transports_need_none(self, ready: Agent, repository: Repository) -> None:
        with git_daemon(repository.path.parent) as port:
            variables = {"http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
            assert ready.scrape("--source", f"git=git://127.0.0.1:{port}/repository", variables=variables).status == 0


early_or_late = pytest.mark.parametrize(
    "fault", [Fault("stall", 50, "client"), pytest.param(Fault("stall", 1_000_000, "client"), marks=pytest.mark.slow)]
)


class TestStalls:
    """A server that stops in the middle is given up, and the next scrape goes on."""

    @pytest.fixture
    def large(self, tmp_path: Path) -> Repository:
        """A repository of some megabytes."""
        large = Repository.make(tmp_path / "origins" / "large")
        for number in range(40):
            large.commit(str(number), {"a": random.Random(number).randbytes(50_000)})
        return large

    def check(self, ready: Agent, between: Proxy, url: str, fault: Fault, variables: Mapping[str, str]) -> None:
        other = ("--source", f"git:other={ready.home.parent / 'repository'}")
        source = ("--source", f"git:large={url}")
        between.set(fault)
        started = time.monotonic()
        done = ready.scrape(*source, *other, "--timeout", "4", variables=variables)
        assert done.status == 3, done
        assert between.struck
        assert time.monotonic() - started < 40
        words = " ".join(done.output.split())
        assert "was silent for 4 s" in words
        assert "allow more time with --timeout" in words
        assert {row["repo_name"] for row in table(ready, "data_vcs_versions")} == {"other"}
        between.set(None)
        done = ready.scrape(*source, *other, variables=variables)
        assert done.status == 0, done
        assert len(table(ready, "data_vcs_versions")) == 40

    @early_or_late
    def test_git_protocol(self, ready: Agent, large: Repository, fault: Fault) -> None:
        with git_daemon(large.path.parent) as port, proxy(port) as between:
            self.check(ready, between, f"git://127.0.0.1:{between.port}/large", fault, {})

    @pytest.mark.parametrize("secure", [True, False])
    @early_or_late
    def test_http(self, ready: Agent, large: Repository, tls: tuple[Path, Path], fault: Fault, *, secure: bool) -> None:
        with (
            git_http(large.path.parent, "reader", "right", tls if secure else None) as server,
            proxy(server.port) as between,
        ):
            section = f"[localhost]\nusername=reader\npassword=right\ncacert={tls[0]}\n"
            (ready.home / "credentials.cfg").write_text(section)
            url = f"http{'s' if secure else ''}://localhost:{between.port}/large"
            self.check(ready, between, url, fault, {})

    def test_curl_notices_first(self, repository: Repository) -> None:
        """Its limit is the same one, so it can win the race; what is told is the same."""
        with git_http(repository.path.parent, "reader", "right") as server, proxy(server.port) as between:
            between.set(Fault("stall", 200, "client", connection=2))
            options = {"username": "reader", "password": "right"}
            found = resolved(f"http://localhost:{between.port}/repository", options, silence=1)
            with pytest.raises(SourceError, match="was silent for 30 s") as caught:
                Remote(found, 30).advertised()
        assert "--timeout" in caught.value.hint

    @pytest.mark.integration
    @pytest.mark.parametrize("fault", [Fault("stall", at, "client") for at in (0, 50, 1_000_000)])
    def test_ssh(self, ready: Agent, large: Repository, tmp_path: Path, fault: Fault) -> None:
        with ssh_server(tmp_path / "ssh") as server, proxy(server.port) as between:
            (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\nenv=THE_KEY\nusername={server.user}\n")
            url = f"ssh://127.0.0.1:{between.port}{large.path}"
            self.check(ready, between, url, fault, {"THE_KEY": str(server.key)})


class TestWhatToCollect:
    """The options ``from_date`` and ``tag`` of a host."""

    @pytest.fixture
    def history(self, repository: Repository) -> list[str]:
        """Commits of four days, after a much older one; a tag at the second of them."""
        commits = []
        for day in range(4):
            repository.moment = int(datetime(2026, 3, 1 + day, 12, tzinfo=UTC).timestamp())
            commits.append(repository.commit(f"day {day + 1}", {"a": str(day)}))
        repository.git("tag", "-a", "v1", "-m", "One", commits[1])
        return commits

    def scrape(self, ready: Agent, repository: Repository, options: str) -> tuple[Finished, list[str]]:
        (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\n{options}\n")
        with git_daemon(repository.path.parent) as port:
            done = ready.scrape("--source", f"git:code=git://127.0.0.1:{port}/repository")
        if done.status:
            return done, []
        return done, [row["version_id"] for row in table(ready, "data_vcs_versions")]

    @pytest.mark.parametrize(
        ("date", "first"),
        [("2026-03-03", 2), ("2026-03-01", 0), ("2026-03-02T13:00:00+01:00", 1), ("2026-03-02T12:30:00Z", 2)],
    )
    def test_since_a_date(
        self, ready: Agent, repository: Repository, history: list[str], date: str, first: int
    ) -> None:
        done, found = self.scrape(ready, repository, f"from_date={date}")
        assert found == history[first:]
        assert f"only commits since {date} were collected" in " ".join(done.output.split())

    def test_a_date_is_for_a_first_collection(self, ready: Agent, repository: Repository, history: list[str]) -> None:
        self.scrape(ready, repository, "from_date=2026-03-03")
        new = repository.commit("later", {"a": "later"})
        assert self.scrape(ready, repository, "from_date=2030-01-01")[1] == [new]
        assert history

    def test_nothing_since_a_date(self, ready: Agent, repository: Repository, history: list[str]) -> None:
        assert self.scrape(ready, repository, "from_date=2030-01-01")[1] == []
        tracker = json.loads((ready.export() / "latest_vcs_versions.json").read_text())
        assert tracker == {"code": history[-1]}

    def test_what_is_no_date(self, ready: Agent, repository: Repository, history: list[str]) -> None:
        done, _ = self.scrape(ready, repository, "from_date=yesterday")
        assert done.status == 3
        assert "from_date = yesterday is not a date" in " ".join(done.output.split())
        assert history

    @pytest.mark.parametrize("options", ["tag=v1", "tag=v1\nfrom_date=2026-03-02"])
    def test_up_to_a_tag(self, ready: Agent, repository: Repository, history: list[str], options: str) -> None:
        done, found = self.scrape(ready, repository, options)
        assert found[1:] == history[:2]
        assert "only commits up to the tag v1 were collected" in " ".join(done.output.split())
        assert self.scrape(ready, repository, options)[1] == []

    def test_a_tag_that_is_not_there(self, ready: Agent, repository: Repository, history: list[str]) -> None:
        assert self.scrape(ready, repository, "tag=v2")[1][1:] == history

    def test_a_tag_of_something_else(self, ready: Agent, repository: Repository, history: list[str]) -> None:
        repository.git("tag", "tree", f"{history[0]}^{{tree}}")
        done, _ = self.scrape(ready, repository, "tag=tree")
        assert done.status == 3
        assert "the tag tree does not point to a commit" in " ".join(done.output.split())
