"""A gate before a server: the first connections are held without an answer, and later ones go through."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Gate:
    """Where it listens, and the connections that it holds."""

    port: int
    held: list[socket.socket] = field(default_factory=list)


@contextlib.contextmanager
def gate(behind: int, holds: int) -> Iterator[Gate]:
    """Hold ``holds`` connections, and forward the others to the port behind."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Gate(listener.getsockname()[1])

    def copy(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(1 << 16):
                other.sendall(content)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def forward(connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", behind)) as server:
            back = threading.Thread(target=copy, args=(server, connection), daemon=True)
            back.start()
            copy(connection, server)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                if len(found.held) < holds:
                    found.held.append(connection)
                else:
                    threading.Thread(target=forward, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for one in found.held:
            one.close()
