"""The whole path between the real agent and the real reference controller, on loopback."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent import Agent, Finished
from support.controller import Controller, controller
from support.report import read
from support.repository import Repository, linear_history
from support.sample import Sample


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller") as one:
        yield one


def chain(agent: Agent, running: Controller, project: str, repository: Repository, keys: str) -> list[Finished]:
    """What a run does for one project after the other."""
    given = running.variables(agent.home, keys)
    source = ("--source", f"git={repository.path}")
    calls = (("register",), ("preflight",), ("scrape", *source), ("export",))
    done = [agent(*call, "--project", project, variables=given) for call in calls]
    assert [one.status for one in done] == [0, 0, 0, 0], done
    return done


def rows(running: Controller, project: str) -> list[dict[str, str]]:
    found = []
    for batch in running.inbox(project):
        found += json.loads((batch / "data_vcs_versions.json").read_text())
    return found


def test_two_projects_have_different_pseudonyms(agent: Agent, running: Controller, tmp_path: Path) -> None:
    """One agent, two keys, each its own salts: nobody can join the tables of the two by a person."""
    repositories = {}
    for project, count in (("ABC", 3), ("DEF", 2)):
        repositories[project] = Repository.make(tmp_path / project)
        for number in range(count):
            repositories[project].commit(f"{project} {number}", {"a": str(number)})
    for _ in range(2):
        for project, repository in repositories.items():
            chain(agent, running, project, repository, "ABC DEF")
            repository.commit(f"{project} more", {"b": project})
    for project, repository in repositories.items():
        commits = repository.git("rev-list", "--reverse", "HEAD~1").splitlines()
        assert [row["version_id"] for row in rows(running, project)] == commits
        batches = running.inbox(project)
        receipts = [json.loads((batch / "receipt.json").read_text()) for batch in batches]
        assert {one["time_zone"] for one in receipts} == {"UTC"}
        ours = (agent.home / "state" / "receipts" / project).iterdir()
        assert {one["batch"] for one in receipts} == {json.loads(path.read_text())["batch"] for path in ours}
    people = [{row["developer"] for row in rows(running, project)} for project in ("ABC", "DEF")]
    assert len(people[0]) == len(people[1]) == 1
    assert not people[0] & people[1]


@pytest.mark.parametrize("option", ["--no-sftp", "--no-scp"])
def test_either_way_of_files(agent: Agent, repository: Repository, tmp_path: Path, option: str) -> None:
    repository.commit("one", {"a": "1"})
    with controller(tmp_path / "controller", option) as running:
        chain(agent, running, "TEST", repository, "TEST")
        assert len(rows(running, "TEST")) == 1
    (receipt,) = (agent.home / "state" / "receipts" / "TEST").iterdir()
    assert json.loads(receipt.read_text())["way"] == {"--no-sftp": "scp", "--no-scp": "sftp"}[option]


def test_not_due_yet(agent: Agent, repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", {"a": "1"})
    with controller(tmp_path / "controller", "--days", "1") as running:
        chain(agent, running, "TEST", repository, "TEST")
        given = running.variables(agent.home)
        assert agent("register", variables=given).status == 0
        done = agent("preflight", variables=given)
    assert done.status == 5, done
    assert "not due" in done.output


def test_up_to_date(agent: Agent, running: Controller) -> None:
    done = agent("version", "--check", variables=running.variables(agent.home))
    assert done.status == 0
    assert "0.1.0" in done.output


def test_another_host_key_after_known_hosts_was_deleted(
    agent: Agent, running: Controller, repository: Repository
) -> None:
    """The controller tells its host keys over the pinned HTTPS channel, so that none is trusted at first sight."""
    repository.commit("one", {"a": "1"})
    done = chain(agent, running, "TEST", repository, "TEST")
    assert "sent by the controller over HTTPS" in done[0].output
    (agent.home / "state" / "controller_hosts").unlink()
    chain(agent, running, "TEST", repository, "TEST")


def test_rotated_key(agent: Agent, running: Controller, repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    chain(agent, running, "TEST", repository, "TEST")
    before = (agent.home / "id_ed25519").read_bytes()
    assert agent("register", "--rotate", variables=running.variables(agent.home)).status == 0
    assert (agent.home / "id_ed25519").read_bytes() != before
    repository.commit("two", {"a": "2"})
    chain(agent, running, "TEST", repository, "TEST")
    assert len(rows(running, "TEST")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(4))
def test_killed_at_any_moment(agent: Agent, running: Controller, tmp_path: Path, turn: int, draw: Sample) -> None:
    """kill -9 at random moments of scrape, upload and announcement (25 in each turn, 6 of a sample).

    Each commit arrives exactly once.
    """
    repository = linear_history(tmp_path / "long", 400)
    repository.git("reset", "--quiet", "--hard")
    given = running.variables(agent.home)
    begun = time.monotonic()
    assert agent("register", variables=given).status == 0
    latest = max(0.8, 1.5 * (time.monotonic() - begun))  # a busy machine takes longer for everything
    source = ("--source", f"git={repository.path}")
    chance = draw.chance(f"path {turn}")
    kills = 0
    while kills < draw.times(6, 25):
        for command in (("scrape", *source), ("export",)):
            process = agent.start(*command, variables=given)
            time.sleep(chance.uniform(0.1, latest))
            process.kill()
            output, errors = process.communicate()
            kills += process.returncode == -9
            assert process.returncode in {-9, 0, 6}, (output, errors)
            for path in agent.export().glob("*.json"):
                json.loads(path.read_text())
        if chance.random() < 0.3:
            repository.commit(f"late {kills}", {"late": str(kills)})
    assert agent("export", variables=given).status == 0
    for number in range(2):
        repository.commit(f"afterwards {number}", {"afterwards": str(number)})
        assert agent("scrape", *source, variables=given).status == 0
        assert agent("export", variables=given).status == 0
    arrived = Counter(row["version_id"] for row in rows(running, "TEST"))
    assert set(arrived) == set(repository.git("rev-list", "HEAD").splitlines())
    assert set(arrived.values()) == {1}
    assert len(running.inbox("TEST")) > 1
    for batch in running.inbox("TEST"):
        for path in batch.glob("*.json"):
            json.loads(path.read_text())


def test_demo_is_kept(agent: Agent, repository: Repository) -> None:
    """With a report of what the controller received; in a new folder alone."""
    for number in range(3):
        repository.commit(f"commit {number}", {"a": str(number)})
    command = ("demo", "--repo", str(repository.path), "--keep", "kept")
    done = agent(*command)
    assert done.status == 0, done
    assert re.search(r"^report +a page of \d+ bytes, kept/report.html$", done.output, re.MULTILINE)
    assert done.output.endswith("Everything is on this machine, in kept.\n")
    kept = agent.home / "kept"
    assert kept.stat().st_mode & 0o077 == 0
    assert read(kept / "report.html").rows("commits")[0][1] == "3"
    assert "From the controller of the demo" in read(kept / "report.html").text
    assert len(list((kept / "controller" / "inbox" / "DEMO").iterdir())) == 1
    done = agent(*command)
    assert done.status == 7
    assert "kept is not empty" in done.errors
    assert agent("demo", "--keep", "nowhere/kept").status == 7


def test_demo_leaves_nothing(agent: Agent, repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", {"a": "1"})
    (tmp_path / "temporary").mkdir()
    done = agent("demo", "--repo", str(repository.path), variables={"TMPDIR": str(tmp_path / "temporary")})
    assert done.status == 0, done
    assert "gone with the rest; --keep DIR keeps it" in done.output
    assert list((tmp_path / "temporary").iterdir()) == []
