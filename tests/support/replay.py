"""A system's API on loopback: routes that answer from recorded data, a log of what was asked, and faults that strike.

A route has a name, by which faults are aimed at it. A fault is a function of the request and of the honest answer.
"""

import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from support.web import Answer, json_answer


@dataclass(frozen=True)
class Asked:
    """A request as the server got it; ``parts`` are what the groups of the route's pattern matched."""

    route: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = b""
    parts: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


Handler = Callable[[Asked], Answer]
Fault = Callable[[Asked, Answer], Answer | None]


@dataclass
class Strike:
    """A fault at a route: from the n-th request on (the first is 0), so many times (None: always)."""

    fault: Fault
    times: int | None = None
    after: int = 0
    seen: int = 0
    struck: int = 0

    def hit(self, asked: Asked, honest: Answer) -> Answer | None:
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.struck >= self.times):
            return honest
        self.struck += 1
        return self.fault(asked, honest)


@dataclass(frozen=True)
class Route:
    """What answers a method and a pattern of the path, and holds some bytes in what was sent."""

    name: str
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    sent: bytes = b""


def not_found(_path: str) -> Answer:
    """How most systems answer a path that they have not."""
    return json_answer({"message": "Not Found"}, 404)


@dataclass
class Replay:
    """The routes of a system, and where it listens. ``latency`` is in seconds for each request.

    ``unknown`` is the system's own answer to a path that it has not.
    """

    routes: list[Route] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    strikes: dict[str, Strike] = field(default_factory=dict)
    latency: float = 0.0
    port: int = 0
    unknown: Callable[[str], Answer] = not_found
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def route(self, name: str, pattern: str, handler: Handler, method: str = "GET", sent: bytes = b"") -> None:
        """Answer what fully matches a pattern of the path, which is taken as it was sent, escapes and all."""
        self.routes.append(Route(name, method, re.compile(pattern), handler, sent))

    def counts(self) -> Counter[str]:
        """How often each route was asked."""
        return Counter(one.route for one in self.asked)

    def names(self) -> list[str]:
        return list(dict.fromkeys(route.name for route in self.routes))

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Answer | None:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        for route in self.routes:
            match = route.pattern.fullmatch(parts.path)
            if route.method == method and match and route.sent in content:
                found = tuple(unquote(one or "") for one in match.groups())
                asked = Asked(route.name, method, parts.path, query, headers, content, found)
                self.asked.append(asked)
                honest = route.handler(asked)
                strike = self.strikes.get(route.name)
                return strike.hit(asked, honest) if strike else honest
        self.asked.append(Asked("", method, parts.path, query, headers, content))
        return self.unknown(parts.path)


@contextlib.contextmanager
def serving(replay: Replay) -> Iterator[Replay]:
    """Serve it as long as the context lasts."""

    class RequestHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else content waits 40 ms for the head to be acknowledged

        def do(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(replay.latency)
            answer = replay.answer(self.command, self.path, dict(self.headers), content)
            if answer is None:
                self.close_connection = True
                return
            status, headers, sent = answer
            if "Date" in headers:
                self.send_response_only(status)
            else:
                self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            with contextlib.suppress(OSError):  # a client that has enough
                self.wfile.write(sent)
            if "Content-Length" in headers:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815 (the base class's names)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    with Server((replay.host, 0), RequestHandler) as server:
        replay.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield replay
        finally:
            server.shutdown()
            thread.join()


def paged(asked: Asked, items: list[Any], base: str, default: int = 20, longest: int = 100) -> Answer:
    """A page of a list as GitHub and GitLab give it: ``page`` and ``per_page``, the next one in ``Link``."""
    size = min(int(asked.query.get("per_page", default)), longest)
    page = int(asked.query.get("page", 1))
    last = max(1, -(-len(items) // size))
    headers = {"X-Total": str(len(items)), "X-Page": str(page), "X-Total-Pages": str(last), "X-Next-Page": ""}
    if page < last:
        following = "&".join(f"{key}={value}" for key, value in {**asked.query, "page": str(page + 1)}.items())
        headers |= {"Link": f'<{base}{asked.path}?{following}>; rel="next"', "X-Next-Page": str(page + 1)}
    code, plain, content = json_answer(items[(page - 1) * size : page * size])
    return code, plain | headers, content


def status(code: int, text: str = "", **headers: str) -> Fault:
    """A fault that answers with a status."""
    content = json.dumps({"message": text or f"status {code}"}).encode()
    return lambda _asked, _honest: (code, {"Content-Type": "application/json", **headers}, content)


def web_page(_asked: Asked, _honest: Answer) -> Answer:
    return 200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><title>Sign in</title></html>"


def truncated(_asked: Asked, honest: Answer) -> Answer:
    """Half of the answer, which its length does not tell."""
    return honest[0], honest[1], honest[2][: len(honest[2]) // 2]


def cut(_asked: Asked, honest: Answer) -> Answer:
    """Half of the answer, and the connection ends."""
    return honest[0], {**honest[1], "Content-Length": str(len(honest[2]))}, honest[2][: len(honest[2]) // 2]


def broken(_asked: Asked, _honest: Answer) -> None:
    """The connection ends without an answer."""


def stalled(seconds: float) -> Fault:
    """Nothing comes for a while."""

    def stall(_asked: Asked, _honest: Answer) -> None:
        time.sleep(seconds)

    return stall


TRANSIENT: Mapping[str, Fault] = {
    "408": status(408),
    "425": status(425),
    "429": status(429, "too many requests", **{"Retry-After": "0"}),
    "500": status(500),
    "501": status(501, "Not Implemented"),
    "502": status(502),
    "503": status(503, **{"Retry-After": "0"}),
    "504": status(504),
    "520": status(520),
    "truncated": truncated,
    "cut": cut,
    "broken": broken,
    "silent": stalled(1.5),
}
"""Faults after which another try may succeed."""


def silence(fault: str) -> float:
    """Seconds for which clients are to wait for an answer: few where its absence is the fault.

    Else they are so many that an answer of a busy machine is never taken for one that does not come.
    """
    return 0.4 if fault == "silent" else 20.0


LASTING: Mapping[str, Fault] = {
    "401": status(401, "Bad credentials"),
    "403": status(403, "Resource not accessible by personal access token"),
    "404": status(404, "Not Found"),
    "410": status(410, "Issues are disabled for this repo"),
    "422": status(422, "Validation Failed"),
    "451": status(451, "Repository access blocked"),
    "web page": web_page,
}
"""Faults that stay."""


@dataclass(frozen=True)
class Served:
    """A server with all routes that it may have, and what its module says of them."""

    title: str
    replays: tuple[Replay, ...]
    origins: Mapping[str, str]
    unknown: str = "/no/such/path"
