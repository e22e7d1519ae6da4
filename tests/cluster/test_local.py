"""What a cluster looks like in a terminal."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from gros_agent.cli.console import ProgressBars
from gros_agent.cluster.messages import ProgressMessage
from gros_agent.cluster.team import ClusterTeam
from gros_agent.runtime import logs
from support.agent import Agent
from support.controller import wait_until
from support.dask import sources
from support.gate import gate
from support.servers import HttpServer


def test_interrupted_in_a_terminal(ready: Agent, server: HttpServer) -> None:
    """The terminal interrupts the workers as well. They end with the command, which is the only one that says so."""
    with gate(server.port, 2) as held:
        words = ["scrape", "--project", "TEST", "--cluster", "local", *sources(HttpServer(held.port), "code1", "code2")]
        with subprocess.Popen(
            [sys.executable, "-m", "gros_agent", *words],
            cwd=ready.home,
            env=ready.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as agent:
            wait_until(lambda: len(held.held) == 2)
            os.killpg(agent.pid, signal.SIGINT)
            output, errors = agent.communicate(timeout=10)
    assert agent.returncode == 130
    assert errors.strip() == "interrupted"
    assert not output
    assert not list((ready.home / "state").glob("cluster-*"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_bar_is_of_its_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of two projects may have one name."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBars(shown=True, of_projects=True) as bars:
        for project in ("PA", "PB"):
            with logs.of_project(project):
                bars("code: commits", 1, 3)
    assert "PA code: commits" in screen.getvalue()
    assert "PB code: commits" in screen.getvalue()


def test_bar_of_a_part_that_is_done(tmp_path: Path) -> None:
    """The worker told of its progress a second ago, and then no more."""
    project = MagicMock(key="TEST")
    project.home.state = tmp_path
    project.environment.time_zone = "UTC"
    team, ticket = ClusterTeam(MagicMock(), project, MagicMock(), tmp_path), MagicMock(number=7)
    told = ticket.job.description.context.progress
    team._progress(ProgressMessage(7, "code: commits", 1, 3), {1: ticket})
    team._end(ticket.job, MagicMock(), MagicMock())
    assert [one.args for one in told.call_args_list] == [("code: commits", 1, 3), ("code: commits", 3, 3)]
