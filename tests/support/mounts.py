"""Runs the command where folders are small or read-only file systems of their own."""

import subprocess
import sys

import pytest

from support.agent import Agent, Finished


def skip_unless_mountable() -> None:
    """Skip the test if this system has no mount namespace in which one may mount what one likes."""
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"this system lets nobody mount: {probe.stderr.decode().strip()}")


def in_namespace(agent: Agent, script: str, *arguments: str) -> Finished:
    """Run a script with the agent's command in ``$@``, in a mount namespace where it may mount what it likes."""
    skip_unless_mountable()
    command = ["unshare", "-rm", "sh", "-ec", script + '\nexec "$@"', "sh", sys.executable, "-m", "gros_agent"]
    done = subprocess.run(
        [*command, *arguments], cwd=agent.home, env=agent.environment(), capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)
