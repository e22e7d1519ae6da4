"""Forgejo and Gitea in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.base import Context
from gros_agent.sources.forgejo import access
from sources.forgejo.replay import ORIGINS, TOKEN, UNDER, Forgejo
from support import sources
from support.parrot import SECRET
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, rows
from support.together import LATER, Together

ENDPOINTS = ("settings", "repository", "pulls", "reviews", "review comments", "issues", "comments")


def context(url: str, folder: Path, **options: str) -> Context:
    """The context of a source at an address; an option that is empty is left out."""
    given = {"forgejo_token": TOKEN, "strip": UNDER, **options}
    return sources.context(folder, "forgejo", url, **{name: text for name, text in given.items() if text})


def sample(folder: Path, stack: ExitStack) -> Sample:
    one = Forgejo()
    stack.enter_context(serving(one.replay))
    one.say(12, "2023-01-01T01:01:01Z")
    there = context(one.url, folder)
    missing = at(there, f"{one.replay.url}/{UNDER}/nobody/nothing")
    return Sample(there, lambda: one.touch(3, "2024-12-01T01:01:01Z"), missing)


def system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = Forgejo()
    patch.setattr(access, "PAGE", 4)
    for number in range(6):
        one.say(12, f"2023-01-01T01:01:0{number}Z")
        review = one.review(12, f"2023-01-01T01:02:0{number}Z", "APPROVED")
        one.on_line(12, review["id"], f"2023-01-01T01:03:0{number}Z")
    return System(one.replay, context(f"{{url}}/{UNDER}/{one.path}", folder), rows)


def join(stack: ExitStack, one: Together) -> None:
    """A repository under another path, with comments, a vote, and a comment on a line."""
    forge = Forgejo()
    forge.say(12, LATER.format(1))
    review = forge.review(12, LATER.format(2), "APPROVED")
    forge.on_line(12, review["id"], LATER.format(3))
    stack.enter_context(serving(forge.replay))
    options = {"forgejo_token": TOKEN, "web_port": str(forge.replay.port), "strip": UNDER}
    one.serve_git(stack, "forgejo", {forge.path.rpartition("/")[2]: f"{forge.path}.git"}, "word", **options)
    one.later.append(lambda: forge.say(12, LATER.format(13)))


UNDER_TEST = SourceUnderTest(
    kind="forgejo",
    sample=sample,
    credentials=Credentials("{url}/owner/name", {"forgejo_token": SECRET}),
    join=join,
    apis=(Api("forgejo", system, ENDPOINTS),),
    served=lambda: Served("Forgejo and Gitea", (Forgejo().replay,), ORIGINS, f"/{UNDER}/api/v1/no_such_path"),
)
