"""Subversion behind real servers: who gets the password, what is pinned, and that no secret is left anywhere."""

import shlex
import threading
import uuid
from collections.abc import Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.options.values import Value
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.subversion import access
from support.agent import Agent, give_secrets, table
from support.certificates import certificate
from support.hosts import host_with
from support.leaks import leaks, watched_programs
from support.servers import make_key, ssh_server
from support.subversion import RECORDINGS, SubversionRepository, apache, layout, svnserve
from support.subversion_rows import check_rows

CANARY = f"c4n4ry-{uuid.uuid4().hex}$`'\""  # other tests run beside it


@pytest.fixture
def served(agent: Agent, tmp_path: Path) -> Path:
    """A folder with a repository ``r``, and an agent that may read it."""
    give_secrets(agent)
    folder = tmp_path / "served"
    layout(folder / "r")
    return folder


def words(text: str) -> str:
    return " ".join(text.split())


def section(agent: Agent, text: str) -> None:
    (agent.home / "credentials.cfg").write_text(f"[127.0.0.1]\n{text}\n")


@pytest.mark.integration
class TestPassword:
    @pytest.mark.parametrize("scheme", ["http", "svn"])
    def test_is_in_no_argument_list_log_or_file(self, agent: Agent, served: Path, scheme: str) -> None:
        password = CANARY
        section(agent, f"username=reader\npassword={password}")
        accounts = {"reader": password}
        server = apache(served, accounts) if scheme == "http" else svnserve(served, accounts)
        with server as port, watched_programs(password) as seen:
            url = f"subversion={scheme}://127.0.0.1:{port}/" + ("svn/r" if scheme == "http" else "r")
            for _ in range(3):
                done = agent("--log", "DEBUG", "scrape", "--project", "TEST", "--source", url, "--full")
                assert done.status == 0, done
        assert len(table(agent, "data_vcs_versions")) == 3
        assert any(b"svnrdump" in program.arguments for program in seen)
        assert not any(program.has_it or password.encode() in program.arguments for program in seen)
        assert CANARY not in done.output + done.errors
        assert leaks(agent.home, CANARY) == [agent.home / "credentials.cfg"]
        assert not list(agent.home.rglob("configuration-*"))

    @pytest.mark.parametrize("scheme", ["http", "svn"])
    def test_wrong_or_missing(self, agent: Agent, served: Path, scheme: str) -> None:
        accounts = {"reader": "right"}
        server = apache(served, accounts) if scheme == "http" else svnserve(served, accounts)
        with server as port:
            url = f"subversion={scheme}://127.0.0.1:{port}/" + ("svn/r" if scheme == "http" else "r")
            for text in ("username=reader\npassword=another-one", "username=reader", ""):
                section(agent, text)
                done = agent.scrape("--source", url)
                assert done.status == 3, done
                assert "password or key that is missing or wrong" in words(done.output)

    def test_of_the_url(self, agent: Agent, served: Path) -> None:
        with svnserve(served, {"reader": "pass word"}) as port:
            done = agent.scrape("--source", f"subversion=svn://reader:pass%20word@127.0.0.1:{port}/r")
        assert done.status == 0, done
        assert leaks(agent.home, "pass%20word") == []
        assert leaks(agent.home, "pass word") == []

    def test_is_for_its_own_port(self, agent: Agent, served: Path) -> None:
        with svnserve(served, {"reader": CANARY}) as port:
            (agent.home / "credentials.cfg").write_text(f"[127.0.0.1:{port + 1}]\nusername=reader\npassword={CANARY}\n")
            assert agent.scrape("--source", f"subversion=svn://127.0.0.1:{port}/r").status == 3

    def test_another_port(self, agent: Agent, served: Path) -> None:
        with svnserve(served, {"reader": CANARY}) as port:
            section(agent, f"username=reader\npassword={CANARY}\nport={port}")
            assert agent.scrape("--source", "subversion=svn://127.0.0.1:1/r").status == 0


@pytest.mark.integration
class TestHttp:
    def test_rows(self, agent: Agent, tmp_path: Path) -> None:
        """A real history, over Apache and mod_dav_svn."""
        give_secrets(agent)
        repository = SubversionRepository.load(tmp_path / "served" / "swap", RECORDINGS / "swap.svn")
        section(agent, "username=reader\npassword=right")
        with apache(tmp_path / "served", {"reader": "right"}) as port:
            check_rows(agent, repository, f"http://127.0.0.1:{port}/svn/swap")

    def test_web_page(self, agent: Agent, served: Path) -> None:
        with apache(served, {"reader": "right"}) as port:
            done = agent.scrape("--source", f"subversion=http://127.0.0.1:{port}/page.html")
        assert done.status == 3
        assert "there is no Subversion repository at this URL" in words(done.output)

    def test_redirection_gets_no_password(self, agent: Agent, served: Path) -> None:
        """``svn`` would follow it and hand the other host the password."""
        heard: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: object) -> None:
                pass

            def do_OPTIONS(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.append(str(self.headers.get("Authorization")))
                self.send_response(301)
                self.send_header("Location", f"http://127.0.0.1:{port}/svn/r")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with apache(served, {"reader": CANARY}) as port, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
            thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
            thread.start()
            section(agent, f"username=reader\npassword={CANARY}")
            done = agent.scrape("--source", f"subversion=http://127.0.0.1:{listener.server_address[1]}/svn/r")
            listener.shutdown()
            thread.join()
        assert heard
        assert done.status == 3, done
        assert "redirects to another address" in words(done.output)

    def test_certificates(self, agent: Agent, served: Path, tmp_path: Path) -> None:
        """One that nobody vouches for is refused, unless it is trusted by name or by ``unsafe_hosts``."""
        credentials = agent.home / "credentials.cfg"
        key = tmp_path / "key.pem"
        trusted = certificate(tmp_path / "certificate.pem", -timedelta(1), timedelta(9), ("localhost",), key)
        with apache(served, {"reader": "right"}, (trusted, key)) as port:
            source = ("--source", f"subversion=https://localhost:{port}/svn/r", "--full")
            credentials.write_text("[localhost]\nusername=reader\npassword=right\n")
            done = agent.scrape(*source)
            assert done.status == 3, done
            assert "certificate is not trusted" in words(done.output)
            for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
                assert agent.scrape(*source, variables={variable: str(trusted)}).status == 0
            several = tmp_path / "several.pem"
            first = certificate(
                tmp_path / "first.pem", -timedelta(1), timedelta(9), ("other.example",), subject="first"
            )
            several.write_text(first.read_text() + trusted.read_text())
            for option in (f"cacert={trusted}", f"cacert={several}", "unsafe_hosts=true"):
                credentials.write_text(f"[localhost]\nusername=reader\npassword=right\n{option}\n")
                assert agent.scrape(*source).status == 0
            other = certificate(tmp_path / "other.pem", -timedelta(1), timedelta(9), ("localhost",))
            credentials.write_text(f"[localhost]\nusername=reader\npassword=right\ncacert={other}\n")
            assert agent.scrape(*source, variables={"SSL_CERT_FILE": str(trusted)}).status == 3


@pytest.mark.integration
class TestSsh:
    def test_key_and_pinned_host(self, agent: Agent, served: Path, tmp_path: Path) -> None:
        source = ("--source", f"subversion=svn+ssh://127.0.0.1{served}/r", "--full")
        variables = {"THE_KEY": str(tmp_path / "ssh" / "user_key")}
        with ssh_server(tmp_path / "ssh") as server:
            text = f"env=THE_KEY\nusername={server.user}\nport={server.port}"
            section(agent, text)
            done = agent.scrape(*source, variables=variables)
            assert done.status == 0, done
            assert len(table(agent, "data_vcs_versions")) == 3
        for path in (server.host_key, server.host_key.with_suffix(".pub")):
            path.unlink()
        with ssh_server(tmp_path / "ssh", server.port):
            done = agent.scrape(*source, variables=variables)
            assert done.status == 3
            assert "another SSH key than the one that was pinned" in words(done.output)
            section(agent, f"{text}\nunsafe_hosts=true")
            assert agent.scrape(*source, variables=variables).status == 0

    def test_refused_key(self, agent: Agent, served: Path, tmp_path: Path) -> None:
        with ssh_server(tmp_path / "ssh") as server:
            section(agent, f"env=THE_KEY\nusername={server.user}")
            url = f"subversion=svn+ssh://127.0.0.1:{server.port}{served}/r"
            done = agent.scrape("--source", url, variables={"THE_KEY": str(make_key(tmp_path / "other"))})
        assert done.status == 3
        assert "password or key that is missing or wrong" in words(done.output)


def resolved(url: str, options: Mapping[str, str], key: Path | None = None) -> access.Access:
    host = host_with("h", {name: Value(text, "") for name, text in options.items()}, key)
    entry = SourceEntry("subversion", "x", url)
    return access.resolve(Context(entry=entry, host=host, folder=Path("f"), known_hosts=Path("/k h")))


class TestAddresses:
    def test_urls(self) -> None:
        for url, options, expected in (
            ("https://h.example/a/b/", {}, "https://h.example/a/b"),
            ("https://h.example/a b@2", {"port": "8443"}, "https://h.example:8443/a%20b%402"),
            ("svn://u@h.example/a", {}, "svn://h.example/a"),
            ("svn+ssh://u@h.example:22/a", {}, "svn+ssh://u@h.example/a"),
            ("svn+ssh://u@h.example/a", {"username": "v"}, "svn+ssh://v@h.example/a"),
            ("file:///a/", {}, "file:///a"),
        ):
            assert resolved(url, options).url == expected

    def test_options(self) -> None:
        found = resolved("https://h.example/a", {"username": "u", "password": "hunter2", "unsafe_hosts": "1"})
        assert found.options[:3] == ("--username", "u", "--password-from-stdin")
        assert "hunter2" not in f"{found.url} {found.options} {found.environment}"
        assert found.stdin == b"hunter2\n"
        for url in ("file:///a", "svn+ssh://h.example/a"):
            assert resolved(url, {"username": "u", "password": "hunter2"}).stdin == b""

    def test_tunnel(self, tmp_path: Path) -> None:
        key = make_key(tmp_path / "a key")
        command = shlex.split(resolved("svn+ssh://h.example:2222/a", {}, key).environment["SVN_SSH"])
        assert {"-oBatchMode=yes", "-oPort=2222", str(key), '-oUserKnownHostsFile="/k h"'} <= set(command)
        assert command[-1] == "--"

    @pytest.mark.parametrize(
        ("url", "options", "said"),
        [
            ("ftp://h.example/a", {}, "transport ftp is not allowed"),
            ("svn+rsh://h.example/a", {}, r"transport svn\+rsh is not allowed"),
            ("h.example:a", {}, "is not allowed"),
            ("https://h.example/a", {"port": "x"}, "is not a port"),
            ("svn+ssh://h.example/a", {"port": "70000"}, "is not a port"),
            ("https://h.example/a", {"username": "u", "password": "a\nb"}, "line break"),
        ],
    )
    def test_refused(self, url: str, options: dict[str, str], said: str) -> None:
        with pytest.raises(SourceError, match=said):
            resolved(url, options)

    def test_proxy(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The environment names it, and Subversion reads it from a file that nobody else can."""
        monkeypatch.setenv("https_proxy", "http://us%25er:pass@proxy.example:3128")
        monkeypatch.setenv("no_proxy", "direct.example, .inside.example,port.example:1")
        found = resolved("https://h.example/a", {})
        with access.private_configuration(found, tmp_path) as options:
            folder = Path(options[options.index("--config-dir") + 1])
            assert folder.stat().st_mode & 0o777 == 0o700
            servers = (folder / "servers").read_text()
            assert (folder / "servers").stat().st_mode & 0o777 == 0o600
        assert not folder.exists()
        for line in ("host = proxy.example", "port = 3128", "username = us%%er", "password = pass"):
            assert f"http-proxy-{line}\n" in servers
        assert "store-passwords = no" in servers
        for host in ("direct.example", "Direct.example:8443", "one.inside.example", "port.example:1"):
            assert "proxy" not in resolved(f"https://{host}/a", {}).servers
        for host in ("indirect.example", "direct.example.org", "port.example"):
            assert "proxy" in resolved(f"https://{host}/a", {}).servers
        assert "proxy" not in resolved("svn://h.example/a", {}).servers

    @pytest.mark.integration
    def test_configuration_of_the_user_is_not_read(self, agent: Agent, served: Path, tmp_path: Path) -> None:
        """What ~/.subversion says must not run anything."""
        (tmp_path / ".subversion").mkdir()
        (tmp_path / ".subversion" / "config").write_text(f"[tunnels]\nssh = touch {tmp_path}/ran\n")
        (tmp_path / ".subversion" / "servers").write_text("[global]\nhttp-proxy-host = nowhere.example\n")
        source = ("--source", "subversion=svn+ssh://127.0.0.1:1/r")
        assert agent.scrape(*source, variables={"HOME": str(tmp_path)}).status == 3
        assert not (tmp_path / "ran").exists()
        assert agent.scrape("--source", f"subversion={served}/r", variables={"HOME": str(tmp_path)}).status == 0


@pytest.mark.integration
def test_block_list(agent: Agent, served: Path) -> None:
    with svnserve(served) as port:
        url = f"subversion=svn://127.0.0.1:{port}/r"
        done = agent.scrape("--source", url, variables={"GATHERER_URL_BLACKLIST": "svn://127.0.0.1:*"})
    assert done.status == 3
    assert "is blocked by svn://127.0.0.1:*" in words(done.output)
