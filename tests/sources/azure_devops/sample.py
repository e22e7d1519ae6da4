"""Azure DevOps in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.azure_devops import access, boards
from support.azure_devops import TOKEN, AzureDevOps
from support.replay import serving
from support.sources import Api, Sample, SourceUnderTest, System, at, context, rows


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = AzureDevOps()
    stack.enter_context(serving(one.replay))
    there = context(folder, "tfs", one.url, password=TOKEN)
    return Sample(there, lambda: one.say(22, "2024-01-01T01:01:01Z"), at(there, f"{one.url}-nothing"))


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = AzureDevOps()
    patch.setattr(access, "PAGE", 2)
    patch.setattr(boards, "BATCH", 5)
    known = one.data["repository"]
    url = f"{{url}}/{one.collection}/{known['project']['name']}/_git/{known['name']}"
    return System(one.replay, context(folder, "tfs", url, password=TOKEN), rows)


ENDPOINTS = ("repository", "pulls", "threads", "pushes", "teams", "members", "sprints", "work items")
UNDER_TEST = SourceUnderTest("tfs", sample, (Api("tfs", system, ENDPOINTS),))
