"""Turns failures of requests into error messages."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import requests

from gros_agent.errors import SourceError
from gros_agent.runtime.masking import redactor
from gros_agent.runtime.urls import without_credentials, without_password

_LOOKED_AT = 4096
"""The number of bytes of an error answer that are searched for secrets before it is cut.

Half a secret could not be found.
"""
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check the key, token or password: it may have expired",
    HTTPStatus.FORBIDDEN: "check the key, token or password, and its permissions",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "check the user and password of the proxy",
    HTTPStatus.NOT_FOUND: "check the address; it may have moved, or be hidden from these credentials",
    HTTPStatus.GONE: "it was removed, or switched off there",
    HTTPStatus.UNPROCESSABLE_ENTITY: "check the system's version, and report what it answers",
    HTTPStatus.TOO_MANY_REQUESTS: "try again later",
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: "it is blocked for legal reasons: take it off the list of sources",
}
_TRANSIENT = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))


def is_server_fault(status: int) -> bool:
    """Whether a status blames the server or its proxy. Proxies have statuses of their own."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_transient(status: int) -> bool:
    """Whether another try may succeed after a status."""
    return is_server_fault(status) or status in _TRANSIENT


class WebPageError(SourceError):
    """A server answers with a web page where data was expected."""


class HttpError(SourceError):
    """An answer with a status of 300 or more, with its headers and the beginning of its text."""

    def __init__(self, message: str, hint: str, answer: requests.Response, text: str) -> None:
        super().__init__(message, hint, own=f"the server answers with status {answer.status_code}")
        self.code = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self.text = text


Explain = Callable[[int, Mapping[str, str], str], str | None]
"""Explains a system's error: takes status, headers and text, and returns a hint or None.

The text of a web page is empty.
"""


def refused(answer: requests.Response, content: bytes, shown: str, explain: Explain) -> HttpError:
    """The error for an answer with a status of 300 or more."""
    status, text = (
        answer.status_code,
        " ".join(redactor.redact(content[:_LOOKED_AT].decode(errors="replace")).split())[:200],
    )
    known = explain(status, answer.headers, text)
    hint = known or _HINTS.get(status, "try again later; see the system's log")
    if status < HTTPStatus.BAD_REQUEST:
        where = without_credentials(answer.headers.get("Location", "?"))
        message = f"{shown} redirects to {where}"
        hint = known or "configure that address; redirects are not followed"
    elif status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        message = f"{shown} refuses the credentials with status {status}{_said(text)}"
    elif status == HTTPStatus.NOT_FOUND:
        message = f"{shown} is not there (status 404)"
    else:
        message = f"{shown} answers with status {status}{_said(text) or ': without a reason'}"
    return HttpError(without_password(message), hint, answer, text)


def _said(text: str) -> str:
    if text.startswith("<"):
        return ": a web page"
    return f": {text}" if text and text not in {"{}", "[]"} else ""


def unreachable(error: requests.RequestException, shown: str) -> SourceError:
    """The error for a request without an answer."""
    if is_certificate(error):
        return SourceError(
            f"the certificate of {shown} is not trusted",
            "if it is self-signed, set cacert of this host to its file; unsafe_hosts disables verification",
            own="the server's certificate is not trusted",
        )
    if isinstance(error, requests.Timeout):
        return SourceError(
            f"{shown} did not answer in time", "try again later", own="the server did not answer in time"
        )
    if isinstance(error, requests.exceptions.InvalidURL) and "proxy url" in str(error).lower():
        return SourceError(
            f"{shown} can't be reached: its proxy is not a valid address",
            "correct http_proxy, https_proxy or all_proxy: write http://HOST:PORT",
            own="the proxy is not a valid address",
        )
    if isinstance(error, _NO_ADDRESS):
        return SourceError(f"{shown} is not a valid address", "write http://HOST or https://HOST")
    reason = without_password(innermost(error))
    return SourceError(
        f"{shown} can't be reached: {reason}", "check the address and the network", own="the server can't be reached"
    )


def is_certificate(error: requests.RequestException) -> bool:
    """Whether the certificate is the problem."""
    return isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower()


def is_lasting(error: requests.RequestException) -> bool:
    """Whether another try would fail in the same way."""
    return is_certificate(error) or isinstance(error, _NO_ADDRESS)


def innermost(error: BaseException) -> str:
    """The message of the system error behind an error of an HTTP library."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            return str(getattr(seen, "strerror", None) or seen)
        seen = inner
