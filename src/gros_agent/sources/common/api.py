"""What the sources with an API share: a client for the host, positions, and moments as APIs write them."""

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from requests.auth import AuthBase

from gros_agent.errors import SourceError
from gros_agent.http.client import WebClient
from gros_agent.http.faults import Explain, HttpError
from gros_agent.http.traffic import Traffic, server_time
from gros_agent.options.hosts import Host
from gros_agent.options.values import Secret
from gros_agent.rows.moments import local_time
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context
from gros_agent.sources.common import transport

TRIES = 5
LONGEST_WAIT = 3700.0
"""In seconds. Rate limits are reset each hour."""
_LAG = timedelta(seconds=2)
"""A change may be missing from an answer for this long."""
FORMAT = "%Y-%m-%d %H:%M:%S"
"""The format of positions in the trackers of existing installations. It has no time zone; ours are in UTC."""
_REFUSALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

_FIRST_YEAR = 1970
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

T = TypeVar("T")


def client(
    context: Context,
    base: str,
    headers: Mapping[str, str | Secret],
    *,
    explain: Explain = lambda _status, _headers, _text: None,
    authentication: Callable[[], Mapping[str, Secret]] = dict,
    login: AuthBase | None = None,
) -> WebClient:
    """Create a client for the API at ``base``, with the configuration of the source's host.

    With a ``login`` it sends one request at a time, since the server authenticates the connection.
    """
    return WebClient(
        headers=headers,
        is_safe=not context.host.is_on("unsafe_hosts"),
        authorities=transport.authorities(context.host),
        blocked=context.blocked,
        silence=context.silence,
        tries=TRIES,
        longest_wait=LONGEST_WAIT,
        longest_answer=context.longest_answer,
        follows=True,
        traffic=Traffic(places=threading.Semaphore())
        if login
        else context.capacity.traffic(urlsplit(base).netloc, context.account),
        tell=lambda words: context.progress(words, 0, None),
        explain=explain,
        authentication=authentication,
        login=login,
        proxies=context.proxies,
    )


def basic(user: str, password: Secret) -> dict[str, str | Secret]:
    """The header for HTTP basic authentication (RFC 7617)."""
    text = b64encode(f"{user}:{password.reveal()}".encode()).decode()
    return {"Authorization": Secret(f"Basic {text}")}


def login(context: Context) -> tuple[str | None, Secret | None]:
    """The user and password of the entry, or else those of its host."""
    entry, host = context.entry, context.host
    return entry.username or host.username("http"), entry.password or host.secret("password")


def web_base(parts: SplitResult, host: Host) -> str:
    """Scheme, host and port of the web address for a source's URL, which may have another scheme.

    Raises :class:`SourceError` if the configured port or protocol is invalid.
    """
    is_web = parts.scheme in {"http", "https"}
    protocol = host.get("protocol") or (parts.scheme if is_web else "https")
    if protocol not in {"http", "https"}:
        raise SourceError(f"[{host.section}] protocol = {protocol}: there is no such protocol", "write http or https")
    port = transport.port_of(host, "web_port") or (parts.port if is_web else None)
    return urlunsplit((protocol, transport.address(parts, None, port), "", "", ""))


def web_root(context: Context) -> str:
    """The web address of a source's server, including the path that ``strip`` names. Raises :class:`SourceError`."""
    strip = (context.host.get("strip") or "").strip("/")
    address = web_base(split(context.entry.url), context.host)
    return f"{address}/{strip}" if strip else address


def repository_path(url: str, host: Host) -> str:
    """The path of a repository's URL, without surrounding slashes, final ``.git``, and the prefix that ``strip`` names.

    Percent-encoding is decoded, as git does. Callers encode the path again for requests to an API.
    """
    path = unquote(split(url).path).strip("/").removesuffix(".git").rstrip("/")
    strip = (host.get("strip") or "").strip("/")
    return path.removeprefix(f"{strip}/") if strip else path


class Refused:
    """Keeps track of the lists that a system refuses or has switched off, while the rest is collected.

    ``missing`` are refused lists that may have content. ``notes`` are lists that the system says are switched off. If
    credentials are not configured, ``without`` names them; lists that need them are also notes, since asking again
    would not help.
    """

    def __init__(self, without: str = "") -> None:
        self._without = without
        self._closed: set[str] = set()
        self.missing: list[str] = []
        self.notes: list[str] = []

    def attempt(self, what: str, ask: Callable[[], list[T]]) -> list[T]:
        """Return the items of a list that belongs to one item, or nothing if it is refused."""
        return [] if what in self._closed else list(self.unless(what, _asked(ask)))

    def unless(self, what: str, blocks: Iterator[T], *, is_off: bool = False, hint: str = "") -> Iterator[T]:
        """Yield the items of a list, up to a refusal. Other errors are raised."""
        try:
            yield from blocks
        except HttpError as error:
            is_closed = bool(self._without) and error.code == HTTPStatus.UNAUTHORIZED
            if error.code not in _REFUSALS and not is_closed:
                raise
            told, words = self.missing, f"{what}, which are refused or switched off there: {error.message}"
            words = f"{words}; {hint or error.hint}"
            if is_closed:
                self._closed.add(what)
                told, words = self.notes, f"{what} are only available with {self._without}: set it, and use --full"
            elif is_off:
                told, words = self.notes, f"{what} are switched off there"
            if not any(one.startswith(f"{what}, ") or one == words for one in told):  # each item may have such a list
                told.append(words)


def _asked(ask: Callable[[], list[T]]) -> Iterator[T]:
    """Request a list only when its first item is needed."""
    yield from ask()


class Since:
    """The position where a collection starts, and the one where the next will start.

    ``position`` is the text of a tracker: a moment in UTC, to the second. None means from the start. The next position
    is the newest moment that was seen, but never later than the first answer: changes made while the lists were read
    may have been missed. It is also at least two seconds before that answer, since an answer may lack the newest
    changes. Several threads may note what they saw.
    """

    def __init__(self, position: str | None) -> None:
        self.position = position
        self.moment = _parsed(position) if position else None
        self._newest: datetime | None = None
        self._limit = datetime.max.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def is_new(self, *moments: datetime | None) -> bool:
        """Whether any of these moments is later than the position."""
        return self.moment is None or any(moment is not None and whole(moment) > self.moment for moment in moments)

    def began(self, headers: Mapping[str, str]) -> None:
        """Note the time of the first answer. Anything newer must be collected again next time."""
        limit = whole(server_time(headers)) - _LAG
        with self._lock:
            self._limit = min(self._limit, limit)

    def saw(self, moment: datetime, headers: Mapping[str, str]) -> None:
        """Note a moment that was seen, and the time of its answer."""
        self.began(headers)
        if moment.year < _FIRST_YEAR:
            return  # a placeholder or a mistake, not usable as a position
        with self._lock:
            self._newest = whole(moment) if self._newest is None else max(self._newest, whole(moment))

    def next(self) -> str | None:
        """The position for the next collection."""
        if self._newest is None:
            return self.position
        newest = min(self._newest, self._limit)
        return (
            self.position
            if self.moment is not None and newest <= self.moment
            else newest.replace(tzinfo=None).isoformat(" ")
        )

    def utc(self) -> str | None:
        """The position as APIs accept it: ISO 8601 in UTC. None for the start."""
        return None if self.moment is None else f"{self.moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def exact(moment: datetime) -> datetime:
    """A moment in UTC, with fractions of a second. A moment without a time zone is taken as UTC.

    If the year is out of range in UTC, the first or last possible moment is returned.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        return _LAST if moment.year > 1 else _FIRST


def whole(moment: datetime) -> datetime:
    """A moment in UTC, to the second; see :func:`exact`."""
    return exact(moment).replace(microsecond=0)


def text(moment: datetime) -> str:
    """A moment as it is written to tables: in local time."""
    return local_time(int(whole(moment).timestamp()))[0]


def _parsed(position: str) -> datetime:
    try:
        return datetime.strptime(position.strip()[:19], FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise SourceError(
            f"the tracker contains {position!r}, which is not a moment",
            "correct it (YYYY-MM-DD HH:MM:SS), or remove it and everything is collected again",
        ) from None
