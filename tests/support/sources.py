"""What each source brings to the suites that try every source: ``tests/sources/NAME/sample.py`` declares it.

``NAME`` is the source's module in ``gros_agent.sources``. A new source adds its folder, and no suite has to be changed:
its ``sample.py`` has an ``UNDER_TEST``, which :func:`under_test` finds.
"""

import importlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gros_agent.sources
from gros_agent.collect.part import drain
from gros_agent.options.hosts import by_name
from gros_agent.options.values import Value
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.rows import Row, VcsVersion
from gros_agent.sources import sources
from gros_agent.sources.base import Context, Definer, SourceEntry
from gros_agent.sources.common.measuring import MEASUREMENTS
from gros_agent.tables.writer import Writer, join
from support import importer
from support.hosts import host_with
from support.replay import Replay, Served

if TYPE_CHECKING:
    from support.together import Together

FOLDER = Path(__file__).parent.parent / "sources"
SAFE = Pseudonymiser(Secrets(Salts("some salt", "some pepper")))
_API = re.compile(r"sources\.common(\.api| import .*\bapi\b)")


@dataclass
class Sample:
    """A real counterpart: its context, how to add one item, and the context of one that is not there."""

    context: Context
    grow: Callable[[], object]
    missing: Context


@dataclass
class System:
    """A replay of a system, the context of a source on it, and what is asked of it.

    The replay is served later: ``{url}`` in the context stands for its address.
    """

    replay: Replay
    context: Context
    ask: "Callable[[System], Whole]"


@dataclass(frozen=True)
class Api:
    """An API: how its system is made, and the endpoints that are asked of it, which are routes of its replay.

    ``name`` is the kind of the source, with ``, definition`` where it is asked what a project consists of. ``make``
    has pages made small, so that faults strike in the middle of lists.
    """

    name: str
    make: Callable[[Path, pytest.MonkeyPatch], System]
    endpoints: tuple[str, ...]


@dataclass(frozen=True)
class Credentials:
    """An entry's address and the options of its host, with all the secrets that a source may send.

    ``{url}`` stands for the address of a server that repeats what it is told.
    """

    url: str
    options: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SourceUnderTest:
    """What a source brings to the suites.

    ``credentials`` are used where a server repeats them (``test_canaries.py``). ``apis`` and ``served``, its replay
    with the origins of its routes, are there where it asks an API. ``join`` adds a counterpart to a project that has
    one of every kind (``test_importer.py``), and ``needs_program`` is set where that takes more than Python and git.
    """

    kind: str
    sample: Callable[[Path, ExitStack], Sample]
    credentials: Credentials
    join: "Callable[[ExitStack, Together], None]"
    apis: tuple[Api, ...] = ()
    served: Callable[[], Served] | None = None
    needs_program: bool = False


@dataclass
class Whole:
    """What a collection brought; ``notes`` is what its outcome names, ``missing`` what it says was not collected.

    ``parts`` are those that have positions of their own: the projects of a SonarQube.
    """

    found: Counter[str]
    position: str | None
    notes: tuple[str, ...]
    missing: tuple[str, ...] = ()
    parts: frozenset[str] = frozenset()


@cache
def under_test() -> Mapping[str, SourceUnderTest]:
    """What each folder with a ``sample.py`` brings, by the kind of its source."""
    found: dict[str, SourceUnderTest] = {}
    for path in sorted(FOLDER.glob("*/sample.py")):
        one: SourceUnderTest = importlib.import_module(f"sources.{path.parent.name}.sample").UNDER_TEST
        found[one.kind] = one
    return found


def module_of(kind: str) -> str:
    """The name of a source's module or package, which its folder of tests has, too."""
    return type(sources()[kind]).__module__.removeprefix(f"{gros_agent.sources.__name__}.")


def asks_an_api(kind: str) -> bool:
    """Whether the code of a source asks an API, rather than a program on this machine."""
    name = module_of(kind)
    (home,) = gros_agent.sources.__path__
    files = [path for path in (Path(home, f"{name}.py"), *Path(home, name).rglob("*.py")) if path.exists()]
    return any(_API.search(path.read_text()) for path in files)


def context(folder: Path, kind: str, url: str, **options: str) -> Context:
    """The context of a source at an address, with options of its host, of which it can read what it declares."""
    given = {name: Value(text, "test") for name, text in options.items()}
    host = host_with("system.example", given).limited_to(by_name(sources()[kind].host_options))
    entry = SourceEntry(kind, "sample", url)
    return Context(entry=entry, host=host, folder=folder / "work", known_hosts=folder / "known", silence=20)


def at(one: Context, url: str) -> Context:
    """The same context with another address."""
    return replace(one, entry=replace(one.entry, url=url), folder=one.folder.with_name("other"))


def served(one: Context, url: str) -> Context:
    """The context of a system that is served now: ``{url}`` in its address and its options is replaced."""
    options = {name: Value(value.text.replace("{url}", url), "test") for name, value in one.host.options.items()}
    entry = replace(one.entry, url=one.entry.url.replace("{url}", url))
    return replace(one, host=replace(one.host, options=options), entry=entry)


def rows(one: System) -> Whole:
    """Collect all, and write it as a scrape does: the importer must take what is there."""
    found: Counter[str] = Counter()
    source = sources()[one.context.entry.type]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "part").mkdir()
        with Writer(folder / "part", source.tables) as writer:

            def take(block: Sequence[Row]) -> None:
                found.update(map(repr, block))
                writer.write(SAFE.rows(block))

            collected = drain(source.collect(one.context, None), take)
            writer.close()
        join(folder, dict.fromkeys((VcsVersion, *source.tables)), [writer])
        assert not importer.problems(folder)
    known = collected.documents.get(MEASUREMENTS, {}).get("components", {}).get(one.context.entry.url, {})
    return Whole(found, collected.position, collected.notes, collected.missing, frozenset(known))


def defined(one: System) -> Whole:
    """Ask what the project consists of."""
    source = sources()[one.context.entry.type]
    assert isinstance(source, Definer)
    said = source.definition(one.context)
    return Whole(Counter(map(repr, (*said.sources, *said.identifiers))), said.title, said.notes)


def defining(make: Callable[[Path, pytest.MonkeyPatch], System]) -> Callable[[Path, pytest.MonkeyPatch], System]:
    """A system that is asked what a project consists of."""
    return lambda folder, patch: replace(make(folder, patch), ask=defined)
