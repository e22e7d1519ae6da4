"""Collects repositories' whole histories side by side: ours, plain git, the old agent, perceval and PyDriller.

Usage: python benchmarks/git_history.py REPOSITORY... [--runs N] [--cpus 0,1] [--with old,perceval,pydriller]
       python benchmarks/git_history.py --commits 1000000
       python benchmarks/git_history.py --many 100

Ours is the whole of ``gros-agent scrape --full`` with a local clone that is up to date; the first clone is timed
apart. Plain git is one ``git log --raw --numstat -M --diff-merges=first-parent`` into a file. The others read a local
clone and write what they found as JSON; each lives in a virtual environment of its own, which ``--tools`` keeps for the
next time. In each round every tool has its turn, so that a machine whose speed drifts treats them alike, and a ratio is
the median of the ratios round by round. Peak memory is that of the tool's own process, as the kernel counts it; git's
come on top.

With ``--commits`` the repository is made with ``git fast-import``, and only ours is run, once.

With ``--many`` so many small repositories are made, and one scrape of all of them is measured against one that takes
them one at a time: its first run, which clones them, a full one with the clones, and one that finds nothing new.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

GIT_LOG = ("git", "log", "--raw", "--numstat", "-M", "--diff-merges=first-parent")
PEAK = 'import resource; print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)'
OURS = f"""
import sys
from gros_agent.cli import execute
status = execute(sys.argv[1:])
{PEAK}
sys.exit(status)
"""
ONE_AT_A_TIME = "import gros_agent.collect.scrape\ngros_agent.collect.scrape.AT_ONCE = 1\n" + OURS
OLD = f"""
import json, sys
from gatherer.domain.source import Source
from gatherer.git.repo import Git_Repository
repository = Git_Repository(Source.from_type("git", name="bench", url=sys.argv[1]), sys.argv[1])
found = {{"versions": repository.get_data()}}
found.update((name, table.get()) for name, table in repository.tables.items())
with open(sys.argv[2], "w") as stream:
    json.dump(found, stream)
{PEAK}
"""
PERCEVAL = f"""
import json, sys
from perceval.backends.core.git import Git
with open(sys.argv[2], "w") as stream:
    for item in Git(sys.argv[1], sys.argv[1]).fetch(no_update=True):
        json.dump(item, stream)
{PEAK}
"""
PYDRILLER = f"""
import json, sys
from pydriller import Repository
with open(sys.argv[2], "w") as stream:
    for commit in Repository(sys.argv[1]).traverse_commits():
        files = commit.modified_files
        changes = [(one.new_path, one.change_type.name, one.added_lines, one.deleted_lines) for one in files]
        json.dump((commit.hash, commit.author.name, commit.author.email, commit.msg, changes), stream)
{PEAK}
"""
SMALL = 30
"""Commits of a small repository."""
OTHERS = {"old": ("gros-gatherer", OLD), "perceval": ("perceval", PERCEVAL), "pydriller": ("pydriller", PYDRILLER)}
"""Name → package, and the program that collects a history with it."""


@dataclass(frozen=True)
class Measured:
    """Seconds on the clock and of processors, and the process's own peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass
class Tool:
    """A command, where it runs, and what was measured of it."""

    name: str
    command: Sequence[str]
    folder: Path
    measured: list[Measured] = field(default_factory=list)

    def run(self, output: Path) -> Measured:
        """Run it once with its output in a file. Raises :class:`SystemExit` if it fails."""
        with output.open("wb") as stream:
            started = time.perf_counter()
            process = subprocess.Popen(self.command, cwd=self.folder, stdout=stream)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name} failed with status {process.returncode}")
        last = output.read_bytes()[-100:].rstrip().rpartition(b"\n")[2]
        # what is printed is the process's own; the kernel's figure for a child counts what it started, too
        memory = int(last[5:]) if last.startswith(b"peak ") else usage.ru_maxrss
        return Measured(wall, usage.ru_utime + usage.ru_stime, memory / 1024)


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repositories", type=Path, nargs="*", metavar="REPOSITORY")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cpus", help="processors to use, such as 0,1; all by default")
    parser.add_argument("--with", dest="others", default="", help=f"also measure these, of {','.join(OTHERS)}")
    parser.add_argument("--tools", type=Path, help="a folder that keeps the other tools")
    parser.add_argument("--commits", type=int, help="measure the memory that a history of so many commits takes")
    parser.add_argument("--many", type=int, help="measure a scrape of so many small repositories")
    arguments = parser.parse_args()
    if arguments.cpus:
        os.sched_setaffinity(0, {int(number) for number in arguments.cpus.split(",")})
    others = [name for name in arguments.others.split(",") if name]
    print(machine())
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        tools = arguments.tools or Path(temporary) / "tools"
        for name in others:
            install(tools / name, OTHERS[name][0])
        for number, repository in enumerate(arguments.repositories):
            side_by_side(repository.resolve(), Path(temporary) / str(number), others, tools, arguments.runs)
        if arguments.commits:
            large_history(Path(temporary) / "large", arguments.commits)
        if arguments.many:
            many_repositories(Path(temporary) / "many", arguments.many, arguments.runs)


def machine() -> str:
    """What this is measured on and with."""
    git = subprocess.check_output(["git", "version"], text=True).strip()
    processors = f"{len(os.sched_getaffinity(0))} processors of {os.cpu_count()}, {platform.machine()}"
    return f"machine: {processors}; Python {platform.python_version()}, {git}; {datetime.now(UTC):%Y-%m-%d}"


def install(folder: Path, package: str) -> None:
    """Install a package into a virtual environment of its own, if it is not there."""
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", package], check=True)
    listed = subprocess.check_output([str(folder / "bin" / "pip"), "show", package], text=True)
    version = next(line.split()[1] for line in listed.splitlines() if line.startswith("Version:"))
    print(f"{package} {version}")


def ours(home: Path, repository: Path) -> Tool:
    """The agent, with secrets of its own."""
    home.mkdir(parents=True)
    scrape = (
        *(sys.executable, "-c", OURS, "--home", str(home), "--quiet", "scrape", "--project", "BENCH"),
        *("--source", f"git:bench={repository}", "--make-secrets", "--full"),
    )
    return Tool("gros-agent", scrape, home)


def side_by_side(repository: Path, folder: Path, others: Sequence[str], tools: Path, runs: int) -> None:
    """Measure all tools on one repository."""
    agent = ours(folder / "home", repository)
    first = agent.run(folder / "output")
    # what the others read: a clone with the default branch and the tags, as the agent's own
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", "--single-branch", "--no-checkout", repository, clone], check=True)
    for name in ("settings.cfg", "credentials.cfg"):  # which the old agent wants
        (folder / name).touch()
    compared = [agent, Tool("git log", GIT_LOG, clone)]
    for name in others:
        python = str(tools / name / "bin" / "python")
        compared.append(Tool(name, (python, "-c", OTHERS[name][1], str(clone / ".git"), str(folder / "out")), folder))
    for _ in range(runs):
        for tool in compared:
            tool.measured.append(tool.run(folder / "output"))
    batch = json.loads((folder / "home" / "export" / "BENCH" / ".batch.json").read_text())
    rows = ", ".join(f"{name.removesuffix('.json')} {count}" for name, count in batch["tables"].items())
    name = repository.parent.name if repository.name in {"repo", ".git"} else repository.name
    print(f"\n{name} ({rows}); with the first clone: {first.wall:.2f} s\n")
    print("\n".join(table(compared)))


def table(compared: Sequence[Tool]) -> Iterator[str]:
    """What was measured, and ratios to plain git (the second tool)."""
    plain = compared[1].measured
    yield "| tool | wall, s (min median max) | of git log's | processor, s | peak memory, MiB |"
    yield "| --- | --- | --- | --- | --- |"
    for tool in compared:
        walls = sorted(run.wall for run in tool.measured)
        ratio = statistics.median(one.wall / other.wall for one, other in zip(tool.measured, plain, strict=True))
        cpu, memory = statistics.median(run.cpu for run in tool.measured), max(run.memory for run in tool.measured)
        spread = f"{walls[0]:.2f} {statistics.median(walls):.2f} {walls[-1]:.2f}"
        yield f"| {tool.name} | {spread} | {ratio:.2f} | {cpu:.2f} | {memory:.0f} |"


def large_history(folder: Path, commits: int) -> None:
    """Make a repository with many commits, and print the peak memory of collecting it."""
    repository = folder / "repository.git"
    make_repository(repository, commits)
    agent = ours(folder / "home", repository)
    done = agent.run(folder / "output")
    print(f"\n{commits} commits: {done.wall:.1f} s with the first clone, peak memory {done.memory:.0f} MiB")


def make_repository(path: Path, commits: int) -> None:
    """Make a bare repository with so many commits."""
    path.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
    importer = subprocess.Popen(["git", "-C", str(path), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert importer.stdin is not None  # noqa: S101 (for the type checker)
    for number in range(commits):
        person, text, moment = number % 97, f"line {number}\n", 1_400_000_000 + number * 60
        importer.stdin.write(
            f"commit refs/heads/main\ncommitter P{person} <p{person}@people.example> {moment} +0000\n"
            f"data 7\nchange\nM 100644 inline folder{number % 5}/file{number % 7}\ndata {len(text)}\n{text}\n".encode()
        )
    importer.stdin.close()
    if importer.wait():
        raise SystemExit("git fast-import failed")


def many_repositories(folder: Path, count: int, runs: int) -> None:
    """Make many small repositories, and print what collecting them at once and one at a time takes."""
    for number in range(count):
        make_repository(folder / "origins" / f"{number}.git", SMALL)
    sources = tuple(
        word
        for number in range(count)
        for word in ("--source", f"git:r{number}={folder / 'origins' / f'{number}.git'}")
    )
    steps = {"with the first clones": (), "with clones, --full": ("--full",), "nothing new": ()}
    measured: dict[tuple[str, str], list[Measured]] = {}
    for run in range(runs):
        for name, program in (("at once", OURS), ("one at a time", ONE_AT_A_TIME)):
            home = folder / f"{name} {run}"
            home.mkdir()
            scrape = (sys.executable, "-c", program, "--home", str(home), "--quiet", "scrape", "--project", "BENCH")
            for step, options in steps.items():
                done = Tool(name, (*scrape, *sources, "--make-secrets", *options), home).run(folder / "output")
                measured.setdefault((step, name), []).append(done)
                check_rows(home, 0 if step == "nothing new" else count * SMALL)
    print(f"\n{count} repositories with {SMALL} commits each, {runs} runs\n")
    print("| scrape | sources | wall, s (min median max) | processor, s | cores busy |")
    print("| --- | --- | --- | --- | --- |")
    for (step, name), found in measured.items():
        walls = sorted(run.wall for run in found)
        wall, cpu = statistics.median(walls), statistics.median(run.cpu for run in found)
        print(f"| {step} | {name} | {walls[0]:.2f} {wall:.2f} {walls[-1]:.2f} | {cpu:.2f} | {cpu / wall:.2f} |")


def check_rows(home: Path, commits: int) -> None:
    """Raise :class:`SystemExit` if a scrape did not write so many commits."""
    batch = json.loads((home / "export" / "BENCH" / ".batch.json").read_text())
    found = batch["tables"]["data_vcs_versions.json"]
    if found != commits:
        raise SystemExit(f"{found} commits were collected, not {commits}")


if __name__ == "__main__":
    main()
