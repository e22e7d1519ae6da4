"""The controller's certificate: in the pinned file, and as shown by the server."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import crypto
from urllib3.connection import HTTPConnection

from gros_agent.controller import ControllerError
from gros_agent.controller.trust import trusting
from gros_agent.errors import ConfigurationError
from gros_agent.http.timed import TimedAdapter

_END = b"-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Certificate:
    """A certificate: its names, its period of validity, and its SHA-256 fingerprint in hexadecimal digits."""

    names: tuple[str, ...]
    begin: datetime
    end: datetime
    fingerprint: str


def read_pinned(path: Path) -> list[Certificate]:
    """Read the certificates of a PEM file. Raises :class:`ConfigurationError` if it has none, or a damaged one."""
    hint = "put the controller's public certificate there, in PEM form"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", hint) from None
    blocks = [part + _END + b"\n" for part in content.split(_END)[:-1]]
    if not blocks:
        raise ConfigurationError(f"{path}: there is no PEM certificate in this file", hint)
    try:
        return [_describe(crypto.load_certificate(crypto.FILETYPE_PEM, block).to_cryptography()) for block in blocks]
    except crypto.Error:
        raise ConfigurationError(f"{path}: a certificate in this file is damaged", hint) from None


def read_shown(host: str, port: int, seconds: float) -> Certificate:
    """Ask a server for its certificate without verifying it. Raises :class:`ControllerError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
    except OSError as error:
        reason = error.strerror or error
        hint = "check the host, the port and the network"
        raise ControllerError(f"no TLS connection to {host} port {port}: {reason}", hint, away=True) from None
    if not shown:
        raise ControllerError(f"{host} port {port} shows no certificate", "check the host and the port")
    return _describe(x509.load_der_x509_certificate(shown))


class PinningAdapter(TimedAdapter):
    """Uses the TLS context of :func:`trusting` for a session's connections."""

    def __init__(self, trusted: Path | None) -> None:
        self._trusted = trusted
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (the base class's signature)
        """Pass the context to the connections."""
        options.setdefault("socket_options", [*HTTPConnection.default_socket_options, *_kept_alive()])
        super().init_poolmanager(*arguments, **options, ssl_context=trusting(self._trusted))


def _kept_alive() -> Iterator[tuple[int, int, int]]:
    """Yield socket options for TCP keep-alive, so that a dead connection breaks after some minutes.

    The answer to an announcement can take hours, and network devices drop connections that are idle for that long.
    """
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 10)):
        if hasattr(socket, name):  # not available on every system
            yield socket.IPPROTO_TCP, getattr(socket, name), value


def _describe(certificate: x509.Certificate) -> Certificate:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(str(name.value) for name in extension.value)
    except x509.ExtensionNotFound:
        names = (certificate.subject.rfc4514_string(),)
    return Certificate(
        names,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        hashlib.sha256(certificate.tbs_certificate_bytes + certificate.signature).hexdigest(),
    )
