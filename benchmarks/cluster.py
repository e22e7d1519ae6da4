"""Measures what a cluster brings and what it costs: by workers, for each part, and with very many parts.

Usage: python benchmarks/cluster.py workers [--sources 200] [--latency 200] [--workers 1,2,4,8]
       python benchmarks/cluster.py overhead [--parts 1000] [--runs 3]
       python benchmarks/cluster.py idle [--projects 100] [--sources 1000] [--workers 4]

Scheduler, workers with one thread each and the agent are processes on loopback, over TLS. What is timed is a whole
``gros-agent scrape``, from its start to its end.

``workers`` collects small Jenkins instances, three requests each, from a server that answers after so many
milliseconds. They are spread over 16 hosts, since four of one host are collected at the same time. ``overhead``
collects sources that do nothing, first few and then many: what one more costs with one worker, and without a cluster.
``idle`` collects very many of them in one command, and tells the memory of the coordinator and the scheduler meanwhile.
The authorities that hosts are trusted by are those of ``SSL_CERT_FILE``, or else the system's.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster_processes import Used, agent, finished, started, used
from git_history import machine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.replay import Replay, serving
from support.web import json_answer

HOSTS = 16
IDLE_HOSTS = 1000
SAMPLES = 20
FEW = 100
"""Parts of the smaller scrape, which is subtracted from the larger one: what is left is the parts' own time."""
Entry = dict[str, str]


def jenkins(address: str, latency: float) -> Replay:
    """A server with any number of small Jenkins instances."""
    replay = Replay(host=address, latency=latency)
    few = {name: [{"name": str(number), "displayName": "x"} for number in range(3)] for name in ("jobs", "views")}
    replay.route("jobs and views", r"/ci\d+/api/json", lambda _: json_answer(few))
    nodes = {"computer": [{"displayName": "built-in"}]}
    replay.route("nodes", r"/ci\d+/computer/api/json", lambda _: json_answer(nodes))
    return replay


@contextlib.contextmanager
def slow_sources(count: int, latency: float) -> Iterator[list[Entry]]:
    """Serve so many instances on several hosts."""
    with contextlib.ExitStack() as stack:
        servers = [jenkins(f"127.0.1.{number + 1}", latency) for number in range(HOSTS)]
        for server in servers:
            stack.enter_context(serving(server))
        urls = (f"{servers[number % HOSTS].url}/ci{number}" for number in range(count))
        yield [{"type": "ci", "name": f"ci{number}", "url": url} for number, url in enumerate(urls)]


def idle_sources(count: int) -> list[Entry]:
    """Sources that do nothing, on many hosts."""
    urls = (f"http://h{number % IDLE_HOSTS}.example/{number}" for number in range(count))
    return [{"type": "idle", "name": f"i{number}", "url": url} for number, url in enumerate(urls)]


def listed(home: Path, key: str, entries: Sequence[Entry]) -> None:
    """Give a project its list of sources."""
    folder = home / "export" / key
    folder.mkdir(parents=True)
    (folder / "data_sources.json").write_text(json.dumps(entries))


def scrape(home: Path, entries: Sequence[Entry], *arguments: str) -> float:
    """The seconds of a scrape of these sources, in a new home."""
    listed(home, "BENCH", entries)
    begun = time.perf_counter()
    finished(home, agent(home, "scrape", "--project", "BENCH", *arguments))
    return time.perf_counter() - begun


def by_workers(folder: Path, arguments: argparse.Namespace) -> None:
    """Print the seconds with so many workers, and how much of the ideal they are."""
    print(f"\n{arguments.sources} sources with 3 requests each, {arguments.latency} ms\n")
    print("| workers | s | times as fast | of linear |\n| --- | --- | --- | --- |")
    first = 0.0
    with slow_sources(arguments.sources, arguments.latency / 1000) as entries:
        for workers in map(int, arguments.workers.split(",")):
            with started(folder / f"cluster-{workers}", workers) as cluster:
                seconds = scrape(folder / f"home-{workers}", entries, *cluster.arguments)
            first = first or seconds * workers
            gain = first / seconds
            print(f"| {workers} | {seconds:.1f} | {gain:.2f} | {gain / workers:.2f} |", flush=True)


def overhead(folder: Path, arguments: argparse.Namespace) -> None:
    """Print what a part costs beyond itself, with one worker and without a cluster."""
    found: dict[str, list[float]] = {"cluster, one worker": [], "one machine": []}
    with started(folder / "cluster", 1) as cluster:
        for run in range(arguments.runs):
            for place, (name, costs) in enumerate(found.items()):
                given = [] if place else cluster.arguments
                sizes = (FEW, FEW + arguments.parts)
                small, large = (scrape(folder / f"{run}-{place}-{size}", idle_sources(size), *given) for size in sizes)
                costs.append((large - small) / arguments.parts * 1000)
                print(f"{name}: {small:.2f} s for {FEW} parts, {large:.2f} s for {sizes[1]}", flush=True)
    own = [one - other for one, other in zip(*found.values(), strict=True)]
    for name, costs in found.items():
        print(f"{name}: {statistics.median(costs):.2f} ms a part")
    print(f"overhead: {statistics.median(own):.2f} ms a part")


def idle(folder: Path, arguments: argparse.Namespace) -> None:
    """Print the memory and the processor time of coordinator and scheduler, while very many parts do nothing."""
    home, parts = folder / "home", arguments.projects * arguments.sources
    keys = [f"P{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(arguments.projects)]
    for key in keys:
        listed(home, key, idle_sources(arguments.sources))
    with started(folder / "cluster", arguments.workers) as cluster:
        begun = time.perf_counter()
        chosen = [part for key in keys for part in ("--project", key)]
        process = agent(home, "--quiet", "scrape", *chosen, *cluster.arguments)
        told: list[tuple[float, Used, Used]] = []
        while process.poll() is None:
            one, other = used(process), used(cluster.scheduler)
            if one and other:
                told.append((time.perf_counter() - begun, one, other))
            time.sleep(1)
        finished(home, process)
        seconds = time.perf_counter() - begun
    print(f"\n{arguments.projects} projects with {arguments.sources} sources each, {arguments.workers} workers\n")
    print("| s | coordinator, MiB | processor, s | scheduler, MiB | processor, s |\n| --- | --- | --- | --- | --- |")
    for at, one, other in told[:: max(1, len(told) // SAMPLES)]:
        print(f"| {at:.0f} | {one.memory:.0f} | {one.seconds:.1f} | {other.memory:.0f} | {other.seconds:.1f} |")
    _, one, other = told[-1]
    most = max(found[1].memory for found in told), max(found[2].memory for found in told)
    print(f"\n{seconds:.0f} s, {seconds / parts * 1000:.2f} ms a part")
    print(f"coordinator: {one.seconds / parts * 1000:.2f} ms of a processor a part, at most {most[0]:.0f} MiB")
    print(f"scheduler: {other.seconds / parts * 1000:.2f} ms of a processor a part, at most {most[1]:.0f} MiB")


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("workers")
    one.add_argument("--sources", type=int, default=200)
    one.add_argument("--latency", type=int, default=200, help="milliseconds")
    one.add_argument("--workers", default="1,2,4,8")
    one.set_defaults(measure=by_workers)
    one = kinds.add_parser("overhead")
    one.add_argument("--parts", type=int, default=1000)
    one.add_argument("--runs", type=int, default=3)
    one.set_defaults(measure=overhead)
    one = kinds.add_parser("idle")
    one.add_argument("--projects", type=int, default=100)
    one.add_argument("--sources", type=int, default=1000)
    one.add_argument("--workers", type=int, default=4)
    one.set_defaults(measure=idle)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        arguments.measure(Path(temporary), arguments)


if __name__ == "__main__":
    main()
