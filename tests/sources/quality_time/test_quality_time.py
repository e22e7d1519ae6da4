"""Quality-time: measurements and targets against what a recorded server held, at each of its dates and in between."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Value
from gros_agent.rows import Metric, MetricDefault, MetricTarget, MetricVersion
from gros_agent.sources import sources
from gros_agent.sources.base import Context, Definer, SourceEntry, Versioned
from gros_agent.sources.common.measuring import number
from gros_agent.tables import trackers
from support import schemas
from support.agent import Agent
from support.collecting import Found, collect, local
from support.hosts import host_with
from support.quality_time import RELEASES, QualityTime
from support.replay import serving

DATES = [datetime(2024, 2, 2, tzinfo=UTC), datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 20, tzinfo=UTC)]
DATES += [datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def server() -> Iterator[QualityTime]:
    one = QualityTime()
    with serving(one.replay):
        yield one


def context(server: QualityTime, folder: Path, path: str = "", **options: str) -> Context:
    host = host_with("127.0.0.1", {name: Value(text, "test") for name, text in options.items()})
    entry = SourceEntry("quality-time", "quality", f"{server.replay.url}{path}")
    return Context(entry=entry, host=host, folder=folder / "work", known_hosts=folder / "known", silence=20)


def defined(server: QualityTime, state: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Metric → its definition and its subject, as the recording has them."""
    return {
        name: (metric, subject)
        for report in server.data["reports"][state]
        for subject in report["subjects"].values()
        for name, metric in subject["metrics"].items()
    }


def expected_measurements(server: QualityTime, after: datetime | None) -> Counter[tuple[str, ...]]:
    known = defined(server, "now" if server.now > DATES[1] else f"{DATES[0 if server.now <= DATES[0] else 1]:%Y-%m-%d}")
    found: Counter[tuple[str, ...]] = Counter()
    for one in server.measured():
        if after is None or datetime.fromisoformat(one["end"]) > after:
            metric = known.get(one["metric_uuid"])
            measured = one.get((metric[0]["scale"] if metric else None) or "count") or {"value": None, "status": None}
            value = "-1" if measured["value"] is None else str(measured["value"])
            category = measured["status"] or "unknown"
            if value.count(".") > 1:
                continue  # that of a version
            found[one["metric_uuid"], value, category, local(one["end"]), local(one["start"])] += 1
    return found


def measurements(rows: Found) -> Counter[tuple[str, ...]]:
    return Counter((one.name, one.value, one.category, one.date, one.since_date) for one in rows[Metric])


def test_everything_at_once(server: QualityTime, tmp_path: Path) -> None:
    rows, collected = collect(context(server, tmp_path))
    assert measurements(rows) == expected_measurements(server, None)
    assert collected.expected == len(rows[Metric]) == 75
    assert len(rows[MetricDefault]) == len(server.data["datamodel"]["metrics"])
    assert collected.notes == ("left out: measurements whose value is not a number (1)",), "that of a version"
    assert server.replay.counts()["measurements"] == 1


@pytest.mark.parametrize("version", RELEASES)
def test_every_release(version: str, tmp_path: Path) -> None:
    """What a release has is found at the paths that it has, and all of it comes, once."""
    server = QualityTime(version)
    with serving(server.replay):
        one = context(server, tmp_path)
        source = sources()["quality-time"]
        metrics = defined(server, "now")
        told = source.check(one)
        assert told == f"answers as version {version}; 2 reports with {len(metrics)} metrics"
        assert isinstance(source, Versioned)
        assert source.version(one) == version
        assert isinstance(source, Definer)
        assert source.definition(one).sources
        rows, collected = collect(one)
        expected = expected_measurements(server, None)
        if server.release < (5, 3):
            expected = Counter({row: count for row, count in expected.items() if row[0] in metrics})
        assert measurements(rows) == expected
        assert {row.name for row in rows[MetricTarget]} == set(metrics)
        assert len(rows[MetricDefault]) == len(server.data["datamodel"]["metrics"])
        moments = {change["timestamp"][:19] for log in server.data["changelogs"].values() for change in log}
        assert {row.version_id[:19] for row in rows[MetricVersion]} == moments
        again, _ = collect(replace(one, documents=collected.documents), collected.position)
        assert not any(again.values())


@pytest.mark.parametrize(("version", "code"), [("5.8.0", 200), ("5.24.0", 200), ("5.25.0", 404), ("5.58.0", 404)])
def test_what_releases_answer_to_paths_that_they_have_not(version: str, code: int) -> None:
    """The server of the tests answers as the real ones do, of which this is recorded."""
    server = QualityTime(version)
    wrong = "/api/v3" if server.place == "/api/internal" else "/api/internal"
    for path in ("/api/internal/server", f"{wrong}/datamodel", f"{wrong}/no_such_path"):
        found = server.replay.answer("GET", path, {}, b"")
        assert found is not None
        assert found[0] == code, path
        assert code == 404 or found[2] == b"{}"
    found = server.replay.answer("GET", "/api/v3/a/b/c", {}, b"")
    assert found is not None
    assert found[0] == 404


def test_fractions_of_seconds(tmp_path: Path) -> None:
    """Scrapes at whole seconds lose nothing and tell nothing twice, whatever fraction the moments of 5.55 have."""
    server = QualityTime("5.58.0")
    one, other = server.data["measurements"][:2]
    one |= {"start": "2026-11-27T22:00:00.200000+00:00", "end": "2026-11-27T22:00:00.500000+00:00"}
    other |= {"start": "2026-11-27T22:00:01.100000+00:00", "end": "2026-11-27T22:00:01.999999+00:00"}
    server.data["measurements"] = [one, other]
    log = server.data["changelogs"]["example-report"]
    log.append({"delta": "Jane changed the name of a metric.", "timestamp": "2026-11-27T22:00:00.300000+00:00"})
    begin = datetime(2026, 11, 27, 22, tzinfo=UTC)
    told: list[tuple[str, str]] = []
    positions: list[str] = []
    with serving(server.replay):
        asking, position, documents = context(server, tmp_path), None, dict[str, Any]()
        for seconds in range(4):
            server.now = begin + timedelta(seconds=seconds)
            found, collected = collect(replace(asking, documents=documents), position)
            told += [(row.name, row.date) for row in found[Metric]]
            position = collected.position
            for name, content in collected.documents.items():
                documents[name] = trackers.merged(documents.get(name, {}), content)
            positions += documents["metric_options_update.json"]["versions"].values()
    assert told == [(each["metric_uuid"], local(each["end"])) for each in (one, other)]
    assert positions == ["2026-11-27T21:36:20+00:00", *["2026-11-27T22:00:00+00:00"] * 3]


def test_changes_of_one_second_are_one_version(tmp_path: Path) -> None:
    """Version 5.58 recorded two changes of one second, the first with a fraction: one version, with what both made."""
    server = QualityTime("5.58.0")
    with serving(server.replay):
        rows, collected = collect(context(server, tmp_path))
        assert [(row.version_id, row.developer) for row in rows[MetricVersion]] == [
            ("2026-11-27T21:36:20+00:00", "{An operator}"),
            ("2026-11-27T21:36:20+00:00", "John Doe"),
        ]
        assert {row.name for row in rows[MetricTarget]} == set(defined(server, "now"))
        server.replay.asked.clear()
        collect(replace(context(server, tmp_path), documents=collected.documents), collected.position)
        moments = [asked.query["report_date"] for asked in server.replay.asked if asked.query.get("report_date")]
        assert "2026-11-27T21:36:20.999999+00:00" in moments


def test_a_change_of_the_second_that_is_not_over(server: QualityTime, tmp_path: Path) -> None:
    """It is left to the next collection, since there may be more of that second."""
    one = context(server, tmp_path)
    server.now = datetime(2024, 2, 5, 10, 0, 1, tzinfo=UTC)
    rows, collected = collect(one)
    assert {row.version_id for row in rows[MetricVersion]} == {"2024-02-01T09:00:01+00:00"}
    server.now += timedelta(seconds=1)
    rows, _ = collect(replace(one, documents=collected.documents), collected.position)
    assert {row.version_id for row in rows[MetricVersion]} == {"2024-02-05T10:00:01+00:00"}
    assert rows[MetricTarget]


def test_reports_come_in_any_order(server: QualityTime, tmp_path: Path) -> None:
    """The order is the database's, another one each time: what is told by it stays the same."""
    source = sources()["quality-time"]
    assert isinstance(source, Definer)
    first = source.definition(context(server, tmp_path))
    for state in server.data["reports"].values():
        state.reverse()
    second = source.definition(context(server, tmp_path))
    assert (second.title, second.sources) == (first.title, first.sources)


@pytest.mark.parametrize("version", ["5.8.0", "5.24.0", "5.58.0"])
def test_a_report_with_a_name_of_its_own(version: str, tmp_path: Path) -> None:
    """An imported report has whatever identifier its file has, so it is found out whether a path ends in one."""
    server = QualityTime(version)
    with serving(server.replay):
        rows, _ = collect(context(server, tmp_path, "/example-report"))
        wanted = Counter(one["report_uuid"] for one in server.measured())["example-report"]
        left_out = 0 if server.release >= (5, 25) else 1
        assert len(rows[Metric]) == wanted - left_out, "but for that of a version"
        with pytest.raises(SourceError, match="has no report no-report"):
            collect(context(server, tmp_path, "/no-report"))


def test_the_page_of_the_web_interface(tmp_path: Path) -> None:
    """A proxy may send every path that the API has not to the web interface, which is at every address."""
    server = QualityTime("5.58.0")
    page = (200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><title>Quality-time</title></html>")
    server.replay.unknown = lambda _path: page
    with serving(server.replay):
        rows, _ = collect(context(server, tmp_path, "/example-report"))
        assert rows[Metric]
        del server.replay.routes[:]
        with pytest.raises(SourceError, match="answers with a web page"):
            collect(context(server, tmp_path))


@pytest.mark.parametrize("version", ["5.8.0", "5.24.0", "5.58.0"])
def test_no_reports_at_all(version: str, tmp_path: Path) -> None:
    """Where none of the paths has reports, that is said; the description of calls is no list of them."""
    server = QualityTime(version)
    server.replay.routes = [one for one in server.replay.routes if one.name not in {"report", "server"}]
    with serving(server.replay):
        with pytest.raises(SourceError, match=r"has no reports at|is not there") as caught:
            collect(context(server, tmp_path))
        assert caught.value.hint
        source = sources()["quality-time"]
        assert isinstance(source, Versioned)
        assert source.version(context(server, tmp_path)) == ""


def test_from_date_to_date(server: QualityTime, tmp_path: Path) -> None:
    """Step by step the same as at once, but for measurements that went on and were told before as well."""
    one = context(server, tmp_path)
    position: str | None = None
    documents: dict[str, Any] = {}
    before: datetime | None = None
    versions, targets, seen = [], [], Counter[str]()
    for date in DATES:
        server.now = date
        rows, collected = collect(replace(one, documents=documents), position)
        assert measurements(rows) == expected_measurements(server, before), date
        position, before = collected.position, date
        for name, content in collected.documents.items():
            documents[name] = trackers.merged(documents.get(name, {}), content)
        versions += rows[MetricVersion]
        targets += rows[MetricTarget]
        seen.update(row.name for row in rows[Metric])
    assert set(seen) == {row.name for row in collect(one)[0][Metric]}
    whole, _ = collect(one)
    assert Counter(map(repr, versions)) == Counter(map(repr, whole[MetricVersion]))
    assert Counter(map(repr, targets)) == Counter(map(repr, whole[MetricTarget]))


def test_targets(server: QualityTime, tmp_path: Path) -> None:
    """Each version's targets are what the report of that time says, and only those that changed."""
    rows, collected = collect(context(server, tmp_path))
    revisions = sorted({row.revision for row in rows[MetricTarget]})
    assert revisions == ["2024-02-01T09:00:01+00:00", "2024-02-05T10:00:01+00:00", "2024-02-12T10:00:01+00:00"]
    states = ["2024-02-02", "2024-02-10", "2024-02-20"]
    before: dict[str, Any] = {}
    for revision, state in zip(revisions, states, strict=True):
        now = defined(server, state)
        names = ("type", "scale", "direction", "target", "near_target", "debt_target", "comment")
        told = {
            name: (*(metric[key] for key in names), subject["name"], subject["type"], len(metric["sources"]))
            for name, (metric, subject) in now.items()
        }
        changed = {name for name, content in told.items() if before.get(name) != content}
        found = {row.name: row for row in rows[MetricTarget] if row.revision == revision}
        assert set(found) == changed
        for name in changed:
            metric, subject = now[name]
            row = found[name]
            assert (row.base_name, row.domain_name) == (metric["type"], subject["name"])
            assert row.number_of_sources == str(len(metric["sources"]))
            if row.default == "0":
                assert (row.target, row.low_target) == (metric["target"] or "0", metric["near_target"] or "0")
                assert row.comment == (metric["comment"] or "")
        before = told
    assert set(collected.documents["metric_names.json"]) == set(defined(server, "now"))


def test_who_changed_targets(server: QualityTime, tmp_path: Path) -> None:
    rows, _ = collect(context(server, tmp_path))
    found = {(row.version_id[:10], row.developer) for row in rows[MetricVersion]}
    people = ("jane.doe@example.org", "john@example.org")
    assert found == {("2024-02-01", "{An operator}")} | {
        (day, one) for day in ("2024-02-05", "2024-02-12") for one in people
    }


def test_nothing_new(server: QualityTime, tmp_path: Path) -> None:
    one = context(server, tmp_path)
    _, first = collect(one)
    server.replay.asked.clear()
    rows, second = collect(replace(one, documents=first.documents), first.position)
    assert not any(rows.values())
    assert second.position == first.position
    assert max(server.replay.counts().values()) == 2, "one changelog for each report"


def test_the_tracker_of_older_agents(agent: Agent, server: QualityTime) -> None:
    """Where no position is known, the one line of it counts; it stays as it is, and a position counts before it."""
    agent.export().mkdir(parents=True)
    entry = {"type": "quality-time", "name": "quality", "url": server.replay.url}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
    former = agent.export() / "quality_time_measurement_date.txt"
    moment = DATES[2].astimezone()
    former.write_text(f"{moment:%Y-%m-%d %H:%M:%S}\n")
    done = agent.scrape("--make-secrets")
    assert done.status == 0, done
    rows = json.loads((agent.export() / "data_metrics.json").read_text())
    expected = expected_measurements(server, moment)
    assert (
        Counter(tuple(row[name] for name in ("name", "value", "category", "date", "since_date")) for row in rows)
        == expected
    )
    assert 0 < expected.total() < expected_measurements(server, None).total()
    assert former.read_text() == f"{moment:%Y-%m-%d %H:%M:%S}\n"
    assert agent.scrape().status == 0
    assert json.loads((agent.export() / "data_metrics.json").read_text()) == []
    (agent.export() / "measurements_update.json").unlink()
    former.write_text("soon")
    done = agent.scrape()
    assert done.status == 3, done
    assert "quality_time_measurement_date.txt contains 'soon'" in " ".join(done.output.split())


def test_one_report(server: QualityTime, tmp_path: Path) -> None:
    """The URL of a report names it; others are left out."""
    identifier = "0a1b2c3d-0000-4000-8000-000000000000"
    for state in server.data["reports"].values():
        state[1]["report_uuid"] = identifier
    for one in server.data["measurements"]:
        if one["report_uuid"] == "example-report":
            one["report_uuid"] = identifier
    rows, _ = collect(context(server, tmp_path, f"/{identifier}"))
    subjects = server.data["reports"]["now"][1]["subjects"].values()
    there = {
        name for subject in subjects for name, one in subject["metrics"].items() if one["scale"] != "version_number"
    }
    assert there <= {row.name for row in rows[Metric]}
    assert all(row.name in there or row.name not in defined(server, "now") for row in rows[Metric])
    with pytest.raises(SourceError, match="has no report") as caught:
        collect(context(server, tmp_path, f"/{identifier[:-1]}1"))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "row"),
    [("1.50", "1.50"), (3, "3"), (2.5, "2.5"), (" 7 ", "7"), ("1e3", "1000"), (None, "-1")]
    + [(odd, None) for odd in ("NaN", "Infinity", "5.7.0", "", True, "many")],
)
def test_values(server: QualityTime, tmp_path: Path, value: Any, row: str | None) -> None:
    one = server.data["measurements"][0]
    for scale in ("count", "percentage"):
        one[scale] = {"value": value, "status": "target_met"}
    rows, collected = collect(context(server, tmp_path))
    found = [
        each.value for each in rows[Metric] if (each.name, each.since_date) == (one["metric_uuid"], local(one["start"]))
    ]
    assert found == ([row] if row else [])
    assert collected.notes[0].endswith("(1)" if row else "(2)"), "there is that of a version, too"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)))
def test_any_value(value: Any) -> None:
    found = number(value)
    assert found is None or schemas.is_number(found)


def test_check(server: QualityTime, tmp_path: Path) -> None:
    source = sources()["quality-time"]
    assert source.check(context(server, tmp_path)) == "answers as version 5.7.0; 2 reports with 33 metrics"
    server.data["server"]["version"] = "4.9.0"
    with pytest.raises(SourceError, match=r"is version 4\.9\.0"):
        source.check(context(server, tmp_path))


def test_scrape(agent: Agent, server: QualityTime) -> None:
    """The whole way, twice: valid files, trackers that installations know, pseudonyms, and nothing new."""
    agent.export().mkdir(parents=True)
    entry = {"type": "quality-time", "name": "quality", "url": server.replay.url}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
    done = agent.scrape("--make-secrets")
    assert done.status == 0, done
    assert not schemas.errors(agent.export())
    text = (agent.export() / "data_metric_versions.json").read_text()
    assert "john" not in text
    assert json.loads((agent.export() / "measurements_update.json").read_text()) == {
        "sources": [entry],
        "versions": {server.replay.url: "2024-03-05T00:00:00+00:00"},
    }
    options = json.loads((agent.export() / "metric_options_update.json").read_text())
    assert options["versions"] == {server.replay.url: "2024-02-12T10:00:01+00:00"}
    assert len(options["targets"]) == 33
    server.now += timedelta(hours=1)
    done = agent.scrape()
    assert done.status == 0, done
    manifest = json.loads((agent.export() / ".batch.json").read_text())
    assert {name for name, rows in manifest["tables"].items() if rows} == {
        "data_environments.json",
        "data_project.json",
    }
