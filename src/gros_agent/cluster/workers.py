"""What the coordinator knows of the workers: who is there, who can be used, and for what."""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from distributed import Client

from gros_agent import __version__
from gros_agent.cluster import working
from gros_agent.cluster.sealing import ClusterKey
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.runtime.storage import make_missing, storage_errors

log = logging.getLogger(__name__)

WORKER_SECONDS = 60.0
"""Time that a cluster may be without a worker that can be used."""
_LOOK_SECONDS = 1.0
_INTRODUCTION_SECONDS = 2.0
"""Time that is waited for new workers to introduce themselves."""
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
        self._asked: dict[str, Future[dict[str, Any] | BaseException]] = {}
        self.under_way = Counter[str]()

    @property
    def threads(self) -> int:
        """The threads of all workers that can be used. Any thread may ask."""
        threads, known = self._threads, self._known
        return sum(count for address, count in threads.items() if address in known and not known[address].refused)

    def look(self) -> bool:
        """See who is there, once a second at most, and have new ones introduce themselves. Returns whether it did.

        A new one that does not answer soon is not waited for: it gets nothing until it does.

        Raises :class:`AgentError` if nobody could be used for :data:`WORKER_SECONDS`.
        """
        now = time.monotonic()
        if self._threads and now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        self._threads = dict(self._client.nthreads())
        self._known = {address: known for address, known in self._known.items() if address in self._threads}
        self._introduce()
        if self.threads:
            self._since = now
        elif self._known and all(one.refused for one in self._known.values()) and not self._asked:
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

    def _introduce(self) -> None:
        new = self._threads.keys() - self._known.keys() - self._asked.keys()
        for address in new:
            said = self._asked[address] = Future()
            Thread(target=self._ask, args=(address, said), name="introduction", daemon=True).start()
        wait([self._asked[address] for address in new], timeout=_INTRODUCTION_SECONDS)
        for address in [address for address, said in self._asked.items() if said.done()]:
            answer = self._asked.pop(address).result()
            if address in self._threads:
                self._note(address, answer)

    def _note(self, address: str, answer: "dict[str, Any] | BaseException") -> None:
        known = self._known[address] = _known(address, answer)
        if known.refused:
            log.error("%s gets nothing: %s", known.name, known.refused)
        elif known.lacks:
            log.info("%s lacks %s", known.name, ", ".join(sorted(known.lacks)))

    def _ask(self, address: str, said: "Future[dict[str, Any] | BaseException]") -> None:
        """Have a worker introduce itself. If there is a shared folder, it must see a file there."""
        try:
            with self._probe() as probe:
                arguments = (self._key.seal("introduce"), probe and str(probe))
                found = self._client.run(working.introduce, *arguments, workers=[address], on_error="return")
            said.set_result(found[address])
        except BaseException as error:  # noqa: BLE001 (raised by who waits for it)
            said.set_exception(error)

    @contextmanager
    def _probe(self) -> Iterator[Path | None]:
        if self._shared is None:
            yield None
            return
        probe = self._shared / f".{secrets.token_hex(8)}"
        with storage_errors(self._shared):
            make_missing(self._shared)
            probe.write_bytes(b"")
        try:
            yield probe
        finally:
            with suppress(OSError):
                probe.unlink()


def _known(address: str, said: "dict[str, Any] | BaseException") -> KnownWorker:
    if isinstance(said, BaseException):
        what = f"it does not answer as one of gros-agent: {type(said).__name__}"
        return KnownWorker(address, refused=what, hint="install gros-agent[cluster] there, and see its log")
    known = KnownWorker(said["name"], said["identity"], frozenset(said["lacks"]))
    if said["version"] != __version__:
        return KnownWorker(
            known.name,
            refused=f"it has gros-agent {said['version']}, and this is {__version__}",
            hint="install the same version on every machine of the cluster",
        )
    if said["wrong"]:
        return KnownWorker(known.name, refused=said["wrong"], hint=said["hint"])
    if not said["has_shared"]:
        return KnownWorker(
            known.name,
            refused="it does not see the folder of --shared",
            hint="it must be one folder, under the same path on every machine; without it, tables are sent",
        )
    return known
