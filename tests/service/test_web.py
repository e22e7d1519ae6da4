"""The web interface, asked over real connections, with an agent behind it that says what it was told."""

import asyncio
import contextlib
import re
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from gros_agent.errors import AgentError, BusyError, ConfigurationError, ExitStatus, SourceError
from gros_agent.project.report import Outcome
from gros_agent.run.history import Ended, History
from gros_agent.runtime import patience, words
from gros_agent.runtime.masking import visible
from gros_agent.service.duty import Access, Attention, Kept
from gros_agent.service.guard import is_host
from gros_agent.service.pages import draw
from gros_agent.service.web import Server, app
from support.agent import ROOT
from support.duty import FakeDuty, Running, web


@pytest.fixture
def duty(tmp_path: Path) -> FakeDuty:
    return FakeDuty(History(tmp_path / "state" / "history.db"))


@pytest.fixture
def running(duty: FakeDuty) -> Iterator[Running]:
    with web(duty) as served:
        yield served


def fault(answer: requests.Response, status: int) -> str:
    """The message of an error, in the format of the existing web API."""
    assert answer.status_code == status, answer.text
    content = answer.json()
    message = content["error"].pop("message")
    assert content["error"].pop("status").startswith(f"{status} ")
    assert content == {"ok": False, "error": {"traceback": None}, "version": {}}
    assert isinstance(message, str)
    return message


# what existing clients rely on


def test_status(running: Running) -> None:
    answer = running.get("/status")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "message": "no scrape is running"}
    running.duty.is_running = True
    answer = running.get("/status")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "message": "a scrape is running"}


def test_scrape_is_started(running: Running) -> None:
    answer = running.post("/scrape")
    assert (answer.status_code, answer.json()) == (201, {"ok": True})
    assert running.duty.started == ["request"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BusyError("a scrape is running", "wait"), 503),
        (SourceError("it failed at once", "wait"), 503),
        (AgentError("it can't be started", "wait"), 500),
        (ConfigurationError("the settings are wrong", "wait"), 500),
    ],
)
def test_scrape_is_not_started(running: Running, error: AgentError, status: int) -> None:
    running.duty.refusal = error
    assert fault(running.post("/scrape"), status) == f"{error.message}: wait"


def test_a_bug_is_logged_and_not_told(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.duty.refusal = RuntimeError("inner workings")
    answer = running.post("/scrape")
    assert "log says more" in fault(answer, 500)
    assert "inner workings" not in answer.text
    assert "inner workings" in caplog.text
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_scrape_with_another_method(running: Running, method: str) -> None:
    answer = running.ask(method, "/scrape")
    assert answer.status_code == 400
    assert answer.headers["Allow"] == "POST"
    assert running.duty.started == []
    if method != "HEAD":
        assert method in fault(answer, 400)


def test_scrape_of_a_wrong_host(running: Running) -> None:
    running.duty.access = Access(hosts=("agent.example",))
    assert "AGENT_HOST" in fault(running.post("/scrape"), 403)
    assert running.duty.started == []


def test_a_client_that_waits_for_a_second_gets_its_answer(running: Running) -> None:
    """Also if it announces a body that never comes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=1) as connection:
        connection.sendall(b"POST /scrape HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 201")


def test_bodies_are_ignored_but_bounded(running: Running) -> None:
    assert running.post("/scrape", data=b"x" * 50_000).status_code == 201
    running.duty.started.clear()
    assert "bytes" in fault(running.post("/scrape", data=b"x" * 70_000), 413)
    assert running.duty.started == []


# who may ask


@pytest.mark.parametrize(
    ("given", "names", "fits"),
    [
        ("agent.example", ("agent.example",), True),
        ("agent.example:7070", ("agent.example",), True),
        ("AGENT.Example:1", ("agent.EXAMPLE",), True),
        ("agent.example:7070", ("agent.example:7070",), True),
        ("agent.example:7071", ("agent.example:7070",), False),
        ("agent.example", ("agent.example:7070",), False),
        ("other.example", ("one.example", "other.example"), True),
        ("agent.example.evil.example", ("agent.example",), False),
        ("evil-agent.example", ("agent.example",), False),
        ("user@agent.example", ("agent.example",), False),
        ("agent.example:80:80", ("agent.example",), False),
        ("agent.example:port", ("agent.example",), False),
        ("agent.example:999999", ("agent.example",), False),
        ("", ("agent.example",), False),
        ("", ("",), False),
        ("[::1]", ("::1",), True),
        ("[::1]:7070", ("[::1]",), True),
        ("[::1]:7070", ("[::1]:7070",), True),
        ("[0:0:0:0:0:0:0:1]:7070", ("[::1]:7070",), True),
        ("[::1]:7071", ("[::1]:7070",), False),
        ("[::1]evil", ("[::1]",), False),
        ("[agent.example]", ("agent.example",), False),
        ("127.0.0.1:7070", ("127.0.0.1",), True),
    ],
)
def test_hosts(given: str, names: tuple[str, ...], fits: bool) -> None:
    assert is_host(given, names) is fits


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/api/state", "/nowhere"])
def test_host_is_checked_everywhere(running: Running, path: str) -> None:
    running.duty.access = Access(hosts=("agent.example",))
    fault(running.get(path), 403)
    assert running.get(path, headers={"Host": "agent.example:1"}).status_code != 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_nothing(running: Running, path: str) -> None:
    running.duty.access = Access(hosts=("agent.example",), token="secret")
    answer = running.get(path)
    assert answer.status_code == 200
    assert answer.json()["ok"] is True


def test_a_request_without_a_host(running: Running) -> None:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
            connection.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            return connection.recv(100)

    assert b" 503 " in ask()
    running.duty.access = Access(hosts=("agent.example",))
    assert b" 403 " in ask()


def test_readiness_tells_strangers_no_details(running: Running) -> None:
    running.duty.found_obstacles.append(Attention("the key of secret.example is missing"))
    answer = running.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    assert "secret.example" not in answer.text


def test_token(running: Running) -> None:
    running.duty.access = Access(token="geheim:ß")
    answer = running.get("/status")
    fault(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="gros-agent", charset="UTF-8"'
    right = "geheim:ß".encode()
    for headers in (
        {"Authorization": b"Bearer " + right},
        {"Authorization": b"bearer  " + right},
        {"Authorization": requests.auth._basic_auth_str("anybody", right).encode()},
    ):
        assert running.get("/status", headers=headers).status_code == 503, headers
    for wrong in (b"Bearer geheim", b"Bearer ", b"Basic !", b"Basic", b"Digest " + right, right, b"Basic Z2VoZWlt"):
        fault(running.get("/status", headers={"Authorization": wrong}), 401)
    fault(running.post("/scrape"), 401)
    assert running.duty.started == []


def test_empty_token_is_none(running: Running) -> None:
    running.duty.access = Access(token="")
    assert running.get("/api/state").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://HOST"}, 201),
        ({"Origin": "http://HOST", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Host": "agent.example", "Origin": "https://agent.example"}, 201),
        ({"Host": "agent.example:443", "Origin": "https://agent.example"}, 201),
        ({"Host": "agent.example:7070", "Origin": "https://agent.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://HOST", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_sites_start_nothing(running: Running, headers: dict[str, str], status: int) -> None:
    filled = {name: value.replace("HOST", f"127.0.0.1:{running.port}") for name, value in headers.items()}
    assert running.post("/scrape", headers=filled).status_code == status
    assert running.duty.started == (["request"] if status == 201 else [])


# how it serves


def test_nothing_there(running: Running) -> None:
    for path in ("/nowhere", "/status/", "/static/../web.py", "/static/%00", "/%ff", "/api/runs/x", "/healthz/"):
        fault(running.get(path), 404)
    answer = running.post("/status")
    assert "POST" in fault(answer, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/status", "/scrape", "/healthz", "/nowhere"])
def test_headers_of_every_answer(running: Running, path: str) -> None:
    headers = running.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


def test_stops_at_once_with_open_connections(duty: FakeDuty) -> None:
    with web(duty) as running:
        assert running.get("/healthz").status_code == 200  # the session keeps its connection
        half = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        half.sendall(b"GET /healthz HTTP/1.1\r\n")
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    half.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=5)


@pytest.mark.parametrize(
    ("address", "port", "words"), [("127.0.0.1", None, "is in use"), ("agent", 0, "not an IP address")]
)
def test_where_it_can_not_listen(duty: FakeDuty, address: str, port: int | None, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(duty, address, taken.getsockname()[1] if port is None else port)
        with pytest.raises(ConfigurationError, match=words) as caught:
            asyncio.run(server.start())
    assert caught.value.hint


def test_listens_at_ipv6(duty: FakeDuty) -> None:
    async def ask() -> bytes:
        server = Server(duty, "::", 0)
        await server.start()
        answers = b""
        for address in ("::1", "127.0.0.1"):
            reader, writer = await asyncio.open_connection(address, server.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            answers += await reader.read(15)
            writer.close()
            await writer.wait_closed()
        await server.stop()
        return answers

    assert asyncio.run(ask()).count(b"200") == 2


# what programs read


def filled(history: History, runs: int = 3, **more: Any) -> list[int]:
    """Give a history some runs of two projects, with a source that failed in each."""
    numbers = []
    for index in range(runs):
        number = history.begin("XYZ" if index % 2 else "ABC", "schedule")
        history.stage(number, "export")
        fine = Outcome(source="a", kind="git", items=5, expected=5, seconds=1.23456, notes=("a note",))
        bad = Outcome(source="b", kind="sonar", status=ExitStatus.PARTLY, error="it broke", hint="mend it")
        ended = Ended(
            **{
                "status": ExitStatus.PARTLY,
                "outcomes": (fine, bad),
                "tables": {"data_tag": 2, "data_vcs_versions": 3},
                "delivered_rows": 5,
                "delivered_bytes": 1000,
                "retries": 1,
                **more,
            }
        )
        history.end(number, ended)
        numbers.append(number)
    return numbers


def test_runs(running: Running) -> None:
    numbers = filled(running.duty.history)
    content = running.get("/api/runs").json()
    assert content["next"] is None
    assert [one["id"] for one in content["runs"]] == numbers[::-1]
    found = content["runs"][0]
    assert running.get(f"/api/runs/{numbers[-1]}").json() == found
    assert found["status"] == {
        "number": 3,
        "name": "partly",
        "meaning": "incomplete: at least one source was not collected, or not whole",
    }
    assert found["started"].endswith("Z")
    assert datetime.fromisoformat(found["ended"]) >= datetime.fromisoformat(found["started"])
    assert (found["rows"], found["delivered_rows"], found["delivered_bytes"], found["retries"]) == (5, 5, 1000, 1)
    assert found["tables"] == {"data_tag": 2, "data_vcs_versions": 3}
    fine, bad = found["sources"]
    assert (fine["items"], fine["expected"], fine["seconds"], fine["notes"]) == (5, 5, 1.235, ["a note"])
    assert (bad["type"], bad["error"], bad["hint"], bad["status"]["number"]) == ("sonar", "it broke", "mend it", 3)


def test_pages_of_runs(running: Running) -> None:
    numbers = filled(running.duty.history, 7)
    seen, query = [], {"limit": "3"}
    while True:
        content = running.get("/api/runs", params=query).json()
        seen.append([one["id"] for one in content["runs"]])
        if content["next"] is None:
            break
        query["before"] = content["next"]
    newest = numbers[::-1]
    assert seen == [newest[:3], newest[3:6], newest[6:]]
    assert [one["id"] for one in running.get("/api/runs?project=XYZ").json()["runs"]] == newest[1::2]
    assert running.get("/api/runs?project=%00%27--").json() == {"runs": [], "next": None}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1&limit=2", "limit"),
        ("before=-1", "before"),
        ("before=99999999999999999999", "before"),
        (f"before={'9' * 5000}", "before"),
        ("project=", "project"),
        (f"project={'X' * 300}", "project"),
        ("other=1", "other"),
    ],
)
def test_wrong_parameters(running: Running, query: str, name: str) -> None:
    assert name in fault(running.get(f"/api/runs?{query}"), 400)


@pytest.mark.parametrize("number", ["0", "9", "-1", "x", "1.5", "9" * 18, "9" * 5000, "%00"])
def test_run_that_is_not_there(running: Running, number: str) -> None:
    fault(running.get(f"/api/runs/{number}"), 404)


def test_state(running: Running) -> None:
    duty = running.duty
    numbers = filled(duty.history)
    duty.next_run = datetime.now(UTC).astimezone() + timedelta(hours=1)
    duty.found_obstacles.append(Attention("a key is missing", "register"))
    duty.found_warnings.append(Attention("a \udcff certificate ends soon"))
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    duty.kept = [
        Kept(project="ABC", batches=0, size=0),
        Kept(project="DEF", batches=2, size=70, oldest=since, away=since),
    ]
    told = {
        "project": "DEF",
        "batches": 2,
        "bytes": 70,
        "oldest": "2026-01-02T03:04:05Z",
        "away": "2026-01-02T03:04:05Z",
        "problem": "",
    }
    assert running.get("/api/state").json()["outbox"] == [told]
    page = " ".join(running.get("/").text.split())
    assert "the controller is away since <time" in page
    assert "2 batches wait for delivery (70 B), the oldest since <time" in page
    metrics = running.get("/metrics").text
    for line in (
        'outbox_batches{project="DEF"} 2.0',
        'outbox_bytes{project="DEF"} 70.0',
        'controller_away{project="ABC"} 0.0',
    ):
        assert f"gros_agent_{line}" in metrics
    content = running.get("/api/state").json()
    assert (content["running"], content["current"], content["last_run"]) == (False, None, numbers[-1])
    assert (content["mode"], content["version"], content["controller"]) == ("Daemon", "1.2.3", "controller.example")
    assert content["next_run"].endswith("Z")
    assert content["obstacles"] == [{"message": "a key is missing", "hint": "register"}]
    assert content["warnings"] == [{"message": "a ? certificate ends soon", "hint": ""}]
    # XYZ is not configured any more
    assert content["failures"] == [{"message": "ABC, source b: it broke", "hint": "mend it"}]
    number = duty.history.begin("ABC", "schedule")
    assert running.get("/api/state").json()["current"] is None  # it was killed
    duty.is_running = True
    duty.history.stage(number, "scrape")
    duty.history.progress(number, "a", 3, None)
    current = running.get("/api/state").json()["current"]
    assert (current["id"], current["stage"], current["what"], current["done"]) == (number, "scrape", "a", 3)
    assert (current["ended"], current["status"], current["seconds"]) == (None, None, None)


def test_state_of_a_success_after_a_failure(running: Running) -> None:
    filled(running.duty.history, 1)
    filled(running.duty.history, 1, status=ExitStatus.DONE, outcomes=())
    filled(running.duty.history, 1, status=ExitStatus.NOT_DUE, outcomes=())
    assert running.get("/api/state").json()["failures"] == []
    filled(running.duty.history, 1, status=ExitStatus.POSTPONED, outcomes=())
    (failure,) = running.get("/api/state").json()["failures"]
    assert failure["message"] == "ABC: delivery postponed: the data was kept"


# metrics


def samples(running: Running) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    answer = running.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("gros_agent_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics(running: Running) -> None:
    duty = running.duty
    filled(duty.history, 2)
    duty.projects = ("ABC", "NEW")
    duty.next_run = datetime(2030, 1, 1, tzinfo=UTC)
    duty.found_obstacles.append(Attention("a key is missing"))
    found = samples(running)
    assert found["info", "Daemon", "1.2.3"] == 1
    assert found["running",] == 0
    assert found["next_run_timestamp_seconds",] == duty.next_run.timestamp()
    assert found["obstacles",] == 1
    assert found["history_readable",] == 1
    assert found["last_success_timestamp_seconds", "NEW"] == 0
    assert found["last_run_status", "ABC"] == 3
    assert abs(found["last_run_timestamp_seconds", "ABC"] - time.time()) < 60
    assert 0 <= found["last_run_duration_seconds", "ABC"] < 60
    assert found["runs_total", "ABC", "partly"] == 1
    assert found["rows_total", "XYZ", "data_vcs_versions"] == 3
    assert found["source_failures_total", "ABC", "sonar"] == 1
    assert found["run_seconds_total", "ABC"] == 0
    assert (found["delivered_bytes_total", "ABC"], found["delivered_rows_total", "ABC"]) == (1000, 5)
    assert found["retries_total", "ABC"] == 1
    filled(duty.history, 1, status=ExitStatus.DONE)
    assert abs(samples(running)["last_success_timestamp_seconds", "ABC"] - time.time()) < 60


def test_metrics_of_hostile_names(running: Running) -> None:
    name = 'a"b\\c\nd{}<é>'
    running.duty.projects = (name, "\udcff")
    running.duty.next_run = None
    found = samples(running)
    assert found["last_success_timestamp_seconds", name] == 0
    assert ("next_run_timestamp_seconds",) not in found


def test_every_metric_is_documented(running: Running) -> None:
    filled(running.duty.history, 1)
    page = (ROOT / "docs" / "web.md").read_text()
    running.duty.next_run = datetime.now(UTC)
    for name, *_ in samples(running):
        assert f"`gros_agent_{name}`" in page, name


# the description


def test_description_is_valid_and_complete(running: Running) -> None:
    answer = running.get("/openapi.json")
    content = answer.json()
    OpenAPIV31SpecValidator(content).validate()
    described = {(method, path) for path, methods in content["paths"].items() for method in methods}
    routes = [route for route in app(running.duty).routes if isinstance(route, Route)]
    assert described == {(method.lower(), r.path) for r in routes for method in r.methods or () if method != "HEAD"}
    assert content["info"]["version"] == "1.2.3"
    page = running.get("/api")
    for path in content["paths"]:
        assert path in page.text
        assert f"`{path}`" in (ROOT / "docs" / "web.md").read_text()
    for name in content["components"]["schemas"]:
        assert f'id="{name}"' in page.text


def test_answers_are_what_is_described(running: Running) -> None:
    numbers = filled(running.duty.history)
    running.duty.next_run = datetime.now(UTC)
    content = running.get("/openapi.json").json()
    asked = [
        ("get", "/status", "/status"),
        ("get", "/healthz", "/healthz"),
        ("get", "/readyz", "/readyz"),
        ("get", "/api/state", "/api/state"),
        ("get", "/api/runs", "/api/runs"),
        ("get", "/api/runs", "/api/runs?limit=0"),
        ("get", "/api/runs/{number}", f"/api/runs/{numbers[0]}"),
        ("get", "/api/runs/{number}", "/api/runs/99"),
        ("post", "/scrape", "/scrape"),
        ("get", "/status", "/status"),
        ("get", "/api/state", "/api/state"),
    ]
    for method, described, path in asked:
        answer = running.ask(method.upper(), path)
        replies = content["paths"][described][method]["responses"]
        schema = replies[str(answer.status_code)]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(
            {**schema, "components": content["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        validator.validate(answer.json())


# pages


HOSTILE = "<script>alert(1)</script>\"'&\0\x1b[31m\u202e{{ 7 * 7 }}" + "x" * 100_000


def test_hostile_texts_are_shown_as_texts(running: Running) -> None:
    duty = running.duty
    bad = Outcome(source=HOSTILE, kind="git", status=ExitStatus.PARTLY, error=HOSTILE, hint=HOSTILE, notes=(HOSTILE,))
    for project in ("ABC", HOSTILE[:60]):
        number = duty.history.begin(project, HOSTILE[:60])
        ended = Ended(
            status=ExitStatus.UNEXPECTED,
            error=HOSTILE,
            hint=HOSTILE,
            notes=(HOSTILE,),
            outcomes=(bad,),
            tables={HOSTILE[:60]: 1},
        )
        duty.history.end(number, ended)
    number = duty.history.begin("ABC", "schedule")
    duty.history.stage(number, HOSTILE[:60])
    duty.history.progress(number, HOSTILE, 1, 2)
    duty.is_running = True
    duty.projects = ("ABC", HOSTILE[:60])
    duty.found_obstacles = [Attention(HOSTILE, HOSTILE)]
    duty.mode = duty.reason = duty.controller = HOSTILE[:60]
    page = running.get("/")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "\0" not in page.text
    assert "\x1b" not in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert len(page.content) < 300_000
    content = running.get("/api/runs").json()
    assert content["runs"][1]["error"] == visible(HOSTILE)
    samples(running)


def test_status_page(running: Running) -> None:
    page = running.get("/").text
    assert "Idle" in page
    assert "Nothing ran yet" in page
    filled(running.duty.history)
    page = running.get("/").text
    assert "Needs attention" in page
    assert "mend it" in page
    assert "incomplete: at least one source" in page
    assert "<svg" in page
    assert "15 rows in 30 days" in page
    running.duty.next_run = datetime.now(UTC) + timedelta(hours=3, minutes=1)
    assert "in 3 hours" in running.get("/").text


def test_pages_of_the_status_page(running: Running) -> None:
    filled(running.duty.history, 25)
    (older,) = re.findall(r'href="(/\?before=\d+)"', running.get("/").text)
    second = running.get(older).text
    assert "Newest runs" in second
    (oldest,) = re.findall(r'href="(/\?before=\d+)"', second)
    third = running.get(oldest).text
    assert "Older runs" not in third
    assert third.count("<details id=") == 6  # five runs and the table of the chart
    assert "before" in fault(running.get("/?before=x"), 400)


def test_pages_need_nothing_from_elsewhere(running: Running) -> None:
    filled(running.duty.history, 1)
    for path in ("/", "/api", "/static/page.css", "/static/page.js"):
        answer = running.get(path)
        assert answer.status_code == 200
        assert not re.search(r"(https?:)?//(?!www\.w3\.org)[a-z]", re.sub(r"(?m)^\s*//.*$", "", answer.text)), path
        assert not re.search(r"<style|style=|<script>|\son[a-z]+=", answer.text), path


def test_static_files(running: Running) -> None:
    answer = running.get("/static/page.css")
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.headers["Cache-Control"] == "no-cache"
    again = running.get("/static/page.css", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    fault(running.get("/static/nothing.css"), 404)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/openapi.json", "/static/page.js", "/status", "/healthz", "/metrics", "/api/state"]
)
def test_head(running: Running, path: str) -> None:
    head, get = running.ask("HEAD", path), running.get(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


# when things go wrong


def test_history_that_can_not_be_read(running: Running, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    assert running.get("/healthz").status_code == 200
    assert running.get("/status").status_code == 503
    assert samples(running)["history_readable",] == 0
    assert running.get("/api/state").json()["failures"]
    assert "Needs attention" in running.get("/").text
    fault(running.get("/api/runs"), 503)
    fault(running.get("/api/runs/1"), 503)
    assert running.post("/scrape").status_code == 201


def test_history_that_is_damaged(running: Running, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "history.db").write_bytes(b"rubbish" * 1000)
    assert running.get("/").status_code == 200
    assert running.get("/api/runs").json() == {"runs": [], "next": None}


def test_probes_do_not_wait_for_the_history(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(running.duty.history, 1)
    with (
        closing(sqlite3.connect(tmp_path / "state" / "history.db", isolation_level=None)) as connection,
        ThreadPoolExecutor() as pool,
    ):
        for seconds in (60.0, 0.1):
            monkeypatch.setattr("gros_agent.runtime.sqlite._BUSY_SECONDS", seconds)
            connection.execute("begin exclusive")
            states = [pool.submit(requests.get, f"{running.url}/api/state", timeout=90) for _ in range(3)]
            if seconds > 1:  # as long as they wait
                for path in ("/healthz", "/readyz", "/status"):
                    running.get(path)
                assert not any(answered.done() for answered in states)
                connection.execute("rollback")
            told = [failure["message"] for one in states for failure in one.result().json()["failures"]]
            assert [one for one in told if "locked" in one] == (told if seconds < 1 else [])
            assert len(told) >= 3 or seconds > 1


def test_many_at_once(running: Running) -> None:
    filled(running.duty.history, 20)
    paths = ["/", "/api/state", "/metrics", "/api/runs", "/status", "/healthz"] * 15

    def ask(path: str) -> int:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(running.url + path, timeout=15).status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = Counter(pool.map(ask, paths))
    assert statuses == {200: 75, 503: 15}


# words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-59, "just now"),
        (30, "in less than a minute"),
        (60, "in 1 minute"),
        (-7200, "2 hours ago"),
        (86400 * 3, "in 3 days"),
    ],
)
def test_relative(seconds: int, text: str) -> None:
    now = datetime.now(UTC)
    assert words.relative(now + timedelta(seconds=seconds), now) == text


def test_short_forms() -> None:
    assert words.briefly("incomplete: at least one source was not collected, or not whole") == "incomplete"
    assert words.briefly("done") == "done"
    assert words.short_version(f"0.1.0-main-{'0123456789' * 4}") == "0.1.0-main-012345678901"
    assert words.short_version("0.1.0") == "0.1.0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0.0 s"),
        (0.26, "0.3 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10**16, "10000.0 TB")])
def test_size(count: int, text: str) -> None:
    assert words.size(count) == text


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40))
def test_chart(rows: list[int]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    days = [((start + timedelta(days=index)).date().isoformat(), count) for index, count in enumerate(rows)]
    chart = draw(days)
    assert chart.rows == sum(rows)
    assert all(0 <= bar.height <= chart.height and (bar.height > 0) == (bar.rows > 0) for bar in chart.bars)
    assert all(bar.left + chart.bar <= chart.width for bar in chart.bars)


HALVES = {
    "nothing": b"",
    "head": b"GET / HTTP/1.1\r\nHost: evil\r\nX: ",
    "body": b"POST /scrape HTTP/1.1\r\nHost: evil\r\nContent-Length: 1000000\r\n\r\n{",
    "second head": b"GET /healthz HTTP/1.1\r\nHost: evil\r\n\r\nGET / HTTP/1.1\r\nX: ",
}


@pytest.mark.parametrize("half", HALVES)
def test_health_under_half_requests(running: Running, half: str) -> None:
    """Five hundred of them keep nobody out."""
    with contextlib.ExitStack() as stack:
        for number in range(500):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            with contextlib.suppress(OSError):  # room was made for the next ones
                one.sendall(HALVES[half])
            if not number % 50:
                assert requests.get(f"{running.url}/healthz", timeout=10).status_code == 200
        for _ in range(20):
            assert requests.get(f"{running.url}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize("half", [one for one in HALVES if one != "nothing"])
def test_half_requests_are_closed(running: Running, monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    """Also where something more comes again and again."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "TAKE_SECONDS"):
        monkeypatch.setattr(patience, name, 1.0)
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as one:
        one.sendall(HALVES[half])
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 15:
                one.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - begun < 10


def test_an_answer_that_is_not_taken(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks on and on and reads nothing is closed, however much of the answers the sockets hold."""
    monkeypatch.setattr(patience, "TAKE_SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", running.port), timeout=15) as one:
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 60:
                one.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        assert time.monotonic() - begun < 30


def test_a_connection_that_is_used_stays(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "TAKE_SECONDS"):
        monkeypatch.setattr(patience, name, 2.0)
    with requests.Session() as session:
        for _ in range(8):
            assert session.get(f"{running.url}/healthz", timeout=10).status_code == 200
            time.sleep(0.5)
