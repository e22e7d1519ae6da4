"""Time-outs of HTTP connections: for the head and body of a request, and for sending its answer.

Uvicorn waits without limit for the rest of a request. A client with many such connections could block all others, even
the health check. So an idle connection, on which no request is being answered, is closed after some seconds. If there
are too many idle connections, the one that has waited longest is closed at once. Complete requests are always answered.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Time limit for the head of a request, from its first byte or from the start of the connection."""
BODY_SECONDS = 30.0
"""Time limit for the body."""
TAKE_SECONDS = 60.0
"""Time limit for the client to receive an answer, once all of it is ready to be sent."""
PER_ADDRESS = 32
"""Limit of idle connections of one address."""
OVERALL = 96
"""Limit of idle connections of all addresses; it is below Uvicorn's limit of concurrent requests."""
_LOOK_SECONDS = 1.0


_Stage = tuple[str, object, float | None]


class PatientProtocol(H11Protocol):
    """A connection that is closed if it makes no progress."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start watching the connection, and close others if there are too many."""
        super().connection_made(transport)
        self._stage: _Stage = ("", None, None)
        self._given_up = False
        self._heard = False
        self._since = time.monotonic()
        self._address = (transport.get_extra_info("peername") or ("",))[0]
        self._look_again()
        waiting = [one for one in self.connections if isinstance(one, PatientProtocol) and one.is_waiting()]
        _make_room([one for one in waiting if one._address == self._address], PER_ADDRESS)  # noqa: SLF001 (same class)
        _make_room(waiting, OVERALL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process the data, and note the stage of the request."""
        self._heard = True
        super().data_received(data)
        self._note()

    def is_waiting(self) -> bool:
        """Whether the connection is idle: no request is complete, or the last answer is finished."""
        if self._given_up:
            return False
        stage, _, _ = self._where()
        return stage != "answering"

    @property
    def waited(self) -> float:
        """Seconds since the connection last made progress."""
        return time.monotonic() - self._since

    def give_up(self) -> None:
        """Close the connection at once, without sending the rest."""
        self._given_up = True
        self.transport.abort()

    def _note(self) -> None:
        stage = self._where()
        if stage != self._stage:
            self._stage, self._since = stage, time.monotonic()
            if stage[0] in {"body", "answering"}:
                self._heard = False

    def _where(self) -> "_Stage":
        """The stage of the connection, its request, and the time limit in seconds."""
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
    """Close the connections that have waited longest, if there are more than ``most``."""
    longest_first = sorted(waiting, key=lambda one: one.waited, reverse=True)
    for one in longest_first[: max(0, len(longest_first) - most)]:
        one.give_up()
