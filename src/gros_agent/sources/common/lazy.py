"""Base classes for sources that are imported when they are used, since API libraries are slow to import.

Such a source is a package. Its methods call functions of the same names in the modules of that package.
"""

import importlib
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from gros_agent.rows import Row
from gros_agent.sources.base import Collected, Context, Declared, Definition, Environment, Order, SourceEntry

_loading = threading.RLock()


def load(name: str) -> Any:  # noqa: ANN401 (a module)
    """Import a module by name, in one thread at a time.

    Sources are collected in several threads. If two threads import modules that import each other, Python avoids the
    deadlock by letting one of them see an incomplete module.
    """
    with _loading:
        return importlib.import_module(name)


class LazySource(Declared):
    """A source whose package has ``collect.check`` and ``collect.collect``."""

    def _load(self, module: str) -> Any:  # noqa: ANN401 (a module of the package)
        return load(f"{type(self).__module__}.{module}")

    def check(self, context: Context) -> str:
        """Describe which system answered, and what can be seen there."""
        found: str = self._load("collect").check(context)
        return found

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what changed since a position."""
        collected: Collected = yield from self._load("collect").collect(context, since)
        return collected


class LazyApiSource(LazySource):
    """A source with an API. Its package also has ``access.check`` and ``access.version``."""

    def check(self, context: Context) -> str:
        """Describe which system answered, what the credentials allow, and what can be seen there."""
        found: str = self._load("access").check(context)
        return found

    def version(self, context: Context) -> str:
        """The version of the system."""
        found: str = self._load("access").version(context)
        return found


class LazyQualitySource(LazyApiSource):
    """A quality system, which knows the parts of a project. Its package also has ``definition``."""

    order = Order.QUALITY

    def definition(self, context: Context) -> Definition:
        """The parts of the project."""
        found: Definition = self._load("definition").definition(context)
        return found

    def environment(self, context: Context) -> Environment:
        """The server."""
        found: Environment = self._load("definition").environment(context)
        return found


class LazyReviewSource(LazyApiSource):
    """A review system, which hosts Git repositories. Its package also has ``discovery``."""

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
    """A review system that stores public keys. Its package also has ``access.publish_key`` and ``access.host_keys``."""

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Add a public key to the account that the token belongs to."""
        outcome: str = self._load("access").publish_key(context, title, line, dry_run=dry_run)
        return outcome

    def host_keys(self, context: Context) -> Sequence[str]:
        """The SSH host keys that the system publishes."""
        found: Sequence[str] = self._load("access").host_keys(context)
        return found
