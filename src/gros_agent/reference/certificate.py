"""The controller's self-signed certificate, which is made at the first start."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.storage import replace_file, storage_errors

DAYS = 365
"""Validity of a certificate."""

AGAIN = "remove certificate.pem and key.pem to have new ones made, and give every agent the new certificate"
"""Hint for a certificate that can't be used."""


@dataclass(frozen=True)
class CertificateFiles:
    """The paths of the certificate and its private key, and the wanted names that it is not valid for."""

    certificate: Path
    key: Path
    missing: tuple[str, ...] = ()


def ensure(folder: Path, address: str, names: Sequence[str]) -> CertificateFiles:
    """Make a certificate for an address, ``localhost`` and the names, or use the existing one.

    Raises :class:`ConfigurationError` if the existing one can't be used.
    """
    files = CertificateFiles(folder / "certificate.pem", folder / "key.pem")
    if not files.certificate.exists():
        _make(files, address, names)
        return files
    if not files.key.exists():
        raise ConfigurationError(f"{files.key} is missing, and {files.certificate} is of no use without it", AGAIN)
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ConfigurationError(f"{files.certificate} can't be used: {error}", AGAIN) from None
    if certificate.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise ConfigurationError(
            f"{files.certificate} expired at {certificate.not_valid_after_utc.isoformat(' ')}",
            AGAIN,
        )
    present = {str(value) for value in alternatives.get_values_for_type(x509.IPAddress)}
    present |= set(alternatives.get_values_for_type(x509.DNSName))
    return CertificateFiles(
        files.certificate,
        files.key,
        tuple(name for name in (address, *names) if name not in present),
    )


def _make(files: CertificateFiles, address: str, names: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gros-agent reference controller")])
    now = dt.datetime.now(dt.UTC)
    try:
        alternatives = [_general_name(name) for name in dict.fromkeys((address, "localhost", *names))]
    except ValueError as error:
        raise ConfigurationError(f"option --name: {error}", "give a host name or an address") from None
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))  # an agent's clock may be slow
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with storage_errors(files.key.parent):
        # the certificate is written last: if it is missing, both are made again
        replace_file(files.key, private, 0o600)
        replace_file(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        files.certificate.chmod(0o644)


def _general_name(name: str) -> x509.GeneralName:
    try:
        address: IPv4Address | IPv6Address = ip_address(name)
    except ValueError:
        return x509.DNSName(name)
    return x509.IPAddress(address)
