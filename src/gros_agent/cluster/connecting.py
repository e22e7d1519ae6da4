"""Connects to a cluster: over TLS with certificates of one authority, on loopback without, or one on this machine."""

import os
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Client, LocalCluster
from distributed.security import Security

from gros_agent.cluster import local_worker
from gros_agent.cluster.certificates import AUTHORITY, COORDINATOR, certificate_of, key_of_role
from gros_agent.cluster.dispatcher import Dispatcher
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey, make_key
from gros_agent.cluster.slot import FOLDER_VARIABLE
from gros_agent.cluster.team import ClusterTeams
from gros_agent.cluster.workers import WORKER_SECONDS, Workers
from gros_agent.cluster.working import KEY_VARIABLE
from gros_agent.errors import AgentError, BusyError, ConfigurationError
from gros_agent.runtime import limits
from gros_agent.runtime.storage import exclusive, make_private
from gros_agent.settings.home import Home

LOCAL = "local"
_PREFIX = "cluster-"
_CONNECT_SECONDS = 20.0
"""Time until a scheduler takes a connection."""
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where the cluster is: ``local``, or the address of its scheduler.

    ``certificates`` is the folder that ``gros-agent cluster certificates`` made for the coordinator, ``shared`` a
    folder that every machine has. ``per_host`` is the number of parts of a host that are collected at the same time.
    """

    address: str
    certificates: Path | None = None
    shared: Path | None = None
    per_host: int


@contextmanager
def connected(options: ClusterOptions, home: Home) -> Iterator[ClusterTeams]:
    """Connect to a cluster. Raises :class:`AgentError` if it has no scheduler, or no worker that can be used."""
    make_private(home.state)
    local_worker.quiet()
    if options.address == LOCAL:
        with _local(home) as (client, key, shared), _teams(client, key, shared, options, is_local=True) as teams:
            yield teams
        return
    is_plain = _check_address(options.address)
    folder = _certificates(options)
    key = ClusterKey.read(folder / KEY_FILE)
    security = None if is_plain else _security(folder)
    _wait_for_scheduler(options.address, security)
    with (
        _client(options.address, security) as client,
        _teams(client, key, options.shared, options, is_local=False) as teams,
    ):
        yield teams


@contextmanager
def _teams(
    client: Client, key: ClusterKey, shared: Path | None, options: ClusterOptions, *, is_local: bool
) -> Iterator[ClusterTeams]:
    workers = Workers(client, key, shared)
    until = time.monotonic() + WORKER_SECONDS + 1
    while not workers.threads and time.monotonic() < until:
        try:
            workers.look()
        except OSError as error:
            raise AgentError(f"the scheduler of the cluster is gone: {type(error).__name__}", "see its log") from error
        limits.sleep(_LOOK_SECONDS if not workers.threads else 0)
    dispatcher = Dispatcher(client, key, workers, options.per_host)
    try:
        yield ClusterTeams(key=key, workers=workers, dispatcher=dispatcher, shared=shared, is_local=is_local)
    finally:
        dispatcher.stop()


def _client(address: str, security: Security | None) -> Client:
    """Connect, and connect again if the scheduler comes back within the time that a cluster may be without workers."""
    try:
        return Client(address, security=security, timeout=WORKER_SECONDS, set_as_default=False)
    except OSError as error:
        raise AgentError(
            f"the scheduler at {address} can't be reached: {type(error).__name__}", "see its log"
        ) from error


def _wait_for_scheduler(address: str, security: Security | None) -> None:
    """Wait until a scheduler takes connections. Raises :class:`AgentError` with the reason if it does not."""
    parts = urlsplit(address)
    until = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=_CONNECT_SECONDS) as plain:
                if security is not None:
                    _greet(plain, security)
                return
        except ssl.SSLError as error:
            raise AgentError(
                f"the scheduler at {address} and this machine don't trust each other: {error.reason}",
                "both need valid certificates that were made by the same gros-agent cluster certificates",
            ) from None
        except OSError as error:
            if time.monotonic() > until:
                raise AgentError(
                    f"the scheduler at {address} can't be reached: {error.strerror or error}",
                    "check that it runs, and that this machine may connect to it",
                ) from error
        limits.sleep(_LOOK_SECONDS)


def _greet(plain: socket.socket, security: Security) -> None:
    context: ssl.SSLContext = security.get_connection_args("client")["ssl_context"]
    with context.wrap_socket(plain) as encrypted:
        encrypted.recv(1)  # it greets whom it trusts


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
    security = Security(
        require_encryption=True,
        tls_ca_file=str(folder / AUTHORITY),
        tls_client_cert=str(certificate_of(folder, COORDINATOR)),
        tls_client_key=str(key_of_role(folder, COORDINATOR)),
    )
    try:
        security.get_connection_args("client")
    except OSError as error:  # those of TLS are some
        reason = getattr(error, "reason", None) or error.strerror or "one is damaged"
        raise ConfigurationError(
            f"the certificates in {folder} can't be used: {reason}", "copy the folder again from where it was made"
        ) from None
    return security


def _clear(state: Path) -> None:
    """Remove what is left of clusters of this machine whose coordinators were killed."""
    for lock in state.glob(f"{_PREFIX}*/lock"):  # a folder without one is being made
        with suppress(BusyError), exclusive(lock, "a cluster"):
            shutil.rmtree(lock.parent, ignore_errors=True)


@contextmanager
def _local(home: Home) -> Iterator[tuple[Client, ClusterKey, Path]]:
    """A cluster of this machine, which ends with the command: a worker for each core, with certificates in memory."""
    _clear(home.state)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=home.state) as name,
        exclusive(Path(name, "lock"), "a cluster"),
    ):
        path, shared = Path(name, KEY_FILE), Path(name, "shared")
        make_key(path)
        with (
            LocalCluster(
                n_workers=max(2, len(os.sched_getaffinity(0))),
                threads_per_worker=1,
                processes=True,
                security=True,
                dashboard_address="127.0.0.1:0",
                local_directory=name,
                preload=[local_worker.__name__],
                env={KEY_VARIABLE: str(path), FOLDER_VARIABLE: str(Path(name, "workers"))},
            ) as local,
            Client(local, set_as_default=False) as client,
        ):
            yield client, ClusterKey.read(path), shared
