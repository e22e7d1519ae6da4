"""Which certificate authorities are trusted: one rule for git, svn, APIs and the controller.

The first that exists is used, alone: the file that is configured for a host (``cacert``) or for the controller
(``SSH_HTTPS_CERT``), that of ``SSL_CERT_FILE``, that of ``REQUESTS_CA_BUNDLE``, the system's store.
"""

import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path

VARIABLES = {
    "SSL_CERT_FILE": "file with the certificate authorities that are trusted instead of the system's",
    "REQUESTS_CA_BUNDLE": "the same, if `SSL_CERT_FILE` is not set",
}

_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Files with all authorities of a system: Debian and Alpine, RHEL and Fedora (new, old), SUSE, others."""


def named(variable: Callable[[str], str | None]) -> tuple[str, str] | None:
    """The variable that names a file, and the file; None if neither is set. ``variable`` returns a variable's value."""
    return next(((name, path) for name in VARIABLES if (path := variable(name))), None)


@cache
def of_the_system() -> Path | None:
    """The file with the system's authorities, or None if there is no such file."""
    default = ssl.get_default_verify_paths().openssl_cafile
    return next((Path(one) for one in (*_STORES, default) if Path(one).is_file()), None)
