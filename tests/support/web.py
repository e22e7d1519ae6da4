"""A real HTTP server on loopback whose answers a test chooses."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def json_answer(content: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(content).encode()


@dataclass
class Web:
    """Its port, what it was asked, and what it answers: a function of the request, or None to break the connection."""

    answer: Callable[[BaseHTTPRequestHandler], Answer | None]
    port: int = 0
    scheme: str = "http"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def silent() -> Iterator[Web]:
    """Take requests, and answer none as long as the context lasts."""
    ended = threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> None:
        ended.wait()

    with web(wait) as one:
        try:
            yield one
        finally:
            ended.set()


@contextlib.contextmanager
def web(
    answer: Callable[[BaseHTTPRequestHandler], Answer | None], certificate: tuple[Path, Path] | None = None
) -> Iterator[Web]:
    """Serve; with a certificate and its key over TLS."""
    one = Web(answer, scheme="https" if certificate else "http")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else content waits 40 ms for the head to be acknowledged

        def do_GET(self) -> None:
            one.asked.append((self.path, dict(self.headers)))
            answer = one.answer(self)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # a client that has enough
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        one.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield one
        finally:
            server.shutdown()
            thread.join()
