"""The reference controller, driven over real HTTPS, SFTP and scp, as agents drive it."""

import hashlib
import io
import json
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paramiko
import pytest
import requests
from cryptography import x509

from gros_agent.cli import main
from gros_agent.errors import BusyError, ConfigurationError
from gros_agent.reference import intake
from gros_agent.reference.scp import parse
from gros_agent.reference.store import State
from support.agent import Agent
from support.controller import Controller, client_key, controller, wait_until

ROWS = [{"a": "1"}, {"a": "2"}]
FILES = {"export": ["data_tag.json"], "update": ["latest_vcs_versions.json"], "other": ["scrape.log"]}
CONTENTS = {"data_tag.json": json.dumps(ROWS), "latest_vcs_versions.json": '{"x": "1"}', "scrape.log": "a log\n"}
ABOUT = {
    "time_zone": "Europe/Amsterdam",
    "sources": '[{"name": "code", "kind": "git", "items": 2, "expected": 3, "state": "partly"},'
    ' {"name": "work", "kind": "jira", "later": "x"}]',
}
"""What an agent says about a batch; a later one may say more."""

_REFUSED = "can't|can be changed|leads out|No such file|Permission denied"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return client_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return client_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """One controller for the tests that need nothing special of it; each of them has a project of its own."""
    with controller(tmp_path_factory.mktemp("controller") / "c") as running:
        yield running


@pytest.fixture
def project(shared: Controller, key: Path, request: pytest.FixtureRequest) -> str:
    """A project of the test's own, with an agent of the same name."""
    name = "".join(letter for letter in request.node.name.upper() if "A" <= letter <= "Z")
    assert shared.register(key, name, name).status_code == 200
    return name


def upload(home: Path, project: str, contents: dict[str, str] | None = None) -> Path:
    folder = home / "export" / project
    for name, content in (CONTENTS if contents is None else contents).items():
        (folder / name).write_text(content)
    return folder


def announcements(folder: Path, project: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "controller.db")) as connection:
        query = "SELECT state, reason FROM announcement WHERE project = ? ORDER BY sequence"
        return connection.execute(query, (project,)).fetchall()


def settled(running: Controller, project: str, count: int = 1) -> list[tuple[str, str]]:
    def done() -> bool:
        found = announcements(running.folder, project)
        return len(found) >= count and all(state != "announced" for state, _ in found)

    wait_until(done)
    return announcements(running.folder, project)


class TestStart:
    def test_files_and_certificate(self, shared: Controller) -> None:
        certificate = x509.load_pem_x509_certificate(shared.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
        modes = {path.name: path.stat().st_mode & 0o777 for path in shared.folder.iterdir() if path.is_file()}
        assert modes["certificate.pem"] == 0o644
        assert modes["key.pem"] == modes["ssh_host_key"] == modes["controller.db"] == 0o600

    def test_restart_keeps_everything_and_stops_at_once(self, tmp_path: Path, key: Path) -> None:
        folder = tmp_path / "c"
        with controller(folder, "--name", "controller.example") as running:
            answer = running.register(key).json()
            upload(running.home(), "ABC")
            running.export(FILES, batch="b1")
            settled(running, "ABC")
            kept = {path.name: path.read_bytes() for path in (running.certificate, folder / "ssh_host_key")}
            begin = datetime.now(UTC)
            assert running.stop() == 0
            assert datetime.now(UTC) - begin < timedelta(seconds=5)
            assert running.process.stdout
            assert running.process.stdout.read() == ""
        with controller(folder) as running:
            assert {path.name: path.read_bytes() for path in (running.certificate, folder / "ssh_host_key")} == kept
            with running.sftp(key) as session:
                assert session.listdir("update/ABC") == ["latest_vcs_versions.json"]
            assert running.register(key).json() == answer
            upload(running.home(), "ABC")
            running.export(FILES, batch="b1")
            assert settled(running, "ABC", 2)[1] == ("repeated", "")
            assert len(running.inbox()) == 1

    def test_stops_with_connections_open(self, tmp_path: Path, key: Path) -> None:
        with controller(tmp_path / "c") as running, requests.Session() as session:
            running.register(key)
            session.get(f"{running.url}access.py", verify=str(running.certificate), timeout=5)
            with running.sftp(key), socket.create_connection(("127.0.0.1", running.https)):
                begin = datetime.now(UTC)
                assert running.stop() == 0
                assert datetime.now(UTC) - begin < timedelta(seconds=5)

    def test_what_is_wrong_is_said(self, agent: Agent, shared: Controller) -> None:
        ports = ("--https-port", "0", "--ssh-port", "0")
        damaged = agent.home / "damaged"
        damaged.mkdir()
        for name in ("certificate.pem", "key.pem"):
            (damaged / name).write_text("nonsense")
        for arguments, status, text in (
            (("--folder", shared.folder), 5, "another controller has"),
            (("--folder", "c", "--listen", "nowhere"), 7, "is not an IP address"),
            (("--folder", "c", "--network", "ABC=x"), 7, "option --network"),
            (("--folder", "damaged"), 7, "certificate.pem"),
            (("--folder", "c", "--environment", "none"), 7, "there is no such file"),
            (("--folder", "c", "--https-port", str(shared.https)), 7, "can't listen"),
            (("--folder", "c", "--ssh-port", str(shared.ssh)), 7, "can't listen"),
        ):
            done = agent("controller", "serve", *ports, *arguments)
            assert (done.status, done.output) == (status, ""), done
            assert text in done.errors

    @pytest.mark.parametrize("module", ["asyncssh", "starlette", "uvicorn"])
    def test_missing_extra(self, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.startswith(("gros_agent.reference", f"{module}."))]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ConfigurationError) as caught:
            main.main(["controller", "serve", "--folder", str(tmp_path / "c")], standalone_mode=False)
        assert (module in caught.value.message, caught.value.hint) == (True, "install gros-agent[controller]")


class TestRegistration:
    def test_first(self, shared: Controller, key: Path) -> None:
        answer = shared.register(key, "FIRST", "FIRST")
        assert answer.status_code == 200
        content = answer.json()
        assert all(len(content["salts"][name]) == 64 for name in ("salt", "pepper"))
        assert content["usernames"] == []
        private = paramiko.Ed25519Key.from_private_key_file(str(shared.folder / "ssh_host_key"))
        assert content["host_keys"] == [f"ssh-ed25519 {private.get_base64()}"]
        assert content["capabilities"] == ["batch", "whole-numbers", "jira"]
        assert sorted(str(path.relative_to(shared.home("FIRST"))) for path in shared.home("FIRST").rglob("*")) == [
            *("export", "export/FIRST", "update", "update/FIRST"),
        ]

    def test_second_with_the_same_key(self, shared: Controller, key: Path, project: str) -> None:
        upload(shared.home(project), project)
        (shared.home(project) / "mine").touch()
        salts = shared.register(key, project, project).json()
        assert shared.register(key, "ANOTHER", project).json() != salts
        home = shared.home(project)
        assert [path.name for path in (home / "export").iterdir()] == ["ANOTHER"]
        assert [path.name for path in (home / "update").iterdir()] == ["ANOTHER"]
        assert (home / "mine").exists()
        assert shared.register(key, project, project).json() == salts

    def test_another_key_takes_the_place(self, shared: Controller, key: Path, other_key: Path, project: str) -> None:
        (shared.home(project) / "mine").touch()
        shared.register(other_key, project, project)
        assert not (shared.home(project) / "mine").exists()
        with shared.sftp(other_key, f"agent-{project}") as session:
            assert session.listdir("export") == [project]
        with pytest.raises(paramiko.AuthenticationException), shared.sftp(key, f"agent-{project}"):
            pass

    def test_trackers_come_back(self, shared: Controller, key: Path, project: str) -> None:
        upload(shared.home(project), project)
        shared.export(FILES, project, f"agent-{project}")
        settled(shared, project)
        shared.register(key, project, project)
        shared.register(key, project, "ELSEWHERE")
        for agent in (project, "ELSEWHERE"):
            with shared.sftp(key, f"agent-{agent}") as session:
                assert session.listdir(f"update/{project}") == ["latest_vcs_versions.json"]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            'command="x" ssh-ed25519 AAAA',
            "ssh-ed25519 AAAA",
            "TWICE\nTWICE",
            "KEY\n",
            "# KEY",
            "x" * 20_000,
        ],
    )
    def test_wrong_keys(self, shared: Controller, key: Path, text: str) -> None:
        text = text.replace("TWICE", "KEY").replace("KEY", key.with_name("id.pub").read_text().strip())
        assert shared.post("agent", {"public_key": text}, project="WRONG", agent="WRONG").status_code == 400

    def test_one_at_a_time(self, shared: Controller, key: Path) -> None:
        with closing(sqlite3.connect(shared.folder / "controller.db")) as connection:
            connection.execute("INSERT INTO lock VALUES ('registration', 'now')")
            connection.commit()
            answer = shared.register(key, "LOCKED", "LOCKED")
            assert (answer.status_code, "try again" in answer.text) == (503, True)
            assert not shared.get("status", project="LOCKED", agent="LOCKED").json()["lock"]["ok"]
            connection.execute("DELETE FROM lock")
            connection.commit()
        assert shared.register(key, "LOCKED", "LOCKED").status_code == 200

    def test_many_at_once(self, shared: Controller, key: Path) -> None:
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(shared.register(key, "MANY", "MANY").status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) <= {200, 503}
        assert 200 in answers
        assert shared.register(key, "MANY", "MANY").status_code == 200


class TestCalls:
    def test_status(self, shared: Controller, project: str) -> None:
        answer = shared.get("status", project=project, agent=project)
        assert answer.status_code == 200
        names = "database tracker permissions lock importer daemon network configuration total"
        assert sorted(answer.json()) == sorted(names.split())
        assert all(one["ok"] for one in answer.json().values())
        answer = shared.get("status", project="NOBODY", agent="NOBODY")
        assert (answer.status_code, answer.json()["permissions"]["ok"]) == (503, False)

    def test_options_reach_the_agent(self, tmp_path: Path, key: Path) -> None:
        (tmp_path / "env").write_text("A=b\n")
        (tmp_path / "names.json").write_text('[{"prefix": "x%", "replace": "y"}]')
        with controller(
            *(tmp_path / "c", "--project", "ABC", "--project", "NET", "--environment", str(tmp_path / "env")),
            *("--usernames", str(tmp_path / "names.json"), "--network", "NET=192.0.2.0/24", "--days", "2"),
            *("--network", "ABC=192.0.2.0/24", "--network", "ABC=127.0.0.0/8", "--drift", "60"),
        ) as running:
            assert running.register(key).json()["usernames"] == [{"prefix": "x%", "replace": "y"}]
            assert running.register(key, "OTHER").status_code == 400
            assert running.register(key, "NET").status_code == 403
            assert running.get("encrypt", project="NET", value="x").status_code == 403
            assert running.get("access").json() == ["ABC"]
            answer = running.get("status", project="ABC", agent="ABC")
            assert (answer.status_code, answer.json()["configuration"]["contents"]) == (200, "A=b\n")
            for sequence, (age, due) in enumerate(((0, False), (46, False), (48, True), (1000, True)), 1):
                moment = (datetime.now(UTC) - timedelta(hours=age)).isoformat()
                upload(running.home(), "ABC", {"preflight_date.txt": moment})
                running.export({"update": ["preflight_date.txt"]})
                settled(running, "ABC", sequence)
                answer = running.get("status", project="ABC", agent="ABC")
                wrong = {name for name, one in answer.json().items() if not one["ok"]}
                assert wrong == (set() if due else {"tracker", "configuration", "total"})
                assert answer.status_code == (200 if due else 503)

    def test_encrypt(self, shared: Controller, key: Path, project: str) -> None:
        salts = shared.register(key, project, project).json()["salts"]
        digest = hashlib.sha256(f"{salts['salt']}Zoë{salts['pepper']}".encode()).hexdigest()
        assert shared.get("encrypt", project=project, value="Zoë").json() == {"value": digest, "encryption": 1}
        assert shared.get("encrypt", project="NOBODY", value="x").status_code == 404
        assert shared.get("encrypt", project=project).status_code == 400

    def test_version_and_access(self, shared: Controller) -> None:
        commit = "0" * 40
        for version, new in ((f"99.1-a-b-{commit}", True), (f"0.0.1-main-{commit}", False)):
            assert shared.get("version", version=version).json()["up_to_date"] is new
        for version in ("", "1.0", "nonsense", f"x-main-{commit}"):
            assert shared.get("version", version=version).status_code == 400
        assert shared.get("access").json() == ["*"]

    def test_bigboat(self, shared: Controller) -> None:
        form = {"status": '[{"name": "x", "ok": true}]', "source": "https://dashboard.example"}
        assert shared.post("status", form, project="BIGBOAT").status_code == 202
        for wrong in ({"status": "["}, {"status": "{}"}, {"source": ""}):
            assert shared.post("status", form | wrong, project="BIGBOAT").status_code == 400

    def test_log(self, shared: Controller) -> None:
        record = {
            "levelno": "30",
            "levelname": "WARNING",
            "message": "a\nb",
            "created": "1790000000.1234",
            "args": "()",
        }
        assert shared.post("log", record, project="LOG").status_code == 202
        assert shared.post("log", record | {"levelno": "20"}, project="LOG").status_code == 204
        for wrong in ({"levelno": "x"}, {"created": "now"}, {"unknown": "x"}, {"message": "x" * 100_000}):
            assert shared.post("log", record | wrong, project="LOG").status_code == 400
        with closing(sqlite3.connect(shared.folder / "controller.db")) as connection:
            kept = connection.execute("SELECT content FROM record WHERE project = 'LOG'").fetchall()
        assert [json.loads(content) for (content,) in kept] == [record]

    def test_wrong_requests(self, shared: Controller) -> None:
        assert shared.get("status", project="abc", agent="ABC").status_code == 400
        assert shared.get("status", project="ABC", agent="A/B").status_code == 400
        assert shared.get("status").status_code == 400
        assert shared.get("nothing").status_code == 404
        for call, method, allowed in (
            ("agent", "GET", {"POST"}),
            ("status", "PUT", {"GET", "HEAD", "POST"}),
            ("export", "PUT", {"GET", "HEAD", "POST"}),
            ("log", "GET", {"POST"}),
            ("encrypt", "POST", {"GET", "HEAD"}),
        ):
            answer = shared.request(method, call, project="ABC")
            assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allowed)
        many = {f"x{number}": "" for number in range(100)}
        assert shared.post("log", many, project="ABC").status_code == 400

    @pytest.mark.parametrize("chunked", [False, True])
    def test_long_bodies(self, shared: Controller, chunked: bool) -> None:
        body = b"public_key=" + b"x" * (2 << 20)
        data = iter([body[: 1 << 19], body[1 << 19 :]]) if chunked else body
        url = f"{shared.url}agent.py?project=ABC&agent=ABC"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = requests.post(url, data=data, headers=kind, verify=str(shared.certificate), timeout=10)
        assert answer.status_code == 413


class TestExport:
    def test_taken_once(self, shared: Controller, key: Path, project: str) -> None:
        user = f"agent-{project}"
        with shared.sftp(key, user) as session:
            for name, content in CONTENTS.items():
                with session.open(f"export/{project}/{name}", "w") as stream:
                    stream.write(content)
        assert shared.export(FILES, project, user, batch="batch-1", **ABOUT).status_code == 202
        assert settled(shared, project) == [("taken", "")]
        (folder,) = shared.inbox(project)
        assert folder.name.endswith("-batch-1")
        assert {path.name: path.read_text() for path in folder.iterdir() if path.name != "receipt.json"} == CONTENTS
        receipt = json.loads((folder / "receipt.json").read_text())
        assert (receipt["batch"], receipt["project"], receipt["agent"]["user"]) == ("batch-1", project, user)
        assert receipt["time_zone"] == "Europe/Amsterdam"
        assert receipt["sources"] == [
            {"name": "code", "kind": "git", "items": 2, "expected": 3, "state": "partly"},
            {"name": "work", "kind": "jira", "items": 0, "expected": None, "state": "whole"},
        ]
        assert [(one["name"], one["kind"], one["rows"]) for one in receipt["files"]] == [
            ("data_tag.json", "export", 2),
            ("latest_vcs_versions.json", "update", None),
            ("scrape.log", "other", None),
        ]
        for one in receipt["files"]:
            sent = CONTENTS[one["name"]].encode()
            assert (one["bytes"], one["sha256"]) == (len(sent), hashlib.sha256(sent).hexdigest())
        with shared.sftp(key, user) as session:
            assert session.listdir(f"export/{project}") == []
            assert session.listdir(f"update/{project}") == ["latest_vcs_versions.json"]
        upload(shared.home(project), project)
        shared.export(FILES, project, user, batch="batch-1")
        assert settled(shared, project, 2)[1] == ("repeated", "")
        assert list((shared.home(project) / "export" / project).iterdir()) == []
        assert shared.inbox(project) == [folder]

    @pytest.mark.parametrize(
        ("files", "contents", "reason"),
        [
            ({"export": ["../x.json"]}, {}, "not a valid file name"),
            ({"export": ["/etc/passwd"]}, {}, "not a valid file name"),
            ({"export": [".."]}, {}, "not a valid file name"),
            ({"export": [".hidden"]}, {}, "not a valid file name"),
            ({"export": ["receipt.json"]}, {"receipt.json": "[]"}, "not a valid file name"),
            ({"export": ["a\nb"]}, {}, "not a valid file name"),
            ({"export": ["missing.json"]}, {}, "No such file"),
            ({"export": ["x.json"]}, {"x.json": "["}, "not JSON"),
            ({"export": ["x.json"]}, {"x.json": "[" * 100_000}, "not JSON"),
        ],
    )
    def test_refused(self, shared: Controller, key: Path, files: Any, contents: dict[str, str], reason: str) -> None:
        shared.register(key, "REFUSED", "REFUSED")
        count = len(announcements(shared.folder, "REFUSED"))
        folder = upload(shared.home("REFUSED"), "REFUSED", contents)
        assert shared.export(files, "REFUSED", "agent-REFUSED").status_code == 202
        state, why = settled(shared, "REFUSED", count + 1)[-1]
        assert state == "refused"
        assert reason in why
        assert {path.name for path in folder.iterdir()} == set(contents)
        assert shared.inbox("REFUSED") == []
        status = shared.get("status", project="REFUSED", agent="REFUSED").json()
        assert not status["importer"]["ok"]
        assert reason in status["importer"]["message"]
        shared.register(key, "REFUSED", "REFUSED")
        assert shared.get("status", project="REFUSED", agent="REFUSED").status_code == 200

    @pytest.mark.parametrize("kind", ["symlink", "folder", "pipe"])
    def test_no_regular_file(self, shared: Controller, key: Path, kind: str) -> None:
        shared.register(key, "KIND", "KIND")
        count = len(announcements(shared.folder, "KIND"))
        path = shared.home("KIND") / "export" / "KIND" / "x.txt"
        if kind == "symlink":
            path.symlink_to(shared.folder / "key.pem")
        elif kind == "folder":
            path.mkdir()
        else:
            os.mkfifo(path)
        shared.export({"export": ["x.txt"]}, "KIND", "agent-KIND")
        assert settled(shared, "KIND", count + 1)[-1][0] == "refused"
        assert shared.inbox("KIND") == []

    @pytest.mark.parametrize("user", ["agent-NOBODY", "root", "../agent-OWN", "agent-OTHEROWN", ""])
    def test_of_somebody_else(self, shared: Controller, key: Path, user: str) -> None:
        shared.register(key, "OWN", "OWN")
        shared.register(key, "OTHEROWN", "OTHEROWN")
        count = len(announcements(shared.folder, "OWN"))
        shared.export({}, "OWN", user)
        assert settled(shared, "OWN", count + 1)[-1][0] == "refused"

    def test_wrong_forms(self, shared: Controller) -> None:
        right = {"files": "{}", "agent": '{"user": "agent-ABC"}'}
        for wrong in (
            *({"files": "["}, {"files": "[]"}, {"files": '{"export": [1]}'}, {"agent": "{}"}, {"agent": ""}),
            *({"batch": "a/b"}, {"batch": ".a"}, {"batch": "x" * 200}),
            *({"time_zone": "a zone"}, {"time_zone": "x" * 200}),
            *(
                {"sources": "["},
                {"sources": '[{"name": "x"}]'},
                {"sources": '[{"name": "x", "kind": "y", "items": -1}]'},
            ),
        ):
            assert shared.post("export", right | wrong, project="FORMS").status_code == 400

    def test_killed_before_it_was_taken(self, tmp_path: Path, key: Path) -> None:
        with controller(tmp_path / "c") as running:
            running.register(key)
            upload(running.home(), "ABC", {"data_tag.json": json.dumps([{"a": "x" * 50}] * 100_000)})
            running.export({"export": ["data_tag.json"]}, batch="b1")
            running.kill()
        with controller(tmp_path / "c") as running:
            assert settled(running, "ABC") == [("taken", "")]
            (folder,) = running.inbox()
            assert sorted(path.name for path in folder.iterdir()) == ["data_tag.json", "receipt.json"]
            assert list((running.home() / "export" / "ABC").iterdir()) == []

    @pytest.mark.parametrize("step", range(9))
    def test_stopped_at_every_step(self, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the process died: whatever comes next does not happen, and the next start goes on from there."""

        class Died(BaseException):
            pass

        steps = ["_copy_file", "_rows", "write_synced", "sync_folder", "keep_tracker", "settle", "rename", "unlink"]
        state = State(tmp_path / "c")
        state.register("ABC", "agent-ABC", "a key")
        upload(state.home("agent-ABC"), "ABC")
        state.announce("ABC", "b1", {"user": "agent-ABC"}, FILES)

        def die(*_arguments: object, **_keywords: object) -> None:
            raise Died

        with monkeypatch.context() as patch:
            if step < len(steps):
                name = steps[step]
                owner: Any = State if hasattr(State, name) else Path if hasattr(Path, name) else intake
                patch.setattr(owner, name, die)
                with pytest.raises(Died):
                    intake.take_all(state)
        state.close()
        state = State(tmp_path / "c")
        for _ in range(2):
            intake.take_all(state)
        state.close()
        (folder,) = (tmp_path / "c" / "inbox" / "ABC").iterdir()
        assert {path.name: path.read_text() for path in folder.iterdir() if path.name != "receipt.json"} == CONTENTS
        assert list((state.home("agent-ABC") / "export" / "ABC").iterdir()) == []
        assert (state.trackers("ABC") / "latest_vcs_versions.json").read_text() == '{"x": "1"}'
        assert announcements(state.folder, "ABC") == [("taken", "")]

    def test_folder_of_an_earlier_version(self, tmp_path: Path) -> None:
        """Its announcements say nothing about the batches, and those that wait are taken."""
        state = State(tmp_path / "c")
        state.register("ABC", "agent-ABC", "a key")
        upload(state.home("agent-ABC"), "ABC")
        state.announce("ABC", "b1", {"user": "agent-ABC"}, FILES)
        with state.transaction() as connection:
            connection.execute("ALTER TABLE announcement DROP COLUMN time_zone")
            connection.execute("ALTER TABLE announcement DROP COLUMN sources")
        state.close()
        for _ in range(2):
            state = State(tmp_path / "c")
            intake.take_all(state)
            state.close()
        (folder,) = (tmp_path / "c" / "inbox" / "ABC").iterdir()
        receipt = json.loads((folder / "receipt.json").read_text())
        assert (receipt["time_zone"], receipt["sources"]) == ("", [])

    def test_no_registration_while_a_batch_waits(self, tmp_path: Path) -> None:
        state = State(tmp_path / "c")
        state.register("ABC", "agent-ABC", "a key")
        upload(state.home("agent-ABC"), "ABC")
        for _ in range(2):
            state.announce("ABC", "b1", {"user": "agent-ABC"}, FILES)
        assert len(announcements(state.folder, "ABC")) == 1
        with pytest.raises(BusyError, match="is being taken"):
            state.register("ABC", "agent-ABC", "a key")
        intake.take_all(state)
        state.register("ABC", "agent-ABC", "a key")
        state.close()


class TestSsh:
    def test_sftp_stays_in_the_folder(self, shared: Controller, key: Path, project: str) -> None:
        home = shared.home(project)
        (home / "export" / project / "out").symlink_to(shared.folder)
        with shared.sftp(key, f"agent-{project}") as session:
            for start in ("", "/", "~/", "/~/"):
                session.putfo(io.BytesIO(b"x"), f"{start}export/{project}/file")
                assert session.listdir(f"{start}update") == [project]
            assert sorted(session.listdir("../../..")) == ["export", "update"]
            for path in (
                *("../../key.pem", "/../../key.pem", str(shared.folder / "key.pem"), "~/../../../key.pem"),
                *(f"export/{project}/out/key.pem", f"export/{project}/out/agents/../key.pem", "/etc/passwd"),
            ):
                with pytest.raises(OSError, match=_REFUSED):
                    session.open(path).close()
            with pytest.raises(OSError, match=_REFUSED):
                session.listdir(f"export/{project}/out")
            with pytest.raises(OSError, match=_REFUSED):
                session.symlink("/etc/passwd", "export/link")
            session.rename(f"export/{project}/file", f"export/{project}/renamed")
            session.chmod(f"export/{project}/renamed", 0o000)
            assert session.open(f"export/{project}/renamed").read() == b"x"
            session.remove(f"export/{project}/renamed")
            for change in (
                lambda: session.chmod(f"export/{project}", 0o000),
                lambda: session.rename(f"update/{project}", "update/x"),
                lambda: session.rmdir(f"update/{project}"),
                lambda: session.mkdir(f"export/{project}/folder"),
                lambda: session.open(f"update/{project}/x", "w"),
                lambda: session.remove(f"export/{project}/out/key.pem"),
            ):
                with pytest.raises(OSError, match=_REFUSED):
                    change()
        assert (shared.folder / "key.pem").exists()

    def test_unknown_users(self, shared: Controller, key: Path, other_key: Path, project: str) -> None:
        for user, one in ((f"agent-{project}", other_key), ("root", key), ("agent-NOBODY", key), ("../x", key)):
            with pytest.raises(paramiko.AuthenticationException), shared.shell(one, user):
                pass

    def test_commands(self, shared: Controller, key: Path) -> None:
        shared.register(key)
        for command in ("id", "scp -t /etc/", "scp -f ~/update/ABC/x; id", "git-upload-pack 'x'"):
            status, errors = shared.run(key, command)
            assert status == 1
            assert "only for files" in errors
        with shared.shell(key) as client:
            channel = client.get_transport().open_session()  # type: ignore[union-attr]
            channel.invoke_shell()
            assert channel.recv_exit_status() == 1
        with shared.shell(key) as client, pytest.raises((paramiko.SSHException, OSError)):
            client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 1))  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        "command",
        [
            "scp",
            "scp -t",
            "scp -t ~",
            "scp -t ~/",
            "scp -t ~/update/ABC/x",
            "scp -t ~/export/../x",
            "scp -t ~/export/ABC/../../x",
            "scp -t ~/export/ABC/.x",
            "scp -t '~/export/ABC/x'",
            "scp -t ~/export/ABC/a ~/export/ABC/b",
            "scp -t ~/export/ABC/x;id",
            "scp -t ~/export/ABC/x & id",
            "scp -t ~/export/ABC/x|id",
            "scp -t ~/export/ABC/$(id)",
            "scp -t ~/export/ABC/x\nid",
            "scp -f ~/update/ABC/",
            "scp -f ~/update/ABC",
            "scp -f ~/update/ABC/*",
            "scp -f ~/mine/ABC/x",
            "scp -S x -f ~/update/ABC/x",
            "sh -c scp -f ~/update/ABC/x",
        ],
    )
    def test_refused_commands(self, command: str) -> None:
        assert parse(command) is None

    def test_allowed_commands(self) -> None:
        assert parse("scp -t ~/export/ABC/")
        assert parse("scp -v -d -t ~/export/ABC")
        assert parse("scp -r -p -t ~/export/ABC/x.json")
        several = parse("scp -f ~/update/ABC/a.json ~/export/ABC/b.txt")
        assert several
        assert several.paths == ("update/ABC/a.json", "export/ABC/b.txt")

    def test_no_sftp_and_no_scp(self, tmp_path: Path, key: Path) -> None:
        with controller(tmp_path / "c", "--no-sftp", "--no-scp") as running:
            running.register(key)
            with pytest.raises(paramiko.SSHException), running.sftp(key):
                pass
            assert running.run(key, "scp -t ~/export/ABC/")[0] == 1


@pytest.mark.integration
class TestClassicScp:
    """OpenSSH's own client, against a controller that offers nothing but classic scp."""

    @pytest.fixture(scope="class")
    @staticmethod
    def running(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[Controller]:
        if shutil.which("scp") is None:
            pytest.skip("there is no scp on this machine")
        with controller(tmp_path_factory.mktemp("scp") / "c", "--no-sftp") as running:
            running.register(key)
            yield running

    def scp(self, running: Controller, key: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        options = (
            *("-O", "-q", "-F", "none", "-i", str(key), "-P", str(running.ssh), "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={running.folder.with_name('known_hosts')}"),
            *("-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"),
        )
        return subprocess.run(
            ["scp", *options, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=20
        )

    def test_there_and_back(self, running: Controller, key: Path, tmp_path: Path) -> None:
        host = "agent-ABC@127.0.0.1"
        sent = [tmp_path / name for name in ("a.json", "b.txt", "empty.txt")]
        for path, content in zip(sent, (b"[]", os.urandom(3 << 20), b""), strict=True):
            path.write_bytes(content)
        done = self.scp(running, key, "-p", *sent, f"{host}:~/export/ABC/")
        assert (done.returncode, done.stderr) == (0, "")
        assert {path.name for path in (running.home() / "export" / "ABC").iterdir()} == {path.name for path in sent}
        back = tmp_path / "back"
        back.mkdir()
        names = " ".join(f"~/export/ABC/{path.name}" for path in sent)
        done = self.scp(running, key, "-p", "-T", f"{host}:{names}", back)
        assert (done.returncode, done.stderr) == (0, "")
        for path in sent:
            assert (back / path.name).read_bytes() == path.read_bytes()
            assert int((back / path.name).stat().st_mtime) >= int(path.stat().st_mtime)
        done = self.scp(running, key, sent[0], f"{host}:~/export/ABC/other.json")
        assert (done.returncode, (running.home() / "export" / "ABC" / "other.json").read_text()) == (0, "[]")

    def test_what_is_not_there(self, running: Controller, key: Path, tmp_path: Path) -> None:
        upload(running.home(), "ABC", {"there.json": "[]"})
        names = "~/update/ABC/none.json ~/export/ABC/there.json"
        done = self.scp(running, key, "-T", f"agent-ABC@127.0.0.1:{names}", tmp_path)
        assert done.returncode == 1
        assert "No such file" in done.stderr
        assert (tmp_path / "there.json").read_text() == "[]"

    def test_refused(self, running: Controller, key: Path, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "x").touch()
        host = "agent-ABC@127.0.0.1"
        assert self.scp(running, key, "-r", tmp_path / "folder", f"{host}:~/export/ABC/").returncode == 1
        assert self.scp(running, key, tmp_path / "x", f"{host}:/tmp/").returncode == 1
        assert self.scp(running, key, tmp_path / "x", f"{host}:~/export/NONE/").returncode == 1
        with pytest.raises(paramiko.SSHException), running.sftp(key):
            pass


def test_half_requests_keep_nobody_out(shared: Controller, key: Path, project: str) -> None:
    """Over HTTPS as over SSH: an agent gets through, and its files do, too."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as stack:
        for number in range(300):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", shared.https), timeout=20))
            with suppress(OSError):
                half = stack.enter_context(context.wrap_socket(plain))
                half.sendall(b"POST /auth/agent.py HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
            if not number % 50:
                assert shared.get("version", version="1").status_code in {200, 400}
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", shared.ssh), timeout=20))
        assert shared.register(key, project, project).status_code == 200
        with shared.sftp(key, f"agent-{project}") as session:
            assert session.listdir("export") == [project]
