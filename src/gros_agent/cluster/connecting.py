"""Connects to a cluster: over TLS with certificates of one authority, on loopback without, or one on this machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Client, LocalCluster
from distributed.security import Security

from gros_agent.cluster.certificates import AUTHORITY, COORDINATOR, certificate_of, key_of_role
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey, make_key
from gros_agent.cluster.team import Cluster
from gros_agent.cluster.working import FOLDER_VARIABLE, KEY_VARIABLE
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime.storage import make_private
from gros_agent.settings.home import Home

LOCAL = "local"
_CONNECT_SECONDS = 20
_WORKER_SECONDS = 60
"""Time until a scheduler answers, and until it has a worker."""


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where the cluster is: ``local``, or the address of its scheduler.

    ``certificates`` is the folder that ``gros-agent cluster certificates`` made for the coordinator, ``shared`` a
    folder that every machine has.
    """

    address: str
    certificates: Path | None = None
    shared: Path | None = None


@contextmanager
def connected(options: ClusterOptions, home: Home) -> Iterator[Cluster]:
    """Connect to a cluster. Raises :class:`AgentError` if it has no scheduler or no worker."""
    if options.address == LOCAL:
        with _local(home) as cluster:
            yield cluster
        return
    is_plain = _check_address(options.address)
    folder = _certificates(options)
    key = ClusterKey.read(folder / KEY_FILE)
    security = None if is_plain else _security(folder)
    try:
        client = Client(options.address, security=security, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise AgentError(
            f"the scheduler at {options.address} can't be reached: {type(error).__name__}",
            "check that it runs, and that its certificate is of the same authority",
        ) from error
    with client:
        _wait_for_a_worker(client, options.address)
        yield Cluster(client, key, options.shared)


def _wait_for_a_worker(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        raise AgentError(
            f"the scheduler at {address} has had no worker for {_WORKER_SECONDS} s", "start workers, or see their logs"
        ) from None


def _check_address(address: str) -> bool:
    """Whether the address is plain TCP. Raises :class:`ConfigurationError` unless it is TLS, or on loopback."""
    parts = urlsplit(address)
    try:
        is_whole = parts.scheme in {"tls", "tcp"} and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ConfigurationError(
            f"--cluster {address!r} is not the address of a scheduler", "write local, or tls://HOST:PORT"
        )
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"--cluster {address}: plain TCP is for this machine alone, and {parts.hostname} is another one",
            "use tls://, and gros-agent cluster certificates",
        )
    return parts.scheme == "tcp"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name can lead anywhere
        return False


def _certificates(options: ClusterOptions) -> Path:
    if options.certificates is None:
        raise ConfigurationError(
            "no certificates of the cluster are named",
            "make them by gros-agent cluster certificates, and give --cluster-certificates DIR",
        )
    return options.certificates


def _security(folder: Path) -> Security:
    for path in (folder / AUTHORITY, certificate_of(folder, COORDINATOR), key_of_role(folder, COORDINATOR)):
        if not path.is_file():
            raise ConfigurationError(f"there is no {path}", "make it by gros-agent cluster certificates")
    return Security(
        require_encryption=True,
        tls_ca_file=str(folder / AUTHORITY),
        tls_client_cert=str(certificate_of(folder, COORDINATOR)),
        tls_client_key=str(key_of_role(folder, COORDINATOR)),
    )


@contextmanager
def _local(home: Home) -> Iterator[Cluster]:
    """A cluster of this machine, which ends with the command: a worker for each core, with certificates in memory."""
    make_private(home.state)
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=home.state) as name:
        path = Path(name, KEY_FILE)
        make_key(path)
        with (
            LocalCluster(
                n_workers=max(2, len(os.sched_getaffinity(0))),
                threads_per_worker=1,
                processes=True,
                security=True,
                dashboard_address=None,
                local_directory=name,
                env={KEY_VARIABLE: str(path), FOLDER_VARIABLE: str(home.state)},
            ) as local,
            Client(local, set_as_default=False) as client,
        ):
            yield Cluster(client, ClusterKey.read(path))
