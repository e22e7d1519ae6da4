"""What all tests share: a guard that keeps them on this machine, a home to run the command in, a repository."""

import os
import sys
from collections.abc import Generator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from support.agent import Agent
from support.repository import Repository


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[0] != "localhost" and not ip_address(address[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {address}: only loopback is allowed")


def pytest_configure() -> None:
    sys.addaudithook(_stay_here)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where GROS_NO_SKIPS is set, a test that skips has failed: everything that it needs should be there."""
    report = yield
    if report.skipped and os.environ.get("GROS_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    home = tmp_path / "home"
    home.mkdir()
    return Agent(home)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.make(tmp_path / "repository")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures that tests measured, also those of other workers."""
    reports = [one for found in terminalreporter.stats.values() for one in found if hasattr(one, "user_properties")]
    figures = [value for one in reports for name, value in one.user_properties if name == "measured"]
    if figures:
        terminalreporter.section("measured")
        for figure in dict.fromkeys(figures):
            terminalreporter.line(str(figure))
