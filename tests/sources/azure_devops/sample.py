"""Azure DevOps in the suites that try every source."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from gros_agent.sources.azure_devops import access, boards
from support.azure_devops import ORIGINS, TOKEN, AzureDevOps
from support.parrot import SECRET, USER
from support.replay import Served, serving
from support.sources import Api, Credentials, Sample, SourceUnderTest, System, at, context, rows
from support.together import BEYOND, LATER, Together


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


def join(stack: ExitStack, one: Together) -> None:
    """Two repositories of one project, one of them under the collection's name in small letters."""
    first = one.azure
    first.change(1, LATER.format(1), **{"Microsoft.VSTS.Scheduling.TargetDate": "2024-06-01T12:00:00Z"})
    first.change(2, LATER.format(2), **{"Microsoft.VSTS.Common.Priority": 3_000_000_000})
    first.say(22, LATER.format(3), "zwölf", id=BEYOND + 7)
    stack.enter_context(serving(first.replay))
    other = {**first.data["repository"], "id": "1", "name": "Zweites Lager"}
    second = AzureDevOps(data={**first.data, "repository": other}, replay=first.replay, collection="tfs/fabrikam")
    paths = {
        name: hub.url.removeprefix(f"{first.replay.url}/") for name, hub in (("fabrikam", first), (" Lager ", second))
    }
    options = {"tfs": "tfs/Fabrikam", "web_port": str(first.replay.port)}
    for name, path in paths.items():
        one.serve_git(stack, name.strip(), {name: path}, TOKEN, **options)
    one.later.append(lambda: _later(first))


def _later(hub: AzureDevOps) -> None:
    hub.say(22, LATER.format(14))
    hub.change(1, LATER.format(15), **{"System.Title": "chänged"})
    hub.push(LATER.format(16))


def served() -> Served:
    replays = tuple(AzureDevOps(is_first=is_first).replay for is_first in (False, True))
    return Served("Azure DevOps", replays, ORIGINS, "/tfs/Fabrikam/_apis/nothing")


CREDENTIALS = Credentials(
    "{url}/tfs/Collection/_git/name", {"tfs": "tfs/Collection", "username": USER, "password": SECRET}
)
UNDER_TEST = SourceUnderTest(
    kind="tfs",
    sample=sample,
    credentials=CREDENTIALS,
    join=join,
    apis=(Api("tfs", system, ENDPOINTS),),
    served=served,
)
