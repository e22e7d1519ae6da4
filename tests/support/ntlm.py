"""A server that takes Windows accounts alone: NTLM, checked by a real implementation, in front of a replay."""

import base64
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import spnego
from spnego.exceptions import SpnegoError

from support.replay import Replay


@dataclass
class Guarded:
    """Where it listens, what it was told in headers, the kinds of messages, and how many connections were let in."""

    port: int = 0
    told: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    let_in: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(BaseHTTPRequestHandler):
    """A connection, and how far its proof is."""

    one: ClassVar[Guarded]
    replay: ClassVar[Replay]
    authorization: ClassVar[str]
    breaks: ClassVar[bool]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else content waits 40 ms for the head to be acknowledged

    def setup(self) -> None:
        super().setup()
        self.context: Any = None
        self.is_let_in = False

    def do_GET(self) -> None:
        self.one.told.add(self.headers.get("Authorization", ""))
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if self.is_let_in:
            headers = {**dict(self.headers), "Authorization": self.authorization}
            answer = self.replay.answer("GET", self.path, headers, b"")
            assert answer is not None
            self.say(*answer)
        elif kind not in {"NTLM", "Negotiate"}:
            self.say(401, {"WWW-Authenticate": "Negotiate, NTLM"}, b"<html>no</html>")
        else:
            self.prove(kind, base64.b64decode(given))

    def prove(self, kind: str, message: bytes) -> None:
        self.one.messages.append({1: "negotiate", 3: "authenticate"}[message[8]])
        if message[8] == 1:
            self.context = spnego.server(protocol="ntlm")
        try:
            answer = self.context.step(message)
        except SpnegoError:
            self.say(401, {"WWW-Authenticate": "Negotiate, NTLM"}, b"")
            return
        if not self.context.complete:
            challenge = "" if self.breaks else f" {base64.b64encode(answer).decode()}"
            self.say(401, {"WWW-Authenticate": f"{kind}{challenge}"}, b"")
            return
        self.is_let_in = True
        self.one.let_in += 1
        self.do_GET()

    def say(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the base class's name)
        pass


@contextlib.contextmanager
def guarded(
    replay: Replay, accounts: Path, patch: pytest.MonkeyPatch, authorization: str, *, breaks: bool = False
) -> Iterator[Guarded]:
    """Serve a replay to the accounts of a file (``DOMAIN:USER:PASSWORD``), each connection once it is proved.

    ``authorization`` is what the replay wants to see. One that ``breaks`` never gives a challenge.
    """
    patch.setenv("NTLM_USER_FILE", str(accounts))
    one = Guarded()

    attributes = {"one": one, "replay": replay, "authorization": authorization, "breaks": breaks}
    handler = type("Bound", (Handler,), attributes)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), handler) as server:
        one.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield one
        finally:
            server.shutdown()
            thread.join()
