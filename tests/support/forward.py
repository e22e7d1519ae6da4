"""An HTTP proxy on loopback: it forwards plain requests, and opens tunnels for HTTPS, as RFC 9110 has them."""

import base64
import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_FOR_ONE_HOP = {"proxy-authorization", "proxy-connection", "connection", "transfer-encoding", "keep-alive"}


@dataclass
class ForwardProxy:
    """Where it listens, and what it was asked for: methods with a URL, or with a host and port for a tunnel."""

    port: int
    asked: list[str] = field(default_factory=list)


class _Listener(ThreadingHTTPServer):
    def __init__(self, wanted: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wanted = wanted
        self.running = ForwardProxy(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.forward()

    def do_POST(self) -> None:
        self.forward()

    def forward(self) -> None:
        if self.is_welcome():
            status, headers, content = _forwarded(self)
            self.send_response(status)
            for name, text in headers:
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

    def do_CONNECT(self) -> None:
        if self.is_welcome():
            self.send_response(200)
            self.end_headers()
            _tunnel(self.connection, int(self.path.rpartition(":")[2]))
            self.close_connection = True

    def is_welcome(self) -> bool:
        self.server.running.asked.append(f"{self.command} {self.path}")
        if self.server.wanted in {None, self.headers.get("Proxy-Authorization")}:
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False


@contextlib.contextmanager
def forward_proxy(credentials: str | None = None) -> Iterator[ForwardProxy]:
    """Run one that takes every host's name for this machine; ``credentials`` (``user:password``) are asked for."""
    wanted = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else None
    with _Listener(wanted) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener.running
        finally:
            listener.shutdown()
            thread.join()


def _forwarded(request: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and content that the host which a request is for answers."""
    parts = urlsplit(request.path)
    length = int(request.headers.get("Content-Length") or 0)
    headers = {name: text for name, text in request.headers.items() if name.lower() not in _FOR_ONE_HOP}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)) as target:
        target.request(request.command, f"{parts.path}?{parts.query}", request.rfile.read(length), headers)
        answer = target.getresponse()
        return answer.status, answer.getheaders(), answer.read()


def _tunnel(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as target:
        back = threading.Thread(target=_pump, args=(target, client))
        back.start()
        _pump(client, target)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what comes, to its end."""
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 14):
            sink.sendall(block)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
