"""Researchers read what the agent wrote: the same rows, with their types, in each format and by two programs."""

import string
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gros_agent.database.columns import Column, Kind, columns
from gros_agent.database.table_files import Format, write_tables
from gros_agent.rows import TABLES, Jenkins, JiraSprint, MergeRequestReview, Row
from support.agent import Agent, give_secrets
from support.sources import under_test
from support.together import together
from support.typed import by_duckdb, by_polars, in_files, make_batch, same
from support.zones import needs_time_zones

pytestmark = needs_time_zones

ZONES = ("Europe/Brussels", "America/New_York", "Pacific/Chatham", "UTC", "UTC+0530", "UTC-0800")
LARGEST = 2**63 - 1
KINDS = [
    pytest.param(kind, marks=[pytest.mark.integration] if one.needs_program else [])
    for kind, one in under_test().items()
]
MOMENTS = (
    *("1000-01-01 00:00:00", "1582-10-10 12:00:00", "1850-06-01 00:00:00", "1969-12-31 23:59:59"),
    *("2024-02-29 12:00:00", "2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-11-03 01:30:00"),
    *("2400-02-29 00:00:00", "9999-12-31 00:00:00", "9999-12-31 23:59:59"),
)
"""The first and last that there are, those of other calendars, and some that come twice or never in a zone."""
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(st.sampled_from("\"'\\,;\t\r\n\0\ud83d{}[]0-=\u2028é\N{PILE OF POO}"), max_size=12),
    st.sampled_from(["", "0", "-1", "NULL", "null", "nan", " ", '"', "=1+1", "1e5", "true", "2024-01-01"]),
)
DECIMALS = st.one_of(
    st.decimals(0, 10**17, allow_nan=False, places=4),
    st.sampled_from(["0", "1", "0.5", "100", "1000.10", "0.0000000001"]),
).map(str)


def texts(column: Column) -> st.SearchStrategy[Any]:
    """Values of a column in a file. Those with a pattern of their own are made of it."""
    made: Mapping[Kind, st.SearchStrategy[Any]] = {
        Kind.INTEGER: st.one_of(st.integers(0, LARGEST), st.sampled_from([0, 1, LARGEST])).map(str),
        Kind.DECIMAL: DECIMALS,
        Kind.MOMENT: st.one_of(st.sampled_from(MOMENTS), st.datetimes(datetime(1000, 1, 1)).map(_second)),  # noqa: DTZ001
        Kind.DATE: st.dates(datetime(1000, 1, 1).date()).map(str),  # noqa: DTZ001
    }
    if column.kind in made and column.pattern != "^-?1$":
        found = made[column.kind]
    elif column.is_personal:
        found = st.text(string.printable, min_size=1, max_size=12).map("{}@x".format)
    elif column.pattern:
        found = st.from_regex(column.pattern, fullmatch=True, alphabet=string.printable).map(str.strip)
    else:
        found = TEXTS
    return st.one_of(found, st.sampled_from(sorted(column.nothing))) if column.nothing else found


def _second(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat(" ")


@st.composite
def rows_of(draw: st.DrawFn, row: type[Row]) -> Sequence[Row]:
    """Rows of a table, with and without the fields that may be missing."""
    made = []
    for _ in range(draw(st.integers(0, 1 if row.is_single else 3))):
        values = {}
        for one in columns(row):
            if one.is_required or draw(st.booleans()):
                values[one.name] = draw(_plain(row, one))
        made.append(row(**values))
    return made


def _plain(row: type[Row], column: Column) -> st.SearchStrategy[Any]:
    if column.kind is Kind.INTEGER and not column.pattern:  # a JSON number
        return st.integers(0, 2**31 - 1 if row is Jenkins else LARGEST)
    return st.booleans() if column.name == "is_support_team" else texts(column)


def check(folder: Path, zone: str) -> int:
    """Write a batch in each format, and read it back. Returns the number of rows."""
    wanted = in_files(folder, zone)
    for form in Format:
        with tempfile.TemporaryDirectory() as made:
            written = write_tables(folder, Path(made, "tables"), form)
            assert written.time_zone == zone
            assert [one.rows for one in written.tables] == [len(wanted[row]) for row in TABLES if row in wanted]
            names = {written.project + ".duckdb"} if form is Format.DUCKDB else {one.file for one in written.tables}
            assert {path.name for path in written.folder.iterdir()} == names
            for row, rows in wanted.items():
                same(form, row, by_duckdb(written, row, form), rows)
                if form is not Format.DUCKDB:
                    same(form, row, by_polars(written, row, form), rows)
    return sum(map(len, wanted.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_each_source(agent: Agent, tmp_path: Path, kind: str) -> None:
    give_secrets(agent)
    zone = "Europe/Amsterdam"
    with together(tmp_path, kind) as one:
        one.write(agent)
        done = agent.scrape(variables={"TZ": zone})
    assert done.status == 0, done
    assert check(agent.export(), zone) > 1


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data(), st.sampled_from(TABLES), st.sampled_from(ZONES))
def test_any_rows(data: st.DataObject, row: type[Row], zone: str) -> None:
    rows = data.draw(rows_of(row))
    with tempfile.TemporaryDirectory() as folder:
        make_batch(Path(folder, "TEST"), {row: rows}, zone)
        check(Path(folder, "TEST"), zone)


@pytest.mark.parametrize("zone", ZONES)
def test_moments(tmp_path: Path, zone: str) -> None:
    """The first and last ones, and those at a change of summer time, in every zone."""
    sprints = [JiraSprint(id=str(number), name="s", start_date=text) for number, text in enumerate(MOMENTS)]
    make_batch(tmp_path / "TEST", {JiraSprint: sprints}, zone)
    assert check(tmp_path / "TEST", zone) == len(MOMENTS)


@pytest.mark.parametrize("number", [0, 1, 2**31, LARGEST])
def test_numbers(tmp_path: Path, number: int) -> None:
    signs = [number, -number]
    common = {"repo_name": "r", "merge_request_id": str(number), "reviewer_username": "a"}
    votes = [MergeRequestReview(**common, reviewer=str(one), vote=str(one)) for one in signs]
    make_batch(tmp_path / "TEST", {MergeRequestReview: votes}, "UTC")
    assert check(tmp_path / "TEST", "UTC") == len(set(signs))


def test_tables_without_rows(tmp_path: Path) -> None:
    make_batch(tmp_path / "TEST", {row: [] for row in TABLES}, "UTC")
    assert check(tmp_path / "TEST", "UTC") == 0
