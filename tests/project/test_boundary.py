"""One boundary around a source: whatever goes wrong in it is its outcome, and what it takes too long for ends."""

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gros_agent.collect.preview import preview
from gros_agent.collect.scrape import scrape
from gros_agent.errors import AgentError, ConfigurationError, ExitStatus, SourceError
from gros_agent.preflight import checks
from gros_agent.preflight.results import Scope, Verdict
from gros_agent.project import configured, context
from gros_agent.project.discovery import discover
from gros_agent.project.report import Outcome, Report
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import Row, Tag, VcsVersion
from gros_agent.run import runs, watching
from gros_agent.runtime import limits, parallel, process
from gros_agent.settings.load import Overrides, load
from gros_agent.settings.model import Settings
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, Declared, Definition, Environment, Order, SourceEntry
from gros_agent.sources.common.capacity import Capacity
from support.repository import Repository


class PanicError(BaseException):
    """As a library in another language has it: it is no Exception."""


def undecodable() -> UnicodeError:
    try:
        b"\xff".decode()
    except UnicodeError as error:
        return error
    raise AssertionError


KINDS: tuple[BaseException, ...] = (
    *(RecursionError("deep"), MemoryError(), OverflowError("date value out of range"), ValueError("v"), KeyError("k")),
    *(
        TypeError("t"),
        IndexError("i"),
        AttributeError("a"),
        ZeroDivisionError("z"),
        ArithmeticError(),
        LookupError("l"),
    ),
    *(AssertionError(), NotImplementedError(), RuntimeError("r"), StopAsyncIteration(), BufferError(), EOFError()),
    *(msgspec.ValidationError("v"), msgspec.DecodeError("d"), undecodable(), json.JSONDecodeError("j", "", 0)),
    *(OSError("o"), OSError(errno.ECONNRESET, "reset"), ConnectionError(), TimeoutError(), BrokenPipeError()),
    *(FileNotFoundError(errno.ENOENT, "gone", "x"), ExceptionGroup("g", [ValueError("v")]), PanicError("p")),
)
PASSING: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit)


class Thrower(Declared):
    """A source in which something goes wrong, wherever it is asked."""

    kind = "thrower"
    title = "Thrower"
    tables: tuple[type[Row], ...] = (VcsVersion, Tag)
    items: type[Row] = VcsVersion
    tracker = "latest_thrown.json"
    order = Order.BUILDS

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def check(self, _context: Context) -> str:
        self._work()
        return "answers"

    def collect(self, _context: Context, _since: str | None) -> Generator[Sequence[Row], None, Collected]:
        yield []
        self._work()
        return Collected(position="1")

    def environment(self, _context: Context) -> Environment:
        self._work()
        return Environment(self.kind, None, "")

    def version(self, _context: Context) -> str:
        self._work()
        return "1"

    def repositories(self, _context: Context) -> Sequence[SourceEntry]:
        self._work()
        return ()

    def definition(self, _context: Context) -> Definition:
        self._work()
        return Definition(title="", revision="")


Install = Callable[[Callable[[], object]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have sources of this type do something."""

    def put(work: Callable[[], object]) -> None:
        known = {**sources(), Thrower.kind: Thrower(work)}
        for module in (configured, context):
            monkeypatch.setattr(module, "sources", lambda: known)
        monkeypatch.setattr(context, "by_type", lambda: known)

    return put


@pytest.fixture
def settings(tmp_path: Path, repository: Repository) -> Settings:
    """Those of a project with a sound repository, and a source to throw."""
    repository.commit("one", {"a": "1"})
    folder = tmp_path / "home" / "export" / "ABC"
    folder.mkdir(parents=True)
    listed = [
        {"type": "git", "name": "sound", "url": f"file://{repository.path}"},
        {"type": Thrower.kind, "name": "bad", "url": "https://bad.example/a/b"},
    ]
    (folder / "data_sources.json").write_text(json.dumps(listed))
    return load(tmp_path / "home", {"JIRA_KEY": "ABC"}, None, "ABC")


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


def scraped(settings: Settings) -> tuple[ExitStatus, dict[str, Outcome], Report]:
    told: list[Report] = []
    status = scrape(settings.project("ABC"), ScrapeOptions(no_secrets=True), told.append)
    return status, {one.source: one for one in told[0].outcomes}, told[0]


@pytest.mark.parametrize("error", KINDS, ids=lambda error: repr(error)[:40])
def test_is_the_outcome_of_that_source(install: Install, settings: Settings, error: BaseException) -> None:
    """The other source's rows are published, in a scrape, a preview, a discovery and a check alike."""
    install(raising(error))
    status, outcomes, report = scraped(settings)
    assert status == ExitStatus.PARTLY
    assert outcomes["sound"].items == 1
    assert report.tables["data_vcs_versions.json"] == 1
    assert type(error).__name__ in outcomes["bad"].error
    assert "report it" in outcomes["bad"].hint
    seen = {
        one.source: one for one in preview(settings.project("ABC"), ScrapeOptions(no_secrets=True, full=True)).outcomes
    }
    assert seen["sound"].items == 1
    assert type(error).__name__ in seen["bad"].error
    scope = Scope(settings, ("ABC",), no_secrets=True, no_ssh=True)
    results = {one.name: one for one in checks.run(scope)}
    assert results["ABC: sound"].status == Verdict.OK
    assert type(error).__name__ in results["ABC: bad"].detail


@pytest.mark.parametrize("error", KINDS, ids=lambda error: repr(error)[:40])
def test_where_sources_are_found(install: Install, settings: Settings, error: BaseException) -> None:
    install(raising(error))
    path = settings.home.export / "ABC" / "data_sources.json"
    seed = {"type": Thrower.kind, "name": "dummy-x", "url": "https://bad.example/a/b"}
    path.write_text(json.dumps([json.loads(path.read_text())[0], seed]))
    found = discover(settings.project("ABC"), ScrapeOptions(), keep=False)
    assert [one.name for one in found.entries] == ["sound"]
    assert [type(error).__name__ in one.error for one in found.outcomes] == [True]


@pytest.mark.parametrize("kind", PASSING)
def test_an_interruption_passes(install: Install, settings: Settings, kind: type[BaseException]) -> None:
    install(raising(kind()))
    for work in (
        lambda: scraped(settings),
        lambda: preview(settings.project("ABC"), ScrapeOptions(no_secrets=True)),
        lambda: list(checks.run(Scope(settings, ("ABC",), no_secrets=True, no_ssh=True))),
    ):
        with pytest.raises(kind):
            work()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), AgentError),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), AgentError),
        (OSError(errno.EROFS, "Read-only file system", "state"), ConfigurationError),
        (PermissionError(errno.EACCES, "Permission denied", "state"), ConfigurationError),
    ],
)
def test_our_own_disk_is_no_fault_of_a_source(
    install: Install, settings: Settings, error: OSError, kind: type[AgentError]
) -> None:
    install(raising(error))
    with pytest.raises(kind) as raised:
        scraped(settings)
    assert not isinstance(raised.value, SourceError)
    assert not list((settings.home.export / "ABC").glob("data_vcs*"))


def test_what_it_does_at_last(install: Install, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails after the rows are published undoes nothing."""
    install(lambda: None)

    def collect(_self: Thrower, _context: Context, _since: str | None) -> Generator[Sequence[Row], None, Collected]:
        yield []
        return Collected(position="1", published=raising(ValueError("v")))

    monkeypatch.setattr(Thrower, "collect", collect)
    status, _, report = scraped(settings)
    assert status == ExitStatus.DONE
    assert report.tables["data_vcs_versions.json"] == 1


class TestTime:
    @pytest.fixture(autouse=True)
    def short(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOURCE_MAX_SECONDS", "1")
        object.__setattr__(settings.environment, "source_max", 1.0)

    @pytest.mark.parametrize("how", ["waits", "program", "threads", "rows", "place"])
    def test_of_a_source_is_bounded(
        self, install: Install, settings: Settings, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        def threads() -> Iterator[int]:
            limits.sleep(60)
            yield 1

        def place() -> None:
            capacity = Capacity(1)
            with capacity.working(), capacity.working():
                pass

        works: dict[str, Callable[[], object]] = {
            "waits": lambda: limits.sleep(60),
            "program": lambda: process.run(["sleep", "60"], dict(os.environ), silence=60),
            "threads": lambda: list(parallel.merged([threads(), threads()])),
            "place": place,
            "rows": lambda: None,
        }
        install(works[how])
        if how == "rows":

            def collect(_s: Thrower, _c: Context, _since: str | None) -> Generator[Sequence[Row], None, Collected]:
                while True:
                    time.sleep(0.01)
                    yield []

            monkeypatch.setattr(Thrower, "collect", collect)
        begun = time.monotonic()
        status, outcomes, _ = scraped(settings)
        assert time.monotonic() - begun < 15
        assert status == ExitStatus.PARTLY
        assert outcomes["sound"].items == 1
        assert "longer than 1 s" in outcomes["bad"].error
        assert "SOURCE_MAX_SECONDS" in outcomes["bad"].hint

    def test_of_a_run_is_bounded(self) -> None:
        with limits.within(60, "RUN_MAX_SECONDS"), limits.within(3600, "SOURCE_MAX_SECONDS") as inner:
            assert inner.left <= 60
            assert "RUN_MAX_SECONDS" in inner.error().hint

    def test_a_run_that_does_not_end_is_ended(self) -> None:
        ended = threading.Event()
        with limits.within(0.05, "RUN_MAX_SECONDS") as limit, limits.hard(limit, ended.set, grace=0.05):
            assert ended.wait(5)
        ended.clear()
        with limits.within(60, "RUN_MAX_SECONDS") as limit, limits.hard(limit, ended.set, grace=0):
            pass
        assert not ended.wait(0.1)

    def test_projects_that_no_time_is_left_for(self, settings: Settings) -> None:
        object.__setattr__(settings.environment, "run_max", 0.0)

        def unchanged(project: str | None, overrides: Overrides, *, given: bool) -> Settings:
            del project, overrides, given
            return settings

        watcher: Any = SimpleNamespace()  # nobody is told anything: nothing is begun
        status = runs.run_projects(unchanged, ("ABC",), watching.Checks(), ScrapeOptions(), "test", watcher)
        assert status == ExitStatus.PARTLY
        assert not list((settings.home.export / "ABC").glob("data_vcs*"))


def test_every_program_of_a_source_is_bounded(install: Install, settings: Settings) -> None:
    """It and what it starts: nothing has to be said for it."""
    seen: list[str] = []
    command = ["sh", "-c", "sleep 0.2; grep 'Max data size' /proc/self/limits"]
    install(lambda: seen.append(process.run(command, dict(os.environ), silence=30).output.decode()))
    assert scraped(settings)[0] == ExitStatus.DONE
    assert str(process.memory_of_a_program()) in seen[0]
    object.__setattr__(settings.environment, "program_memory", 100.0)
    seen.clear()
    scraped(settings)
    assert str(100 << 20) in seen[0]
