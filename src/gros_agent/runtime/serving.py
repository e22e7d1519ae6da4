"""Serves an ASGI application inside an event loop that has other work as well: without handling signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import uvicorn


class EmbeddedServer(uvicorn.Server):
    """Uvicorn without its own handling of signals, which the rest of the process does.

    The event ``listening`` is set once it listens.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the rest of the process."""
        yield


def bind(address: str, port: int) -> socket.socket:
    """Listen on an IP address; port 0 chooses a free port.

    Raises :class:`OSError` if that is not possible, and :class:`ValueError` if ``address`` is not an IP address.
    """
    parsed = ip_address(address)
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET  # noqa: PLR2004
    # asyncio switches off Nagle's algorithm, which costs 40 ms an answer, only if the protocol is named
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6 and parsed.is_unspecified:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        # two sockets may be bound to a port as long as neither listens
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
