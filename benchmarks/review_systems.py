"""Collects the pull requests of a made repository side by side: ours, the old agent and perceval, from one server.

Usage: python benchmarks/review_systems.py [--pulls 1000] [--latency 50] [--runs 5] [--with old,perceval]

The server is the one of the tests, on loopback, with that many milliseconds of latency for each request; each pull
request has five comments (three on it, two on its lines) and two reviews. Ours asks GraphQL, the others the REST API.
The others run once, since they take minutes. The old agent waits a quarter of a second before each request, and fails
at the first issue that is a pull request, so that only its pull requests count. The others live in virtual
environments that ``--tools`` keeps. What is counted are requests that reached the server, and the seconds from start to
end of a process; ours is the median of its runs.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from git_history import PEAK, install, machine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.github import NAME, OWNER, TOKEN, GitHub
from support.github_rest import serve_rest
from support.replay import Replay, serving

COMMENTS, LINE_COMMENTS, REVIEWS = 3, 2, 2

OURS = f"""
import json, sys
from pathlib import Path
from gros_agent.options.hosts import Host
from gros_agent.settings.values import Value
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
options = {{"github_token": Value("{TOKEN}", ""), "github_api_url": Value(sys.argv[1] + "/api/v3", "")}}
folder = Path(sys.argv[2])
context = Context(
    entry=SourceEntry("github", "bench", "https://github.example/{OWNER}/{NAME}"),
    host=Host("github.example", options), folder=folder / "work", known_hosts=folder / "known",
)
with open(folder / "out", "w") as stream:
    for rows in sources()["github"].collect(context, None):
        for row in rows:
            print(row, file=stream)
{PEAK}
"""
OLD = f"""
import json, re, sys
from pathlib import Path
from gatherer.config import Configuration
from gatherer.domain.source import Source
from gatherer.git.github import GitHub_Repository
(Path.cwd() / "credentials.cfg").write_text(
    f"[github.example]\\ngithub_token = {TOKEN}\\ngithub_api_url = {{sys.argv[1]}}/api/v3\\n")
(Path.cwd() / "settings.cfg").touch()
source = Source.from_type("github", name="bench", url="https://github.example/{OWNER}/{NAME}.git")
repository = GitHub_Repository(source, Path(sys.argv[2]) / "clone")
repository.fill_repo_table(source.github_repo)
repository._get_pull_requests()
for comment in source.github_repo.get_comments():
    repository.add_commit_comment(comment)
try:
    repository._get_issues()
except re.error:  # its pattern is none for Python 3.7 and newer: it collects no issues from there on
    print("issues not collected")
with open(Path(sys.argv[2]) / "out", "w") as stream:
    json.dump({{name: table.get() for name, table in repository.tables.items()}}, stream)
{PEAK}
"""
PERCEVAL = f"""
import json, sys
from pathlib import Path
from perceval.backends.core.github import GitHub
with open(Path(sys.argv[2]) / "out", "w") as stream:
    for category in ("pull_request", "issue"):
        for item in GitHub("{OWNER}", "{NAME}", ["{TOKEN}"], base_url=sys.argv[1]).fetch(category=category):
            json.dump(item, stream)
{PEAK}
"""
OTHERS = {"old": ("gros-gatherer", OLD), "perceval": ("perceval", PERCEVAL)}


def moment(number: int) -> str:
    """Moments one after the other."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_500_000_000 + number))


def user(number: int) -> dict[str, Any]:
    """One of some accounts."""
    return {"login": f"account{number % 40}", "type": "User", "id": number % 40 + 1}


def made(pulls: int) -> dict[str, Any]:
    """The data of a repository with that many pull requests."""
    numbers = range(1, pulls + 1)
    common = {"body": "What it is about.", "assignee": None, "labels": 1, "closed_at": None, "state": "open"}
    return {
        "repository": {"id": 1, "name": NAME, "description": "made", "created_at": moment(0)},
        "issues": [],
        "pulls": [
            {
                **common,
                "number": number,
                "node_id": f"pull-{number}",
                "title": f"Change {number}",
                "user": user(number),
                "created_at": moment(number),
                "updated_at": moment(number),
                "merged_at": None,
                "head": f"change-{number}",
                "base": "main",
            }
            for number in numbers
        ],
        "issue_comments": [
            {**written(number * 10 + one, number), "issue": number} for number in numbers for one in range(COMMENTS)
        ],
        "review_comments": [
            {
                **written(number * 10 + 5 + one, number),
                "pull": number,
                "pull_request_review_id": number * 10 + one,
                "diff_hunk": "@@ -1,2 +1,2 @@\n line\n+line",
                "path": "file",
                "position": 1,
                "line": 2,
                "start_line": None,
                "original_line": 2,
                "original_start_line": None,
                "in_reply_to_id": None,
                "commit_id": f"{number:040x}",
                "original_commit_id": f"{number:040x}",
            }
            for number in numbers
            for one in range(LINE_COMMENTS)
        ],
        "reviews": [
            {
                "id": number * 10 + one,
                "node_id": f"review-{number}-{one}",
                "state": ("APPROVED", "CHANGES_REQUESTED")[one % 2],
                "submitted_at": moment(number),
                "pull": number,
                "user": user(number + one),
            }
            for number in numbers
            for one in range(REVIEWS)
        ],
    }


def written(identifier: int, number: int) -> dict[str, Any]:
    """A comment."""
    moments = {"created_at": moment(number), "updated_at": moment(number)}
    return {"id": identifier, "node_id": f"comment-{identifier}", "body": "A comment.", "user": user(number), **moments}


Measured = tuple[int, float, float]
"""Requests, seconds and peak memory in MiB."""


def measure(replay: Replay, python: str, program: str, folder: Path) -> Measured:
    """Run a program against the server."""
    folder.mkdir(parents=True)
    replay.asked.clear()
    started = time.perf_counter()
    command = [python, "-c", program, replay.url, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{done.stderr[-3000:]}\nfailed with status {done.returncode}")
    unknown = {one.path for one in replay.asked if not one.route}
    if unknown:
        print("not served:", *sorted(unknown)[:5], file=sys.stderr)
    return len(replay.asked), seconds, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pulls", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--with", dest="others", default="", help=f"also measure these, of {','.join(OTHERS)}")
    parser.add_argument("--tools", type=Path, help="a folder that keeps the other tools")
    arguments = parser.parse_args()
    print(machine())
    github = GitHub(made(arguments.pulls))
    github.replay.latency = arguments.latency / 1000
    github.remaining = 10**9
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary, serving(github.replay):
        folder = Path(temporary)
        serve_rest(github)
        own = [
            measure(github.replay, sys.executable, OURS, folder / f"ours-{number}") for number in range(arguments.runs)
        ]
        requests, memory = own[0][0], max(one[2] for one in own)
        measured = {"gros-agent": (requests, statistics.median(one[1] for one in own), memory)}
        for name in filter(None, arguments.others.split(",")):
            package, program = OTHERS[name]
            tools = arguments.tools or folder / "tools"
            install(tools / name, package)
            python = str(tools / name / "bin" / "python")
            measured[name] = measure(github.replay, python, program, folder / name)
    print(f"\n{arguments.pulls} pull requests, {arguments.latency} ms\n")
    print("\n".join(table(measured, arguments.pulls, "a pull request")))


def table(measured: dict[str, Measured], items: float, what: str) -> Sequence[str]:
    """What was measured, for so many items of some kind, and ratios to ours."""
    requests, seconds, _ = measured["gros-agent"]
    lines = [f"| tool | requests | for {what} | of ours | s | of ours | peak memory, MiB |", "| --- " * 7 + "|"]
    for name, (asked, took, memory) in measured.items():
        ratios = f"{asked / items:.3f} | {asked / requests:.1f} | {took:.2f} | {took / seconds:.1f} | {memory:.0f}"
        lines.append(f"| {name} | {asked} | {ratios} |")
    return lines


if __name__ == "__main__":
    main()
