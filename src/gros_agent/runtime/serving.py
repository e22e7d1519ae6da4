"""Serves an ASGI application inside an event loop that has other work too: no signals, no access log."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import uvicorn


class EmbeddedServer(uvicorn.Server):
    """Uvicorn without its own handling of signals, which would not know of the rest of the process.

    ``listening`` is set when it listens.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind(address: str, port: int) -> socket.socket:
    """Listen at an IP address; port 0 is a free one.

    Raises :class:`OSError` where that is not possible, and :class:`ValueError` for what is no IP address.
    """
    parsed = ip_address(address)
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET  # noqa: PLR2004
    # asyncio switches Nagle's algorithm off only where the protocol is named: it costs 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6 and parsed.is_unspecified:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        # two may be bound to a port as long as neither listens
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
