"""SonarQube in the suites that try every source."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gros_agent.sources.sonarqube import history
from support.parrot import SECRET, USER
from support.replay import Served, serving
from support.sonarqube import ORIGINS, TOKEN, SonarQube, measured
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, defining, rows
from support.together import CHANGED, Together


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


def join(stack: ExitStack, one: Together) -> None:
    """A server that is asked in the second in which Quality-time changed, and again in two weeks."""
    sonar = SonarQube(now=CHANGED)
    stack.enter_context(serving(sonar.replay))
    one.add("sonar", "sönar", sonar.url)

    def later() -> None:
        sonar.now += timedelta(days=15, hours=1)
        sonar.projects[0].analyses[sonar.now - timedelta(hours=1)] = measured(1)

    one.later.append(later)


UNDER_TEST = SourceUnderTest(
    kind="sonar",
    sample=sample,
    credentials=Credentials("{url}/dashboard?id=x", {"username": USER, "password": SECRET}),
    join=join,
    apis=APIS,
    served=lambda: Served("SonarQube", (SonarQube().replay,), ORIGINS, "/sonar/api/no/such_path"),
)
