"""GitHub in the suites that try every source."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.github import queries
from support.github import NAME, OWNER, TOKEN, GitHub
from support.replay import serving
from support.sources import Api, Sample, SourceUnderTest, System, at, context, rows

HOME = "https://github.example"


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = GitHub()
    stack.enter_context(serving(one.replay))
    there = context(folder, "github", f"{HOME}/{OWNER}/{NAME}", github_token=TOKEN, github_api_url=one.api)
    pull = one.data["pulls"][0]["number"]
    return Sample(there, lambda: one.say(pull, "2024-01-01T01:01:01Z"), at(there, f"{HOME}/nobody/nothing"))


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = GitHub()
    for number in range(3):
        one.say_on_commit(f"2023-01-01T01:01:0{number}Z")
    patch.setattr(queries, "PAGE", 20)
    for name in ("FIRST", "PULLS"):
        text = re.sub(r"(s\(first: )(20|50)", r"\g<1>2", getattr(queries, name))
        patch.setattr(queries, name, text)
    options = {"github_token": TOKEN, "github_api_url": "{url}/api/v3"}
    return System(one.replay, context(folder, "github", f"{HOME}/{OWNER}/{NAME}", **options), rows)


ENDPOINTS = (
    *("First", "Pulls", "Issues", "PullComments", "IssueComments", "Reviews", "ReviewComments"),
    "commit comments",
)
UNDER_TEST = SourceUnderTest("github", sample, (Api("github", system, ENDPOINTS),))
