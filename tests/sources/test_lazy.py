"""Sources that are loaded when they are used, in several threads at once: none sees a module by half."""

import subprocess
import sys

import pytest

SCRIPT = """
import pkgutil, sys, threading
from gros_agent import sources
from gros_agent.sources.common import lazy

sources.sources()
found = [one.name for one in pkgutil.walk_packages(sources.__path__, "gros_agent.sources.")]
names = [name for name in found if name not in sys.modules]
names += ["gros_agent.http.client", "gros_agent.http.faults", "gros_agent.http.timed"]
assert "gros_agent.sources.github.access" in names
assert "requests" not in sys.modules
begin, failed = threading.Barrier(len(names)), []

def work(name):
    begin.wait()
    try:
        lazy.load(name)
    except BaseException as error:
        failed.append((name, repr(error)))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=work, args=(name,)) for name in names]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(failed)
"""


@pytest.mark.parametrize("turn", range(3))
def test_in_several_threads(turn: int) -> None:
    del turn
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
