"""SonarQube in the suites that try every source."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gros_agent.sources.sonarqube import history
from support.replay import serving
from support.sonarqube import TOKEN, SonarQube
from support.sources import Api, Sample, SourceUnderTest, System, at, context, defining, rows


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = SonarQube()
    stack.enter_context(serving(one.replay))
    there = context(folder, "sonar", one.url)

    def grow() -> None:
        one.now += timedelta(days=2)
        one.projects[0].analyses[one.now - timedelta(days=1)] = {"coverage": "50.5"}

    return Sample(there, grow, at(there, f"{one.url}/dashboard?id=nothing"))


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = SonarQube()
    one.projects[0].alm = {"key": "github", "url": "https://code.example/one"}
    one.projects[1].links = [{"type": "scm", "url": "https://code.example/two"}]
    patch.setattr(history, "PAGE", 2)
    patch.setattr(history, "LIMIT", 6)
    return System(one.replay, context(folder, "sonar", "{url}/sonar", password=TOKEN), rows)


APIS = (
    Api("sonar", system, ("status", "projects", "metrics", "gate of project", "gate", "history")),
    Api("sonar, definition", defining(system), ("status", "projects", "navigation", "links")),
)
UNDER_TEST = SourceUnderTest("sonar", sample, APIS)
