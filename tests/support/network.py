"""Hosts of their own on this machine: network namespaces, each with a cable to one bridge.

The test itself is the central host while the network is there: its thread, and all programs and servers that it
starts, see this network alone, and a loopback of their own. So no address meets one of the machine, or of another run
of the tests. The namespaces have no names: the kernel removes them after the last program in them, also when the tests
are killed. Making them takes root; the test is skipped without it.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

CENTRAL = "10.77.0.1"
"""The address of the central host."""
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_NEW_NETWORK = 0x40000000
_LIBRARY = ctypes.CDLL(None, use_errno=True)
_PROGRAMS = ("ip", "nsenter", "setpriv", "unshare")
_PROBE = """nsenter --net=/proc/self/ns/net unshare --net sh -c '
    ip link add br0 type bridge && ip link add one type veth peer name other'
"""


@dataclass
class NetworkHost:
    """A host with an address. A process that does nothing keeps its namespace."""

    name: str
    address: str
    keeper: "subprocess.Popen[bytes]"

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command that runs a program on this host. The program ends with the thread that starts it."""
        return [*DIES_WITH_US, "nsenter", f"--net=/proc/{self.keeper.pid}/ns/net", *arguments]

    def cut(self) -> None:
        """Unplug the cable at the bridge: whatever is sent gets lost, and neither side is told."""
        _ip("link", "set", self.name, "nomaster")

    def mend(self) -> None:
        """Plug the cable in again."""
        _ip("link", "set", self.name, "master", "bridge")


@dataclass
class Network:
    """The hosts beside the central one."""

    hosts: list[NetworkHost] = field(default_factory=list)

    def add(self) -> NetworkHost:
        """A new host, whose cable leads to the bridge."""
        number = len(self.hosts) + 1
        keeper = subprocess.Popen(
            [*DIES_WITH_US, "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=-1
        )
        host = NetworkHost(f"cable{number}", f"10.77.1.{number}", keeper)
        self.hosts.append(host)
        assert keeper.stdout
        with keeper.stdout:
            assert keeper.stdout.read(1)  # it is in its namespace now
        _ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        host.mend()
        _ip("link", "set", host.name, "up")
        for arguments in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up")):
            subprocess.run(host.command(["ip", *arguments]), check=True)
        subprocess.run(host.command(["ip", "address", "add", f"{host.address}/16", "dev", "eth0"]), check=True)
        return host

    def more_addresses(self, count: int) -> list[str]:
        """Further addresses of the central host: systems that are hosts of their own for the agent."""
        found = [f"10.77.2.{number}" for number in range(1, count + 1)]
        for address in found:
            _ip("address", "add", f"{address}/16", "dev", "bridge")
        return found


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Make the network, and be its central host. Skips where that can't be done."""
    _skip_without_namespaces()
    found = Network()
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _call("unshare", _NEW_NETWORK)
        _ip("link", "set", "lo", "up")
        # with an address of its own, as one of a cable's would change when the cable is unplugged
        _ip("link", "add", "bridge", "address", "02:00:00:00:00:01", "type", "bridge")
        _ip("link", "set", "bridge", "up")
        _ip("address", "add", f"{CENTRAL}/16", "dev", "bridge")
        yield found
    finally:
        for host in found.hosts:
            host.keeper.kill()
            host.keeper.wait()
        _call("setns", before, _NEW_NETWORK)
        os.close(before)


def _skip_without_namespaces() -> None:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"hosts of their own need {', '.join(missing)} (packages iproute2 and util-linux)")
    if os.geteuid() != 0:
        pytest.skip("hosts of their own are network namespaces, which only root can make")
    done = subprocess.run(["sh", "-c", _PROBE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine makes no network namespaces with a bridge: {done.stderr.strip()}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library that moves this thread alone; os has these since Python 3.12."""
    if getattr(_LIBRARY, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
