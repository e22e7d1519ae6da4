"""A server that begins an answer and goes on, a byte at a time, for as long as anybody listens."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
HEADER = b"HTTP/1.1 200 OK\r\nX: "
STATUS = b"HTTP/1.1 200 "
HEADS = {"body": BODY, "chunked": CHUNKED, "header": HEADER, "status": STATUS}


@contextlib.contextmanager
def dripping(head: bytes, certificate: Path | None = None) -> Iterator[int]:
    """The port where it listens, with TLS if there is a certificate, whose file holds the key, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if context and certificate:
        context.load_cert_chain(certificate)
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            connection = context.wrap_socket(plain, server_side=True) if context else plain
            with connection:
                connection.recv(1 << 16)
                connection.sendall(head)
                while not over.wait(0.05):
                    connection.sendall(b" ")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.close()
