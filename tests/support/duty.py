"""An agent on duty that tests can bend, and its web interface on a real socket."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests

from gros_agent.run.history import History
from gros_agent.service.duty import Access, Attention, Duty, Kept
from gros_agent.service.web import Server


@dataclass
class FakeDuty:
    """Says what it was told to say."""

    history: History
    version: str = "1.2.3"
    mode: str = "Daemon"
    reason: str = "it works every day, since CRON_PERIOD is daily"
    access: Access = field(default_factory=Access)
    projects: tuple[str, ...] = ("ABC",)
    controller: str | None = "controller.example"
    next_run: datetime | None = None
    is_running: bool = False
    found_obstacles: list[Attention] = field(default_factory=list)
    found_warnings: list[Attention] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    refusal: BaseException | None = None
    started: list[str] = field(default_factory=list)

    def obstacles(self) -> list[Attention]:
        return self.found_obstacles

    def warnings(self) -> list[Attention]:
        return self.found_warnings

    def outbox(self) -> list[Kept]:
        return self.kept

    async def start(self, trigger: str) -> None:
        if self.refusal:
            raise self.refusal
        self.started.append(trigger)
        self.is_running = True


@dataclass
class Served:
    """A web interface that listens."""

    port: int
    session: requests.Session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return self.ask("POST", path, **more)


@dataclass
class Running(Served):
    """The web interface of an agent that can be bent."""

    duty: FakeDuty


@contextlib.contextmanager
def web(duty: FakeDuty) -> Iterator[Running]:
    """Serve the web interface of an agent that can be bent."""
    with serving(duty) as one:
        yield Running(one.port, one.session, duty)


@contextlib.contextmanager
def serving(duty: Duty) -> Iterator[Served]:
    """Serve an agent's web interface in a thread."""
    ready = threading.Event()
    server = Server(duty, "127.0.0.1", 0)
    loops: list[asyncio.AbstractEventLoop] = []
    ended = asyncio.Event()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await server.start()
        ready.set()
        await ended.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"  # a kept one may be closed at the very moment of its next request
        yield Served(server.port, session)
    loops[0].call_soon_threadsafe(ended.set)
    thread.join(60)
    assert not thread.is_alive()
