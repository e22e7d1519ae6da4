"""Jenkins: how much there is of it, however deep it lies, and how it is reached."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Secret
from gros_agent.sources import jenkins
from gros_agent.sources.base import Context, SourceEntry
from support import schemas
from support.agent import Agent
from support.hosts import host_with
from support.jenkins import Jenkins, cut
from support.replay import Strike, serving

FOLDER, BRANCHES = "com.cloudbees.hudson.plugins.folder.Folder", "org.example.WorkflowMultiBranchProject"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jenkins]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    one = Jenkins()
    with serving(one.replay):
        yield one


def context(server: Jenkins, folder: Path, password: str = "") -> Context:
    entry = SourceEntry("jenkins", "jenkins", f"{server.replay.url}/")
    if password:
        entry = replace(entry, username="reader", password=Secret(password))
    return Context(entry=entry, host=host_with(), folder=folder / "work", known_hosts=folder / "known", silence=20)


def collected(context: Context) -> Any:
    (((row,)),) = list(jenkins.SOURCE.collect(context, None))
    return row


def job(name: str) -> dict[str, Any]:
    return {"_class": "hudson.model.FreeStyleProject", "name": name}


def holder(name: str, *jobs: dict[str, Any], kind: str = FOLDER) -> dict[str, Any]:
    return {"_class": kind, "name": name, "jobs": list(jobs)}


def test_recorded(server: Jenkins, tmp_path: Path) -> None:
    row = collected(context(server, tmp_path))
    assert (row.host, row.jobs, row.views, row.nodes) == (f"{server.replay.url}/", 1, 1, 2)


def test_recorded_branches(server: Jenkins, tmp_path: Path) -> None:
    """A pipeline of several branches, in a folder, as it was recorded."""
    pipeline = holder("devlake-jenkins", *server.data["branches"], kind=BRANCHES)
    server.jobs.append(holder("github_org", pipeline))
    assert collected(context(server, tmp_path)).jobs == 1 + 4


def test_folders_and_branches(server: Jenkins, tmp_path: Path) -> None:
    """Names are of any kind; what lies deeper than an answer goes is asked for."""
    deep = job("deepest")
    for number in range(9):
        deep = holder(f"level {number}/ä", deep, job(f"beside {number}"))
    server.jobs[:] = [
        deep,
        holder("pipeline", job("main"), job("feature%2Fx"), kind=BRANCHES),
        holder("empty"),
        job("one"),
    ]
    assert collected(context(server, tmp_path)).jobs == 10 + 2 + 1
    assert server.replay.counts()["jobs"] == 1 + 2 + 1, "two for what lies deeper, one for the views"


trees = st.recursive(
    st.builds(job, st.text("ab", min_size=1, max_size=3)),
    lambda inner: st.builds(
        lambda name, jobs: holder(name, *jobs), st.text("ab", min_size=1, max_size=3), st.lists(inner)
    ),
    max_leaves=12,
)


@given(st.lists(trees, max_size=4), st.integers(1, 5))
def test_any_tree_cut_anywhere(jobs: list[dict[str, Any]], levels: int) -> None:
    """What an answer leaves out is asked for: counted here by going through the whole tree."""

    class Client:
        def get(self, url: str, kind: Any, query: dict[str, str]) -> Any:
            del query
            found = jobs
            for number in url.removeprefix("base").removesuffix("/api/json").split("/job/")[1:]:
                found = found[int(number)]["jobs"]
            return kind(jobs=[shaped(one) for one in cut(found, levels)])

    def shaped(one: dict[str, Any]) -> Any:
        inner = [shaped(each) for each in one["jobs"]] if "jobs" in one else None
        return jenkins._Job(name=one["name"], kind=one["_class"], jobs=inner)

    def numbered(found: list[dict[str, Any]]) -> None:
        for number, one in enumerate(found):
            one["name"] = str(number)
            numbered(one.get("jobs", []))

    def leaves(found: list[dict[str, Any]]) -> int:
        return sum(leaves(one["jobs"]) if "jobs" in one else 1 for one in found)

    jobs = json.loads(json.dumps(jobs))
    numbered(jobs)
    assert jenkins._count(Client(), "base") == leaves(jobs)  # type: ignore[arg-type]


def test_password(server: Jenkins, tmp_path: Path) -> None:
    server.user = "reader:word"
    assert collected(context(server, tmp_path, "word")).jobs == 1
    with pytest.raises(SourceError, match="refuses the credentials") as caught:
        collected(context(server, tmp_path, "wrong"))
    assert "wrong" not in caught.value.message


def test_check(server: Jenkins, tmp_path: Path) -> None:
    assert jenkins.SOURCE.check(context(server, tmp_path)) == "answers as version 2.440.3; 1 views"
    server.replay.strikes["jobs"] = Strike(lambda _asked, honest: (honest[0], {}, honest[2]))
    with pytest.raises(SourceError, match="is not a Jenkins"):
        jenkins.SOURCE.check(context(server, tmp_path))


def test_scrape(agent: Agent, server: Jenkins) -> None:
    """One that the settings name: its file holds an object with real numbers, and is gone when it can't be had."""
    server.user = "reader:word"
    settings = f"[jenkins]\nhost = {server.replay.url}\nusername = reader\npassword = word\n[projects]\nTEST =\n"
    (agent.home / "settings.cfg").write_text(settings)
    done = agent("preflight", "--project", "TEST", "--no-ssh", "--no-secrets", "--json")
    (check,) = (one for one in json.loads(done.output) if one["name"] == "TEST: jenkins")
    assert (check["status"], check["detail"]) == ("ok", "answers as version 2.440.3; 1 views")
    done = agent.scrape("--make-secrets", "--log", "DEBUG")
    assert done.status == 0, done
    assert "word" not in done.output + done.errors.replace("password", "")
    file = agent.export() / "data_jenkins.json"
    assert json.loads(file.read_text()) == {"host": f"{server.replay.url}/", "jobs": 1, "views": 1, "nodes": 2}
    assert not schemas.errors(agent.export())
    server.user = "reader:another"
    assert agent.scrape().status == 3
