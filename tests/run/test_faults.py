"""The network breaks between agent and controller, at each step: nothing is lost, nothing is torn, nothing comes twice.

A real agent speaks to a real reference controller through two real proxies, one of which spoils the connection. TLS and
SSH notice bytes that were changed or repeated, so that those end as broken connections too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from support.agent import Agent, Finished
from support.controller import Controller, controller, wait_until
from support.proxy import Fault, Proxy, proxy
from support.repository import Repository, linear_history

pytestmark = pytest.mark.integration

DONE, PREFLIGHT, POSTPONED = 0, 4, 6
SECONDS = 60
"""In which every command ends, whatever the network does: longer than the longest time-out that a case runs into."""
COMMITS = 120

Step = Literal["register", "trackers", "upload", "announce", "answer", "pick-up"]
_COMMANDS = {"register": "register", "trackers": "scrape"}
_HTTPS = {"register", "announce", "answer", "pick-up"}

# What goes where in a connection, measured; a fault that does not happen fails its test, so these can't become stale
# unnoticed. Uploads take about 90 kB towards the server.
HELLO = 300
"""In the handshake of TLS or SSH, in both directions."""
HTTPS_REQUEST = 800
HTTPS_ANSWER = 1500
"""Of a registration; that of an announcement is shorter."""
HTTPS_SHORT_ANSWER = 1340
SSH_LOGGED_IN = 2000
FILES = 40_000


@dataclass(frozen=True)
class Case:
    """A fault while a step is under way, and the status that the command ends with."""

    step: Step
    fault: Fault
    status: int

    def __str__(self) -> str:
        fault = self.fault
        where = "" if fault.kind == "refuse" else f"-{fault.at}-to-{fault.towards}"
        return f"{self.step}-{fault.kind}{where}-{fault.connection or 'each'}"


LAST = -1
"""Stands for a byte shortly before the end of an upload, which its size tells."""

CASES = [
    Case("upload", Fault("stall", SSH_LOGGED_IN + 500, "client", 1), DONE),  # the longest one first
    Case("register", Fault("refuse"), PREFLIGHT),
    Case("register", Fault("refuse", connection=1), DONE),
    Case("register", Fault("cut", HELLO, "client"), PREFLIGHT),
    Case("register", Fault("cut", HTTPS_ANSWER, "client", 1), DONE),
    Case("register", Fault("garble", HTTPS_REQUEST, "server", 1), DONE),
    Case("register", Fault("duplicate", HTTPS_REQUEST, "server", 1), DONE),
    Case("register", Fault("delay", HTTPS_ANSWER, "client"), DONE),
    # the controller has imported all that ours cover: collecting goes on from them
    Case("trackers", Fault("refuse"), DONE),
    Case("trackers", Fault("cut", SSH_LOGGED_IN, "client"), DONE),
    Case("trackers", Fault("garble", SSH_LOGGED_IN, "client"), DONE),
    Case("upload", Fault("cut", HELLO, "server", 1), DONE),
    Case("upload", Fault("garble", HELLO, "client", 1), DONE),
    Case("upload", Fault("cut", FILES, "server", 1), DONE),
    Case("upload", Fault("garble", FILES, "server", 1), DONE),
    Case("upload", Fault("duplicate", FILES, "server", 1), DONE),
    Case("upload", Fault("delay", FILES, "server", 1), DONE),
    Case("upload", Fault("cut", FILES, "server"), POSTPONED),
    Case("upload", Fault("garble", HELLO, "client"), POSTPONED),
    Case("upload", Fault("cut", LAST, "server", 1), DONE),
    Case("announce", Fault("refuse"), POSTPONED),
    Case("announce", Fault("cut", HTTPS_REQUEST, "server", 1), DONE),
    Case("announce", Fault("garble", HTTPS_REQUEST, "server", 1), DONE),
    # no answer is no refusal: the controller is asked for the batch, and where it can't be, the next export asks
    Case("answer", Fault("cut", HTTPS_SHORT_ANSWER, "client"), POSTPONED),
    Case("answer", Fault("cut", HTTPS_SHORT_ANSWER, "client", 1), DONE),
    Case("answer", Fault("garble", HTTPS_SHORT_ANSWER, "client", 1), DONE),
    Case("pick-up", Fault("refuse", connection=2), DONE),
    Case("pick-up", Fault("cut", HTTPS_SHORT_ANSWER, "client", 2), DONE),
    Case("pick-up", Fault("garble", HTTPS_SHORT_ANSWER, "client", 2), DONE),
    Case("pick-up", Fault("delay", HTTPS_SHORT_ANSWER, "client", 2), DONE),
]


@dataclass
class Wire:
    """An agent, a controller, and a proxy for each of the ways between them."""

    agent: Agent
    controller: Controller
    repository: Repository
    https: Proxy
    ssh: Proxy

    def __call__(self, command: str) -> Finished:
        """Run a command; one that does not end in time fails the test."""
        source = ("--source", f"git={self.repository.path}") if command == "scrape" else ()
        with self.agent.start(command, *source, variables=self.variables) as process:
            try:
                output, errors = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        return Finished(process.returncode, output, errors)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "SSH_HOST": "127.0.0.1",
            "SSH_PORT": str(self.ssh.port),
            "SSH_HTTPS_PORT": str(self.https.port),
            "SSH_HTTPS_CERT": str(self.controller.certificate),
            "JIRA_KEY": "TEST",
            "DEFINITIONS_CREDENTIALS_ENV": "THE_KEY",
            "THE_KEY": str(self.agent.home.parent / "id_agent"),
            "GROS_AGENT_WAIT": "5",
        }

    def go(self, *commands: str) -> None:
        for command in commands:
            done = self(command)
            assert done.status == DONE, done

    def lead_to(self, step: Step) -> None:
        """Do what comes before a step."""
        match step:
            case "register":
                pass
            case "trackers":  # there are some only after a delivery
                self.go("register", "scrape", "export", "register")
                self.repository.commit("another", {"another.txt": "1"})
            case _:
                self.go("register", "scrape")

    def placed(self, fault: Fault) -> Fault:
        """The fault, at the byte that LAST means now."""
        if fault.at != LAST:
            return fault
        size = sum(path.stat().st_size for path in self.agent.export().glob("*.json"))
        return Fault(fault.kind, size, fault.towards, fault.connection)


@pytest.fixture
def wire(agent: Agent, tmp_path: Path) -> Iterator[Wire]:
    repository = linear_history(tmp_path / "long", COMMITS)
    repository.git("reset", "--quiet", "--hard")
    with (
        controller(tmp_path / "controller", "--project", "TEST") as running,
        proxy(running.https) as https,
        proxy(running.ssh) as ssh,
    ):
        yield Wire(agent, running, repository, https, ssh)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(wire: Wire, case: Case) -> None:
    wire.lead_to(case.step)
    spoilt = wire.https if case.step in _HTTPS else wire.ssh
    spoilt.set(wire.placed(case.fault))
    done = wire(_COMMANDS.get(case.step, "export"))
    assert spoilt.struck, ("the fault did not happen", spoilt.connections, spoilt.passed, done)
    spoilt.set(None)
    assert done.status == case.status, done
    assert "Traceback" not in done.output + done.errors, done
    assert "unexpected" not in done.errors, done
    nothing_is_torn(wire)
    wire.repository.commit("afterwards", {"afterwards.txt": "1"})
    if case.step == "answer":  # that is what makes it another case than a lost announcement
        wait_until(lambda: wire.controller.inbox("TEST"))
    again = () if case.status == DONE else ("export",)  # a registration finishes only what was begun
    wire.go("register", *again, "scrape", "export")
    nothing_is_torn(wire)
    everything_arrived_once(wire)


def nothing_is_torn(wire: Wire) -> None:
    """Every JSON file of the agent is whole."""
    for folder in ("export", "state", "secrets"):
        for path in (wire.agent.home / folder).rglob("*.json"):
            if "repos" not in path.parts:
                json.loads(path.read_text(encoding="utf-8"))


def everything_arrived_once(wire: Wire) -> None:
    inbox = wire.controller.inbox("TEST")
    arrived = [row["version_id"] for batch in inbox for row in load(batch / "data_vcs_versions.json")]
    assert sorted(arrived) == sorted(wire.repository.git("rev-list", "HEAD").splitlines())
    batches = [load(batch / "receipt.json")["batch"] for batch in inbox]
    assert len(set(batches)) == len(batches)


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
