"""Collects a made Jira project side by side, on both deployments: ours, the old agent and perceval, from one server.

Usage: python benchmarks/issue_trackers.py [--issues 1000] [--latency 50] [--runs 5] [--with old,newer,perceval]
       python benchmarks/issue_trackers.py --many 100000

The server is a process of its own (``jira_server.py``), on loopback, with that many milliseconds of latency for each
request. Each issue has ten changes and five comments; the project has a scrum board with 30 sprints, and 50 people.
Ours is the whole of ``gros-agent scrape``: from the start, and once more with nothing new. ``old`` is the old agent
with the release of the jira library that it demands, ``newer`` the same agent with the newest release of that library.
The others run once, each in a virtual environment of its own that ``--tools`` keeps.

What is counted are requests that reached the server; seconds from start to end of a process, and those of processors;
and the most memory that the process or one of its children had. Ours are medians of its runs. Of what fails the last
words are told.

With ``--many`` the project has so many issues, there is no latency, and only ours is run, once.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import IO
from urllib.parse import quote

from git_history import install, machine
from jira_answers import PASSWORD, USER
from jira_issues import CHANGES, COMMENTS
from jira_project import KEY

LOGIN = f"{quote(USER)}:{PASSWORD}"
LONGEST_WORDS = 150
DEPLOYMENTS = {"server": "Data Center", "cloud": "Cloud"}
OLD = f"""
import json, sys
from pathlib import Path
Path("credentials.cfg").touch()
Path("settings.cfg").write_text("[projects]\\n{KEY} = bench\\n")
from gatherer.domain import Project
from gatherer.domain.source import Source
from gatherer.jira import Jira
project = Project("{KEY}")
project.make_export_directory()
address = sys.argv[1].replace("://", "://{LOGIN}@")
Jira(project).process(Source.from_type("jira", name="bench", url=address))
print(*(len(json.loads((project.export_key / name).read_text())) for name in ("data.json", "data_comments.json")))
"""
PERCEVAL = f"""
import json, sys
from perceval.backends.core.jira import Jira
versions = comments = 0
with open("out", "w") as stream:
    for item in Jira(sys.argv[1], project="{KEY}", user="{USER}", password="{PASSWORD}").fetch():
        json.dump(item, stream)
        versions += 1 + len(item["data"]["changelog"]["histories"])
        comments += len(item["data"]["comments_data"])
print(versions, comments)
"""
OTHERS = {"old": ("gros-gatherer", OLD), "newer": ("gros-gatherer", OLD), "perceval": ("perceval", PERCEVAL)}
"""Name → package, and the program that collects with it and tells how many versions and comments it found."""


@dataclass(frozen=True)
class Measured:
    """Requests by route, seconds on the clock and of processors, peak memory in MiB, versions and comments found.

    ``error`` has the last words of what failed.
    """

    asked: Mapping[str, int]
    wall: float
    cpu: float
    memory: float
    found: Sequence[int] = ()
    error: str = ""

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(self.asked.values())


class Server:
    """A server that runs. It tells of requests when it is asked."""

    def __init__(self, asks: IO[str], tells: IO[str]) -> None:
        self._asks, self._tells = asks, tells
        self.url = tells.readline().strip()

    def asked(self) -> Mapping[str, int]:
        """The requests since the last call, by route. The first paths that the server has not are shown."""
        self._asks.write("\n")
        self._asks.flush()
        told = json.loads(self._tells.readline())
        if told["unknown"]:
            print("not served:", *told["unknown"][:5], file=sys.stderr)
        counts: Mapping[str, int] = told["asked"]
        return counts


@contextmanager
def serving(kind: str, issues: int, milliseconds: int) -> Iterator[Server]:
    """Serve a project of so many issues on a deployment."""
    program = Path(__file__).parent / "jira_server.py"
    command = [sys.executable, str(program), kind, str(issues), str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asks, tells = process.stdin, process.stdout
        assert asks is not None  # noqa: S101 (for the type checker)
        assert tells is not None  # noqa: S101
        yield Server(asks, tells)
        asks.close()


def run(server: Server, command: Sequence[str], folder: Path) -> Measured:
    """Run a program in a folder, and measure it."""
    folder.mkdir(parents=True, exist_ok=True)
    server.asked()
    with (folder / "told").open("w") as told, (folder / "errors").open("w") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=told, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    error = f"status {process.returncode}{last_words(folder / 'errors')}" if process.returncode else ""
    return Measured(server.asked(), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, error=error)


def last_words(path: Path) -> str:
    """The error at the end of a program's output."""
    words = re.split(r"^(?=[\w.]+(?:Error|Exception)\b)", path.read_text(), flags=re.MULTILINE)[-1]
    return f": {textwrap.shorten(re.sub(r'url: .+', '', words), LONGEST_WORDS)}"


def ours(server: Server, folder: Path) -> Measured:
    """Run a scrape, and see what it wrote. Raises :class:`SystemExit` if it fails."""
    address = server.url.replace("://", f"://{LOGIN}@")
    scrape = ("scrape", "--project", KEY, "--source", f"jira:bench={address}", "--make-secrets")
    done = run(server, (sys.executable, "-m", "gros_agent", "--home", str(folder), "--quiet", *scrape), folder)
    if done.error:
        raise SystemExit(f"{(folder / 'errors').read_text()[-3000:]}\n{done.error}")
    batch = json.loads((folder / "export" / KEY / ".batch.json").read_text())
    return replace(done, found=[batch["tables"][name] for name in ("data.json", "data_comments.json")])


def other(name: str, server: Server, tools: Path, folder: Path) -> Measured:
    """Run another tool, with the old agent's mapping of fields at hand."""
    folder.mkdir(parents=True)
    mapping = resources.files("gros_agent.sources.jira") / "fields.json"
    (folder / "jira_fields.json").write_bytes(mapping.read_bytes())
    python = tools / name / "bin" / "python"
    done = run(server, (str(python), "-c", OTHERS[name][1], server.url), folder)
    return done if done.error else replace(done, found=[int(one) for one in (folder / "told").read_text().split()])


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--issues", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--with", dest="others", default="", help=f"also measure these, of {','.join(OTHERS)}")
    parser.add_argument("--tools", type=Path, help="a folder that keeps the other tools")
    parser.add_argument("--many", type=int, help="measure ours alone with so many issues and without latency")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        folder = Path(temporary)
        if arguments.many:
            many(arguments.many, folder)
        else:
            side_by_side(arguments, folder)


def side_by_side(arguments: argparse.Namespace, folder: Path) -> None:
    """Measure all tools on both deployments."""
    tools = arguments.tools or folder / "tools"
    others = [name for name in arguments.others.split(",") if name]
    for name in others:
        install(tools / name, OTHERS[name][0])
        if name == "newer":
            subprocess.run([str(tools / name / "bin" / "pip"), "install", "-qU", "jira"], check=True)
        if name != "perceval":
            install(tools / name, "jira")  # tells its version
    print(f"\n{arguments.issues} issues, {arguments.latency} ms\n\n{HEAD}\n{'| --- ' * 9}|", flush=True)
    for kind in DEPLOYMENTS:
        with serving(kind, arguments.issues, arguments.latency) as server:
            homes = [folder / kind / f"ours-{number}" for number in range(arguments.runs)]
            first = median([ours(server, home) for home in homes])
            second = replace(median([ours(server, home) for home in homes]), found=())
            measured = {"gros-agent": first, "gros-agent, nothing new": second}
            measured |= {name: other(name, server, tools, folder / kind / name) for name in others}
        print("\n".join(lines(kind, measured, arguments.issues)), flush=True)


def median(runs: Sequence[Measured]) -> Measured:
    """The median of the seconds, and the most memory. Raises :class:`SystemExit` if the requests differ."""
    if any(one.asked != runs[0].asked for one in runs):
        raise SystemExit(f"the runs differ: {[one.asked for one in runs]}")
    wall, cpu = statistics.median(one.wall for one in runs), statistics.median(one.cpu for one in runs)
    return replace(runs[0], wall=wall, cpu=cpu, memory=max(one.memory for one in runs))


HEAD = "| deployment | tool | requests | of ours | s | of ours | processor, s | peak memory, MiB | found |"


def lines(kind: str, measured: Mapping[str, Measured], issues: int) -> Iterator[str]:
    """A line for each tool, with ratios to ours."""
    own = measured["gros-agent"]
    for name, one in measured.items():
        ratios = f"{one.requests / own.requests:.1f} | {one.wall:.2f} | {one.wall / own.wall:.1f}"
        found = one.error or shown(one.found, issues)
        used = f"{one.cpu:.2f} | {one.memory:.0f}"
        yield f"| {DEPLOYMENTS[kind]} | {name} | {one.requests} | {ratios} | {used} | {found} |"
    yield ""
    for name, one in measured.items():
        yield f"{name}: {', '.join(f'{route or None} {count}' for route, count in one.asked.items())}"
    yield ""


def shown(found: Sequence[int], issues: int) -> str:
    """What of the versions and comments of so many issues was found."""
    every = issues * (CHANGES + 1), issues * COMMENTS
    return "" if not found else "all" if tuple(found) == every else "{} versions, {} comments".format(*found)


def many(issues: int, folder: Path) -> None:
    """Measure ours with many issues on both deployments."""
    print(f"\n{issues} issues, no latency\n")
    print("| deployment | requests | s | processor, s | peak memory, MiB | tables, MB | found |")
    print(f"{'| --- ' * 7}|")
    for kind, title in DEPLOYMENTS.items():
        with serving(kind, issues, 0) as server:
            one = ours(server, folder / kind)
        size = sum(path.stat().st_size for path in (folder / kind / "export").rglob("*.json")) / 1e6
        used = f"{one.wall:.1f} | {one.cpu:.1f} | {one.memory:.0f} | {size:.0f}"
        print(f"| {title} | {one.requests} | {used} | {shown(one.found, issues)} |", flush=True)
        shutil.rmtree(folder / kind)


if __name__ == "__main__":
    main()
