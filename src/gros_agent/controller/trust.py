"""Whether a server shows a certificate that is trusted. Nothing but the standard library: an idle agent asks it too."""

import socket
import ssl
from pathlib import Path


def trusting(trusted: Path | None) -> ssl.SSLContext:
    """A context that trusts the certificates of a file and no others, or those of the system without one.

    A certificate in the file is trusted as it is, whoever signed it, and also where two have the same subject: the old
    one of a controller and its successor.
    """
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def refusal(host: str, port: int, trusted: Path | None, seconds: float) -> str | None:
    """Why a server is not trusted with a certificate file, or without one with the system's; None if it is."""
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
