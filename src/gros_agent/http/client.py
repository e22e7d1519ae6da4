"""A client for one system, with time-outs, retries, size limits, and a list of blocked URLs."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import should_bypass_proxies
from urllib3 import disable_warnings
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from gros_agent import __version__
from gros_agent.errors import SourceError
from gros_agent.http import repair
from gros_agent.http.faults import (
    Explain,
    WebPageError,
    is_lasting,
    is_server_fault,
    is_transient,
    refused,
    unreachable,
)
from gros_agent.http.timed import TimedAdapter, TooSlowError, answers_within
from gros_agent.http.traffic import AT_ONCE, Tell, Traffic, asked_wait, exhausted_wait
from gros_agent.options.values import Secret
from gros_agent.runtime.masking import redactor
from gros_agent.runtime.retry import PassingError, exponential, repeat
from gros_agent.runtime.urls import blocking_pattern, take_credentials, without_password

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
TRIES = 4
"""The default number of tries of a request. A restart of a server takes some seconds."""
BACKOFF = 0.5
"""Seconds before the second try. The pause doubles before each further try, plus up to as much again at random."""
_LONGEST_PAUSE = 30.0
LONGEST_WAIT = 60.0
"""The longest pause before the next try that is accepted from a server, in seconds. Longer requests fail."""
LONGEST_ANSWER = 600.0
"""The default time limit for a complete answer, in seconds. It also ends answers that trickle in."""
MAX_ANSWER = 64 << 20
"""The size limit of an answer, in bytes."""
REDIRECTIONS = 3
SECONDARY_LIMIT = 60.0
"""The pause in seconds after too many requests, if the server does not say how long to wait."""
_LATIN = 0xFF

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The decoded content of an answer, with status and headers. Header names are case-insensitive.

    ``request`` is the request that was answered, which may be for a smaller page than the original.
    """

    value: T
    status: int
    headers: Mapping[str, str]
    request: "Request"


class TooLargeError(SourceError):
    """An answer is larger than :data:`MAX_ANSWER`."""


class _NoAuthentication(AuthBase):
    """Disables the user's ``.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True)
class Request:
    """A request. ``content`` is sent as JSON. With ``once`` it is never repeated.

    ``budget`` names the rate limit of the host that the request counts against. If the server can't answer, or answers
    with too much, ``smaller`` returns a request for a part of it.
    """

    method: str
    url: str
    query: Mapping[str, str] | None = None
    content: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    budget: str = ""
    once: bool = False
    smaller: "Callable[[Request], Request] | None" = None


@dataclass
class WebClient:
    """A client for one system. ``headers`` are sent with every request; secret headers are never shown.

    Raises :class:`SourceError` for a header that is invalid in HTTP, such as a key with a line break. ``is_safe`` is
    false if certificates are not verified, ``authorities`` is the file with the certificates to use instead of the
    default. URLs that match a pattern in ``blocked`` are never requested. A server that is silent for ``silence``
    seconds is given up; ``longest_wait`` is the longest pause in seconds that a server may ask for, ``longest_answer``
    the time limit in seconds for a complete answer with headers (default: :data:`LONGEST_ANSWER`). ``authentication``
    returns headers for each request, for tokens that expire. ``traffic`` is shared by all clients of the same host.
    ``login`` authenticates a connection, as NTLM does; such a client sends one request at a time. Redirects are
    followed on the same host only (:func:`is_same_place`), and only with ``follows``. ``proxies`` maps variables such
    as ``https_proxy`` and ``no_proxy`` to values; if it is empty, those of the process are used.
    """

    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    is_safe: bool = True
    authorities: Path | None = None
    blocked: Sequence[str] = ()
    silence: float = 60.0
    tries: int = TRIES
    longest_wait: float = LONGEST_WAIT
    longest_answer: float | None = None
    follows: bool = False
    traffic: Traffic = field(default_factory=Traffic)
    tell: Tell = lambda _: None
    explain: Explain = lambda _status, _headers, _text: None
    authentication: Callable[[], Mapping[str, Secret]] = dict
    proxies: Mapping[str, str] = field(default_factory=dict)
    login: AuthBase | None = None
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.headers["User-Agent"] = f"gros_agent/{__version__} requests/{requests.__version__}"
        self._session.headers.update(_carried(self.headers))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, TimedAdapter(pool_maxsize=AT_ONCE))
        if not self.is_safe:
            disable_warnings(InsecureRequestWarning)  # preflight warns of it, once and in words

    def get(self, url: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        """Request JSON of a type. Raises :class:`SourceError`."""
        return self.ask(Request("GET", url, query), kind).value

    def ask(self, request: Request, kind: type[T]) -> Answer[T]:
        """Send a request, and return the answer as JSON of a type (``NoneType`` if it has no content).

        Credentials in the URL are used for HTTP basic authentication, and never appear in errors.

        Raises :class:`HttpError` for an error status, and :class:`SourceError` if the body can't be decoded or no
        response arrives.
        """
        call = _Call(self, request)
        return repeat(
            lambda: call.send(kind),
            1 if request.once else self.tries,
            lambda error: log.info("%s; trying again", error),
            exponential(BACKOFF, _LONGEST_PAUSE),
        )

    def ask_if_changed(self, request: Request, kind: type[T], mark: str) -> Answer[T] | None:
        """Request something by its entity tag (RFC 9110, section 8.8.3). None if it has not changed."""
        conditional = replace(request, headers={**request.headers, "If-None-Match": mark} if mark else request.headers)
        answer = self.ask(conditional, kind)
        return None if answer.status == HTTPStatus.NOT_MODIFIED else answer


class _Call:
    """A request to an allowed address, including its retries."""

    def __init__(self, client: WebClient, request: Request) -> None:
        self._client = client
        self._request = request
        self._address, user, password = take_credentials(request.url)
        self._shown = without_password(self._address)
        self._host = urlsplit(self._address).hostname or self._address
        self._auth: AuthBase = client.login or _NoAuthentication()
        if password:
            redactor.hide((password,))
        if user is not None:
            self._auth = HTTPBasicAuth(user.encode(), (password or "").encode())
        self._check_allowed(request.url)

    def _check_allowed(self, url: str) -> None:
        pattern = blocking_pattern(url, self._client.blocked)
        if pattern is not None:
            hint = "GATHERER_URL_BLACKLIST lists the URLs that are never requested"
            raise SourceError(f"{without_password(url)} is blocked by {pattern}", hint)

    def send(self, kind: type[T]) -> Answer[T]:
        """Try once. Raises :class:`SourceError`, or an error that leads to another try."""
        client = self._client
        with client.traffic.request(self._request.budget, self._host, client.tell):
            try:
                with answers_within(LONGEST_ANSWER if client.longest_answer is None else client.longest_answer):
                    answer, content = self._ask(self._address, self._request.query)
            except TooSlowError as error:
                words = SourceError(
                    f"{self._shown}: {error}, although data kept arriving",
                    "check the load of the system, or raise ANSWER_MAX_SECONDS",
                    own=str(error),
                )
                if self._request.smaller is None:
                    raise words from None  # another try would take as long
                self._ask_for_less()
                raise PassingError(words) from None
            except TooLargeError as error:
                if self._request.smaller is None:
                    raise
                self._ask_for_less()
                raise PassingError(error) from None
            except (requests.RequestException, HTTPError) as error:
                wrapped = error if isinstance(error, requests.RequestException) else requests.ConnectionError(error)
                words = unreachable(wrapped, self._shown)
                if is_lasting(wrapped):
                    raise words from None
                if isinstance(wrapped, requests.ReadTimeout):
                    self._ask_for_less()
                raise PassingError(words) from None
        self._check(answer, content)
        if answer.status_code == HTTPStatus.NOT_MODIFIED or kind is type(None):
            nothing: Any = None
            return Answer(nothing, answer.status_code, answer.headers, self._request)
        return Answer(self._decoded(answer, content, kind), answer.status_code, answer.headers, self._request)

    def _ask_for_less(self) -> None:
        """Request a smaller part in the next try, if possible: the whole may be too much for the server."""
        if self._request.smaller is not None:
            self._request = self._request.smaller(self._request)

    def _ask(self, address: str, query: Mapping[str, str] | None) -> tuple[requests.Response, bytes]:
        client = self._client
        for _ in range(REDIRECTIONS + 1):
            with client._session.request(  # noqa: SLF001 (the other half of the client)
                self._request.method,
                address,
                params=query,
                json=self._request.content,
                headers={**_carried(client.authentication()), **self._request.headers},
                auth=self._auth,
                timeout=(CONNECT_SECONDS, client.silence),
                allow_redirects=False,
                stream=True,
                proxies=_proxies(client.proxies, address),
                # said here, since REQUESTS_CA_BUNDLE wins over what a session has
                verify=client.is_safe and (str(client.authorities) if client.authorities else True),
            ) as answer:
                content = _content(answer, self._shown)
            location = urljoin(address, answer.headers.get("Location", ""))
            if not (client.follows and answer.is_redirect and is_same_place(address, location)):
                break
            self._check_allowed(location)
            address, query = location, None
        return answer, content

    def _check(self, answer: requests.Response, content: bytes) -> None:
        """Observe the host's limits. Raises for an error status."""
        status, budget = answer.status_code, self._request.budget
        traffic, longest = self._client.traffic, self._client.longest_wait
        wait, exhausted = asked_wait(answer.headers), exhausted_wait(answer.headers)
        if status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.NOT_MODIFIED:
            if (pause := max(wait or 0.0, exhausted or 0.0)) > 0:
                traffic.hold(budget, min(pause, longest))
            return
        error = refused(answer, content, self._shown, self._client.explain)
        if status == HTTPStatus.FORBIDDEN and (exhausted is not None or "rate limit" in error.text.lower()):
            # a secondary limit without a header: wait a minute, as GitHub's documentation demands
            wait = wait or exhausted or min(SECONDARY_LIMIT, longest)
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = wait or exhausted
        elif not is_transient(status):
            raise error
        if is_server_fault(status):
            self._ask_for_less()
        if wait is not None:
            if wait > longest:
                raise SourceError(f"{error.message}; the server asks to wait {wait:.0f} s", "try again later")
            traffic.hold(budget, wait)
        raise PassingError(error)

    def _decoded(self, answer: requests.Response, content: bytes, kind: type[T]) -> T:
        try:
            return repair.decoded(content, kind)
        except (msgspec.ValidationError, RecursionError) as error:
            raise SourceError(
                f"the answer of {self._shown} could not be parsed: {error}",
                "check the address and the system's version",
                own="the server's answer could not be parsed",
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if content.lstrip()[:1] == b"<":
                hint = self._client.explain(answer.status_code, answer.headers, "")
                raise WebPageError(
                    f"{self._shown} answers with a web page",
                    hint or "check the address and the credentials",
                    own="the server answers with a web page",
                ) from None
            raise PassingError(
                SourceError(
                    f"the answer of {self._shown} could not be parsed: {error}",
                    "try again later; it may have been cut off on its way",
                    own="the server's answer could not be parsed",
                )
            ) from None


def is_same_place(address: str, location: str) -> bool:
    """Whether a redirect stays on a host and port, or goes from port 80 to TLS on port 443."""
    one, other = urlsplit(address), urlsplit(location)
    try:
        ports = (one.port, other.port)
    except ValueError:  # an invalid port
        return False
    is_secured = (one.scheme, other.scheme) == ("http", "https") and ports[0] in {None, 80} and ports[1] in {None, 443}
    return one[:2] == other[:2] or (is_secured and one.hostname == other.hostname)


def _carried(headers: Mapping[str, str | Secret]) -> dict[str, str]:
    """Check that HTTP can carry headers: values in Latin-1, without line breaks and surrounding spaces."""
    secrets = [value.reveal() for value in headers.values() if isinstance(value, Secret)]
    redactor.hide((*secrets, *(secret.rpartition(" ")[2] for secret in secrets)))  # a server may repeat them
    carried = {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
    for name, value in carried.items():
        if value != value.strip() or not value.isprintable() or any(ord(character) > _LATIN for character in value):
            raise SourceError(
                f"the value for the header {name} has characters that HTTP does not allow",
                "check the key, token or password",
            )
    return carried


def _proxies(named: Mapping[str, str], address: str) -> dict[str, str] | None:
    """The proxies for an address, in the format of requests. An empty value means no proxy."""
    if not named:
        return None
    if should_bypass_proxies(address, no_proxy=named.get("no_proxy", "")):
        return {"http": "", "https": ""}
    every = named.get("all_proxy", "")
    return {"http": named.get("http_proxy", every), "https": named.get("https_proxy", every)}


def _content(answer: requests.Response, shown: str) -> bytes:
    content = bytearray()
    for block in answer.iter_content(1 << 16):
        content += block
        if len(content) > MAX_ANSWER:
            raise TooLargeError(f"the answer of {shown} is larger than {MAX_ANSWER} bytes", "is it the right address?")
    return bytes(content)
