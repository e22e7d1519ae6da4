"""HTTP to the systems that are collected from: time-outs, retries, bounded answers, addresses that are never asked.

Retries are those of urllib3: for connections that break, status 429 and server errors, with jitter, and with
``Retry-After`` honoured up to a limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning, MaxRetryError, ResponseError
from urllib3.util import Retry

from gros_agent import __version__
from gros_agent.errors import SourceError
from gros_agent.settings.values import Secret
from gros_agent.urls import blocking_pattern, take_credentials, without_credentials, without_password

CONNECT_SECONDS = 10.0
TRIES = 4
LONGEST_WAIT = 60
"""Seconds that a server may ask to wait before the next try; one that asks for more is given up for this time."""
MAX_ANSWER = 64 << 20
"""Bytes of an answer that are taken."""
_LATIN = 0xFF

_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)

T = TypeVar("T")


class _Retry(Retry):
    """Waits as long as the server asks, up to :data:`LONGEST_WAIT`."""

    def get_retry_after(self, response: Any) -> float | None:  # noqa: ANN401 (urllib3's answer)
        """Seconds to wait."""
        asked = super().get_retry_after(response)
        if asked is not None and asked > LONGEST_WAIT:
            raise MaxRetryError(None, None, ResponseError(f"the server asks to wait {asked:.0f} s"))  # type: ignore[arg-type]
        return asked


@dataclass
class WebClient:
    """Asks one system. ``headers`` go with every request, secret ones too: they are shown nowhere.

    Raises :class:`SourceError` for a header that HTTP can't carry, such as a key with a line break in it.

    ``is_safe`` is false where certificates are not to be verified, ``blocked`` the patterns of addresses that are never
    asked, ``silence`` the seconds after which a server that says nothing is given up.
    """

    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    is_safe: bool = True
    blocked: Sequence[str] = ()
    silence: float = 60.0
    tries: int = TRIES
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.headers["User-Agent"] = f"gros_agent/{__version__} requests/{requests.__version__}"
        for name, value in self.headers.items():
            self._session.headers[name] = _carried(name, value.reveal() if isinstance(value, Secret) else value)
        retry = _Retry(
            total=self.tries - 1,
            backoff_factor=0.5,
            backoff_jitter=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET", "HEAD"),
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        if not self.is_safe:
            disable_warnings(InsecureRequestWarning)  # preflight warns of it, once and in words

    def get(self, url: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        """Ask for JSON of some type. Raises :class:`SourceError`; redirections are not followed.

        Credentials in the URL are used as HTTP's basic authentication has them, and are in no error.
        """
        address, user, password = take_credentials(url)
        shown = without_password(address)
        pattern = blocking_pattern(url, self.blocked)
        if pattern is not None:
            raise SourceError(f"{shown} is blocked by {pattern}", "GATHERER_URL_BLACKLIST lists what is never asked")
        try:
            with self._session.get(
                address,
                params=query,
                auth=None if user is None else HTTPBasicAuth(user.encode(), (password or "").encode()),
                timeout=(CONNECT_SECONDS, self.silence),
                allow_redirects=False,
                stream=True,
                verify=self.is_safe,  # said here, since REQUESTS_CA_BUNDLE wins over what a session has
            ) as answer:
                content = _content(answer, shown)
                _check(answer, content, shown)
        except requests.RequestException as error:
            raise _unreachable(error, shown) from None
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            if content.lstrip()[:1] == b"<":
                raise SourceError(f"{shown} answers with a web page", "check the address and the credentials") from None
            raise SourceError(
                f"the answer of {shown} makes no sense: {error}", "check the address and the system's version"
            ) from None


def _carried(name: str, value: str) -> str:
    """A header's value, if HTTP can carry it: Latin-1, without line breaks and without spaces around it."""
    if value != value.strip() or not value.isprintable() or any(ord(character) > _LATIN for character in value):
        raise SourceError(
            f"what is configured for the header {name} holds characters that HTTP can't carry",
            "check the key, token or password",
        )
    return value


def _content(answer: requests.Response, shown: str) -> bytes:
    content = bytearray()
    for block in answer.iter_content(1 << 16):
        content += block
        if len(content) > MAX_ANSWER:
            raise SourceError(f"the answer of {shown} is larger than {MAX_ANSWER} bytes", "is it the right address?")
    return bytes(content)


def _check(answer: requests.Response, content: bytes, shown: str) -> None:
    status = answer.status_code
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise SourceError(f"{shown} refuses the credentials with status {status}", "check the key, token or password")
    if status == HTTPStatus.NOT_FOUND:
        raise SourceError(f"{shown} is not there (status 404)", "check the address")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        where = without_credentials(answer.headers.get("Location", "?"))
        raise SourceError(f"{shown} sends us elsewhere, to {where}", "give that address; redirections are not followed")
    if status >= HTTPStatus.BAD_REQUEST:
        text = " ".join(content[:400].decode(errors="replace").split())[:200]
        words = "a web page" if text.startswith("<") else text or "without a reason"
        raise SourceError(f"{shown} answers with status {status}: {words}", "try again later; see the system's log")


def _unreachable(error: requests.RequestException, shown: str) -> SourceError:
    if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
        return SourceError(
            f"the certificate of {shown} is not trusted",
            "install the authority's certificate on this machine, or set unsafe_hosts for this host",
        )
    if isinstance(error, requests.Timeout):
        return SourceError(f"{shown} did not answer in time", "try again later")
    if isinstance(error, _NO_ADDRESS):
        return SourceError(f"{shown} is no address", "write http://HOST or https://HOST")
    reason = without_password(innermost(error))
    return SourceError(f"{shown} can't be reached: {reason}", "check the address and the network")


def innermost(error: BaseException) -> str:
    """The words of the system's error behind an HTTP library's."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            return str(getattr(seen, "strerror", None) or seen)
        seen = inner
