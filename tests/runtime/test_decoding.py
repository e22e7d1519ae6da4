"""Decoders that several threads ask for at once: a type that two threads build at the same time ends the program."""

import subprocess
import sys

import pytest

from gros_agent.runtime.decoding import decoder
from support.agent import ROOT

SCRIPT = """
import sys, threading
from gros_agent.runtime.decoding import decoder
from gros_agent.sources.github import queries
from gros_agent.rows import TABLES
from gros_agent.rows.fitting import Values

sys.setswitchinterval(1e-6)  # a thread is interrupted wherever it can be
kinds = [queries.First, queries.Pulls, queries.Issues, queries.Rest[queries.Comment], queries.Rest[queries.Review]]
start = threading.Barrier(len(kinds) * 2)

def work(kind):
    start.wait()
    for row in TABLES:
        Values(row)
    for _ in range(3):
        try:
            decoder(kind).decode(b'{"repository": {"pullRequests": {"nodes": [{"id": "x", "number": 1}]}}}')
        except ValueError:
            pass

threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds * 2]
for one in threads: one.start()
for one in threads: one.join()
"""


@pytest.mark.parametrize("number", range(3))
def test_many_threads_at_once(number: int) -> None:
    """Without one decoder for all, nine of ten runs of this ended with a segmentation fault."""
    del number
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_for_all() -> None:
    assert decoder(list[int]) is decoder(list[int])
    assert decoder(list[int]).decode(b"[1]") == [1]
