"""The page and its drawings: what comes from data is text and nothing else, and periods are those of SQL."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gros_agent.database.views import views
from gros_agent.reporting import periods, phrases
from gros_agent.reporting.contents import Cell, Content, Figure, Form, Hours, Section, Unit
from gros_agent.reporting.drawings import spec
from gros_agent.reporting.page import rendered
from gros_agent.reporting.svg import drawn
from gros_agent.rows import JiraSprint, JiraStatus, Metric, MetricTarget
from support.agent import Agent
from support.inbox import Inbox
from support.report import read
from support.rows import commit, issue

HOSTILE = (
    "<script>alert(1)</script>",
    "</svg></figure><img src=x onerror=alert(1)>",
    '"\' onload="alert(1)" x=\'',
    "${datum.value} {{ content }} {% raw %} ]]> <!-- &lt;b&gt; \\u003c",
    "\x1b[31mred\x1b[0m \u202egnp.exe",
)
TEXT = re.compile("<text[^>]*?(?:/>|>([^<]*)</text>)")
DAYS = st.dates(date(1970, 1, 1), date(2060, 1, 1))
ELEMENTS = {"svg", "g", "path", "line", "text", "rect"}
PAGE = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "nav", "h1", "h2", "h3"),
    *("p", "a", "ul", "li", "b", "i", "span", "time", "div", "figure", "figcaption", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def test_names_are_texts(agent: Agent, inbox: Inbox) -> None:
    """Of repositories, statuses, sprints and metrics, on the page and in its drawings."""
    numbered = list(enumerate(HOSTILE[:-1]))
    sprint = {"start_date": "2024-05-01 00:00:00", "end_date": "2024-06-01 00:00:00"}
    moved = [
        issue(number, **version, changelog_id=str(place), updated=f"2024-05-0{place + 2} 12:00:00")
        for number, _ in numbered
        for place, version in enumerate(
            ({"status": str(number)}, {"status": str(number), "sprint": str(number)}, {"status": "99"})
        )
    ]
    target = {"domain_type": "t", "scale": "count", "default": "1", "target": "5", "direction": "1", "revision": "1"}
    inbox.add(
        [commit(f"{number:040x}", repo_name=name) for number, name in numbered],
        [JiraStatus(id=str(number), name=name) for number, name in numbered],
        [JiraSprint(id=str(number), name=name, **sprint) for number, name in numbered],
        moved,
        [Metric(name=f"m{number}", value="1", category="red", date="2024-05-01 12:00:00") for number, _ in numbered],
        [MetricTarget(name=f"m{number}", base_name=name, domain_name=name, **target) for number, name in numbered],
    )
    done = agent("report", "--from", inbox.folder, "--output", "report.html")
    assert done.status == 0, done
    check(agent.home / "report.html")
    reading = read(agent.home / "report.html")
    for table in ("statuses", "sprints", "targets"):
        assert sorted(row[0] for row in reading.rows(table)) == sorted(HOSTILE[:-1]), table
    assert set(reading.tables["commits"][0][1:]) == set(HOSTILE[:-1])


def check(path: Path) -> None:
    """No element, attribute or address that the page does not have by itself."""
    reading = read(path)
    assert {name for name, _ in reading.elements} <= PAGE | ELEMENTS
    for _, attributes in reading.elements:
        assert not any(name.startswith("on") or name in {"src", "srcset", "xlink:href"} for name in attributes)
        assert re.match("#|https://chaoss.community/", attributes.get("href") or "#")
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[a-z.]+", text)) <= {"https://chaoss.community"}
    assert "url(" not in text
    assert "@import" not in text


def content(*figures: Figure) -> Content:
    return Content(
        projects=("ABC",),
        origin=HOSTILE[0],
        made=datetime(2024, 6, 1, tzinfo=UTC),
        sections=(Section("s", "S", figures),),
    )


@pytest.mark.parametrize("form", list(Form))
def test_forms(form: Form, tmp_path: Path) -> None:
    """Each draws names that want to be more than that, and nothing at all."""
    over_time = form in {Form.PERIODS, Form.BALANCE, Form.LINES, Form.PRESENCE}
    first: list[Cell] = [date(2024, 5, day + 1) for day in range(len(HOSTILE))] if over_time else list(HOSTILE)
    rows = tuple((one, number, 2 * number) for number, one in enumerate(first))
    for name, given_rows in (("full", rows), ("empty", ())):
        figure = Figure(
            name=name,
            title=HOSTILE[1],
            sentence=HOSTILE[2],
            form=form,
            headings=("from", HOSTILE[3], HOSTILE[4]),
            rows=given_rows,
            series=2,
            unit=Unit.DAY if over_time else None,
        )
        path = tmp_path / f"{name}.html"
        path.write_text(rendered(content(figure), drawn))
        check(path)
        assert "\x1b" not in path.read_text()
        assert "\u202e" not in path.read_text()
        assert len(read(path).rows(name)) == len(given_rows)


def test_alike_names_are_rows_of_their_own() -> None:
    """Two projects may have a sprint of one name, and a name may be missing."""
    rows = (("same", 1), ("same", 2), (None, 3), ("", 4))
    figure = Figure(name="n", title="t", sentence="s", form=Form.NAMES, headings=("name", "count"), rows=rows)
    texts = TEXT.findall(drawn(spec(figure, 500, is_narrow=False)))
    assert texts == ["same", "same", "", "", "1", "2", "3", "4"]


@pytest.mark.parametrize("form", [Form.NAMES, Form.PRESENCE])
def test_names_are_cut_between_characters(form: Form) -> None:
    """A character that takes two places of UTF-16 is not cut in half."""
    for letters in range(10, 50):
        name = "a" * letters + "\N{GRINNING FACE}" * 20
        first: Cell = name if form is Form.NAMES else date(2024, 5, 1)
        figure = Figure(
            name="n", title="t", sentence="s", form=form, headings=("from", name), rows=((first, 1),), unit=Unit.DAY
        )
        for is_narrow in (True, False):
            texts = TEXT.findall(drawn(spec(figure, 500, is_narrow=is_narrow)))
            (found,) = [text for text in texts if text.startswith("aaa")]
            assert name.startswith(found.removesuffix("\N{HORIZONTAL ELLIPSIS}")), found
            assert len(found) in {15, 20, 26, 44, len(name)}


def test_characters_that_xml_has_not() -> None:
    """They would end the process that draws."""
    rows = (("a\ufffeb\uffffc\x0bd", 1),)
    figure = Figure(name="n", title="t", sentence="s", form=Form.NAMES, headings=("name", "count"), rows=rows)
    assert TEXT.findall(drawn(spec(figure, 500, is_narrow=False))) == [r"a\ufffeb\uffffc\x0bd", "1"]


def test_durations_are_words() -> None:
    rows = (("Open", Hours(36)), ("Testing", Hours(0.5)))
    figure = Figure(name="n", title="t", sentence="s", form=Form.NAMES, headings=("status", "median"), rows=rows)
    texts = TEXT.findall(drawn(spec(figure, 500, is_narrow=True)))
    assert texts == ["Open", "Testing", "36 hours", "30 minutes"]


DURATIONS = {
    0: "0 minutes",
    1 / 60: "1 minute",
    0.5: "30 minutes",
    1: "1 hour",
    5.25: "5.2 hours",
    47.6: "48 hours",
    48: "2 days",
    24 * 128.4: "128 days",
    24 * 12345: "12,345 days",
}


@pytest.mark.parametrize(("hours", "words"), DURATIONS.items())
def test_duration(hours: float, words: str) -> None:
    assert phrases.duration(hours) == words


def test_numbers() -> None:
    assert [phrases.number(one) for one in (0, 1234567, 0.5, 2.0, 1234.567)] == [
        "0",
        "1,234,567",
        "0.5",
        "2",
        "1,234.57",
    ]
    assert (phrases.share(1, 3), phrases.share(0, 0)) == ("33%", "0%")
    assert phrases.listed(["a", "b", "c"]) == "a, b and c"
    assert phrases.counted(1, "batch", "batches") == "1 batch"


@given(DAYS, st.sampled_from(list(Unit)))
@example(date(2024, 12, 30), Unit.WEEK)
@example(date(2024, 12, 31), Unit.QUARTER)
def test_periods_begin_as_in_sql(day: date, unit: Unit) -> None:
    found = duckdb.execute("SELECT CAST(date_trunc($1, $2) AS DATE)", [unit.value, day]).fetchone()
    assert found == (periods.start(day, unit),)


@given(DAYS, DAYS, st.integers(2, 150))
def test_periods_follow_each_other(one: date, other: date, most: int) -> None:
    first, last = sorted((one, other))
    unit = periods.unit_between(first, last, most)
    days = list(periods.between(first, last, unit))
    assert days[0] <= first
    assert days[-1] <= last < periods.end(days[-1], unit)
    assert [periods.end(day, unit) for day in days[:-1]] == days[1:]
    assert len(days) == periods.count(first, last, unit)
    assert unit is Unit.YEAR or len(days) <= most
    shorter = list(Unit)[: list(Unit).index(unit)]
    assert all(periods.count(first, last, one) > most for one in shorter)


def test_every_definition_is_a_question() -> None:
    """Titles of views that a metric of CHAOSS defines are its name and a question."""
    for view in views():
        assert not view.source or ": " in view.title, view.name
