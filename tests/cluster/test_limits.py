"""Limits hold for the whole cluster, measured at the server: parts at a host, and what one worker learns of a pause."""

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gros_agent.cli import clusters
from gros_agent.collect import engine
from gros_agent.run.history import History
from support.agent import Agent
from support.dask import on, running
from support.replay import Asked, Strike, serving
from support.sonarqube import Project, SonarQube, analysed
from support.web import Answer

PARTS = 24
WAIT = 4


@dataclass
class Watched:
    """A SonarQube, and when it was asked for which project; ``refused`` is when it asked for a pause."""

    server: SonarQube
    moments: list[tuple[float, str]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def at_once(self) -> int:
        """How many projects it was asked for at the same time, at most: from the first question to the last one."""
        spans: dict[str, list[float]] = defaultdict(list)
        for moment, project in self.moments:
            if project:
                spans[project].append(moment)
        edges = sorted(edge for found in spans.values() for edge in ((min(found), 1), (max(found), -1)))
        most = running = 0
        for _, step in edges:
            running += step
            most = max(most, running)
        return most

    def refuse(self, _asked: Asked, _honest: Answer) -> Answer:
        """Ask to wait."""
        self.refused.append(time.monotonic())
        return 429, {"Retry-After": str(WAIT)}, b"{}"


@pytest.fixture
def watched() -> Iterator[Watched]:
    begin = datetime(2024, 1, 1, 8, tzinfo=UTC)
    projects = [Project(f"p{number}", f"P{number}", analysed(begin, 3, timedelta(days=7))) for number in range(PARTS)]
    found = Watched(SonarQube(projects))
    replay = found.server.replay
    honest = replay.answer

    def answer(method: str, target: str, headers: Mapping[str, str], content: bytes) -> Answer | None:
        begun, before = time.monotonic(), len(replay.asked)
        answered = honest(method, target, headers, content)
        query = replay.asked[before].query if len(replay.asked) > before else {}
        found.moments.append((begun, query.get("component") or query.get("project") or ""))
        return answered

    replay.answer = answer  # type: ignore[method-assign]
    replay.latency = 0.03
    with serving(replay):
        yield found


def sources(watched: Watched, numbers: Iterable[int] = range(PARTS)) -> list[str]:
    url = watched.server.url
    return [word for n in numbers for word in ("--source", f"sonar:p{n}={url}/dashboard?id=p{n}")]


def measured(agent: Agent) -> set[str]:
    return {row["domain_name"] for row in json.loads((agent.export() / "data_metrics.json").read_text())}


def test_default() -> None:
    """A cluster has as many parts of a host at once as one machine."""
    assert clusters.PER_HOST == engine.PER_HOST


def test_parts_at_a_host(ready: Agent, watched: Watched, certificates: Path, tmp_path: Path) -> None:
    """Eight workers, of which two have something to do."""
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, workers=8) as cluster:
        done = ready.scrape("--per-host", "2", *sources(watched), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert len(measured(ready)) == PARTS
    assert watched.at_once() == 2


def test_a_pause_holds_for_all_workers(ready: Agent, watched: Watched, certificates: Path, tmp_path: Path) -> None:
    """One answer asks to wait: from then on nobody asks, until the time is over. Then everything comes."""

    watched.server.replay.latency = 0.3  # so that what is under way goes on for seconds if nobody tells it
    watched.server.replay.strikes["history"] = Strike(watched.refuse, times=1, after=1)
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, workers=4) as cluster:
        done = ready.scrape(*sources(watched), variables=on(cluster, certificates))
    assert done.status == 0, done
    assert len(measured(ready)) == PARTS
    (refused,) = watched.refused
    after = sorted(moment - refused for moment, _ in watched.moments if moment > refused)
    spread = 1.0  # until the last worker has heard of it, on a machine that has much to do
    assert [moment for moment in after if spread < moment < WAIT - 0.1] == []
    assert len([moment for moment in after if moment > WAIT - 0.1]) > PARTS


def test_two_coordinators(ready: Agent, watched: Watched, certificates: Path, tmp_path: Path) -> None:
    """Each submits as many parts as the host may take; the places are those of the cluster."""
    other = Agent(tmp_path / "other")
    shutil.copytree(ready.home, other.home)
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    with running(tmp_path / "cluster", key, workers=4) as cluster:
        begin, variables = ("scrape", "--project", "TEST", "--per-host", "2"), on(cluster, certificates)
        halves = [sources(watched, numbers) for numbers in (range(PARTS // 2), range(PARTS // 2, PARTS))]
        with (
            ready.start(*begin, *halves[0], variables=variables) as one,
            other.start(*begin, *halves[1], variables=variables) as two,
        ):
            ends = [process.communicate(timeout=90) for process in (one, two)]
    assert [one.returncode, two.returncode] == [0, 0], ends
    assert len(measured(ready) | measured(other)) == PARTS
    assert watched.at_once() == 2


def test_progress(ready: Agent, watched: Watched, certificates: Path, tmp_path: Path) -> None:
    """What a worker is at is in the history meanwhile."""
    watched.server.replay.latency = 0.4  # it tells so after a second
    watched.server.replay.strikes["history"] = Strike(watched.refuse, times=1)
    key = {"GROS_AGENT_CLUSTER_KEY": str(certificates / "worker" / "parts.key")}
    entry = {"type": "sonar", "name": "quality", "url": f"{watched.server.url}/dashboard?id=p1"}
    ready.export().mkdir(parents=True)
    (ready.export() / "data_sources.json").write_text(json.dumps([entry]))
    history = History(ready.home / "state" / "history.sqlite")
    seen = set()
    with running(tmp_path / "cluster", key, workers=1) as cluster:
        variables = {"JIRA_KEY": "TEST", **on(cluster, certificates)}
        with ready.start("run", "--skip-preflight", variables=variables) as process:
            while process.poll() is None:
                if (run := history.current()) is not None and run.stage == "scrape" and run.what:
                    seen.add(run.what)
                time.sleep(0.05)
            process.communicate()
    assert process.returncode == 0
    assert any(what.startswith("quality: waiting for 127.0.0.1 until") for what in seen), seen
