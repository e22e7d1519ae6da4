"""The web interface, asked over real connections, with an agent behind it that says what it was told."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from gros_agent.container.duty import Access, Attention
from gros_agent.container.guard import is_host
from gros_agent.container.web import Server
from gros_agent.errors import AgentError, BusyError, ConfigurationError, SourceError
from gros_agent.history import History
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


@pytest.mark.parametrize(("address", "port", "words"), [("127.0.0.1", None, "is taken"), ("agent", 0, "no IP address")])
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
