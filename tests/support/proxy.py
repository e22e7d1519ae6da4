"""A TCP proxy on loopback that can be told to spoil what goes through it, at a byte and in a direction of choice."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["cut", "delay", "garble", "duplicate", "refuse", "stall", "drip"]
Side = Literal["server", "client"]
DELAY_SECONDS = 0.4
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Fault:
    """What happens to the byte number ``at`` that goes towards a side.

    ``cut`` closes both sides before it, ``delay`` holds it and what follows for a moment, ``stall`` for ever. ``drip``
    hands on one byte at a time from there, ``garble`` flips its bits, ``duplicate`` sends the block that it begins
    twice; ``refuse`` takes the connection and closes it. ``connection`` counts from 1; None is each.
    """

    kind: Kind
    at: int = 0
    towards: Side = "server"
    connection: int | None = None


class Proxy:
    """Forwards each connection to a port, by two threads a connection."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.fault: Fault | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._pairs: list[_Pair] = []
        self.connections = 0
        """Connections since the fault was set."""
        self.struck = 0
        """How often the fault happened: a test in which it did not has shown nothing."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    @property
    def passed(self) -> list[dict[Side, int]]:
        """Bytes towards each side in each connection that got through, to see where a fault belongs."""
        return [pair.passed for pair in self._pairs]

    def set(self, fault: Fault | None) -> None:
        """Have this fault from the next connection on, or none. Ends the connections that there are."""
        self._drop()
        with self._lock:
            self.fault = fault
            self.connections = self.struck = 0

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which closing alone does not
        self._thread.join()
        self._listener.close()
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.end()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                here = self.fault is not None and self.fault.connection in {None, self.connections}
                fault = self.fault if here else None
            if fault and fault.kind == "refuse":
                self._strike()
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append(_Pair(client, server, fault, self._strike))

    def _strike(self) -> None:
        with self._lock:
            self.struck += 1


class _Pair:
    """One connection through the proxy."""

    def __init__(
        self, client: socket.socket, server: socket.socket, fault: Fault | None, strike: Callable[[], None]
    ) -> None:
        self._sockets = (client, server)
        self._strike = strike
        self.passed: dict[Side, int] = {"server": 0, "client": 0}
        self._ended = threading.Event()
        ways: tuple[tuple[socket.socket, socket.socket, Side], ...] = (
            (client, server, "server"),
            (server, client, "client"),
        )
        self._threads = [
            threading.Thread(target=self._pump, args=(*way, fault if fault and fault.towards == way[2] else None))
            for way in ways
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._hang_up()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _hang_up(self) -> None:
        self._ended.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, sink: socket.socket, side: Side, fault: Fault | None) -> None:
        passed = 0
        try:
            while block := source.recv(_BLOCK):
                if fault and passed <= fault.at < passed + len(block):
                    first, rest = block[: fault.at - passed], block[fault.at - passed :]
                    try:
                        sink.sendall(first)
                    finally:
                        self._strike()
                    if not self._spoil(fault, sink, rest):
                        return
                else:
                    sink.sendall(block)
                passed += len(block)
                self.passed[side] = passed
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._hang_up()  # one side is gone, so the other has nobody to talk to

    def _spoil(self, fault: Fault, sink: socket.socket, rest: bytes) -> bool:
        """Do the fault. Returns whether the connection goes on."""
        match fault.kind:
            case "cut":
                self._hang_up()
                return False
            case "stall":
                self._ended.wait()
                return False
            case "drip":
                for byte in rest:
                    if self._ended.wait(0.05):
                        return False
                    sink.sendall(bytes([byte]))
                return True
            case "garble":
                rest = bytes([rest[0] ^ 0xFF]) + rest[1:]
            case "duplicate":
                rest += rest
            case _:
                time.sleep(DELAY_SECONDS)
        sink.sendall(rest)
        return True


@contextlib.contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy in front of a port. Whatever happens, it ends."""
    running = Proxy(target)
    try:
        yield running
    finally:
        running.close()
