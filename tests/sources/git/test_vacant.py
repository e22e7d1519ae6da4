"""What answers and is no repository is a failed source; an empty repository is one that has nothing yet."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gros_agent.sources.git import vacant
from support.agent import Agent, give_secrets
from support.repository import Repository
from support.servers import git_daemon, git_http


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler] | partial[Quiet]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
            thread.join()


def portal(text: str, kind: str) -> type[BaseHTTPRequestHandler]:
    class Portal(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    return Portal


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "origins" / "empty"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "update-server-info"], check=True)
    return folder


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<html><body>log in, please</body></html>", "text/html; charset=utf-8"),
        ("<html>\n<body>log in, please</body>\n</html>\n", "text/html"),
        ("<table>\t<tr>\t</table>", "text/html"),
        ('{"error": "log in, please"}', "application/json"),
        ("", "text/plain"),
        ("<html>log in, please</html>", "application/x-git-upload-pack-advertisement"),
    ],
)
def test_a_portal(agent: Agent, text: str, kind: str) -> None:
    give_secrets(agent)
    with serving(portal(text, kind)) as address:
        done = agent.scrape("--source", f"git:x={address}/group/project", variables={"COLUMNS": "300"})
    assert done.status == 3
    assert "but for example with a web page" in done.output
    assert "check the address, and whether it needs a log-in" in done.output
    assert "log in, please" not in done.output + done.errors
    assert not (agent.export() / "latest_vcs_versions.json").exists()


def test_a_portal_does_not_pass_preflight(agent: Agent) -> None:
    give_secrets(agent)
    agent.export().mkdir(parents=True)
    with serving(portal("<html>", "text/html")) as address:
        (agent.export() / "data_sources.json").write_text(f'[{{"type": "git", "name": "x", "url": "{address}/x"}}]')
        done = agent("preflight", variables={"JIRA_KEY": "TEST", "COLUMNS": "300"})
    assert done.status == 4
    assert "but for example with a web page" in done.output


def test_an_empty_repository(agent: Agent, empty: Path) -> None:
    """Over every transport that may bring one."""
    give_secrets(agent)
    section = "[127.0.0.1]\nusername=reader\npassword=some-password\n"
    (agent.home / "credentials.cfg").write_text(section)
    served = partial(Quiet, directory=str(empty.parent))
    with (
        git_http(empty.parent, "reader", "some-password") as smart,
        serving(served) as plain,
        git_daemon(empty.parent) as daemon,
    ):
        for url in (
            empty.as_uri(),
            f"http://127.0.0.1:{smart.port}/empty",
            f"{plain}/empty",
            f"git://127.0.0.1:{daemon}/empty",
        ):
            done = agent.scrape("--source", f"git:x={url}")
            assert done.status == 0, (url, done)
            assert "the repository is empty" in done.output + done.errors, (url, done)
            assert "some-password" not in done.output + done.errors


def test_a_repository_that_got_its_first_commit(agent: Agent, empty: Path, repository: Repository) -> None:
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    with serving(partial(Quiet, directory=str(empty.parent))) as plain:
        assert agent.scrape("--source", f"git:x={plain}/empty").status == 0
        repository.git("push", "--quiet", str(empty), "HEAD:refs/heads/main")
        subprocess.run(["git", "-C", str(empty), "update-server-info"], check=True)
        done = agent.scrape("--source", f"git:x={plain}/empty")
    assert done.status == 0
    assert "1 new items" in done.errors


def test_what_a_trace_leaves() -> None:
    """Git's own words stay; nothing of what it traces is shown."""
    trace = "12:00:00.000001 http.c:684 <= Recv data: <html>certificate\nfatal: some reason\n"
    assert vacant.without_trace(trace) == "fatal: some reason\n"
