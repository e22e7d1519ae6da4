"""Certificates of a cluster: an authority of its own, and a certificate for each role.

All in the cluster check each other by this authority alone, whatever their role is. So whoever has one of its keys can
run programs on every machine of the cluster: they are as secret as a password of all of them.
"""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gros_agent.cluster.sealing import KEY_FILE, PRIVATE_MODE, make_key
from gros_agent.errors import ConfigurationError
from gros_agent.runtime.storage import make_private, replace_file, storage_errors

AUTHORITY = "authority.pem"
COORDINATOR, SCHEDULER, WORKER = "coordinator", "scheduler", "worker"
ROLES = (COORDINATOR, SCHEDULER, WORKER)
DAYS = 365
"""Validity of the certificates. New ones for the whole cluster replace them; the key of the authority is not kept."""


def certificate_of(folder: Path, role: str) -> Path:
    """The path of the certificate of a role."""
    return folder / f"{role}.pem"


def key_of_role(folder: Path, role: str) -> Path:
    """The path of the private key of a role."""
    return folder / f"{role}.key"


def make_certificates(folder: Path) -> dict[str, Path]:
    """Make a folder for each role, with what a machine of this role needs and nothing else. Returns them by role.

    Raises :class:`ConfigurationError` if there are some already.
    """
    folders = {role: folder / role for role in ROLES}
    for path in folders.values():
        if path.exists():
            raise ConfigurationError(f"{path} exists already", "remove it to have new certificates made for all")
    make_private(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("gros-agent cluster", key.public_key(), key, None)
    with storage_errors(folder):
        for role, place in folders.items():
            make_private(place)
            own = ec.generate_private_key(ec.SECP256R1())
            certificate = _signed(f"gros-agent {role}", own.public_key(), key, authority)
            replace_file(place / AUTHORITY, _pem(authority))
            replace_file(certificate_of(place, role), _pem(certificate))
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            replace_file(key_of_role(place, role), own.private_bytes(*form), PRIVATE_MODE)
        make_key(folders[COORDINATOR] / KEY_FILE)
        shared = (folders[COORDINATOR] / KEY_FILE).read_bytes()
        replace_file(folders[WORKER] / KEY_FILE, shared, PRIVATE_MODE)
    return folders


def _signed(
    name: str,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
) -> x509.Certificate:
    """A certificate; that of the authority itself if there is none."""
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))  # a machine's clock may be slow
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None if authority else 0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority is not None:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
