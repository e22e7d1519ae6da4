"""Collects a repository's whole history, side by side with plain git: wall time, processor time and peak memory.

Usage: python benchmarks/git_history.py REPOSITORY [--runs N] [--cpus 0,1]

The measured command is the whole of ``gros-agent scrape --full`` with a local clone that is up to date; the first
clone is timed apart. Plain git is one ``git log --raw --numstat -M --diff-merges=first-parent`` into a file. The two
take turns, so that a machine whose speed drifts treats them alike. Peak memory is that of the largest process of ours
(there is one, beside git's), as the kernel counts it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

GIT_LOG = ("git", "log", "--raw", "--numstat", "-M", "--diff-merges=first-parent")


@dataclass(frozen=True)
class Measured:
    """Seconds on the clock and of processors, and the largest process's peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def measure(command: Sequence[str], folder: Path, output: Path) -> Measured:
    """Run a command in a folder with its output in a file. Raises if it fails."""
    with output.open("wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stream)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with status {process.returncode}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, own_peak(output) or usage.ru_maxrss / 1024)


def own_peak(output: Path) -> float | None:
    """The peak that our own command printed of itself: the kernel's figure for a child counts git's processes too."""
    last = output.read_bytes().rstrip().rpartition(b"\n")[2]
    return float(last[5:]) / 1024 if last.startswith(b"peak ") else None


OURS = """
import resource, sys
from gros_agent.cli import run
status = run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpus", help="processors to use, such as 0,1; all by default")
    arguments = parser.parse_args()
    if arguments.cpus:
        os.sched_setaffinity(0, {int(number) for number in arguments.cpus.split(",")})
    repository: Path = arguments.repository.resolve()
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        home = Path(temporary)
        scrape = (
            *(sys.executable, "-c", OURS, "--home", str(home), "--quiet", "scrape", "--project", "BENCH"),
            *("--source", f"git:bench={repository}", "--make-secrets"),
        )
        first = measure(scrape, home, home / "output")
        ours, plain = [], []
        for _ in range(arguments.runs):
            ours.append(measure((*scrape, "--full"), home, home / "output"))
            plain.append(measure(GIT_LOG, repository, home / "git-output"))
        batch = json.loads((home / "export" / "BENCH" / ".batch.json").read_text())
        report(repository, batch["tables"], first, ours, plain)


def report(
    repository: Path, tables: dict[str, int], first: Measured, ours: list[Measured], plain: list[Measured]
) -> None:
    """Print what was measured, as a table in Markdown."""
    versions = f"Python {platform.python_version()}, {subprocess.check_output(['git', 'version'], text=True).strip()}"
    rows = ", ".join(f"{name.removesuffix('.json')} {count}" for name, count in tables.items())
    print(f"repository: {repository.name} ({rows})")
    processors = f"{len(os.sched_getaffinity(0))} processors, {platform.machine()}"
    print(f"machine: {processors}, {versions}, {datetime.now(UTC):%Y-%m-%d}")
    print(f"with the first clone: {first.wall:.2f} s\n")
    print("| command | wall, s (min median max) | processor, s | peak memory, MiB |")
    print("| --- | --- | --- | --- |")
    for name, runs in (("gros-agent scrape --full", ours), (" ".join(GIT_LOG), plain)):
        walls = sorted(run.wall for run in runs)
        cpu, memory = statistics.median(run.cpu for run in runs), max(run.memory for run in runs)
        print(f"| {name} | {walls[0]:.2f} {statistics.median(walls):.2f} {walls[-1]:.2f} | {cpu:.2f} | {memory:.0f} |")
    ratio = statistics.median(one.wall / other.wall for one, other in zip(ours, plain, strict=True))
    print(f"\nratio of the wall times, median of {len(ours)}: {ratio:.2f}")


if __name__ == "__main__":
    main()
