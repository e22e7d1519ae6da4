"""Jenkins in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from support.jenkins import ORIGINS, Jenkins
from support.parrot import SECRET, USER
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, rows
from support.together import Together


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = Jenkins()
    stack.enter_context(serving(one.replay))
    there = context(folder, "jenkins", one.replay.url)
    return Sample(there, lambda: one.jobs.append({"_class": "job", "name": "more"}), at(there, f"{there.entry.url}/x"))


def system(folder: Path, _patch: pytest.MonkeyPatch) -> System:
    return System(Jenkins().replay, context(folder, "jenkins", "{url}"), rows)


def join(stack: ExitStack, one: Together) -> None:
    one.add("jenkins", "jënkins", stack.enter_context(serving(Jenkins().replay)).url)


UNDER_TEST = SourceUnderTest(
    kind="jenkins",
    sample=sample,
    credentials=Credentials("{url}", {"username": USER, "password": SECRET}),
    join=join,
    apis=(Api("jenkins", system, ("jobs", "nodes")),),
    served=lambda: Served("Jenkins", (Jenkins().replay,), ORIGINS),
)
