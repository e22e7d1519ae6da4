"""Quality-time in the suites that try every source."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from support.parrot import SECRET, USER
from support.quality_time import ORIGINS, RELEASES, QualityTime
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, defining, rows
from support.together import CHANGED, Together


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = QualityTime()
    stack.enter_context(serving(one.replay))
    there = context(folder, "quality-time", one.replay.url)

    def grow() -> None:
        one.now += timedelta(days=2)
        begun, ended = (f"{one.now - timedelta(days=1):%Y-%m-%dT%H:%M:%S+00:00}" for _ in range(2))
        one.data["measurements"].append({**one.data["measurements"][0], "start": begun, "end": ended})

    return Sample(there, grow, at(there, f"{one.replay.url}/00000000-0000-4000-8000-000000000000"))


def system(folder: Path, _patch: pytest.MonkeyPatch) -> System:
    return System(QualityTime("5.9.0").replay, context(folder, "quality-time", "{url}"), rows)


APIS = (
    Api("quality-time", system, ("report", "datamodel", "measurements", "changelog")),
    Api("quality-time, definition", defining(system), ("report",)),
)


def join(stack: ExitStack, one: Together) -> None:
    """A server that is asked within the hour of the last change of a target, and again in two weeks."""
    quality = QualityTime(now=CHANGED + timedelta(hours=1))
    one.add("quality-time", "qualität", stack.enter_context(serving(quality.replay)).url)

    def later() -> None:
        quality.now += timedelta(days=15)

    one.later.append(later)


def served() -> Served:
    replays = tuple(QualityTime(version).replay for version in RELEASES)
    return Served("Quality-time", replays, ORIGINS, "/api/v3/no/such/path")


UNDER_TEST = SourceUnderTest(
    kind="quality-time",
    sample=sample,
    credentials=Credentials("{url}/x", {"username": USER, "password": SECRET}),
    join=join,
    apis=APIS,
    served=served,
)
