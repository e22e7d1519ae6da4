"""Checks whether a server's certificate is trusted.

It needs only the standard library, so an idle agent stays small.
"""

import socket
import ssl
from pathlib import Path


def trusting(trusted: Path | None) -> ssl.SSLContext:
    """A TLS context that trusts only the certificates of a file, or those of the system without a file.

    A certificate in the file is trusted itself, whoever signed it. Two certificates may have the same subject: the old
    one of a controller and its successor.
    """
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def refusal(host: str, port: int, trusted: Path | None, seconds: float) -> str | None:
    """The reason why a server is not trusted or can't be reached; None if it is trusted.

    It is checked with the certificates of a file, or with those of the system without a file.
    """
    try:
        context = trusting(trusted)
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return error.strerror or str(error)
