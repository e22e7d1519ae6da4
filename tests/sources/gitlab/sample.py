"""GitLab in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.gitlab import access, collect, events
from support.gitlab import ORIGINS, PATH, TOKEN, UNDER, GitLab
from support.parrot import SECRET
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, rows
from support.together import LATER, Together


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


def join(stack: ExitStack, one: Together) -> None:
    """A project under another path, with notes on lines, an approval, and pushes."""
    lab = GitLab()
    lab.say(1, LATER.format(1), position=lab.data["diff_discussion"][0]["notes"][0]["position"])
    lab.say(1, LATER.format(2), "approved this merge request", system=True)
    lab.push(LATER.format(3), 3)
    lab.push_many(LATER.format(4), 9)
    stack.enter_context(serving(lab.replay))
    options = {"gitlab_token": TOKEN, "web_port": str(lab.replay.port), "strip": UNDER}
    one.serve_git(stack, "gitlab", {"spend": f"{PATH}.git"}, "word", **options)
    one.later.append(lambda: lab.say(1, LATER.format(13)))


UNDER_TEST = SourceUnderTest(
    kind="gitlab",
    sample=sample,
    credentials=Credentials("{url}/owner/name", {"gitlab_token": SECRET}),
    join=join,
    apis=(Api("gitlab", system, ENDPOINTS),),
    served=lambda: Served("GitLab", (GitLab().replay,), ORIGINS, f"/{UNDER}/api/v4/no_such_path"),
)
