"""The command, from the agent over the reference controller to the database."""

import json
from pathlib import Path

from gros_agent.rows import Tag
from support.agent import Agent
from support.controller import controller, wait_until
from support.inbox import Inbox, asked
from support.repository import linear_history
from support.rows import change


def test_from_the_agent_to_the_database(agent: Agent, tmp_path: Path) -> None:
    repository = linear_history(tmp_path / "repository", 3)
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    with controller(tmp_path / "controller") as running:
        given = running.variables(agent.home, TZ="America/New_York")
        source = ("--source", f"git={repository.path}")
        for number in range(2):
            for call in (("register",), ("scrape", *source), ("export",)):
                assert agent(*call, variables=given).status == 0
            # the controller goes on while its inbox is loaded
            done = agent("controller", "load", "--to", url, "--inbox", running.folder / "inbox", "--json")
            assert done.status == 0, done
            (one,) = json.loads(done.output)["batches"]
            assert (one["state"], one["reason"], one["number"]) == ("loaded", "", number + 1)
            repository.commit("more", {"more": "x"})
    commits = repository.git("log", "--reverse", "--format=%H %ct", "HEAD~1").splitlines()
    rows = asked(url, "SELECT version_id, epoch(commit_date) FROM gros.vcs_versions ORDER BY commit_date")
    assert [f"{version} {moment:.0f}" for version, moment in rows] == commits
    assert asked(url, "SELECT DISTINCT time_zone FROM gros.batches") == [("America/New_York",)]
    assert asked(url, "SELECT batch, source, kind, items, expected, state FROM gros.collected ORDER BY batch") == [
        (1, "repository", "git", 3, 3, "whole"),
        (2, "repository", "git", 1, 1, "whole"),
    ]


def test_a_source_that_fails(agent: Agent, tmp_path: Path) -> None:
    """The batch says so, without the words of the error."""
    repository = linear_history(tmp_path / "repository", 3)
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    with controller(tmp_path / "controller") as running:
        given = running.variables(agent.home)
        assert agent("register", variables=given).status == 0
        sources = ("--source", f"git={repository.path}", "--source", f"git:lost={tmp_path / 'secret-place'}")
        assert agent("scrape", *sources, variables=given).status == 3
        assert agent("export", variables=given).status == 0
        wait_until(lambda: running.inbox("TEST"))
        (folder,) = running.inbox("TEST")
        assert agent("controller", "load", "--to", url, "--inbox", running.folder / "inbox").status == 0
    assert asked(url, "SELECT source, items, expected, state FROM gros.collected ORDER BY source") == [
        ("lost", 0, None, "failed"),
        ("repository", 3, 3, "whole"),
    ]
    assert "secret-place" not in (folder / "receipt.json").read_text()


def test_output_and_statuses(agent: Agent, inbox: Inbox) -> None:
    arguments = ("controller", "load", "--to", "duckdb:data.duckdb", "--inbox", inbox.folder)
    done = agent(*arguments)
    assert (done.status, done.output) == (0, "there is no new batch\n")
    inbox.add([change()])
    inbox.add_files({"data_tag.json": b"[{]"})
    inbox.add(Tag, zone=None)
    done = agent(*arguments)
    assert done.status == 3
    lines = done.output.splitlines()
    assert [line.split()[:5] for line in lines if line.startswith(" ABC")] == [
        ["ABC", "1", "b1", "1", "loaded"],
        ["ABC", "2", "b2", "0", "refused:"],
        ["ABC", "3", "b3", "0", "loaded:"],
    ]
    assert "batch b2 of ABC was refused: data_tag.json: JSON is malformed" in done.errors
    done = agent(*arguments)
    assert done.status == 0
    assert "2 batches were loaded before" in done.output
    assert "1 batch was refused before: gros.batches says why" in done.output
    variables = {
        "GROS_AGENT_CONTROLLER_LOAD_TO": "duckdb:data.duckdb",
        "GROS_AGENT_CONTROLLER_LOAD_INBOX": str(inbox.folder),
        "GROS_AGENT_CONTROLLER_LOAD_AGAIN": "yes",
    }
    assert agent("controller", "load", variables=variables).status == 3
    assert agent("controller", "load", "--inbox", inbox.folder).status == 2


def test_default_inbox(agent: Agent) -> None:
    done = agent("controller", "load", "--to", "duckdb:data.duckdb")
    assert done.status == 7
    assert "controller/inbox: there is no such folder" in done.errors
    assert not (agent.home / "data.duckdb").exists()
