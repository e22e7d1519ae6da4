"""Jenkins in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from support.jenkins import Jenkins
from support.replay import serving
from support.sources import Api, Sample, SourceUnderTest, System, at, context, rows


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = Jenkins()
    stack.enter_context(serving(one.replay))
    there = context(folder, "jenkins", one.replay.url)
    return Sample(there, lambda: one.jobs.append({"_class": "job", "name": "more"}), at(there, f"{there.entry.url}/x"))


def system(folder: Path, _patch: pytest.MonkeyPatch) -> System:
    return System(Jenkins().replay, context(folder, "jenkins", "{url}"), rows)


UNDER_TEST = SourceUnderTest("jenkins", sample, (Api("jenkins", system, ("jobs", "nodes")),))
