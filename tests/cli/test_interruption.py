"""A signal ends the agent with status 130, whatever a library makes of the exception."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gros_agent import cli
from gros_agent.controller import ControllerError


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave this process's own way with signals as it was."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def passed_on() -> None:
    signal.raise_signal(signal.SIGTERM)


def dropped() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def taken_for_a_failure() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise EOFError from None


def explained_as_a_failure() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise ControllerError("the SSH connection failed") from None


def dropped_for_long() -> None:
    """As where another thread waits: the second try gets through."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    signal.pause()


@pytest.mark.parametrize("work", [passed_on, dropped, taken_for_a_failure, explained_as_a_failure, dropped_for_long])
def test_ends_with_its_status(
    work: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(*_arguments: Any, **_options: Any) -> None:
        work()

    monkeypatch.setattr(cli.main, "main", main)
    monkeypatch.setattr(cli, "AGAIN_SECONDS", 0.3)
    assert cli.execute([]) == 130
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "it would die of the alarm later on"
    told = capsys.readouterr().err
    assert "interrupted" in told
    assert "unexpected" not in told
    assert "mistake" not in told


def test_the_next_command_knows_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.main, "main", lambda *_, **__: passed_on())
    assert cli.execute([]) == 130
    monkeypatch.setattr(cli.main, "main", lambda *_, **__: 0)
    assert cli.execute([]) == 0


MODULE = """
import os, signal, time
from gros_agent import __main__, cli


class Commands:
    def main(self, *_arguments, **_options):
        exec("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)")


cli.main = Commands()
__main__.main()
"""
"""Interrupted in a text that is executed, as a library's making of a class may be."""


def test_a_module_ends_with_its_status_too(tmp_path: Path) -> None:
    """``python -m`` dies of a signal at its very end where a plain KeyboardInterrupt once left such a text."""
    (tmp_path / "interrupted.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
