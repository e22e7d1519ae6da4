"""Submits the parts of all projects of a command to a cluster: a bounded number in all, and not too many of one host.

It is one thread that sees everything in order: parts that come, tasks that end, and what workers tell meanwhile. The
queue of the scheduler is no more than what is under way. What waits, waits here.
"""

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future

from gros_agent import __version__
from gros_agent.cluster import working
from gros_agent.cluster.lanes import Lanes
from gros_agent.cluster.messages import HostPlace, PauseMessage, ProgressMessage
from gros_agent.cluster.sealing import ClusterKey, new_name
from gros_agent.cluster.workers import AHEAD, ANYBODY, Choice, Workers
from gros_agent.collect.engine import Job
from gros_agent.errors import AgentError
from gros_agent.http.traffic import Budget, pauses
from gros_agent.runtime import limits, parallel

log = logging.getLogger(__name__)

MOST_UNDER_WAY = 500
"""Parts under way at most, together with those whose tables still lie on a worker."""
_TICK_SECONDS = 0.5
_STOP_SECONDS = 3.0
"""Time that cancelling may take; workers of a coordinator that is gone end what it wanted anyway."""

Mail = SimpleQueue["Ticket | ProgressMessage | None"]
"""Where a team hears of its parts: those that ended, and those that made progress; None if the dispatcher ended."""


@dataclass(eq=False)
class Ticket:
    """A part of a project that waits, or is under way. ``sealed`` makes the task for a worker, by its number.

    ``last`` is who had its clone last, ``avoided`` are those who could not collect it; both are identities of folders.
    ``choice`` is who may collect it; ``has_left`` says that all of them are gone.
    """

    job: Job
    mail: Mail
    sealed: Callable[[int, HostPlace | None], bytes]
    last: str = ""
    avoided: set[str] = field(default_factory=set)
    tries: int = 0
    number: int = 0
    future: "Future[Any] | None" = None
    choice: Choice = ANYBODY
    has_left: bool = False

    @property
    def lane(self) -> Hashable:
        """What is paused together: parts of one kind, at one host, with one account."""
        return (self.host, self.job.part.source.kind, self.job.description.context.account)

    @property
    def host(self) -> str | None:
        """The host that it connects to."""
        return self.job.host

    @property
    def project(self) -> Hashable:
        """Stands for its project."""
        return id(self.mail)


class Dispatcher:
    """Has tickets collected. ``per_host`` is the number of parts at a host at the same time."""

    def __init__(self, client: Client, key: ClusterKey, workers: Workers, per_host: int) -> None:
        self.topic = f"gros-agent-{new_name()}"
        self._client = client
        self._key = key
        self._workers = workers
        self._per_host = per_host
        self._events: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._lanes = Lanes[Ticket](per_host)
        self._numbers = count(1)
        self._under_way: dict[int, Ticket] = {}
        self._ended: dict[int, Ticket] = {}
        self._mails: list[Mail] = []
        self._over: BaseException | None = None
        self._is_away = False
        self._was_away = False
        client.subscribe_topic(self.topic, self._heard)
        pauses.tell(lambda budget, seconds: self._events.put(lambda: self._spread(budget, seconds)))
        self._closed = threading.Event()
        threading.Thread(target=self._go, name="dispatcher", daemon=True).start()

    def begin(self, mail: Mail) -> None:
        """Have a team take part. Its mail gets what there is to know."""
        self._events.put(lambda: self._mails.append(mail) if self._over is None else mail.put(None))

    def add(self, ticket: Ticket, *, first: bool = False) -> None:
        """Have a part wait. Once its task is over, the ticket comes by mail, and :meth:`taken` gives it back."""
        self._events.put(lambda: self._lanes.add(ticket, first=first))

    def taken(self, ticket: Ticket) -> None:
        """The tables of a ticket are here, or nobody wants them. Its task may be forgotten by the cluster."""
        number, future, ticket.future = ticket.number, ticket.future, None
        if future is not None:
            future.release()
        self._events.put(lambda: self._ended.pop(number, None))

    def end(self, mail: Mail) -> None:
        """Cancel what is under way of a team, and forget what waits."""
        self._events.put(lambda: self._end(mail))

    def stop(self) -> None:
        """End all teams, as an interruption."""
        self._events.put(lambda: self._close(KeyboardInterrupt()))
        self._closed.wait(_STOP_SECONDS)

    def error(self) -> BaseException:
        """Why there is no dispatcher any more."""
        return self._over or AgentError("the connection to the cluster has ended", "see the log")

    def is_there(self, address: str) -> bool:
        """Whether a worker is there."""
        return self._workers.is_there(address)

    def call(self, address: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 (its result)
        """Call a function on a worker, beside what it collects. Raises OSError if it is gone.

        A worker that the scheduler no longer knows is not waited for, since that would take half a minute.
        """
        said: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def ask() -> None:
            try:
                said.set_result(self._client.run(function, *arguments, workers=[address])[address])
            except BaseException as error:  # noqa: BLE001 (raised by who asks)
                said.set_exception(error)

        if self.is_there(address):
            threading.Thread(target=ask, name="call", daemon=True).start()
        while self.is_there(address):
            limits.check()
            done, _ = concurrent.futures.wait([said], timeout=_TICK_SECONDS)
            if done:
                return said.result()
        raise OSError(f"worker {address} is gone")

    def _go(self) -> None:
        try:
            while self._over is None:
                with suppress(Empty):
                    self._events.get(timeout=_TICK_SECONDS)()
                    while self._over is None:
                        self._events.get_nowait()()
                if self._over is None:
                    self._submit_all()
        except BaseException as error:  # noqa: BLE001 (raised by each team)
            self._close(error)
        while True:  # whoever comes late hears that it is over
            self._events.get()()

    def _submit_all(self) -> None:
        if self._client.status == "closed":
            raise AgentError(
                "the scheduler of the cluster is gone",
                "start it, and run again: what was not published is collected then",
            )
        if self._client.status != "running":
            if not self._is_away:
                log.warning("the scheduler of the cluster is gone: waiting for it to come back")
            self._is_away = True
            return
        if self._is_away:
            log.info("the scheduler of the cluster is back: what was under way is collected again")
        if self._is_away or self._was_away:
            self._is_away = self._was_away = False
            self._client.subscribe_topic(self.topic, self._heard)
        try:
            if self._workers.look():
                self._take_back()
        except OSError as error:
            log.debug("the scheduler does not answer: %s", error)
            return
        most = min(MOST_UNDER_WAY, AHEAD * self._workers.threads)
        while len(self._under_way) < most and len(self._under_way) + len(self._ended) < MOST_UNDER_WAY:
            ticket = self._lanes.take()
            if ticket is None:
                return
            self._submit(ticket)

    def _take_back(self) -> None:
        """Take back the parts that only workers may collect that are gone. They are chosen anew."""
        strict = [ticket for ticket in self._under_way.values() if ticket.choice.is_strict and ticket.choice.addresses]
        gone = [one for one in strict if not any(map(self._workers.is_there, one.choice.addresses))]
        for ticket in gone:
            ticket.has_left = ticket.future is not None and ticket.future.status == "pending"
        self._cancel(gone)

    def _submit(self, ticket: Ticket) -> None:
        """Submit a part under a key that says nothing about it."""
        number = ticket.number = next(self._numbers)
        place = HostPlace(name=self._key.name_of(ticket.host), count=self._per_host) if ticket.host else None
        choice = self._workers.for_part(ticket.last, ticket.job.part.source.programs, ticket.avoided)
        ticket.choice = choice
        self._workers.under_way.update(choice.addresses[:1])
        self._under_way[number] = ticket
        ticket.future = self._client.submit(
            working.work,
            __version__,
            ticket.sealed(number, place),
            key=f"{self.topic}-{number}",
            pure=False,
            workers=list(choice.addresses) or None,
            allow_other_workers=bool(choice.addresses) and not choice.is_strict,
        )
        ticket.future.add_done_callback(lambda _: self._events.put(lambda: self._done(number)))

    def _done(self, number: int) -> None:
        ticket = self._under_way.pop(number, None)
        if ticket is None:
            return
        self._leave(ticket)
        if ticket.future is not None and ticket.future.status in {"cancelled", "lost"}:
            self._was_away = True  # it may be back before anybody looked
        self._ended[number] = ticket
        ticket.mail.put(ticket)

    def _leave(self, ticket: Ticket) -> None:
        self._workers.under_way.subtract(ticket.choice.addresses[:1])
        self._lanes.end(ticket)

    def _end(self, mail: Mail) -> None:
        self._lanes.drop(id(mail))
        if mail in self._mails:
            self._mails.remove(mail)
        mine = [ticket for ticket in self._under_way.values() if ticket.mail is mail]
        for ticket in mine:
            del self._under_way[ticket.number]
            self._leave(ticket)
        self._ended = {number: ticket for number, ticket in self._ended.items() if ticket.mail is not mail}
        self._cancel(mine)

    def _cancel(self, tickets: list[Ticket]) -> None:
        """Take back tasks; workers end what they collect of them. A scheduler that is gone is no obstacle."""
        futures = [ticket.future for ticket in tickets if ticket.future is not None]
        if futures and self._client.status == "running":
            try:
                self._client.cancel(futures, asynchronous=False)
            except (OSError, RuntimeError) as error:  # RuntimeError: the client has just closed
                log.debug("tasks could not be cancelled: %s", error)

    def _close(self, error: BaseException) -> None:
        if self._over is not None:
            return
        self._over = error
        pauses.tell(lambda _budget, _seconds: None)
        for mail in self._mails:
            mail.put(None)
        self._cancel(list(self._under_way.values()))
        self._closed.set()

    def _heard(self, event: tuple[float, bytes]) -> None:
        """A worker tells something; called in the event loop of the client."""
        self._events.put(lambda: self._take(event[1]))

    def _take(self, sealed: bytes) -> None:
        message = self._key.unseal(sealed)
        ticket = self._under_way.get(message.ticket)
        if isinstance(message, ProgressMessage) and ticket is not None:
            ticket.mail.put(message)
        elif isinstance(message, PauseMessage):
            pauses.add(message.budget, message.seconds)
            if ticket is not None:
                self._lanes.pause(ticket.lane, message.seconds)
            self._spread(message.budget, message.seconds)

    def _spread(self, budget: Budget, seconds: float) -> None:
        """Tell all workers of a pause, without waiting for those that don't answer."""
        sealed = self._key.seal(PauseMessage(0, budget, seconds))
        parallel.started(lambda: self._client.run(working.pause, sealed, on_error="ignore"))
