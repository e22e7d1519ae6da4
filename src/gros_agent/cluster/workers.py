"""What the coordinator knows of the workers: who is there, who can be used, and for what."""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client

from gros_agent import __version__
from gros_agent.cluster import working
from gros_agent.cluster.sealing import ClusterKey
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime.storage import storage_errors

log = logging.getLogger(__name__)

WORKER_SECONDS = 60.0
"""Time that a cluster may be without a worker that can be used."""
_LOOK_SECONDS = 1.0
AHEAD = 2
"""Parts under way for each thread of the workers: one that is collected, and one that waits there."""


@dataclass(frozen=True)
class KnownWorker:
    """A worker that introduced itself. ``refused`` says why it gets nothing; empty if it does."""

    name: str
    identity: str = ""
    lacks: frozenset[str] = frozenset()
    refused: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Choice:
    """The addresses of who may collect a part; empty for anybody. If it is not strict, others may if they can't."""

    addresses: tuple[str, ...] = ()
    is_strict: bool = False


ANYBODY = Choice()


class Workers:
    """The workers of a cluster, by their addresses. ``shared`` is the folder that all of them should have."""

    def __init__(self, client: Client, key: ClusterKey, shared: Path | None) -> None:
        self._client = client
        self._key = key
        self._shared = shared
        self._known: dict[str, KnownWorker] = {}
        self._looked = self._since = time.monotonic()
        self._threads: dict[str, int] = {}
        self.under_way = Counter[str]()

    @property
    def threads(self) -> int:
        """The threads of all workers that can be used."""
        return sum(self._threads[address] for address in self._usable())

    def look(self) -> bool:
        """See who is there, once a second at most, and have new ones introduce themselves. Returns whether it did.

        Raises :class:`AgentError` if nobody could be used for :data:`WORKER_SECONDS`.
        """
        now = time.monotonic()
        if self._threads and now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        self._threads = dict(self._client.nthreads())
        self._known = {address: known for address, known in self._known.items() if address in self._threads}
        if new := self._threads.keys() - self._known.keys():
            self._introduce(new)
        if self._usable():
            self._since = now
        elif self._threads and all(one.refused for one in self._known.values()):
            one = next(iter(self._known.values()))
            raise ConfigurationError(f"{one.name} can't be used: {one.refused}", one.hint)
        elif now - self._since > WORKER_SECONDS:
            raise AgentError(
                f"the cluster has had no worker for {WORKER_SECONDS:.0f} s", "start workers, or see their logs"
            )
        return True

    def is_there(self, address: str) -> bool:
        """Whether a worker was there when it was looked last."""
        return address in self._threads

    def for_part(self, last: str, programs: Iterable[str], avoided: Iterable[str]) -> Choice:
        """Who may collect a part. ``last``, who had it last, and ``avoided`` are identities."""
        needed, shunned = set(programs), set(avoided)
        able = {
            address: known
            for address, known in self._known.items()
            if not known.refused and not needed & known.lacks and known.identity not in shunned
        }
        for address, known in able.items():
            if last and known.identity == last and self.under_way[address] < AHEAD * self._threads.get(address, 0):
                return Choice((address,), is_strict=False)
        return Choice(() if len(able) == len(self._threads) else tuple(sorted(able)), is_strict=True)

    def _usable(self) -> list[str]:
        return [address for address in self._threads if address in self._known and not self._known[address].refused]

    def _introduce(self, addresses: Iterable[str]) -> None:
        probe = None
        if self._shared is not None:
            probe = self._shared / f".{secrets.token_hex(8)}"
            with storage_errors(self._shared):
                self._shared.mkdir(parents=True, exist_ok=True)
                probe.write_bytes(b"")
        try:
            answers = self._client.run(
                working.introduce,
                self._key.seal("introduce"),
                probe and str(probe),
                workers=list(addresses),
                on_error="return",
            )
        finally:
            if probe is not None:
                with suppress(OSError):
                    probe.unlink()
        for address, said in answers.items():
            known = _known(address, said)
            self._known[address] = known
            if known.refused:
                log.error("%s gets nothing: %s", known.name, known.refused)
            elif known.lacks:
                log.info("%s lacks %s", known.name, ", ".join(sorted(known.lacks)))


def _known(address: str, said: "dict[str, Any] | BaseException") -> KnownWorker:
    if isinstance(said, BaseException):
        return KnownWorker(
            address, refused=f"{type(said).__name__}", hint="install gros-agent[cluster] there, and see its log"
        )
    known = KnownWorker(said["name"], said["identity"], frozenset(said["lacks"]))
    if said["version"] != __version__:
        return KnownWorker(
            known.name,
            refused=f"it has gros-agent {said['version']}, and this is {__version__}",
            hint="install the same version on every machine of the cluster",
        )
    if said["wrong"]:
        return KnownWorker(known.name, refused=said["wrong"], hint="give it the same parts.key")
    if not said["has_shared"]:
        return KnownWorker(
            known.name,
            refused="it does not see the folder of --shared",
            hint="it must be one folder, under the same path on every machine; without it, tables are sent",
        )
    return known
