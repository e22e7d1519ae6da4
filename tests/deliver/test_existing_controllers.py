"""Several runs of projects at a controller as installations have it: each row is imported once, and none is lost."""

import hashlib
import json
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from gros_agent.controller import ControllerError
from gros_agent.controller.https import ControllerClient, hostname
from gros_agent.controller.tls import PinningAdapter
from gros_agent.deliver import delivery, imports, open_deliveries
from gros_agent.deliver.imports import Import
from gros_agent.deliver.open_deliveries import Signs
from gros_agent.run.history import History
from gros_agent.settings.load import load
from support.agent import Agent, table
from support.certificates import certificate
from support.existing import Answer, ExistingController, existing_controller
from support.installation import QUICK, SOON, Installation


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", "scp") as running:
        yield running


@pytest.fixture
def one(agent: Agent, controller: ExistingController, tmp_path: Path) -> Installation:
    return Installation(agent, controller, tmp_path, "TEST")


@pytest.fixture
def two(agent: Agent, controller: ExistingController, tmp_path: Path) -> Installation:
    return Installation(agent, controller, tmp_path)


@pytest.mark.integration
class TestTwoProjects:
    @pytest.mark.parametrize("at_once", [False, True], ids=["answers at the end", "answers at once"])
    def test_growing_over_three_runs(self, two: Installation, at_once: bool) -> None:
        two.controller.imports.at_once = at_once
        two.controller.imports.seconds = 0.3
        for _ in range(3):
            two.commit()
            done = two.run()
            assert done.status == 0, done
        two.check_all_once()
        for told in two.controller.announced:
            assert told["agent"]["key"] == "TEST"
            assert told["agent"]["hostname"] is None or "." in told["agent"]["hostname"]

    def test_a_stuck_delivery_stops_registrations_and_no_collecting(self, two: Installation) -> None:
        two.commit()
        assert two.run().status == 0
        two.controller.imports.ignored.add("OTHER")
        two.commit()
        done = two.run(GROS_AGENT_WAIT="0.2")
        assert done.status == 6
        assert "OTHER was not delivered: the controller has not taken the announced batch" in done.output
        registered = list(two.controller.registered)
        two.commit("TEST")
        done = two.run(GROS_AGENT_WAIT="0.2")
        assert done.status == 6
        assert "TEST was collected, and 1 batch waits: OTHER was not delivered" in done.output
        assert two.controller.registered == registered
        assert [row["version_id"] for row in table(two.agent, "data_vcs_versions")] == two.made["TEST"][-1:]
        assert two.announced("OTHER") == 3  # once in each run that found it in its place
        two.commit("TEST")
        done = two.run(GROS_AGENT_WAIT="0.2")
        assert done.status == 6
        assert "TEST was collected, and 2 batches wait: OTHER was not delivered" in done.output
        assert two.controller.registered == registered
        done = two.run(GROS_AGENT_WAIT="0.2", GROS_AGENT_PICK_UP_MAX="0.01")
        assert "OTHER was not delivered" in done.output
        assert two.controller.registered == [*registered, "TEST", "OTHER"]
        assert two.imported("TEST") == Counter(two.made["TEST"])
        two.controller.imports.ignored.clear()
        done = two.run()
        assert done.status == 0, done
        two.check_all_once()

    def test_a_slow_import_stops_the_other_registration(self, two: Installation) -> None:
        two.commit()
        two.controller.imports.released.clear()
        done = two.run(**QUICK)
        assert "the controller still imports the last batch of project TEST" in done.output
        assert two.controller.registered == ["TEST"]
        two.commit()
        assert two.run(**QUICK).status == 6
        assert two.controller.registered == ["TEST"]
        two.controller.imports.released.set()
        assert two.controller.imports.ended.acquire(timeout=SOON)
        assert two.run().status == 0
        two.check_all_once()


@pytest.mark.integration
class TestImports:
    @pytest.mark.parametrize("at_once", [False, True], ids=["answers at the end", "answers at once"])
    def test_a_run_while_the_import_before_goes_on(self, one: Installation, at_once: bool) -> None:
        """Picked up is not imported: what is uploaded now would be read by that import, and cleared."""
        one.controller.imports.at_once = at_once
        one.commit()
        one.controller.imports.released.clear()
        assert one.run(**QUICK).status == 0  # it is delivered, and imported sooner or later
        one.commit()
        done = one.run(**QUICK)
        assert done.status == 6
        assert "the controller still imports the last batch" in done.output
        assert one.agent("scrape", variables=one.variables | QUICK).status == 0  # collecting goes on
        assert one.agent("register", variables=one.variables | QUICK).status == 5
        assert (one.controller.registered, one.announced("TEST")) == (["TEST"], 1)
        one.controller.imports.released.set()
        done = one.run()
        assert done.status == 0, done
        one.check_all_once()
        assert one.announced("TEST") == 4  # each batch once, in order

    def test_that_fails(self, one: Installation) -> None:
        """The first one, where the database has nothing yet, and a later one: the batch comes again, as it was."""
        for _ in range(2):
            one.commit()
            one.controller.imports.failing.add("TEST")
            done = one.run()
            assert done.status == 6, done
            assert "took the batch of TEST and could not import it" in done.output
            one.controller.imports.failing.clear()
            one.commit()
            assert one.run().status == 0
            one.check_all_once()
        states = [json.loads(path.read_text())["imported"] for path in one.agent.home.glob("state/receipts/TEST/*")]
        assert Counter(states) == {True: 4}

    def test_that_fails_after_the_run(self, one: Installation) -> None:
        one.commit()
        one.controller.imports.released.clear()
        one.controller.imports.failing.add("TEST")
        assert one.run(**QUICK).status == 0
        one.controller.imports.released.set()
        assert one.controller.imports.ended.acquire(timeout=SOON)
        one.controller.imports.failing.clear()
        one.commit()
        done = one.run()
        assert done.status == 0
        assert "could not import the batch" in done.errors
        one.check_all_once()

    def test_that_fails_and_an_export_finds_it_out(self, one: Installation) -> None:
        one.commit()
        one.controller.imports.released.clear()
        one.controller.imports.failing.add("TEST")
        assert one.run(**QUICK).status == 0
        one.controller.imports.released.set()
        assert one.controller.imports.ended.acquire(timeout=SOON)
        done = one.agent("export", variables=one.variables)
        assert done.status == 6
        assert "the controller took the batch of TEST and could not import it" in done.output
        one.controller.imports.failing.clear()
        assert one.agent("export", variables=one.variables).status == 0
        one.check_all_once()

    def test_that_fails_before_a_scrape_by_hand(self, one: Installation) -> None:
        """The trackers at the controller are gone; ours cover what was collected, and the batch is delivered again."""
        one.commit()
        assert one.run().status == 0
        one.commit()
        one.controller.imports.failing.add("TEST")
        assert one.run().status == 6
        one.controller.imports.failing.clear()
        one.commit()
        done = one.agent("scrape", variables=one.variables)
        assert done.status == 0, done
        assert [row["version_id"] for row in table(one.agent, "data_vcs_versions")] == one.made["TEST"][-1:]
        assert one.agent("export", variables=one.variables).status == 0
        one.check_all_once()

    def test_of_a_batch_that_waited_for_long(self, one: Installation) -> None:
        """The patience is with the import, from when it began: the batch may have waited for days."""
        one.commit()
        one.controller.misbehave["export.py"] = lambda _handler: (503, "busy")
        assert one.run(GROS_AGENT_WAIT="0.2").status == 6
        record = one.agent.home / "state" / "deliveries" / "TEST.json"
        told = json.loads(record.read_text())
        record.write_text(json.dumps({**told, "since": (datetime.now(UTC) - timedelta(days=2)).isoformat()}))
        one.controller.misbehave.clear()
        one.controller.imports.released.clear()
        one.commit()
        registered = len(one.controller.registered)
        assert one.run(**QUICK).status == 6
        assert len(one.controller.registered) == registered
        one.controller.imports.released.set()
        assert one.controller.imports.ended.acquire(timeout=SOON)
        assert one.run().status == 0
        one.check_all_once()

    def test_that_never_ends(self, one: Installation) -> None:
        """The controller was switched off meanwhile: after a day the database's trackers decide."""
        one.commit()
        one.controller.imports.released.clear()
        assert one.run(**QUICK).status == 0
        assert one.run(**QUICK).status == 6
        one.run(**QUICK, GROS_AGENT_PICK_UP_MAX="0.01")
        assert one.controller.registered == ["TEST", "TEST"]

    def test_ended_by_a_signal_while_it_waits(self, one: Installation) -> None:
        one.commit()
        one.controller.imports.released.clear()
        with one.agent.start("run", variables=one.variables) as process:
            assert one.controller.imports.begun.acquire(timeout=SOON)
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SOON)
        assert process.returncode == 130
        assert time.monotonic() - begin < 10
        one.controller.imports.released.set()
        one.commit()
        assert one.run().status == 0
        one.check_all_once()
        assert one.announced("TEST") == 2

    def test_progress_says_what_is_waited_for(self, one: Installation) -> None:
        one.commit()
        one.controller.imports.released.clear()
        with one.agent.start("run", variables=one.variables) as process:
            assert one.controller.imports.begun.acquire(timeout=SOON)
            (run,) = History(one.agent.home / "state" / "history.sqlite").runs(1)
            one.controller.imports.released.set()
            process.communicate(timeout=SOON)
        assert "takes and imports the batch" in str(run)


@pytest.mark.integration
class TestAnswers:
    """What becomes of a batch whose announcement is not answered as it should be."""

    def carried_out(self, one: Installation, answer: Answer | None) -> None:
        def instead(handler: BaseHTTPRequestHandler) -> Answer | None:
            del handler
            one.controller.announced.append({"project": "TEST"})
            one.controller.take("TEST", "TEST")
            return answer

        one.controller.misbehave["export.py"] = instead

    @pytest.mark.parametrize(
        "answer",
        [None, (502, "bad gateway"), (504, "time-out"), (408, ""), (524, "a time-out"), (200, "<html>"), (500, "oops")],
    )
    def test_carried_out_and_not_confirmed(self, one: Installation, answer: Answer | None) -> None:
        one.commit()
        self.carried_out(one, answer)
        done = one.run()
        assert done.status == 0, done
        assert one.announced("TEST") == 1
        one.check_all_once()

    @pytest.mark.parametrize(
        "answer", [None, (504, "time-out"), (503, "busy"), (500, "oops"), (400, "no"), (200, "<!--: spam")]
    )
    def test_not_carried_out(self, one: Installation, answer: Answer | None) -> None:
        """It is not tried again in the same run; the next one finds the files in their place, and announces them.

        The web page with status 200 is what an existing controller says where its own Jenkins is away.
        """
        asked = []

        def instead(handler: BaseHTTPRequestHandler) -> Answer | None:
            asked.append(handler.path)
            return answer

        one.commit()
        one.controller.misbehave["export.py"] = instead
        done = one.run(GROS_AGENT_WAIT="0.2")
        assert done.status == 6, done
        assert len(asked) == 1
        one.controller.misbehave.clear()
        one.commit()
        done = one.run(GROS_AGENT_WAIT="1")
        assert done.status == 0, done
        one.check_all_once()

    @pytest.mark.parametrize("waits", [("importer",), ("importer", "tracker")], ids=["due", "not due"])
    def test_an_import_elsewhere_is_no_fault(self, one: Installation, waits: tuple[str, ...]) -> None:
        no = {"ok": False, "message": "no"}
        one.commit()
        one.controller.status = dict.fromkeys((*waits, "configuration", "total"), no) | {"database": {"ok": True}}
        done = one.run()
        assert done.status == (5 if "tracker" in waits else 0), done
        assert (one.agent.export() / "preflight_date.txt").exists() is ("tracker" not in waits)


class FakeConnection:
    """The agent's folder at a controller."""

    def __init__(self, files: dict[str, bytes], refusal: str = "") -> None:
        self.files = files
        self.refusal = refusal

    def get(self, folder: str, name: str) -> bytes | None:
        assert folder == "update/ABC"
        if self.refusal:
            raise ControllerError(f"{name} could not be fetched: {self.refusal}")
        return self.files.get(name)

    def exists(self, folder: str, name: str) -> bool:
        return self.get(folder, name) is not None

    def put(self, source: Path, folder: str, name: str) -> None:
        assert folder == "update/ABC"
        self.files[name] = source.read_bytes()


OURS, OLD, MARKER = b"ours", b"old", b"what the agent put there"
DATE, VERSIONS, OWN = "preflight_date.txt", "latest_vcs_versions.json", "own_cursor.json"


class TestSigns:
    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({DATE: OLD}, {DATE: MARKER}, Import.UNDER_WAY),
            ({}, {DATE: MARKER}, Import.UNDER_WAY),
            ({DATE: OLD, VERSIONS: OLD}, {DATE: MARKER, VERSIONS: OLD}, Import.UNDER_WAY),
            ({DATE: OLD, VERSIONS: OURS}, {DATE: MARKER, VERSIONS: OURS}, Import.UNDER_WAY),
            ({DATE: OLD, VERSIONS: OLD}, {DATE: OLD, VERSIONS: OLD}, Import.WIPED),  # registered by somebody
            ({DATE: OLD}, {DATE: OLD}, Import.WIPED),
            ({VERSIONS: OLD}, {VERSIONS: OLD}, Import.WIPED),
            ({DATE: OLD, VERSIONS: OURS}, {VERSIONS: OURS}, Import.IMPORTED),
            ({DATE: OLD, VERSIONS: OLD}, {VERSIONS: OURS}, Import.IMPORTED),
            ({}, {VERSIONS: OURS}, Import.IMPORTED),
            ({VERSIONS: OLD}, {VERSIONS: OURS, DATE: OLD}, Import.IMPORTED),
            ({}, {}, Import.FAILED),
            ({DATE: OLD, VERSIONS: OLD}, {}, Import.FAILED),
        ],
    )
    def test_of_an_end(self, before: dict[str, bytes], after: dict[str, bytes], expected: Import) -> None:
        trackers = {VERSIONS: digest(OURS), DATE: digest(b"now"), OWN: digest(b"own")}
        connection: Any = FakeConnection(dict(before))
        signs = imports.prepare(connection, "ABC", trackers)
        assert signs.marked
        assert DATE in connection.files
        marker = connection.files[DATE]
        connection.files = {name: marker if content == MARKER else content for name, content in after.items()}
        assert imports.look(connection, "ABC", trackers, signs) is expected

    def test_that_can_not_be_set(self) -> None:
        connection: Any = FakeConnection({}, "scp: /agents/ABC/update/ABC: Permission denied")
        assert imports.prepare(connection, "ABC", {VERSIONS: digest(OURS)}) == Signs()
        assert imports.look(FakeConnection({}), "ABC", {VERSIONS: digest(OURS)}, Signs()) is Import.HIDDEN  # type: ignore[arg-type]

    def test_of_a_batch_with_no_tracker_that_is_handed_back(self) -> None:
        connection: Any = FakeConnection({})
        assert imports.look(connection, "ABC", {OWN: digest(OURS)}, Signs(marked=True)) is Import.ENDED

    def test_of_a_folder_that_was_given_to_another_account(self) -> None:
        """An import's end gives it to ``agent-DEF``, if there is such an account, and this agent is ``agent-ABC``."""
        connection: Any = FakeConnection({}, "scp: /agents/ABC/update/DEF/preflight_date.txt: Permission denied")
        assert imports.look(connection, "ABC", {VERSIONS: digest(OURS)}, Signs(marked=True)) is Import.ENDED

    def test_that_can_not_be_asked_for(self) -> None:
        connection: Any = FakeConnection({}, "the connection broke")
        with pytest.raises(ControllerError):
            imports.look(connection, "ABC", {VERSIONS: digest(OURS)}, Signs(marked=True))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TestAnnouncement:
    """Which failed announcements are tried again: of which nothing was sent, or where a batch is known by its name."""

    def client(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        *,
        sent: bool,
        repeatable: bool = False,
    ) -> list[int]:
        tries = []

        def request(*_arguments: object, data: Any, **_options: object) -> None:
            tries.append(1)
            if sent:
                data.read(1)
            raise error

        client = ControllerClient(load(tmp_path, {"SSH_HOST": "h", "JIRA_KEY": "ABC DEF"}))
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        monkeypatch.setattr(client._session, "request", request)
        if sent:
            client.announce("DEF", {"export": []}, "agent-ABC", None, "batch", repeatable=repeatable)
        else:
            with pytest.raises(ControllerError):
                client.announce("DEF", {"export": []}, "agent-ABC", None, "batch", repeatable=repeatable)
        return tries

    @pytest.mark.parametrize(
        "error",
        [
            requests.ReadTimeout("read timed out"),
            requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))),
            requests.exceptions.SSLError("EOF occurred in violation of protocol"),
            requests.exceptions.ChunkedEncodingError("broke"),
        ],
    )
    def test_that_was_sent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        assert len(self.client(tmp_path, monkeypatch, error, sent=True)) == 1
        assert len(self.client(tmp_path, monkeypatch, error, sent=True, repeatable=True)) == 3

    @pytest.mark.parametrize(
        "error",
        [
            requests.ConnectTimeout("connect timed out"),
            requests.ConnectionError(NewConnectionError(None, "Connection refused")),  # type: ignore[arg-type]
            requests.exceptions.SSLError("EOF occurred in violation of protocol"),
        ],
    )
    def test_that_was_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        assert len(self.client(tmp_path, monkeypatch, error, sent=False)) == 3
        assert len(self.client(tmp_path, monkeypatch, error, sent=False, repeatable=True)) == 3

    def test_not_over_an_idle_connection(self, tmp_path: Path) -> None:
        """A server closes an idle connection when it likes, even while the announcement is under way."""
        said: list[str] = []

        class OneAnswer(BaseHTTPRequestHandler):
            """Answers one request, keeps the connection, and closes it when the next request arrives."""

            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(400)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.rfile.read(1)
                self.close_connection = True

            def do_POST(self) -> None:
                said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

        day, key = timedelta(days=1), tmp_path / "tls.key"
        pinned = certificate(tmp_path / "tls.crt", -day, day, ("127.0.0.1",), key)
        with ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer) as listener:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pinned, key)
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
            threading.Thread(target=listener.serve_forever, daemon=True).start()
            port = listener.server_address[1]
            variables = {"SSH_HOST": "127.0.0.1", "SSH_HTTPS_PORT": str(port), "SSH_HTTPS_CERT": str(pinned)}
            client = ControllerClient(load(tmp_path, {**variables, "JIRA_KEY": "ABC"}))
            assert client.version("1") is None
            client.announce("ABC", {"export": []}, "agent-ABC", None, "batch")
            listener.shutdown()
        assert len(said) == 1

    @pytest.mark.parametrize(("node", "told"), [("host", None), ("host.example", "host.example"), ("", None)])
    def test_name_of_this_machine(self, monkeypatch: pytest.MonkeyPatch, node: str, told: str | None) -> None:
        monkeypatch.setattr("platform.node", lambda: node)
        assert hostname() == told


def test_a_record_of_before(tmp_path: Path) -> None:
    """A delivery that an agent left open which kept less of it is finished, and stops nothing for long."""
    settings = load(tmp_path, {"SSH_HOST": "h"})
    path = tmp_path / "state" / "deliveries" / "ABC.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"batch": "b", "stage": "announced"}')
    assert delivery.give_up(settings.project("ABC"))
    assert open_deliveries.read(settings.project("ABC")) is None


def test_a_silent_connection_is_kept_alive() -> None:
    """An answer can take hours; without this a router in between forgets the connection, and nobody is told."""
    adapter = PinningAdapter(None)
    options = adapter.poolmanager.connection_pool_kw["socket_options"]
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options


@pytest.mark.integration
def test_another_account_than_the_agents(one: Installation) -> None:
    assert one.agent("register", variables=one.variables).status == 0
    done = one.agent("preflight", variables=one.variables)
    assert done.status == 0
    assert "existing controllers call this agent agent-TEST" in " ".join(done.output.split())
