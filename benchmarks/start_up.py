"""Measures what a command costs before it works: processor time of the shortest ones, against an empty Python.

Usage: python benchmarks/start_up.py [--runs N]

``version`` and ``--help`` are told as multiples of ``python -c pass``, each round by round; so is ``import click``,
below which a command line on Click can't come. A scrape that finds nothing new, of a repository with one commit, is
told in seconds of the agent's own process: git's come on top.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OWN = """
import resource, sys
from gros_agent.cli import execute
status = execute(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print("own", used.ru_utime + used.ru_stime)
sys.exit(status)
"""


def seconds(*command: str) -> float:
    """Processor time of a program and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scrape(home: Path, repository: Path) -> float:
    """Processor time of the agent's own process in a scrape that finds nothing new."""
    arguments = ("--home", str(home), "scrape", "--project", "BENCH", "--source", f"git:bench={repository}")
    done = subprocess.run([sys.executable, "-c", OWN, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout.rpartition("own ")[2])


def make(repository: Path) -> None:
    """A repository with one commit."""
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    for arguments in (("commit", "--quiet", "--allow-empty", "-m", "one"),):
        subprocess.run(["git", *who, "-C", str(repository), *arguments], check=True)


def main() -> None:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    commands = {
        "import click": ("-c", "import click"),
        "version": ("-m", "gros_agent", "version"),
        "--help": ("-m", "gros_agent", "--help"),
    }
    ratios: dict[str, list[float]] = {name: [] for name in commands}
    scrapes = []
    with tempfile.TemporaryDirectory() as folder:
        home, repository = Path(folder) / "home", Path(folder) / "repository"
        home.mkdir()
        make(repository)
        scrape(home, repository)
        for _ in range(runs):
            empty = seconds(sys.executable, "-c", "pass")
            for name, arguments in commands.items():
                ratios[name].append(seconds(sys.executable, *arguments) / empty)
            scrapes.append(scrape(home, repository))
    print(f"{os.cpu_count()} processors, Python {sys.version.partition(' ')[0]}, {runs} rounds")
    for name, found in ratios.items():
        print(f"{name}: {statistics.median(found):.1f} times an empty Python")
    print(f"a scrape without news: {statistics.median(scrapes):.2f} s of processor time beside git's")


if __name__ == "__main__":
    main()
