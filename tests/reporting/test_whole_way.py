"""The whole way: register, scrape, export, load, report, with a controller that loads what it takes."""

import time
from pathlib import Path

import duckdb
import pytest

from gros_agent.errors import BusyError
from support.agent import Agent
from support.controller import controller, wait_until
from support.inbox import asked
from support.report import Reading, read
from support.repository import linear_history
from support.together import together

COMMITS = 7


def loaded(url: str) -> int:
    """How many batches are in the database; none while a load has the file."""
    time.sleep(0.5)  # whoever looks has the file, too
    try:
        return len(asked(url, "SELECT 1 FROM gros.batches WHERE state = 'loaded'"))
    except (BusyError, duckdb.CatalogException):
        return 0


def commits(reading: Reading, repository: str) -> int:
    """The commits of a repository in the table of the report."""
    place = reading.tables["commits"][0].index(repository)
    return sum(int(row[place].replace(",", "")) for row in reading.rows("commits"))


@pytest.mark.integration
def test_from_git_and_github_to_the_report(agent: Agent, tmp_path: Path) -> None:
    repository = linear_history(tmp_path / "repository", COMMITS)
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    with (
        together(tmp_path / "served", "github") as served,
        controller(tmp_path / "controller", "--load-to", url) as running,
    ):
        served.add("git", "code", str(repository.path))
        served.write(agent)
        given = running.variables(agent.home)
        for number in range(2):
            for call in (("register",), ("preflight",), ("scrape",), ("export",)):
                done = agent(*call, variables=given)
                assert done.status == 0, done
            wait_until(lambda: running.inbox("TEST"))
            wait_until(lambda: loaded(url) == len(running.inbox("TEST")))
            if not number:
                served.happen()
                repository.commit("one more", {"more": "x"})
        pulls = {pull["number"]: pull for pull in served.github.data["pulls"]}
    path = tmp_path / "report.html"
    done = agent("report", "--from", url, "--output", path)
    assert done.status == 0, done
    reading = read(path)
    counted = int(repository.git("rev-list", "--count", "HEAD"))
    assert counted == COMMITS + 1
    assert commits(reading, "code") == counted
    assert asked(url, "SELECT count(*) FROM gros.vcs_versions WHERE repo_name = 'code'") == [(counted,)]
    by_state = [sum(int(row[place]) for row in reading.rows("change-requests")) for place in (1, 2, 3)]
    merged = sum(bool(pull["merged_at"]) for pull in pulls.values())
    still = sum(pull["state"] == "open" for pull in pulls.values())
    assert by_state == [merged, len(pulls) - merged - still, still]
    assert path.stat().st_size < 2_000_000
    people = {line for line in repository.git("log", "--format=%an%n%ae%n%cn%n%ce").splitlines() if line}
    assert not [one for one in people if one in path.read_text()]
