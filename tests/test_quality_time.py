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
from gros_agent.settings.model import Host
from gros_agent.settings.values import Value
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.quality import number
from gros_agent.tables import trackers
from gros_agent.tables.schema import Metric, MetricDefault, MetricTarget, MetricVersion
from support import schemas
from support.agent import Agent
from support.collecting import Found, collect, local
from support.quality_time import QualityTime
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
    host = Host("127.0.0.1", {name: Value(text, "test") for name, text in options.items()})
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


@pytest.mark.parametrize("path", ["/api/v3", "/api/internal"])
def test_everything_at_once(server: QualityTime, tmp_path: Path, path: str) -> None:
    server.path = path
    rows, collected = collect(context(server, tmp_path))
    assert measurements(rows) == expected_measurements(server, None)
    assert collected.expected == len(rows[Metric]) == 75
    assert len(rows[MetricDefault]) == len(server.data["datamodel"]["metrics"])
    assert collected.notes == ("left out: measurements whose value is no number (1)",), "that of a version"
    assert server.replay.counts()["measurements"] == 1


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
    assert "quality_time_measurement_date.txt says 'soon'" in " ".join(done.output.split())


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


def test_without_the_call_for_a_period(server: QualityTime, tmp_path: Path) -> None:
    """An older server is asked metric by metric: what is measured no more is not among them."""
    whole = measurements(collect(context(server, tmp_path))[0])
    server.has_period = False
    found = measurements(collect(context(server, tmp_path))[0])
    assert not found - whole
    assert {name for name, *_ in found} == {name for name, *_ in whole} & set(defined(server, "now"))


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
