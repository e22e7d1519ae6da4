"""Batches of every source, alone and all in one project, hold what the existing importer takes.

What that is stands in ``support/importer.py``: each batch that a test leaves is held against it. Here the batches are
made to have what it is particular about, and how that was put right is looked at.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gros_agent.deliver import receipts
from gros_agent.tables.batch import ProjectFolder
from support import schemas
from support.agent import Agent, Finished, Rows, give_secrets, table
from support.controller import controller
from support.gitlab import GitLab
from support.replay import serving
from support.repository import Repository
from support.sources import under_test
from support.together import BEYOND, CHANGED, LONG, Together, together

BITS = 2**31 - 1
EVERY_KIND = tuple(under_test())
KINDS = tuple(kind for kind, one in under_test().items() if not one.needs_program)
"""Sources that need no program beyond git."""
APART = [pytest.param(kind, marks=pytest.mark.integration) for kind in EVERY_KIND if kind not in KINDS]
WITH_PROGRAMS = pytest.param(EVERY_KIND, marks=pytest.mark.integration, id="with-programs")
REPOSITORIES = {"Code", "ants", "spend", "fabrikam", "Lager"}


@pytest.fixture
def ready(agent: Agent) -> Agent:
    give_secrets(agent)
    return agent


def notes(done: Finished) -> str:
    """What the outcome says of the batch as a whole, and of each source."""
    (found,) = json.loads(done.output)
    return "\n".join((*found["notes"], *(note for one in found["outcomes"] for note in one["notes"])))


def scraped(agent: Agent, *arguments: str, variables: dict[str, str] | None = None) -> str:
    done = agent.scrape("--json", *arguments, variables=variables)
    assert done.status == 0, done
    # of a due date the schemas want a moment, and the importer a date
    assert not [error for error in schemas.errors(agent.export()) if "'duedate'" not in error]
    return notes(done)


def tables(agent: Agent) -> Iterator[tuple[str, Any]]:
    for path in sorted(agent.export().glob("data_*.json")):
        assert path.read_bytes().isascii(), path.name
        yield path.stem, json.loads(path.read_text())


def named(agent: Agent) -> set[str]:
    """The names of all repositories that rows are of."""
    return {
        row["repo_name"] for _, rows in tables(agent) for row in rows if isinstance(row, dict) and "repo_name" in row
    }


def check_names(agent: Agent) -> None:
    """The importer compares names without case, does not find those with blanks, and has addresses from the list."""
    listed = {row["name"] for row in json.loads((agent.export() / "data_sources.json").read_text())}
    assert len({name.upper().strip() for name in listed}) == len(listed)
    assert listed == {name.strip() for name in listed}
    assert named(agent) <= listed


def votes(agent: Agent, one: Together) -> list[str]:
    """The votes on the pull request that several people reviewed several times."""
    pull = str(one.github.data["pulls"][0]["number"])
    rows = table(agent, "data_merge_request_review")
    return [row["vote"] for row in rows if (row["repo_name"], row["merge_request_id"]) == ("ants", pull)]


def identifiers(rows: Rows, *fields: str) -> set[int]:
    return {int(row[field]) for row in rows for field in fields}


@pytest.mark.parametrize("kind", [*KINDS, *APART])
def test_alone(ready: Agent, tmp_path: Path, kind: str) -> None:
    """Each source in a project of its own, twice."""
    with together(tmp_path, kind) as one:
        one.write(ready)
        for before in (list, one.happen):
            before()
            scraped(ready)
            check_names(ready)
            assert (ready.export() / "data_vcs_versions.json").exists()


@pytest.mark.parametrize("kinds", [pytest.param(KINDS, id="all"), WITH_PROGRAMS])
def test_together(ready: Agent, tmp_path: Path, kinds: Sequence[str]) -> None:
    """Each system in one project: what comes twice is written once, and the outcome says what was changed."""
    with together(tmp_path, *kinds) as one:
        one.write(ready)
        first = scraped(ready)
        check_first(ready, one, first)
        one.happen()
        second = scraped(ready)
        check_second(ready, one, second)
        commits = {row["version_id"] for row in table(ready, "data_vcs_versions")}
        scraped(ready, "--full")
        assert commits < {row["version_id"] for row in table(ready, "data_vcs_versions")}
        assert votes(ready, one) == ["1", "1", "0"]


def check_first(agent: Agent, one: Together, told: str) -> None:
    check_names(agent)
    assert named(agent) > REPOSITORIES
    assert votes(agent, one) == ["1", "-1", "0"]
    assert "reviewer's newest vote that takes a side counts" in told
    check_changes(agent)
    paths = [row["file"] for row in table(agent, "data_change_path") if row["file"].startswith(LONG)]
    assert paths == [f"{LONG}/"] * 2
    assert "data_change_path: 4 values of file were shortened" in told
    assert "data_change_path: 2 rows have the key of another one" in told or "2 rows came several times" in told
    check_identifiers(agent, one)
    assert "data_tfs_team_member: 6 rows have the key of another one and were left out: the first counts" in told
    items = {row["issue_id"] + "." + row["changelog_id"]: row for row in table(agent, "data_tfs_work_item")}
    assert [row["duedate"] for row in items.values() if "duedate" in row] == ["2024-06-01"]
    assert str(BITS) in {row.get("priority") for row in items.values()}
    assert f"values of priority are beyond {BITS}, which was written" in told
    environments = {row["type"]: row["environment"] for row in table(agent, "data_environments")}
    assert len(environments["github"]) == 3
    assert environments["github"][1:] == ["panjf2000", None]
    kinds = [row["type"] for row in table(agent, "data_environments")]
    assert len(kinds) == len(set(kinds)), "two repositories of one project lie in one environment"
    assert "no branch; 1 tags were left out" in told


def check_changes(agent: Agent) -> None:
    """One version of targets for a moment, with the person that one of the systems knows."""
    versions = table(agent, "data_metric_versions")
    assert [row["version_id"] for row in versions].count(CHANGED.isoformat()) == 1
    assert all(row.get("developer") != "0" for row in versions)
    same = {row["name"] for row in table(agent, "data_metric_targets") if row["revision"] == CHANGED.isoformat()}
    assert {name.startswith(("blocker", "coverage", "duplicated", "reliability", "sqale")) for name in same} == {
        True,
        False,
    }, "both systems have targets of that moment"
    (row,) = (row for row in versions if row["version_id"] == CHANGED.isoformat())
    assert len(row["developer"]) == 64


def check_identifiers(agent: Agent, one: Together) -> None:
    """An identifier beyond 31 bits is the same in each table that has it."""
    on_lines = [row for row in table(agent, "data_commit_comment") if row["repo_name"] == "ants"]
    known = {comment["id"] & BITS for comment in one.github.data["review_comments"]}
    assert known <= identifiers(on_lines, "note_id")
    parents = identifiers(on_lines, "parent_id") - {0}
    assert parents
    assert parents <= known
    of_requests = [row for row in table(agent, "data_merge_request_note") if row["repo_name"] == "ants"]
    of_issues = [row for row in table(agent, "data_github_issue_note") if row["repo_name"] == "ants"]
    said = {comment["id"] & BITS for comment in one.github.data["issue_comments"]}
    assert identifiers(of_issues, "note_id") == said
    assert identifiers(of_requests, "note_id") < said
    assert BEYOND + 7 & BITS in identifiers(table(agent, "data_merge_request_note"), "thread_id")


def check_second(agent: Agent, one: Together, told: str) -> None:
    check_names(agent)
    assert votes(agent, one) == ["1", "1"], "of those who gave a new vote, with what they said before"
    assert len(table(agent, "data_vcs_versions")) == 2 + (one.subversion is not None)
    assert {"späť-0", "späť-1", "v1-ü"} <= {row["tag_name"] for row in table(agent, "data_tag")}
    assert "their lower 31 bits were written" in told
    assert [row["title"] for row in table(agent, "data_tfs_work_item")] == ["chänged"]
    assert len(table(agent, "data_tfs_team_member")) == 6


def test_whole_numbers(agent: Agent, tmp_path: Path) -> None:
    """A controller that takes them gets all numbers as they are, and the outcome has nothing to say about them."""
    with controller(tmp_path / "controller") as running, together(tmp_path, *KINDS) as one:
        variables = running.variables(agent.home)
        assert agent("register", variables=variables).status == 0
        one.write(agent)
        told = scraped(agent, variables=variables)
        assert votes(agent, one) == ["1", "-1", "0"]
        assert str(BITS) not in told
        of_issues = [row for row in table(agent, "data_github_issue_note") if row["repo_name"] == "ants"]
        assert identifiers(of_issues, "note_id") == {comment["id"] for comment in one.github.data["issue_comments"]}
        on_lines = [row for row in table(agent, "data_commit_comment") if row["repo_name"] == "ants"]
        assert {comment["id"] for comment in one.github.data["review_comments"]} <= identifiers(on_lines, "note_id")
        assert "3000000000" in {row.get("priority") for row in table(agent, "data_tfs_work_item")}
        assert agent("export", variables=variables).status == 0
        one.happen()
        scraped(agent, variables=variables)
        assert max(identifiers(table(agent, "data_merge_request_note"), "note_id")) > BITS


@pytest.mark.parametrize("options", [("--no-secrets",), ("--redact-text",)], ids=["plain", "redacted"])
def test_people(agent: Agent, tmp_path: Path, options: Sequence[str]) -> None:
    """Long names, account names that are addresses, and names that differ in case alone, in the plain and redacted."""
    if options != ("--no-secrets",):
        give_secrets(agent)
    with together(tmp_path, *KINDS) as one:
        people(one)
        one.write(agent)
        told = scraped(agent, *options)
        one.happen()
        scraped(agent, *options)
    if options == ("--no-secrets",):
        assert "data_merge_request_review: 2 values of reviewer were shortened" in told


def people(one: Together) -> None:
    """Give people names that are hard to store."""
    address = f"{'long.' * 30}name@{'sub.' * 20}domain.example"
    reviewers = one.azure.data["pulls"][0]["reviewers"]
    reviewers[0] |= {"displayName": "Ünï " * 60, "uniqueName": address}
    reviewers.append({**reviewers[-1], "id": "other", "displayName": "Anna Person", "uniqueName": "anna", "vote": 0})
    reviewers.append({**reviewers[-1], "id": "another", "displayName": "ANNA person ", "uniqueName": "ANNA", "vote": 5})
    for number, name in enumerate(("Bob", "BOB", " bob")):
        member = one.azure.data["members"][0]
        identity = {**member["identity"], "id": str(number), "displayName": name, "uniqueName": f"{name}@x.example"}
        one.azure.data["members"].append({**member, "identity": identity})
    for repository in one.code:
        repository.variables = {"GIT_AUTHOR_NAME": "Ünï " * 200, "GIT_AUTHOR_EMAIL": address}
        repository.commit("by someone with long names\n\nCo-authored-by: A B <a@b.example>")


def test_without_statistics(ready: Agent, tmp_path: Path) -> None:
    with together(tmp_path, "git", "github", "gitlab") as one:
        for options in one.sections.values():
            options["skip_stats"] = "true"
        one.write(ready)
        scraped(ready)
        rows = [row for row in table(ready, "data_vcs_versions") if row["repo_name"] == "ants"]
        assert len(rows) == 5
        assert not any("size" in row for row in rows)
        one.happen()
        scraped(ready)


def test_an_address_that_is_too_long(ready: Agent, tmp_path: Path) -> None:
    """The importer would take no commits: the list is sent without it, and the outcome says so."""
    folder = tmp_path / "/".join(["x" * 100] * 3)
    repository = Repository.make(folder / "code")
    repository.commit("one", {"a": "1"})
    ready.export().mkdir(parents=True)
    entry = {"type": "git", "name": "far away", "url": repository.url}
    (ready.export() / "data_sources.json").write_text(json.dumps([entry]))
    done = ready.scrape("--json")
    assert done.status == 0, done
    told = notes(done)
    assert "data_sources.json is sent without far away: the address is too long for the importer" in told
    assert json.loads((ready.export() / ".data_sources.json").read_text()) == []
    shorter = Repository.make(tmp_path / "code")
    shorter.commit("one", {"a": "1"})
    (ready.export() / "data_sources.json").write_text(json.dumps([entry | {"url": shorter.url}]))
    assert "is sent without" not in scraped(ready)
    assert [one["url"] for one in json.loads((ready.export() / ".data_sources.json").read_text())] == [shorter.url]
    assert "data_sources.json" in delivered(ready)


@pytest.mark.parametrize("length", [253, 254])
def test_an_environment_that_is_too_long(ready: Agent, repository: Repository, length: int) -> None:
    """The importer empties what may stand before a host and after a path, and stores the two marks that are left."""
    repository.commit("one", {"a": "1"})
    with serving(GitLab().replay) as replay:
        group = f"{replay.url}/".ljust(length, "x")
        sources = [("git", "code", repository.url), ("gitlab", "far", f"{group}/project.git")]
        rows = [{"type": kind, "name": name, "url": url} for kind, name, url in sources]
        ready.export().mkdir(parents=True)
        (ready.export() / "data_sources.json").write_text(json.dumps(rows))
        done = ready.scrape()
    assert done.status == 3, done
    kept = [] if length > 253 else [group]
    path = ready.export() / "data_environments.json"
    assert [row["url"] for row in (json.loads(path.read_text()) if path.exists() else [])] == kept
    assert ("its address is too long" in done.errors) is (length > 253)


def delivered(agent: Agent) -> set[str]:
    folder = ProjectFolder(agent.export())
    batch = folder.batch()
    assert batch is not None
    return {one.name for one in receipts.files_of(folder.path, batch)}
