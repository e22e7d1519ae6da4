"""GitLab in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.gitlab import access, collect, events
from support.gitlab import PATH, TOKEN, UNDER, GitLab
from support.replay import serving
from support.sources import Api, Sample, SourceUnderTest, System, at, context, rows


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = GitLab()
    stack.enter_context(serving(one.replay))
    one.say(1, "2023-01-01T01:01:01Z", position=one.data["diff_discussion"][0]["notes"][0]["position"])
    there = context(folder, "gitlab", one.url, gitlab_token=TOKEN, strip=UNDER)
    missing = at(there, f"{one.replay.url}/{UNDER}/nobody/nothing")
    return Sample(there, lambda: one.touch(3, "2024-01-01T01:01:01Z"), missing)


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = GitLab()
    one.push("2023-01-01T01:01:01Z", 3)
    one.push("2023-01-01T01:01:02Z", 2)
    for number in range(3):
        one.comments[one.commits[number]] = [one.data["commit_comments"]]
    for module in (collect, events, access):
        patch.setattr(module, "PAGE", "5")
    options = {"gitlab_token": TOKEN, "strip": UNDER, "has_commit_comments": "true"}
    return System(one.replay, context(folder, "gitlab", f"{{url}}/{UNDER}/{PATH}", **options), rows)


ENDPOINTS = ("project", "merge requests", "discussions", "approvals", "events", "compare", "commits", "comments")
UNDER_TEST = SourceUnderTest("gitlab", sample, (Api("gitlab", system, ENDPOINTS),))
