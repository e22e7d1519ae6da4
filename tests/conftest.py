"""What all tests share: a guard that keeps them on this machine, a home to run the command in, a repository."""

import logging
import os
import resource
import sys
import time
from collections.abc import Generator, Iterator
from ipaddress import ip_address
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gros_agent.http.traffic import pauses
from gros_agent.runtime.masking import redactor
from support import differing
from support.agent import Agent
from support.repository import Repository
from support.sample import Sample

# how long an example takes says how busy the machine is
settings.register_profile("gros-agent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gros-agent")


TESTS = Path(__file__).parent
_BEGUN = pytest.StashKey[float]()


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[0] != "localhost" and not ip_address(address[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {address}: only loopback is allowed")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BEGUN] = time.time()
    sys.addaudithook(_stay_here)
    Sample.of_this_run()  # before there are workers, which get its seed


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "draw" in getattr(item, "fixturenames", ()):
            item.add_marker("soak")
        if item.path.relative_to(TESTS).with_suffix("").as_posix() in differing.FILES:
            item.add_marker("differs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where GROS_NO_SKIPS is set, a test that skips has failed: everything that it needs should be there."""
    report = yield
    if report.skipped and os.environ.get("GROS_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A test that runs a command in this process sets up the process's log; the next test begins as a program does."""
    logger = logging.getLogger("gros_agent")
    level, propagates, handlers = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagates, handlers


@pytest.fixture(autouse=True)
def _secrets_as_they_were() -> Iterator[None]:
    """What a test hides in this process would be masked in the words that later ones look for."""
    known = vars(redactor).copy()
    yield
    vars(redactor).update(known)


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """A server of one test asks nobody in the next one to wait."""
    known = vars(pauses).copy()
    yield
    vars(pauses).update(known)


@pytest.fixture
def draw() -> Sample:
    return Sample.of_this_run()


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    home = tmp_path / "home"
    home.mkdir()
    return Agent(home)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.make(tmp_path / "repository")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the seed of the samples, and the figures that tests measured, also those of other workers."""
    reports = [one for found in terminalreporter.stats.values() for one in found if hasattr(one, "user_properties")]
    figures = [value for one in reports for name, value in one.user_properties if name == "measured"]
    if figures:
        terminalreporter.section("measured")
        for figure in dict.fromkeys(figures):
            terminalreporter.line(str(figure))
    if any("soak" in one.keywords for one in reports):
        sample = Sample.of_this_run()
        how = "whole" if sample.is_whole else "in samples; nox -s soak runs them whole"
        terminalreporter.write_line(f"loops of kills and faults ran {how}; their seed was GROS_SEED={sample.seed}")
    if told := os.environ.get("GROS_MINUTES"):
        _tell_minutes(terminalreporter, Path(told))


def _tell_minutes(terminalreporter: Any, told: Path) -> None:
    """Show how long each part of the check took, which ends with this run of the tests."""
    begun, used = int(os.environ["GROS_BEGUN"]), [resource.getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    terminalreporter.section("minutes of each part")
    terminalreporter.write(told.read_text())
    for seconds, what in (
        (time.time() - terminalreporter.config.stash[_BEGUN], "these tests"),
        (sum(one.ru_utime + one.ru_stime for one in used), "of processors in these tests"),
        (time.time() - begun, "the whole check"),
    ):
        terminalreporter.write_line(f"{int(seconds // 60)}m{seconds % 60:.3f}s: {what}")
