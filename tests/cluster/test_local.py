"""A cluster on this machine, as somebody uses it in a terminal."""

import os
import signal
import subprocess
import sys

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
