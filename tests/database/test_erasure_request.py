"""A request for erasure from end to end: from the names of a person to databases and an inbox without them."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from gros_agent.database.definitions import definitions
from gros_agent.database.without import is_of_a_person
from support.agent import Agent
from support.controller import controller
from support.inbox import Dump, Inbox, asked, dump
from support.repository import AUTHOR, COMMITTER, Repository
from support.together import Together, together

NAME, ADDRESS = AUTHOR
LOGIN = "anna"
"""An account of the recording of GitHub."""
INPUT = f"{NAME} <{ADDRESS}>\n{LOGIN}\n".encode()


def as_committer(repository: Repository) -> None:
    """Exchange author and committer, so that the author is the one who tags."""
    repository.variables = {
        f"GIT_{role}_{what}": person[place]
        for role, person in (("AUTHOR", COMMITTER), ("COMMITTER", AUTHOR))
        for place, what in enumerate(("NAME", "EMAIL"))
    }


def happen(repository: Repository, number: int) -> None:
    """The person writes, commits for somebody else, is mentioned, and tags."""
    repository.variables = {}
    repository.commit(f"one\n\nCo-authored-by: {NAME} <{ADDRESS}>", {f"home/{LOGIN}/{number}": "x"})
    as_committer(repository)
    repository.commit(f"thanks to @{LOGIN}", {"b": str(number)})
    repository.git("tag", "-a", f"v{number}", "-m", "a tag")


def deliver(agent: Agent, variables: Mapping[str, str], *options: str) -> None:
    for call in (("register",), ("scrape", "--redact-text", *options), ("export",)):
        done = agent(*call, variables=variables)
        assert done.status == 0, done


def rows_without(found: Dump, people: frozenset[str]) -> Dump:
    """The rows of other people."""
    pattern = re.compile("|".join(people))
    tables = set(found) - {"batches", "collected", "erased", "version"}
    return {table: [row for row in found[table] if not pattern.search(str(row))] for table in tables}


def check_nobody_is_left(url: str, people: frozenset[str]) -> None:
    assert not [one for one in people if one in str(dump(url))]


def files_with(inbox: Path, people: frozenset[str]) -> list[Path]:
    return [path for path in inbox.rglob("*") if path.is_file() and any(one in path.read_text() for one in people)]


def prepare(agent: Agent, one: Together, repository: Repository) -> None:
    one.add("git", "code", repository.url)
    happen(repository, 1)
    one.write(agent)


@pytest.mark.integration
def test_from_names_to_nothing(agent: Agent, url: str, tmp_path: Path) -> None:
    repository = Repository.make(tmp_path / "repository")
    inbox = Inbox(tmp_path / "controller" / "inbox")
    with controller(tmp_path / "controller") as running, together(tmp_path / "served", "github") as one:
        variables = running.variables(agent.home)
        prepare(agent, one, repository)
        deliver(agent, variables)
        inbox.load(url)
        happen(repository, 2)
        one.happen()
        deliver(agent, variables)  # not loaded yet

        told = agent.given(INPUT, "person", "-", "--bare", variables=variables)
        assert told.status == 0, told
        people = frozenset(told.output.split())
        found = json.loads(agent.given(INPUT, "person", "-", "--json", variables=variables).output)
        assert [sent["batch"] for sent in found[0]["sent"]] == [path.name[7:] for path in running.inbox("TEST")]
        assert roles(url, people) == {
            *(("vcs_versions", name) for name in ("developer", "developer_username", "developer_email", "message")),
            *(("tag", name) for name in ("tagger", "tagger_email")),
            *(("merge_request_review", name) for name in ("reviewer", "reviewer_username")),
            ("change_path", "file"),
        }
        whole = f"duckdb:{tmp_path / 'whole.duckdb'}"
        shutil.copytree(inbox.folder, tmp_path / "copy")
        Inbox(tmp_path / "copy").load(whole)

        arguments = ("controller", "erase", "-", "--from", url, "--inbox", inbox.folder)
        done = agent.given(told.output.encode(), *arguments)
        assert done.status == 0, done
        check_nobody_is_left(url, people)
        assert files_with(inbox.folder, people) == []
        assert [one.state for one in inbox.load(url).batches] == ["loaded"]
        check_nobody_is_left(url, people)
        check_others(url, whole, people)

        happen(repository, 3)
        deliver(agent, variables, "--full")  # brings all of it once more
        assert files_with(inbox.folder, people) != []
        new = f"duckdb:{tmp_path / 'new.duckdb'}"
        for place in (url, new):
            assert inbox.load(place).status == 0
            check_nobody_is_left(place, people)
            check_others(place, whole, people)
        assert agent.given(told.output.encode(), *arguments).status == 0
        assert files_with(inbox.folder, people) == []


def roles(url: str, people: frozenset[str]) -> set[tuple[str, str]]:
    """The columns that have the person."""
    found = set()
    for table in definitions():
        for name in (*table.personal, *table.free_text):
            texts = asked(url, f'SELECT DISTINCT "{name}" FROM {table.full_name} WHERE "{name}" IS NOT NULL')
            if any(one in text for (text,) in texts for one in people):
                found.add((table.name, name))
    return found


def check_others(url: str, whole: str, people: frozenset[str]) -> None:
    """Other people's rows are those of a database in which nobody was erased, and no other row is missing."""
    before, after = dump(whole), dump(url)
    for table, rows in rows_without(before, people).items():
        names = next(one for one in definitions() if one.name == table)
        if names.key:
            assert {row_without_batch(names.names, row) for row in rows} <= {
                row_without_batch(names.names, row) for row in after[table]
            }, table
            assert is_of_a_person(names.row) or len(after[table]) >= len(before[table]), table


def row_without_batch(names: tuple[str, ...], row: tuple[object, ...]) -> tuple[object, ...]:
    place = sorted(names).index("batch")
    return row[:place] + row[place + 1 :]
