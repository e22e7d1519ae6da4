"""A controller as installations have it: OpenSSH's server for the files, and the HTTPS calls that move them on.

It does what ``controller/auth/*.py``, ``controller_daemon.py`` and ``export.sh`` of grip-on-software/data-gathering do,
as they were seen to work: a folder for each agent, and one for each project's import, which clears it at its end,
whatever came to lie there meanwhile. ``export.py`` answers when the import has ended. The HTTPS side can be told to
misbehave.
"""

import contextlib
import getpass
import json
import os
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.certificates import certificate
from support.servers import SshServer, ssh_server

Answer = tuple[int, Any]
SALTS = {"salt": "controller's salt", "pepper": "controller's pepper"}

RESTRICTED = r"""#!/bin/sh
# A login shell that permits classic scp into ~/ and out of it, and nothing else.
export HOME={home}
[ "$1" = -c ] && SSH_ORIGINAL_COMMAND=$2
case "$SSH_ORIGINAL_COMMAND" in
    *';'* | *'&'* | *'||'* | */../*) exit 1 ;;
    "scp -t ~/"* | "scp -f ~/"* | "scp -v -t ~/"* | "scp -v -f ~/"*) eval "exec $SSH_ORIGINAL_COMMAND" ;;
    *) echo "not permitted" >&2; exit 1 ;;
esac
"""


PREFLIGHT_DATE = "preflight_date.txt"
HANDED_BACK = (
    *("project_meta_update.json", "project_sources_update.json", "latest_vcs_versions.json", "github_update.json"),
    *("gitlab_update.json", "tfs_update.json", "metric_options_update.json", "metric_names.json"),
    *("metric_defaults_update.json", "measurements_update.json", "quality_time_measurement_date.txt", PREFLIGHT_DATE),
)
"""What ``scraper/*.update`` name for the scripts that ``export.sh`` lists."""
NEVER = 60.0
"""Longer than any test takes."""


@dataclass
class Imports:
    """How imports go. Each waits until ``released``; those of ``failing`` projects fail; ``seconds`` is their length.

    ``begun`` and ``ended`` are released once for each. With ``at_once`` the answer to an announcement does not wait for
    the import, as in earlier releases. What ``ignored`` projects announce is answered, and not taken: it is so where
    the announced agent has no such folder.
    """

    released: threading.Event = field(default_factory=threading.Event)
    failing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    seconds: float = 0
    at_once: bool = False
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.released.set()


@dataclass
class ExistingController:
    """Where it lies and listens; ``misbehave`` maps a call such as ``export.py`` to what answers it instead.

    ``home`` is the folder of the agent ``TEST``, whose account the tests log in with. ``database`` has the trackers of
    each project that an import stored.
    """

    folder: Path
    home: Path
    https: int = 0
    ssh: SshServer | None = None
    keys: list[str] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    announced: list[dict[str, Any]] = field(default_factory=list)
    logged: list[dict[str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=lambda: {"total": {"ok": True}})
    misbehave: dict[str, Callable[[BaseHTTPRequestHandler], Answer | None]] = field(default_factory=dict)
    imports: Imports = field(default_factory=Imports)
    database: dict[str, dict[str, bytes]] = field(default_factory=dict)
    importing: threading.Lock = field(default_factory=threading.Lock)
    work: list[threading.Thread] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def certificate(self) -> Path:
        return self.folder / "controller.crt"

    def variables(self, **more: str) -> dict[str, str]:
        """The variables that lead an agent here."""
        assert self.ssh
        return {
            "SSH_HOST": "127.0.0.1",
            "SSH_USERNAME": self.ssh.user,
            "SSH_PORT": str(self.ssh.port),
            "SSH_HTTPS_PORT": str(self.https),
            "SSH_HTTPS_CERT": str(self.certificate),
            "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY",
            "THE_KEY": str(self.ssh.key),
            "JIRA_KEY": "TEST",
            **more,
        }

    def rows(self, table: str, project: str = "") -> list[dict[str, str]]:
        """All rows of a table that were imported, for one project or all, in order."""
        found = []
        for folder in sorted(self.inbox.glob(f"*-{project or '*'}")):
            if (folder / table).exists():
                found += json.loads((folder / table).read_text())
        return found

    def answer(self, method: str, call: str, query: dict[str, str], form: dict[str, str]) -> Answer:
        project = query.get("project", "")
        if (method, call) == ("POST", "agent.py"):
            return self.register(project, query.get("agent", project), form["public_key"])
        if (method, call) == ("GET", "status.py"):
            ok = all(one["ok"] for one in self.status.values())
            return 200 if ok else 503, self.status
        if (method, call) == ("POST", "export.py"):
            return self.export(project, form)
        if (method, call) == ("GET", "version.py"):
            return 400, "cannot tell"
        if (method, call) == ("POST", "log.py"):
            self.logged.append(form)
            return 202, ""
        return 404, "no such call"

    def agent_folder(self, key: str) -> Path:
        """What ``/agents/KEY`` is: the home of the account ``agent-KEY``."""
        return self.home if key == "TEST" else self.folder / "agents" / key

    def register(self, project: str, agent: str, public_key: str) -> Answer:
        """Clear what the agent has, and make folders for this project, with the trackers of the database."""
        self.keys.append(public_key)
        self.registered.append(project)
        for part in ("export", "update"):
            shutil.rmtree(self.agent_folder(agent) / part, ignore_errors=True)
            (self.agent_folder(agent) / part / project).mkdir(parents=True)
        for name, content in self.database.get(project, {}).items():
            (self.agent_folder(agent) / "update" / project / name).write_bytes(content)
        return 200, {"salts": SALTS, "usernames": []}

    def export(self, project: str, form: dict[str, str]) -> Answer:
        """Take and import what lies in the folder of the agent that the announcement names."""
        told = {name: json.loads(form[name]) for name in ("files", "agent")}
        self.announced.append({"project": project, "fields": sorted(form), **told})
        if project in self.imports.ignored:
            return 202, ""
        work = threading.Thread(target=self.take, args=(project, told["agent"]["key"]))
        self.work.append(work)
        work.start()
        if not self.imports.at_once:
            work.join()
        return 202, ""

    def take(self, project: str, agent: str) -> None:
        """What ``export.sh`` does: move the files, import the folder, hand the trackers back, clear the folder.

        Nothing holds two of them apart but the import itself: a file that the other took is passed over, as by ``rm``.
        """
        source, folder = self.agent_folder(agent) / "export" / project, self.folder / "controller" / project
        folder.mkdir(parents=True, exist_ok=True)
        for path in source.glob("*"):  # none, where there is no such folder
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(path, folder)
        for path in source.glob("*"):
            path.unlink(missing_ok=True)
        (folder / "scrape.log").unlink(missing_ok=True)
        if any(folder.glob("*")):
            with self.importing:  # one at a time, whatever the project
                self.run_import(project, folder)
            self.hand_back(self.agent_folder(agent) / "update" / project, folder)
            self.imports.ended.release()
        shutil.rmtree(folder, ignore_errors=True)

    def run_import(self, project: str, folder: Path) -> None:
        """Read the folder at the end, as an import that takes long does; a failed one removes the trackers."""
        self.imports.begun.release()
        time.sleep(self.imports.seconds)
        assert self.imports.released.wait(NEVER), "no test released this import"
        if project in self.imports.failing:
            for name in HANDED_BACK:
                (folder / name).unlink(missing_ok=True)
        else:
            target = self.inbox / f"{time.time_ns()}-{project}"
            try:
                shutil.copytree(folder, target)
            except (OSError, shutil.Error):  # another import's end cleared the folder
                shutil.rmtree(target, ignore_errors=True)
                return
            names = [name for name in HANDED_BACK if (target / name).exists()]
            self.database.setdefault(project, {}).update({name: (target / name).read_bytes() for name in names})

    def hand_back(self, target: Path, folder: Path) -> None:
        """Put the batch's trackers in place of what lies in the agent's folder, if there still is one."""
        for path in target.glob("*"):
            path.unlink(missing_ok=True)
        for name in HANDED_BACK:
            if target.exists() and name != PREFLIGHT_DATE:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(folder / name, target)


@contextlib.contextmanager
def existing_controller(folder: Path, way: str) -> Iterator[ExistingController]:
    """Start one that has ``sftp`` alone, or classic ``scp`` alone."""
    folder.mkdir(parents=True)
    with _home(folder, way) as home:
        controller = ExistingController(folder, home)
        make_certificate(controller)
        accounts = None
        if way == "scp":
            shell = folder / "shell"
            shell.write_text(RESTRICTED.format(home=home))
            shell.chmod(0o755)
            if os.geteuid() == 0:
                accounts = _accounts(folder / "passwd", shell)
                options = f"Subsystem sftp {shutil.which('sftp-server', path='/usr/lib/openssh:/usr/libexec')}\n"
            else:  # only root may give an account another shell
                options = f"Subsystem sftp internal-sftp\nForceCommand {shell}\n"
        elif os.geteuid() == 0:
            options = f"Subsystem sftp internal-sftp\nForceCommand internal-sftp\nChrootDirectory {home}\n"
        else:  # only root may change the root
            options = f"Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {home}\n"
        with ssh_server(folder / "ssh", options=options, accounts=accounts) as server, https(controller) as port:
            controller.ssh, controller.https = server, port
            try:
                yield controller
            finally:
                controller.imports.released.set()
                for work in controller.work:
                    work.join()


def _accounts(path: Path, shell: Path) -> Path:
    """The accounts of this machine, with another login shell for the one that runs the tests."""
    lines = Path("/etc/passwd").read_text().splitlines()
    mine = f"{getpass.getuser()}:"
    changed = [line.rpartition(":")[0] + f":{shell}" if line.startswith(mine) else line for line in lines]
    path.write_text("\n".join(changed) + "\n")
    return path


@contextlib.contextmanager
def _home(folder: Path, way: str) -> Iterator[Path]:
    """The agent's home at the controller; for a chroot every folder above it must be root's alone."""
    if way == "sftp" and os.geteuid() == 0:
        with tempfile.TemporaryDirectory(prefix="gros-agent-test-", dir="/run") as home:
            yield Path(home)
    else:
        (folder / "agents" / "TEST").mkdir(parents=True)
        yield folder / "agents" / "TEST"


def make_certificate(controller: ExistingController, name: str = "127.0.0.1", days: int = 30) -> None:
    certificate(
        controller.certificate, timedelta(days=-days), timedelta(days=days), (name,), controller.folder / "tls.key"
    )


@contextlib.contextmanager
def https(controller: ExistingController, port: int = 0) -> Iterator[int]:
    """The HTTPS side, with the certificate as it is now."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            self.handle_call("GET")

        def do_POST(self) -> None:
            self.handle_call("POST")

        def handle_call(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            controller.agents.append(self.headers["User-Agent"])
            url = urlsplit(self.path)
            call = url.path.removeprefix("/auth/")
            form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            instead = controller.misbehave.get(call)
            answer = instead(self) if instead else controller.answer(method, call, query, form)
            if answer is None:
                self.close_connection = True
                return
            said = answer[1] if isinstance(answer[1], str | bytes) else json.dumps(answer[1])
            content = said.encode() if isinstance(said, str) else said
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(content)))
            if 300 <= answer[0] < 400:
                self.send_header("Location", "http://elsewhere.example/")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            """A client that does not trust us goes away: that is its business."""

    with Server(("127.0.0.1", port), Handler) as listener:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(controller.certificate, controller.folder / "tls.key")
        listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield listener.server_address[1]
        finally:
            listener.shutdown()
            thread.join()
