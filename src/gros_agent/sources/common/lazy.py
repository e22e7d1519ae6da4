"""Sources that are declared at once and loaded when they are used: what asks an API is slow to import.

Such a source is a package. Its methods lead to functions of the same names in the modules of that package.
"""

import importlib
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from gros_agent.rows import Row
from gros_agent.sources.base import Collected, Context, Declared, Definition, Environment, Order, SourceEntry

_loading = threading.RLock()


def load(name: str) -> Any:  # noqa: ANN401 (a module)
    """Import a module by its name, in one thread at a time.

    Sources are collected in several threads. Python breaks a deadlock between two of them that import modules which
    import each other, and lets one see a module that is not complete.
    """
    with _loading:
        return importlib.import_module(name)


class LazySource(Declared):
    """A source whose package has ``collect.check`` and ``collect.collect``."""

    def _load(self, module: str) -> Any:  # noqa: ANN401 (a module of the package)
        return load(f"{type(self).__module__}.{module}")

    def check(self, context: Context) -> str:
        """Say who answers, and what is seen."""
        found: str = self._load("collect").check(context)
        return found

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what changed since a position."""
        collected: Collected = yield from self._load("collect").collect(context, since)
        return collected


class LazyApiSource(LazySource):
    """A source with an API. Its package has ``access.check`` and ``access.version``, too."""

    def check(self, context: Context) -> str:
        """Say who answers, what the credentials may do, and what is seen."""
        found: str = self._load("access").check(context)
        return found

    def version(self, context: Context) -> str:
        """The version of the system."""
        found: str = self._load("access").version(context)
        return found


class LazyQualitySource(LazyApiSource):
    """A quality system: it knows what a project consists of. Its package has ``definition``, too."""

    order = Order.QUALITY

    def definition(self, context: Context) -> Definition:
        """What the project consists of."""
        found: Definition = self._load("definition").definition(context)
        return found

    def environment(self, context: Context) -> Environment:
        """The server."""
        found: Environment = self._load("definition").environment(context)
        return found


class LazyReviewSource(LazyApiSource):
    """A review system: what it hosts is a Git repository. Its package has ``discovery``, too."""

    order = Order.REVIEWS
    alongside: tuple[str, ...] = ("git",)

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every repository of the environment."""
        found: Iterable[SourceEntry] = self._load("discovery").repositories(context)
        return found

    def environment(self, context: Context) -> Environment:
        """The owner, group or collection."""
        found: Environment = self._load("discovery").environment(context)
        return found


class LazyKeyPublisher(LazyReviewSource):
    """A review system that takes public keys; its package has ``access.publish_key`` and ``access.host_keys``."""

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Give the token's user a public key."""
        outcome: str = self._load("access").publish_key(context, title, line, dry_run=dry_run)
        return outcome

    def host_keys(self, context: Context) -> Sequence[str]:
        """The SSH host keys that the system publishes."""
        found: Sequence[str] = self._load("access").host_keys(context)
        return found
