"""HTTP connections that have to get somewhere: time-outs for the head and the body of a request, and for its answer.

Uvicorn waits without end for a request that was begun. Whoever opens many such connections would keep everybody else
out, the health check first. So a connection on which nothing is being answered is closed after some seconds, and at
once where one address has too many: the one that has waited longest goes, and who sends a whole request is served.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Within which the head of a request has to be there, from its first byte or the connection's beginning on."""
BODY_SECONDS = 30.0
"""Within which the body has to follow."""
TAKE_SECONDS = 60.0
"""Within which an answer has to be taken, once all of it is there to be sent."""
PER_ADDRESS = 32
"""Connections of one address on which nothing is being answered."""
OVERALL = 96
"""The same, of all addresses together: fewer than Uvicorn answers at once."""
_LOOK_SECONDS = 1.0


_Stage = tuple[str, object, float | None]


class PatientProtocol(H11Protocol):
    """One connection, which is given up when it gets nowhere."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at it; make room for it first."""
        super().connection_made(transport)
        self._stage: _Stage = ("", None, None)
        self._given_up = False
        self._heard = False
        self._since = time.monotonic()
        self._address = (transport.get_extra_info("peername") or ("",))[0]
        self._look_again()
        waiting = [one for one in self.connections if isinstance(one, PatientProtocol) and one.is_waiting()]
        _make_room([one for one in waiting if one._address == self._address], PER_ADDRESS)  # noqa: SLF001 (its like)
        _make_room(waiting, OVERALL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and note how far the request is."""
        self._heard = True
        super().data_received(data)
        self._note()

    def is_waiting(self) -> bool:
        """Whether nothing is being answered: no request is whole, or the last one's answer is given."""
        if self._given_up:
            return False
        stage, _, _ = self._where()
        return stage != "answering"

    @property
    def waited(self) -> float:
        """Seconds since the connection got somewhere."""
        return time.monotonic() - self._since

    def give_up(self) -> None:
        """Close the connection at once, whatever waits to be sent."""
        self._given_up = True
        self.transport.abort()

    def _note(self) -> None:
        stage = self._where()
        if stage != self._stage:
            self._stage, self._since = stage, time.monotonic()
            if stage[0] in {"body", "answering"}:
                self._heard = False

    def _where(self) -> "_Stage":
        """What the connection waits for, in which request, and for how many seconds at most."""
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and self._heard and not self.transport.is_closing()):
            return "head", cycle, HEAD_SECONDS
        if cycle.response_complete or self.transport.get_write_buffer_size():
            return "taking", cycle, TAKE_SECONDS
        if self.conn.their_state is h11.SEND_BODY:
            return "body", cycle, BODY_SECONDS
        return "answering", cycle, None

    def _look_again(self) -> None:
        self._note()
        _, _, limit = self._stage
        self._timer = self.loop.call_later(_LOOK_SECONDS, self._look_again)
        if limit is not None and self.waited > limit:
            self.give_up()


def _make_room(waiting: Iterable[Any], most: int) -> None:
    """Give those up that have waited longest, where there are too many."""
    longest_first = sorted(waiting, key=lambda one: one.waited, reverse=True)
    for one in longest_first[: max(0, len(longest_first) - most)]:
        one.give_up()
