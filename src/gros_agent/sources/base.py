"""The interface of a source: a declaration of what it collects, and a generator that collects it.

A source knows neither settings files nor the controller nor the export folder. It gets a :class:`Context` and yields
rows in blocks. Its caller pseudonymises and writes them.
"""

import enum
import hashlib
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

    ``url`` has no password, and for HTTP(S) no user name. ``username`` and ``password`` are those that it had.
    """

    type: str
    name: str
    url: str
    username: str | None = None
    password: Secret | None = None

    def listed(self) -> dict[str, str]:
        """The entry as it is written to ``data_sources.json``."""
        return {"type": self.type, "name": self.name, "url": self.url}


Progress = Callable[[str, int, int | None], None]
"""Called with the current step, the number of items done, and their total (None if unknown)."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Ignore the progress."""


_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def named_proxies(variable: Callable[[str], str | None]) -> dict[str, str]:
    """Read which proxies the environment names, and which hosts need none. Lower-case names take precedence.

    ``variable`` returns the value of a variable.
    """
    named = {name: variable(name) or variable(name.upper()) for name in _PROXIES}
    return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, kw_only=True)
class Context:
    """The input of a source: its entry, the options of its host, folders, limits, and a callback for progress.

    ``folder`` is the source's own working folder, kept between runs if possible. A server that is silent for
    ``silence`` seconds is given up; a single answer may take ``longest_answer`` seconds (None: the client's default).
    ``capacity`` is shared with the sources that are collected at the same time. URLs that match a pattern in
    ``blocked`` are never requested. ``proxies`` is the result of :func:`named_proxies`. ``project`` is the key of the
    project, ``team`` its team, ``long_name`` its name in quality systems. ``query`` is a condition in the system's own
    query language that limits what is collected, ``mapping`` the user's file that maps the system's fields to columns.
    ``documents`` has the content of the source's further trackers, by file.
    """

    entry: SourceEntry
    host: Host
    folder: Path
    known_hosts: Path
    silence: float = 120.0
    longest_answer: float | None = None
    capacity: Capacity = field(default_factory=Capacity)
    blocked: Sequence[str] = ()
    project: str = ""
    team: str | None = None
    long_name: str | None = None
    query: str | None = None
    mapping: Path | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    progress: Progress = field(default=no_progress)
    proxies: Mapping[str, str] = field(default_factory=lambda: named_proxies(os.environ.get))

    @property
    def account(self) -> str:
        """Tells the account that the source uses from others, without a name: a hash of its credentials."""
        found = [
            value.text for name, value in sorted(self.host.options.items()) if value.effective and self._is_of(name)
        ]
        entry = self.entry
        found += [entry.username or "", entry.password.reveal() if entry.password else ""]
        return hashlib.sha256("\0".join(found).encode(errors="surrogateescape")).hexdigest()

    def _is_of(self, option: str) -> bool:
        """Whether a host option is about the account."""
        declared = self.host.declared.get(option)
        return declared is not None and (declared.secret or option.partition(".")[0] == "username")

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the cores and the progress, which are those of this machine."""
        return {name: value for name, value in self.__dict__.items() if name not in {"capacity", "progress"}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, capacity=Capacity(), progress=no_progress)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The end of a collection: the new position for the tracker (None: unchanged), and remarks for the outcome.

    ``notes`` are remarks for readers of the tables. ``missing`` names what the system has but refused to give, while
    the rest was collected. ``expected`` is the number of items that the system announced. ``documents`` has new content
    for the source's further trackers, by file. ``published`` is called once the rows are published, if it is given.
    ``version`` is that of the system, if it was told on the way: it is not asked for again.
    """

    position: str | None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    expected: int | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Callable[[], object] | None = None
    version: str = ""


class Order(enum.IntEnum):
    """The order of the kinds of sources in a project. If two sources want the same name, the first one gets it."""

    REVIEWS = 1
    REPOSITORIES = 2
    ISSUES = 3
    BUILDS = 4
    QUALITY = 5


class Source(Protocol):
    """A kind of system to collect from. It declares everything that the rest of the agent needs to know about it.

    ``kind`` is the type of its entries, ``also_called`` are other types with the same meaning, ``title`` is its display
    name. ``sent_as`` is the type that the controller gets if the published list of types lacks ``kind``. Rows of the
    table ``items`` are counted as the source's items. ``tracker`` is the file that keeps positions; ``documents`` are
    further trackers, JSON objects that several sources may extend. ``alongside`` names other source types that the same
    entry is also collected as: a repository in a review system is also a Git repository. Each of them has its own
    outcome and position. ``host_options`` are the options of the host that the source can read, including those common
    to every source. ``capability`` is what a controller names if it imports the tables; it is empty if every
    controller does. ``programs`` are the programs that it runs: each name maps to a function that returns the version,
    or raises :class:`SourceError`.
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
    capability: str
    programs: Mapping[str, Callable[[], str]]

    def check(self, context: Context) -> str:
        """Connect to the system, and describe in a few words what answered. Raises :class:`SourceError`."""
        ...

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what is new since a position (None: everything), in blocks of rows; a block holds rows of one table.

        Raises :class:`SourceError` if the source can't be collected.
        """
        ...


def identifying(source: Source) -> set[str]:
    """The host options that show that an entry of type ``git`` is on this source's system."""
    return {option.name for option in source.host_options if option.identifies}


class Declared:
    """Default values for the declaration of a source."""

    also_called: tuple[str, ...] = ()
    sent_as: str = ""
    documents: tuple[str, ...] = ()
    alongside: tuple[str, ...] = ()
    host_options: tuple[HostOption, ...] = COMMON
    capability: str = ""
    programs: Mapping[str, Callable[[], str]] = MappingProxyType({})


@dataclass(frozen=True)
class Environment:
    """What several sources have in common: an owner, a group, or a server.

    ``identity`` is its identifier in the trackers of existing installations.
    """

    type: str
    url: str | None
    identity: tuple[str | None, ...] | str
    version: str = ""


@runtime_checkable
class Located(Protocol):
    """A source that is part of an environment."""

    def environment(self, context: Context) -> Environment:
        """The environment of the entry. Raises :class:`SourceError` if the URL does not contain it."""
        ...


@runtime_checkable
class Describer(Located, Protocol):
    """A source whose environment appears in the project's description."""

    def project_columns(self, environment: Environment, team: str | None, long_name: str | None) -> Mapping[str, str]:
        """Columns of :class:`gros_agent.rows.Project` and their values.

        ``team`` and ``long_name`` are those of the project, from the settings.
        """
        ...


@runtime_checkable
class Versioned(Located, Protocol):
    """A source whose system reports its version."""

    def version(self, context: Context) -> str:
        """The version of the system, empty if the system does not report it. Raises :class:`SourceError`."""
        ...


@runtime_checkable
class Discoverer(Located, Protocol):
    """A source that can list the other sources of its environment."""

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every source of the entry's environment. Raises :class:`SourceError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The parts of a project according to a quality system.

    ``title`` is the name that it shows, ``revision`` its version, a moment in ISO 8601. ``identifiers`` are the names
    of the parts in their own systems. ``notes`` name the parts that could not be made a source.
    """

    title: str
    revision: str
    sources: tuple[SourceEntry, ...] = ()
    identifiers: tuple[SourceId, ...] = ()
    notes: tuple[str, ...] = ()


@runtime_checkable
class Definer(Protocol):
    """A source that knows the parts of a project."""

    def definition(self, context: Context) -> Definition:
        """The parts of the reports or projects that the entry's URL names. Raises :class:`SourceError`."""
        ...


@runtime_checkable
class KeyPublisher(Protocol):
    """A source whose system stores the public SSH keys of its users."""

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Add a public key to the account that the token belongs to, and return the result in a word.

        A key with the same title and different text is replaced. Raises :class:`SourceError`.
        """
        ...

    def host_keys(self, context: Context) -> Sequence[str]:
        """The SSH host keys that the system publishes, as OpenSSH writes them. Empty if it publishes none."""
        ...


@dataclass(frozen=True)
class Part:
    """An entry and one of the sources that collect it. ``of`` is the source of the entry's type, if it differs."""

    entry: SourceEntry
    source: Source
    of: Source | None = None

    def host_options(self) -> Mapping[str, HostOption]:
        """The host options that this part can read: those of its source, and those of the system that hosts it."""
        return by_name((*self.source.host_options, *(self.of.host_options if self.of else ())))
