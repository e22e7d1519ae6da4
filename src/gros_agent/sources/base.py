"""What a source is: a declaration of what it collects, and a generator that collects it.

A source knows neither settings files nor the controller nor the export folder. It gets a :class:`Context` and yields
rows, block by block; who called it pseudonymises and writes them.
"""

import enum
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from gros_agent.options.hosts import Host, HostOption, by_name
from gros_agent.options.values import Secret
from gros_agent.rows import Row, SourceId
from gros_agent.sources.common.capacity import Capacity
from gros_agent.sources.common.host_options import COMMON


@dataclass(frozen=True)
class SourceEntry:
    """Where to collect from: an entry of ``data_sources.json`` or a ``--source`` option.

    ``password`` is what stood in the URL, which goes without it from here on.
    """

    type: str
    name: str
    url: str
    username: str | None = None
    password: Secret | None = None

    def listed(self) -> dict[str, str]:
        """The entry as ``data_sources.json`` has it."""
        return {"type": self.type, "name": self.name, "url": self.url}


Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many are done, and of how many (None: nobody knows)."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Tell nobody."""


_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def named_proxies(variable: Callable[[str], str | None]) -> dict[str, str]:
    """The proxies that variables name, and the hosts that need none. A name in small letters wins over one in capitals.

    ``variable`` tells the value of a variable.
    """
    named = {name: variable(name) or variable(name.upper()) for name in _PROXIES}
    return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a source is given: its entry, what is configured for its host, folders, limits and someone to tell.

    ``folder`` is the source's own working folder, kept between runs where possible. ``silence`` is the number of
    seconds after which a counterpart that shows no sign of life is given up, ``longest_answer`` the number in which an
    answer has to be whole (None: as usual), ``capacity`` what it shares with the
    sources that are collected beside it, ``blocked`` the patterns of addresses that are never asked, ``proxies`` what
    :func:`named_proxies` found, ``team`` the project's team, ``long_name`` its name in quality
    systems, ``documents`` what the source's further trackers held.
    """

    entry: SourceEntry
    host: Host
    folder: Path
    known_hosts: Path
    silence: float = 120.0
    longest_answer: float | None = None
    capacity: Capacity = field(default_factory=Capacity)
    blocked: Sequence[str] = ()
    team: str | None = None
    long_name: str | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    progress: Progress = field(default=no_progress)
    proxies: Mapping[str, str] = field(default_factory=lambda: named_proxies(os.environ.get))


@dataclass(frozen=True, kw_only=True)
class Collected:
    """How a collection ended: the new position for the tracker (None: as before), and what the outcome must name.

    ``notes`` are things that the reader of the tables has to know; ``missing`` is what the system has and did not give,
    while all else was collected; ``expected`` is the number of items that the system said there are; ``documents`` is
    what is new in the source's further trackers, by file. ``published`` is called when the rows are.
    """

    position: str | None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    expected: int | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Callable[[], object] = lambda: None


class Order(enum.IntEnum):
    """Where the sources of a kind stand among those of a project: where several want a name, the first one gets it."""

    REVIEWS = 1
    REPOSITORIES = 2
    ISSUES = 3
    BUILDS = 4
    QUALITY = 5


class Source(Protocol):
    """A kind of system to collect from, which declares all that others need to know of it.

    ``kind`` is the type that its entries have, ``also_called`` are other types for the same, ``title`` is its name.
    ``sent_as`` is the type that the controller gets for its entries, if the published list of types lacks ``kind``.
    ``items`` is the table whose rows are counted as the source's items; ``tracker`` the file that keeps positions, and
    ``documents`` are further trackers, which are JSON objects that several sources may add to.
    ``alongside`` names the types that an entry of this one is collected as, too: what a review system hosts is a Git
    repository. Each has its own outcome and position.
    ``host_options`` are the options of its host that it reads, those that every source has among them; no other can be
    read. ``programs`` are those that it runs: name → what tells the version, or raises :class:`SourceError`.
    """

    kind: str
    also_called: tuple[str, ...]
    sent_as: str
    title: str
    order: Order
    tables: tuple[type[Row], ...]
    items: type[Row]
    tracker: str
    documents: tuple[str, ...]
    alongside: tuple[str, ...]
    host_options: tuple[HostOption, ...]
    programs: Mapping[str, Callable[[], str]]

    def check(self, context: Context) -> str:
        """Reach for the system, and say in a few words what answered. Raises :class:`SourceError`."""
        ...

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what is new since a position (None: everything) in blocks of rows of one table each.

        Raises :class:`SourceError` when the source can't be collected.
        """
        ...


def identifying(source: Source) -> set[str]:
    """The host options that tell that an entry of type ``git`` is of this source's system."""
    return {option.name for option in source.host_options if option.identifies}


class Declared:
    """What a source declares that most have alike."""

    also_called: tuple[str, ...] = ()
    sent_as: str = ""
    documents: tuple[str, ...] = ()
    alongside: tuple[str, ...] = ()
    host_options: tuple[HostOption, ...] = COMMON
    programs: Mapping[str, Callable[[], str]] = MappingProxyType({})


@dataclass(frozen=True)
class Environment:
    """What sources share: an owner, a group, a server. ``identity`` is what installations know it by."""

    type: str
    url: str | None
    identity: tuple[str | None, ...] | str
    version: str = ""


@runtime_checkable
class Located(Protocol):
    """A source that lies in an environment."""

    def environment(self, context: Context) -> Environment:
        """The environment that the entry lies in. Raises :class:`SourceError` for a URL that names none."""
        ...


@runtime_checkable
class Describer(Located, Protocol):
    """A source whose environment is a part of the project's description."""

    def project_columns(self, environment: Environment, team: str | None, long_name: str | None) -> Mapping[str, str]:
        """Columns of :class:`gros_agent.rows.Project` with their values.

        ``team`` and ``long_name`` are the project's, as the settings have them.
        """
        ...


@runtime_checkable
class Versioned(Located, Protocol):
    """A source whose system tells its version."""

    def version(self, context: Context) -> str:
        """The version of the system, empty where it tells none. Raises :class:`SourceError`."""
        ...


@runtime_checkable
class Discoverer(Located, Protocol):
    """A source that knows its neighbours."""

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every source of the environment that the entry lies in. Raises :class:`SourceError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a quality system says that a project consists of.

    ``title`` is the name that it shows, ``revision`` its version, a moment in ISO 8601; ``identifiers`` is what the
    systems know the project's parts by, ``notes`` what could not be made a source.
    """

    title: str
    revision: str
    sources: tuple[SourceEntry, ...] = ()
    identifiers: tuple[SourceId, ...] = ()
    notes: tuple[str, ...] = ()


@runtime_checkable
class Definer(Protocol):
    """A source that knows what a project consists of."""

    def definition(self, context: Context) -> Definition:
        """What the reports or projects that the entry's URL names consist of. Raises :class:`SourceError`."""
        ...


@runtime_checkable
class KeyPublisher(Protocol):
    """A source whose system keeps the public SSH keys of its users."""

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Give the system a public key of the user whose token it is, and say in a word what became of it.

        A key of the same title and another text is replaced. Raises :class:`SourceError`.
        """
        ...

    def host_keys(self, context: Context) -> Sequence[str]:
        """The SSH host keys that the system publishes, as OpenSSH has them; none where it publishes none."""
        ...


@dataclass(frozen=True)
class Part:
    """An entry, and one of the sources that collect it. ``of`` is the source of the entry's type, if another one."""

    entry: SourceEntry
    source: Source
    of: Source | None = None

    def host_options(self) -> Mapping[str, HostOption]:
        """The options of the host that may be read for this: the source's, and those of the system that it lies on."""
        return by_name((*self.source.host_options, *(self.of.host_options if self.of else ())))
