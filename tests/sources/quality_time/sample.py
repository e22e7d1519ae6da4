"""Quality-time in the suites that try every source."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from support.quality_time import QualityTime
from support.replay import serving
from support.sources import Api, Sample, SourceUnderTest, System, at, context, defining, rows


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
UNDER_TEST = SourceUnderTest("quality-time", sample, APIS)
