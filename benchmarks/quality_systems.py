"""Collects measurements of quality systems side by side: ours and the old agent, from one server.

Usage: python benchmarks/quality_systems.py [--latency 20] [--runs 5] [--with old]

The servers are those of the tests, on loopback, with that many milliseconds of latency for each request. Quality-time
has one report with 100 metrics and 100 measurements of each; SonarQube 20 projects with 40 metrics and 250 analyses of
each. Both collect measurements, targets and defaults, from the start. The old agent runs once; it lives in a virtual
environment that ``--tools`` keeps. What is counted are requests that reached the server, and the seconds from start to
end of a process; ours is the median of its runs.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from git_history import PEAK, install, machine
from review_systems import Measured, measure, table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.quality_time import QualityTime
from support.replay import Asked, Replay, serving
from support.sonarqube import Project, SonarQube
from support.web import Answer, json_answer

METRICS, MEASUREMENTS = 100, 100
PROJECTS, MEASURES, ANALYSES = 20, 40, 250
BEGIN = datetime(2022, 1, 1, tzinfo=UTC)

OURS = """
import sys
from pathlib import Path
from gros_agent.options.hosts import Host
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
folder = Path(sys.argv[2])
context = Context(
    entry=SourceEntry("{kind}", "bench", sys.argv[1]),
    host=Host(), folder=folder / "work", known_hosts=folder / "known",
)
with open(folder / "data_metrics.json", "w") as stream:
    for rows in sources()["{kind}"].collect(context, None):
        for row in rows:
            print(row, file=stream)
"""
OLD = """
import os, sys
from pathlib import Path
os.environ["http_proxy"] = sys.argv[1]  # as it knows no other ports than the usual ones
(Path.cwd() / "settings.cfg").write_text(
    "[projects]\\nBENCH = bench\\n[{kind}]\\nname = bench\\nurl = http://quality.example/\\n")
(Path.cwd() / "credentials.cfg").touch()
from gatherer.domain import Project
from gatherer.project_definition.collector import (
    Measurements_Collector, Metric_Defaults_Collector, Metric_Options_Collector)
project = Project("BENCH")
project.make_export_directory()
for source in project.project_definitions_sources:
    options = Metric_Options_Collector(project, source)
    options.collect()
    Metric_Defaults_Collector(project, source, data_model=options.data_model).collect()
    Measurements_Collector(project, source).collect()
"""


def quality_time() -> Replay:
    """A report, whose metrics are measured once a day."""
    names = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(METRICS)]
    one = QualityTime(now=BEGIN + timedelta(days=MEASUREMENTS), version="5.9.0")
    metrics = {name: {"type": "violations", "scale": "count", "target": "0", "near_target": "10"} for name in names}
    report = {
        "report_uuid": "bench",
        "title": "Made",
        "timestamp": BEGIN.isoformat(),
        "subjects": {"subject": {"type": "software", "name": "Product", "metrics": metrics}},
    }
    one.data["reports"], one.data["changelogs"] = {"now": [report]}, {}
    one.data["measurements"] = [
        {
            "metric_uuid": name,
            "report_uuid": "bench",
            "start": (BEGIN + timedelta(days=day)).isoformat(),
            "end": (BEGIN + timedelta(days=day, hours=12)).isoformat(),
            "count": {"value": str(day), "status": "target_met"},
        }
        for name in names
        for day in range(MEASUREMENTS)
    ]
    # an address that the old agent alone asks
    one.replay.route(
        "changelog of a metric", "/api/internal/changelog/metric/.+", lambda _: json_answer({"changelog": []})
    )
    return one.replay


def sonarqube() -> Replay:
    """Projects that are analysed once a day."""
    names = [f"some_metric_of_it_{number:02}" for number in range(MEASURES)]
    analyses: dict[datetime, dict[str, Any]] = {
        BEGIN + timedelta(days=day): dict.fromkeys(names, str(day)) for day in range(ANALYSES)
    }
    one = SonarQube(
        projects=[Project(f"org:project-{number}", f"Project {number}", analyses) for number in range(PROJECTS)],
        metrics=[{"key": name, "type": "INT", "direction": -1, "qualitative": True, "hidden": False} for name in names],
    )

    def version(_asked: Asked) -> Answer:
        return 200, {"Content-Type": "text/plain"}, one.version.encode()

    one.replay.route("version", "/api/server/version", version)
    return one.replay


SYSTEMS: dict[str, tuple[Callable[[], Replay], int]] = {
    "quality-time": (quality_time, METRICS * MEASUREMENTS),
    "sonar": (sonarqube, PROJECTS * MEASURES * ANALYSES),
}
"""Type → what makes the server, and how many measurements it has."""


def rows(folder: Path) -> int:
    """How many measurements a program wrote, one a line or in a JSON list."""
    (path,) = folder.rglob("data_metrics.json")
    return path.read_text().count("category")


def main() -> None:
    """Measure, and print a table in Markdown for each system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=int, default=20, help="milliseconds")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--with", dest="others", choices=("old",), help="also measure the old agent")
    parser.add_argument("--tools", type=Path, help="a folder that keeps the other tool")
    arguments = parser.parse_args()
    print(machine())
    for kind, (make, count) in SYSTEMS.items():
        replay = make()
        replay.latency = arguments.latency / 1000
        with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary, serving(replay):
            folder = Path(temporary)
            ours, old = (f"{program.format(kind=kind)}{PEAK}\n" for program in (OURS, OLD))
            own = [measure(replay, sys.executable, ours, folder / f"ours-{number}") for number in range(arguments.runs)]
            found = {"gros-agent": rows(folder / "ours-0")}
            median = statistics.median(one[1] for one in own)
            measured: dict[str, Measured] = {"gros-agent": (own[0][0], median, max(one[2] for one in own))}
            if arguments.others:
                tools = arguments.tools or folder / "tools"
                install(tools / "old", "gros-gatherer")
                measured["old"] = measure(replay, str(tools / "old" / "bin" / "python"), old, folder / "old")
                found["old"] = rows(folder / "old")
        print(f"\n{kind}: {count} measurements, {arguments.latency} ms\n")
        print("\n".join(table(measured, count / 1000, "1,000 measurements")))
        for name, number in found.items():
            if number != count:
                print(f"{name} found {number} of them")


if __name__ == "__main__":
    main()
