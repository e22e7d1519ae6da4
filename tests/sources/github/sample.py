"""GitHub in the suites that try every source."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.github import queries
from support.github import NAME, ORIGINS, OWNER, TOKEN, GitHub
from support.parrot import SECRET
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, rows
from support.together import BEYOND, LATER, Together

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


def join(stack: ExitStack, one: Together) -> None:
    """A repository with comments beyond 31 bits, and reviewers who vote several times."""
    hub = one.github
    for comment in hub.data["review_comments"]:
        comment["id"] += BEYOND
        comment["in_reply_to_id"] = comment["in_reply_to_id"] and comment["in_reply_to_id"] + BEYOND
    pull = hub.data["pulls"][0]["number"]
    votes = (("anna", "APPROVED"), ("anna", "COMMENTED"), ("bob", "APPROVED"), ("bob", "CHANGES_REQUESTED"))
    for number, (user, state) in enumerate((*votes, ("carl", "COMMENTED"), ("bob", "COMMENTED"))):
        hub.judge(pull, LATER.format(number), user, state)
    hub.say(pull, LATER.format(6), "with \0 and \U0001f600")
    hub.say_on_commit(LATER.format(7))
    hub.say_on_commit(LATER.format(7), line=None)
    stack.enter_context(serving(hub.replay))
    one.serve_git(stack, "github", {"ants": f"{OWNER}/{NAME}.git"}, "word", github_token=TOKEN, github_api_url=hub.api)
    one.later.append(lambda: _later(hub, pull))


def _later(hub: GitHub, pull: int) -> None:
    hub.judge(pull, LATER.format(10), "anna", "COMMENTED")
    hub.judge(pull, LATER.format(11), "bob", "APPROVED")
    hub.say(pull, LATER.format(12), "nówe")


CREDENTIALS = Credentials("{url}/owner/name", {"github_token": SECRET, "github_api_url": "{url}/api/v3"})
UNDER_TEST = SourceUnderTest(
    kind="github",
    sample=sample,
    credentials=CREDENTIALS,
    join=join,
    apis=(Api("github", system, ENDPOINTS),),
    served=lambda: Served("GitHub", (GitHub().replay,), ORIGINS, "/api/v3/no/such/path"),
)
