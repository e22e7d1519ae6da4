"""The numbers of a report are those of SQL, in both databases, from the batches of every source."""

import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.agent import Agent, give_secrets
from support.inbox import Inbox, asked
from support.postgresql import Server
from support.report import Reading, read
from support.sources import under_test
from support.together import together

KINDS = tuple(kind for kind, one in under_test().items() if not one.needs_program)
PSEUDONYM = re.compile("[0-9a-f]{40}")
SECTIONS = ("code", "requests", "reviews", "issues", "quality", "builds", "people", "collected")


def one(url: str, query: str) -> tuple[Any, ...]:
    (row,) = asked(url, query)
    return row


def whole(cell: str) -> int:
    return int(cell.replace(",", ""))


def column(reading: Reading, table: str, place: int) -> list[int]:
    return [whole(row[place]) for row in reading.rows(table)]


def duration(hours: float) -> str:
    for limit, size, unit in ((1, 1 / 60, "minute"), (48, 1, "hour"), (float("inf"), 24, "day")):
        if hours < limit:
            value = hours / size
            text = f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"
            return f"{text} {unit}" + ("" if text == "1" else "s")
    raise AssertionError


def period(day: date, heading: str) -> str:
    unit = heading.removesuffix(" from")
    forms = {"year": f"{day.year}", "quarter": f"{day.year} Q{(day.month - 1) // 3 + 1}", "month": f"{day:%Y-%m}"}
    return forms.get(unit, f"{day}")


def check_over_time(url: str, reading: Reading, table: str, places: dict[int, str], moment: str, relation: str) -> None:
    """Columns of a table over time are aggregates in SQL; what SQL has no row for is 0."""
    heading, *_ = reading.tables[table][0]
    unit = heading.removesuffix(" from")
    for place, aggregate in places.items():
        query = f"SELECT CAST(date_trunc('{unit}', {moment}) AS DATE), {aggregate} FROM {relation}"
        found = {period(day, heading): int(count) for day, count in asked(url, f"{query} GROUP BY 1") if count}
        shown = {row[0]: whole(row[place]) for row in reading.rows(table)}
        assert {name: count for name, count in shown.items() if count} == found, (table, place)


def check_durations(url: str, reading: Reading, table: str, view: str) -> None:
    bounds = [0, 1, 4, 24, 72, 168, 336, 672, 2160, 10**9]
    expected = [
        one(url, f"SELECT count(*) FROM {view} WHERE hours >= {low} AND hours < {high}")[0]
        for low, high in pairwise(bounds)
    ]
    assert column(reading, table, 1)[: len(expected)] == expected
    (median,) = one(url, f"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY hours) FROM {view}")
    assert f"less than {duration(float(median))}" in reading.text


def check(url: str, reading: Reading) -> None:
    """Each table of the report against a query of its own."""
    commits = "gros.contributions"
    heading, *names = reading.tables["commits"][0]
    *named, others = names
    assert others == "others"
    conditions = [f"repo_name = '{name}'" for name in named]
    conditions.append(f"NOT ({' OR '.join(conditions)})")
    for place, condition in enumerate(conditions, start=1):
        check_over_time(url, reading, "commits", {place: "count(*)"}, "moment", f"{commits} WHERE {condition}")
    assert heading.endswith(" from")
    check_over_time(url, reading, "lines", {1: "sum(insertions)", 2: "sum(deletions)"}, "moment", commits)
    states = {1: "accepted", 2: "declined", 3: "open"}
    counts = {place: f"count(*) FILTER (WHERE state = '{state}')" for place, state in states.items()}
    check_over_time(url, reading, "change-requests", counts, "created_at", "gros.change_requests")
    check_durations(url, reading, "request-durations", "gros.change_requests_duration")
    check_durations(url, reading, "responses", "gros.time_to_first_response")
    check_durations(url, reading, "issue-responses", "gros.issue_response_time")
    without = "SELECT count(*) FROM gros.time_to_first_response WHERE hours IS NULL"
    assert column(reading, "responses", 1)[-1] == one(url, without)[0]
    cycles = (
        "SELECT count(*) FROM (SELECT 1 FROM gros.review_cycle_duration GROUP BY project, repo_name, id) AS request"
    )
    assert sum(column(reading, "cycles", 1)) == one(url, cycles)[0]
    check_over_time(url, reading, "issue-flow", {1: "count(*)"}, "created_at", "gros.issues")
    check_over_time(url, reading, "issue-flow", {2: "count(*)"}, "closed_at", "gros.issues WHERE closed_at IS NOT NULL")
    still = one(url, "SELECT count(*) FROM gros.issues WHERE closed_at IS NULL")[0]
    assert column(reading, "backlog", 1)[-1] == still
    statuses = "SELECT name, count(hours) FROM gros.time_in_status WHERE hours IS NOT NULL GROUP BY name"
    assert {row[0]: whole(row[3]) for row in reading.rows("statuses")} == dict(asked(url, statuses))
    met = ("is_met", "NOT is_met", "is_met IS NULL")
    for place, condition in enumerate(met, start=1):
        expected = one(url, f"SELECT count(*) FROM gros.targets_met WHERE {condition}")[0]
        assert sum(column(reading, "targets", place)) == expected
    jobs = asked(url, "SELECT host, CAST(jobs AS TEXT) FROM gros.builds")
    assert [(row[0], row[1]) for row in reading.rows("builds")] == jobs
    check_over_time(url, reading, "new-contributors", {1: "count(*)"}, "first_contribution", "gros.new_contributors")
    factor = {1: "max(people)", 2: "max(contributors)"}
    check_over_time(url, reading, "absence", factor, "year", "gros.contributor_absence_factor")
    for table, rows, _ in reading.rows("tables"):
        assert whole(rows) == one(url, f'SELECT count(*) FROM gros."{table}"')[0]
    loaded, refused, rows, *_ = reading.rows("batches")[0]
    assert (whole(loaded), whole(refused)) == (2, 0)
    assert whole(rows) == one(url, "SELECT sum(rows) FROM gros.batches")[0]
    kinds = {(source, what): whole(count) for source, what, count, *_ in reading.rows("sources")}
    (name,) = (name for name, what in kinds if what == "commits" and name == names[0])
    assert kinds[name, "commits"] == one(url, f"SELECT count(*) FROM {commits} WHERE repo_name = '{name}'")[0]


@pytest.mark.integration
def test_equal_those_of_sql_in_both(agent: Agent, inbox: Inbox, postgresql: Server, tmp_path: Path) -> None:
    give_secrets(agent)
    with together(tmp_path / "served", *KINDS) as served:
        served.write(agent)
        for number in range(2):
            if number:
                served.happen()
            assert agent.scrape(variables={"TZ": "Europe/Amsterdam"}).status == 0
            inbox.add_export(agent.export())
    pages = []
    for kind, url in (("duckdb", f"duckdb:{tmp_path / 'data.duckdb'}"), ("postgresql", postgresql.new())):
        inbox.load(url)
        path = tmp_path / f"{kind}.html"
        done = agent("report", "--from", url, "--output", path)
        assert done.status == 0, done
        reading = read(path)
        assert [given["id"] for tag, given in reading.elements if tag == "section"] == [*SECTIONS]
        check(url, reading)
        assert not PSEUDONYM.search(path.read_text())
        pages.append(re.sub('<p class="quiet">From .*', "", path.read_text()))
    assert pages[0] == pages[1]
    # the inbox itself, which is loaded into a temporary database
    path = tmp_path / "inbox.html"
    assert agent("report", "--from", inbox.folder, "--output", path).status == 0
    assert re.sub('<p class="quiet">From .*', "", path.read_text()) == pages[0]
