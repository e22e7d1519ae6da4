"""SonarQube: rows against what a server on loopback holds; it is a generator, see :mod:`support.sonarqube`."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Value
from gros_agent.rows import Metric, MetricDefault, MetricTarget, MetricVersion
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, SourceEntry
from gros_agent.sources.sonarqube import access, history
from gros_agent.sources.sonarqube.metrics import name_of
from gros_agent.tables import trackers
from support import schemas
from support.agent import Agent
from support.collecting import Found, collect, local
from support.hosts import host_with
from support.replay import TRANSIENT, Asked, Fault, Strike, serving
from support.sonarqube import NUMERIC, STRICT, TOKEN, Project, SonarQube, analysed, measured
from support.web import Answer

RECORDED = json.loads((Path(__file__).parents[2] / "recordings" / "sonarqube.json").read_text())
BEGIN = datetime(2016, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def server() -> Iterator[SonarQube]:
    one = SonarQube()
    with serving(one.replay):
        yield one


def context(server: SonarQube, folder: Path, path: str = "", **options: str) -> Context:
    host = host_with("127.0.0.1", {name: Value(text, "test") for name, text in options.items()})
    entry = SourceEntry("sonar", "quality", f"{server.url}{path}")
    return Context(entry=entry, host=host, folder=folder / "work", known_hosts=folder / "known", silence=1)


def expected(
    server: SonarQube, *after: tuple[str, datetime], names: Collection[str] = NUMERIC
) -> Counter[tuple[str, str, str]]:
    """Project, metric, moment and value of everything that was measured, for some projects after a moment."""
    since = dict(after)
    return Counter(
        (f"{metric}_{one.key}", local(moment.isoformat()), str(value))
        for one in server.projects
        for moment, values in server.seen(one.analyses).items()
        for metric, value in values.items()
        if metric in names and not (one.key in since and moment <= since[one.key])
    )


def measurements(rows: Found) -> Counter[tuple[str, str, str]]:
    return Counter((one.name, one.date, one.value) for one in rows[Metric])


def following(one: Context, collected: Collected) -> Context:
    """The context of the next collection."""
    documents = {
        name: trackers.merged(one.documents.get(name, {}), content) for name, content in collected.documents.items()
    }
    return replace(one, documents=documents)


def answering(content: Any) -> Fault:
    """What answers with something else, at the same time."""
    return lambda _, honest: (200, honest[1], json.dumps(content).encode())


def test_everything(server: SonarQube, tmp_path: Path) -> None:
    rows, collected = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server)
    assert collected.expected == len(rows[Metric]) > 60
    assert not collected.notes
    assert {(one.base_name, one.scale, one.direction, one.perfect_value) for one in rows[MetricDefault]} >= {
        ("coverage", "percentage", "1", rows[MetricDefault][1].perfect_value),
        ("reliability_rating", "rating", "-1", "1"),
        ("sqale_index", "duration", "-1", "0"),
    }
    names = collected.documents["metric_names.json"]
    assert names["coverage_org:one"] == {
        "base_name": "coverage",
        "domain_name": "org:one",
        "domain_type": "",
        "scale": "percentage",
    }
    assert server.replay.counts()["history"] == 3, "one for each project"


def test_targets_are_conditions_of_gates(server: SonarQube, tmp_path: Path) -> None:
    rows, collected = collect(context(server, tmp_path))
    wanted = {one["metric"]: one["error"] for one in STRICT["conditions"]}
    found = {one.name: one for one in rows[MetricTarget]}
    assert set(found) == {f"{metric}_{one.key}" for one in server.projects for metric in NUMERIC | {"new_coverage"}}
    for name, one in found.items():
        is_wanted = one.domain_name == "org:two" and one.base_name in wanted
        assert (one.default, one.target if is_wanted else None) == (
            "01"[not is_wanted],
            wanted.get(one.base_name) if is_wanted else None,
        ), name
    (version,) = rows[MetricVersion]
    assert version.version_id == "2024-06-01T12:00:00+00:00"
    assert version.developer is UNSET  # the server does not tell, and the importer would take "0" for a name
    assert {one.revision for one in rows[MetricTarget]} == {version.version_id}
    categories = {(one.base_name, one.value): one.category for one in rows[Metric] if one.domain_name == "org:two"}
    assert categories["coverage", "0.0"] == "red"
    assert categories["reliability_rating", "1.0"] == "perfect"
    assert categories["reliability_rating", "2.0"] == "red"
    assert categories["sqale_index", "0"] == "perfect"
    assert categories["sqale_index", "10"] == "green"
    assert categories["blocker_violations", "1"] == "grey"

    server.now += timedelta(hours=1)
    server.gates[1] = {
        **STRICT,
        "conditions": [*STRICT["conditions"][1:], {"metric": "coverage", "op": "LT", "error": "80"}],
    }
    again, later = collect(following(context(server, tmp_path), collected), collected.position)
    (changed,) = again[MetricTarget]
    assert (changed.name, changed.target, changed.revision) == ("coverage_org:two", "80", "2024-06-01T13:00:00+00:00")
    assert len(again[MetricVersion]) == 1
    remembered = later.documents["metric_options_update.json"]["targets"]
    assert remembered["coverage_org:two"]["revision"] == changed.revision
    assert remembered["sqale_index_org:two"]["revision"] == version.version_id


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 501])
def test_without_gates(server: SonarQube, tmp_path: Path, status: int) -> None:
    """Measurements come; targets are named as not available, and what was known of them stays as it was."""
    one = context(server, tmp_path)
    _, before = collect(one)
    refusal = (status, {"Content-Type": "application/json"}, b'{"errors":[{"msg":"Unknown url : /api/qualitygates"}]}')
    server.replay.strikes = {"gate of project": Strike(lambda _asked, _honest: refusal)}
    rows, collected = collect(one)
    assert measurements(rows) == expected(server)
    assert {row.category for row in rows[Metric]} == {"grey"}
    assert not rows[MetricTarget]
    assert not rows[MetricVersion]
    (note,) = collected.notes
    assert note == f"targets are not available: the server refuses access to quality gates (status {status})"
    after = following(following(one, before), collected)
    options = "metric_options_update.json"
    assert after.documents[options]["targets"] == before.documents[options]["targets"]
    server.replay.strikes.clear()
    rows, _ = collect(after, before.position)
    assert not rows[MetricTarget], "they are as they were when they could be seen last"
    server.replay.strikes = {"gate": Strike(lambda _asked, _honest: refusal)}
    rows, collected = collect(one)
    assert measurements(rows) == expected(server)
    assert len(collected.notes) == 1


def test_gates_that_are_not_there_are_not_asked_for_each_project(server: SonarQube, tmp_path: Path) -> None:
    server.projects = [Project(f"p{number}", "P") for number in range(200)]
    server.replay.routes = [one for one in server.replay.routes if not one.name.startswith("gate")]
    _, collected = collect(context(server, tmp_path))
    assert "(status 404)" in collected.notes[0]
    assert server.replay.counts()[""] < 50


def test_the_gate_of_one_project_is_hidden(server: SonarQube, tmp_path: Path) -> None:
    forbidden = (403, {"Content-Type": "application/json"}, b'{"errors":[{"msg":"Insufficient privileges"}]}')

    def hide(asked: Asked, honest: Answer) -> Answer:
        return forbidden if asked.query["project"] == "org:two" else honest

    server.replay.strikes = {"gate of project": Strike(hide)}
    rows, collected = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server)
    assert {row.domain_name for row in rows[MetricTarget]} == {"org:one", "org:idle"}
    (note,) = collected.notes
    assert note.startswith("targets of 1 of 3 projects are not available")


def test_gates_that_can_not_be_told_now(server: SonarQube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that may pass ends the collection as ever: the next one has the targets of the same measurements."""
    monkeypatch.setattr("gros_agent.sources.common.api.TRIES", 2)
    server.replay.strikes = {"gate of project": Strike(TRANSIENT["500"])}
    with pytest.raises(SourceError, match="status 500"):
        collect(context(server, tmp_path))


def test_metrics_of_software_qualities(server: SonarQube, tmp_path: Path) -> None:
    """Those of 10.8 and newer come: ratings, and the numbers of issues, too, which are said not to be qualitative."""
    ratings = {"type": "RATING", "direction": -1, "qualitative": True, "hidden": False}
    issues = {"type": "INT", "direction": -1, "qualitative": False, "hidden": False}
    server.metrics += [
        {"key": "software_quality_security_rating", **ratings},
        {"key": "software_quality_security_issues", **issues},
        {"key": "new_software_quality_security_rating", **ratings},
        {"key": "software_quality_hidden_issues", **issues, "hidden": True},
    ]
    for moment in server.projects[0].analyses:
        new = {"software_quality_security_rating": "2.0", "software_quality_security_issues": "7"}
        server.projects[0].analyses[moment] |= new
    rows, _ = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server, names=NUMERIC | set(new))
    assert {"software_quality_security_issues", "new_software_quality_security_rating"} <= {
        row.base_name for row in rows[MetricDefault]
    }


@pytest.mark.parametrize("tells", [True, False])
def test_two_branches_are_two(agent: Agent, server: SonarQube, tells: bool) -> None:
    """Their metrics have names of their own in every table and tracker; the main one keeps those of the project."""
    server.projects[1].branches["release/1"] = analysed(BEGIN, 5, timedelta(days=1))
    if not tells:
        server.replay.routes = [one for one in server.replay.routes if one.name != "branches"]
    agent.export().mkdir(parents=True)
    urls = [f"{server.url}/dashboard?id=org:two&branch={name}" for name in ("main", "release/1")]
    entries = [{"type": "sonar", "name": f"two {place}", "url": url} for place, url in enumerate(urls)]
    (agent.export() / "data_sources.json").write_text(json.dumps(entries))
    assert agent.scrape("--make-secrets").status == 0
    ends = {"" if tells else "@main", "@release/1"}
    for table in ("metrics", "metric_targets"):
        rows = json.loads((agent.export() / f"data_{table}.json").read_text())
        names = Counter(row["name"].partition("_org:two")[2] for row in rows)
        assert set(names) == ends
        assert len(set(names.values())) == 1
    known = json.loads((agent.export() / "metric_names.json").read_text())
    assert {name.partition("_org:two")[2] for name in known} == ends
    assert set(json.loads((agent.export() / "measurements_update.json").read_text())["versions"]) == set(urls)


def test_names_that_are_too_long() -> None:
    """They fit into the table, and are not cut off to one."""
    key, metric = "k" * 90, "software_quality_maintainability_remediation_effort"
    names = {name_of(metric, f"{key}{number}", branch) for number in range(3) for branch in (None, "a", "b")}
    assert len(names) == 9
    assert {len(name) for name in names} == {100}
    assert all(name.startswith(f"{metric}_kkk") for name in names)
    assert name_of("coverage", "k" * 91, None) == f"coverage_{'k' * 91}", "what fits stays"


def test_nothing_new(server: SonarQube, tmp_path: Path) -> None:
    one = context(server, tmp_path)
    _, first = collect(one)
    server.replay.asked.clear()
    rows, second = collect(following(one, first), first.position)
    assert not any(rows.values())
    assert server.replay.counts()["history"] == 1, "of the project without any analysis, which may have one now"
    assert following(one, second).documents == following(one, first).documents


@pytest.mark.parametrize("tells_analysis", [True, False])
def test_what_is_shown_late(server: SonarQube, tmp_path: Path, tells_analysis: bool) -> None:
    """An analysis that was made before the last collection and shown after it is not missed; nothing comes twice."""
    server.tells_analysis = tells_analysis
    one = context(server, tmp_path)
    _, first = collect(one)
    late = server.now - timedelta(minutes=20)
    server.projects[0].analyses[late] = measured(1)
    server.projects.append(Project("org:later", "Later", analysed(BEGIN, 3, timedelta(days=1))))
    server.now += timedelta(days=1)
    rows, second = collect(following(one, first), first.position)
    seen = [(each.key, max(each.analyses)) for each in server.projects[1:2]]
    assert measurements(rows) == expected(server, ("org:one", late - timedelta(seconds=1)), *seen)
    assert not any(collect(following(following(one, first), second), second.position)[0].values())


def test_the_position_of_another_agent(server: SonarQube, tmp_path: Path) -> None:
    """Where nothing is known of the projects, what was measured since the position counts."""
    moment = datetime(2024, 2, 15, tzinfo=UTC)
    rows, _ = collect(context(server, tmp_path), "2024-02-15T00:00:00+0000")
    assert measurements(rows) == expected(server, *((one.key, moment) for one in server.projects))


def test_the_targets_of_another_agent(server: SonarQube, tmp_path: Path) -> None:
    """What existing agents remember of targets is compared in their form, so that no version is made of none."""
    one = context(server, tmp_path)
    rows, collected = collect(one)
    theirs: dict[str, Any] = {
        row.name: {
            "base_name": row.base_name,
            "direction": row.direction,
            "scale": row.scale,
            "version_id": "2024-01-01T00:00:00+0000",
            "commit_date": "2024-01-01 00:00:00",
            "domain_name": row.domain_name,
            **({"default": "1"} if row.default == "1" else {"target": row.target}),
        }
        for row in rows[MetricTarget]
    }
    theirs["coverage_org:two"]["target"] = "10"
    theirs["coverage_org:one"] = None
    known = {"metric_options_update.json": {"targets": theirs}}
    again, later = collect(replace(one, documents=known), collected.position)
    assert {row.name for row in again[MetricTarget]} == {"coverage_org:two", "coverage_org:one"}
    told = later.documents["metric_options_update.json"]["targets"]
    assert told["sqale_index_org:two"]["revision"] == "2024-01-01T00:00:00+0000"


@pytest.mark.parametrize("cap", [10_000, 3000])
def test_25000_analyses(server: SonarQube, tmp_path: Path, cap: int) -> None:
    """All of several years, though the server gives only the beginning of a period."""
    server.projects = [Project("org:long", "Long", analysed(BEGIN, 25_000, timedelta(hours=2, seconds=1)))]
    server.cap = cap
    rows, collected = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server)
    assert len({one.date for one in rows[Metric]}) == 25_000
    assert not collected.notes
    assert server.replay.counts()["history"] <= 40


def test_more_than_can_be_told(server: SonarQube, tmp_path: Path) -> None:
    """Where even one moment has more than the server tells, the outcome names it, and the tracker stays before it."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    server.projects = [Project("org:odd", "Odd", analysed(begin, 4000, timedelta(microseconds=1)))]
    server.projects[0].analyses |= analysed(begin + timedelta(days=1), 5, timedelta(days=1))
    server.cap = 3000
    rows, collected = collect(context(server, tmp_path))
    (note,) = collected.missing
    assert note.startswith("org:odd: the server returns measurements only up to 2024-01-01 ")
    assert {one.date[:10] for one in rows[Metric]} == {"2024-01-01"}
    positions = collected.documents["measurements_update.json"]["components"]
    assert positions == {f"{server.url}": {"org:odd": "2024-01-01T00:00:00+00:00"}}


@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.integers(0, 60), min_size=1, max_size=40),
    st.integers(1, 4),
    st.integers(2, 4),
    st.none() | st.integers(0, 60),
)
def test_any_history(days: set[int], page: int, pages: int, since: int | None) -> None:
    """Whatever the sizes of pages and periods are, everything since a moment comes once."""
    one = SonarQube(projects=[Project("k", "K", {BEGIN + timedelta(days=day): {"coverage": day} for day in days})])
    one.cap = page * pages
    with pytest.MonkeyPatch.context() as patch, serving(one.replay):
        patch.setattr(history, "PAGE", page)
        patch.setattr(history, "LIMIT", one.cap)
        position = None if since is None else BEGIN + timedelta(days=since)
        told = context(one, Path())
        if position is not None:
            known = {"components": {one.url: {"k": position.isoformat()}}}
            told = replace(told, documents={"measurements_update.json": known})
        rows, collected = collect(told)
        assert sorted(float(each.value) for each in rows[Metric]) == sorted(
            day for day in days if since is None or day > since
        )
        assert not collected.notes


def test_one_project(server: SonarQube, tmp_path: Path) -> None:
    server.projects[1].branches["release/1"] = analysed(BEGIN, 3, timedelta(days=1))
    for page in ("/dashboard?id=org:two", "/project/overview?id=org%3Atwo", "/code?id=org:two&selected=x"):
        rows, _ = collect(context(server, tmp_path, page))
        assert {one.domain_name for one in rows[Metric]} == {"org:two"}
    rows, _ = collect(context(server, tmp_path, "/dashboard?id=org:two&branch=release/1"))
    assert {one.date for one in rows[Metric]} == {local((BEGIN + timedelta(days=day)).isoformat()) for day in range(3)}
    with pytest.raises(SourceError, match="is not there") as caught:
        collect(context(server, tmp_path, "/dashboard?id=org:gone"))
    assert "key" in caught.value.hint


def test_an_organization(server: SonarQube, tmp_path: Path) -> None:
    server.organization = {"key": "org", "name": "Organization"}
    for path in ("/organizations/org", "/organizations/org/projects", "/projects?organization=org"):
        rows, _ = collect(context(server, tmp_path, path))
        assert measurements(rows) == expected(server)
    rows, _ = collect(context(server, tmp_path, "/dashboard?id=org:two"))
    assert {one.domain_name for one in rows[MetricTarget]} == {"org:two"}
    with pytest.raises(SourceError, match="organization") as caught:
        collect(context(server, tmp_path))
    assert "organizations/ORGANIZATION" in caught.value.hint


def test_the_cloud_has_organizations_alone(server: SonarQube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL names none, the project's long name is it, as it is for existing agents."""
    monkeypatch.setattr(access, "CLOUD", ("0.0.1",))
    server.organization = {"key": "org", "name": "Organization"}
    one = context(server, tmp_path)
    with pytest.raises(SourceError, match="names no organization"):
        collect(one)
    assert measurements(collect(replace(one, long_name="org"))[0]) == expected(server)


def test_recorded_answers(server: SonarQube, tmp_path: Path) -> None:
    """The answers that there are recordings of, as they are."""
    server.metrics = [{"key": "metric1", "type": "INT", "direction": 1, "qualitative": True}]
    server.projects = [Project("foo", "Foo")]
    for route in ("projects", "history"):
        server.replay.strikes[route] = Strike(answering(RECORDED[route]))
    rows, collected = collect(context(server, tmp_path))
    (told,) = RECORDED["history"]["measures"]
    assert measurements(rows) == Counter(
        ("metric1_foo", local(point["date"]), point["value"]) for point in told["history"]
    )
    positions = collected.documents["measurements_update.json"]["components"][server.url]
    assert positions == {"foo": "2024-05-16T17:18:19+00:00"}


def test_many_projects(server: SonarQube, tmp_path: Path) -> None:
    """Every page of them."""
    server.projects = [Project(f"p{number}", "", analysed(BEGIN, 1, timedelta(1))) for number in range(1203)]
    rows, _ = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server)
    assert server.replay.counts()["projects"] == 3


@pytest.mark.parametrize("code", [403, 404])
def test_a_project_that_is_refused(server: SonarQube, tmp_path: Path, code: int) -> None:
    """One that was removed or hidden meanwhile: the others are collected, and it keeps its position."""
    gone = server.projects[0].key

    def refuse(asked: Any, honest: Any) -> Any:
        return (code, {}, b"{}") if asked.query["component"] == gone else honest

    server.replay.strikes["history"] = Strike(refuse)
    rows, collected = collect(context(server, tmp_path))
    wanted = {row for row in expected(server) if gone not in repr(row)}
    assert {row for row in measurements(rows) if gone not in repr(row)} == wanted
    assert wanted
    assert [one.partition(",")[0] for one in collected.missing] == [f"measurements of {gone}"]
    assert gone not in repr(collected.documents["measurements_update.json"])


@pytest.mark.parametrize("absence", ["refused", "not listed", "refused after an agent with one position"])
def test_a_project_that_comes_back(server: SonarQube, tmp_path: Path, absence: str) -> None:
    """It goes on from where it was, whyever it was not read: measurements have no key, and would double."""
    away = server.projects[0]
    last = max(moment for one in server.projects for moment in one.analyses)
    first, collected = collect(context(server, tmp_path))
    before, position = collected.documents, collected.position
    if absence == "refused after an agent with one position":
        before = {name: one for name, one in before.items() if name != "measurements_update.json"}
        position = last.isoformat()
    if absence == "not listed":
        server.projects.remove(away)
    else:
        strike = Strike(lambda asked, honest: (403, {}, b"{}") if asked.query["component"] == away.key else honest)
        server.replay.strikes["history"] = strike
        away.analyses[last + timedelta(days=1)] = dict(away.analyses[max(away.analyses)])
    rows, collected = collect(replace(context(server, tmp_path), documents=before), position)
    assert not rows.get(Metric)
    assert bool(collected.missing) == (absence != "not listed")
    server.replay.strikes.pop("history", None)
    if away not in server.projects:
        server.projects.insert(0, away)
    again, _ = collect(replace(context(server, tmp_path), documents=collected.documents), collected.position)
    seen = measurements(first) + measurements(again)
    assert set(seen) <= set(expected(server))
    assert max(seen.values()) == 1


def test_refused_in_the_middle_of_a_history(server: SonarQube, tmp_path: Path) -> None:
    """Nothing of the source is written then: the project keeps its position, and what came would come again."""
    server.projects = [Project("org:long", "Long", analysed(BEGIN, 2500, timedelta(hours=2)))]
    strike = Strike(lambda asked, honest: (403, {}, b"{}") if asked.query["p"] == "2" else honest)
    server.replay.strikes["history"] = strike
    with pytest.raises(SourceError):
        collect(context(server, tmp_path))


def test_an_analysis_of_a_time_to_come(server: SonarQube, tmp_path: Path) -> None:
    """There is no going on from there, so it comes when its time does, and until then it is counted."""
    server.projects = [Project("org:ahead", "Ahead", analysed(BEGIN, 3, timedelta(days=1)))]
    whole = expected(server)
    ahead = f"{server.now + timedelta(days=3):%Y-%m-%dT%H:%M:%S+0000}"

    def tell(_asked: Any, honest: Any) -> Any:
        content = json.loads(honest[2])
        for measure in content["measures"]:
            measure["history"].append({"date": ahead, "value": "1"})
        content["paging"]["total"] += 1
        return honest[0], honest[1], json.dumps(content).encode()

    server.replay.strikes["history"] = Strike(tell)
    first, collected = collect(context(server, tmp_path))
    again, _ = collect(following(context(server, tmp_path), collected), collected.position)
    assert measurements(first) == whole
    assert not again.get(Metric)
    assert any("more than a day ahead" in one for one in collected.notes)


def test_pages_grow_again(server: SonarQube, tmp_path: Path) -> None:
    """A page that can't be given comes in parts; those after it are whole again."""
    server.projects = [Project(f"p{number}", "", analysed(BEGIN, 1, timedelta(1))) for number in range(1203)]
    server.replay.strikes["projects"] = Strike(lambda _asked, _honest: (502, {}, b""), times=2)
    rows, _ = collect(context(server, tmp_path))
    assert measurements(rows) == expected(server)
    assert server.replay.counts()["projects"] == 2 + 4 + 2, "two tries, four parts of the first page, two pages"


def test_more_projects_than_are_listed(server: SonarQube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LIMIT", 1000)
    server.projects = [Project(f"p{number}", "") for number in range(1203)]
    server.listed_cap = 1000
    _, collected = collect(context(server, tmp_path))
    assert collected.missing == (
        "of 1203 projects the server lists only the first 1000; name an organization or project",
    )


@pytest.mark.parametrize(("version", "scheme"), [("8.9.10.61524", "Basic"), ("10.4.1.88267", "Bearer")])
@pytest.mark.parametrize("hides_version", [False, True])
def test_token(server: SonarQube, tmp_path: Path, version: str, scheme: str, hides_version: bool) -> None:
    """A token is a user without a password for older servers, and goes as it is to newer ones.

    Where nobody is told the version without it, both are tried.
    """
    server.version, server.token, server.hides_version = version, TOKEN, hides_version
    for options in ({"password": TOKEN}, {"username": TOKEN}):
        server.replay.asked.clear()
        rows, _ = collect(context(server, tmp_path, **options))
        assert measurements(rows) == expected(server)
        told = [one.headers.get("Authorization", "").split(" ")[0] for one in server.replay.asked]
        assert set(told[4:]) == {scheme}
        if not hides_version:
            assert told[:2] == ["", scheme]
        assert (
            sources()["sonar"].check(context(server, tmp_path, **options)).startswith(f"answers as version {version}")
        )
    with pytest.raises(SourceError, match="refuses the credentials") as caught:
        collect(context(server, tmp_path))
    assert "token" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "row"),
    [("1.50", "1.50"), (3, "3"), (2.5, "2.5"), (" 7 ", "7"), ("1e3", "1000")]
    + [(odd, None) for odd in ("NaN", "Infinity", "", "many")],
)
def test_values(server: SonarQube, tmp_path: Path, value: Any, row: str | None) -> None:
    moment = min(server.projects[0].analyses)
    server.projects[0].analyses[moment]["coverage"] = value
    rows, collected = collect(context(server, tmp_path))
    found = [
        one.value for one in rows[Metric] if (one.name, one.date) == ("coverage_org:one", local(moment.isoformat()))
    ]
    assert found == ([row] if row else [])
    assert collected.notes == (() if row else ("left out: measurements whose value is not a number (1)",))


def test_a_type_that_is_not_known(server: SonarQube, tmp_path: Path) -> None:
    server.metrics[3]["type"] = "QUBITS"
    rows, collected = collect(context(server, tmp_path))
    assert "coverage" not in {one.base_name for one in rows[Metric]}
    assert collected.notes == ("left out: metrics of an unknown type (coverage (QUBITS))",)


def test_many_metrics(server: SonarQube, tmp_path: Path) -> None:
    """They are asked for in several requests that every server takes, and what has no history is not asked for."""
    names = [f"metric_with_a_long_name_{number:03}" for number in range(150)]
    server.metrics += [
        {"key": name, "type": "INT", "direction": 1, "qualitative": True, "hidden": False} for name in names
    ]
    for values in server.projects[0].analyses.values():
        values.update(dict.fromkeys(names, "5"))
    rows, _ = collect(context(server, tmp_path))
    assert {one.base_name for one in rows[Metric]} == NUMERIC | set(names)
    asked = [one for one in server.replay.asked if one.route == "history"]
    assert len(asked) == 3 * 3
    assert max(len(one.query["metrics"]) for one in asked) < 2000
    assert all("new_" not in one.query["metrics"] for one in asked)


def test_a_history_that_breaks_off(server: SonarQube, tmp_path: Path) -> None:
    server.projects[0].analyses = analysed(BEGIN, 1500, timedelta(hours=1))

    def shorter(_asked: Any, honest: Any) -> Any:
        content = json.loads(honest[2])
        for measure in content["measures"]:
            measure["history"] = measure["history"][:100]
        return honest[0], honest[1], json.dumps(content).encode()

    server.replay.strikes = {"history": Strike(shorter)}
    with pytest.raises(SourceError, match="breaks off: 100 analyses where 1000 are announced"):
        collect(context(server, tmp_path, "/dashboard?id=org:one"))


def test_a_history_in_another_order(server: SonarQube, tmp_path: Path) -> None:
    """Nothing is guessed of a server that does not tell its history oldest first."""
    server.projects[0].analyses = analysed(BEGIN, 1500, timedelta(hours=1))

    def turned(asked: Any, honest: Any) -> Any:
        content = json.loads(honest[2])
        for measure in content["measures"]:
            for point in measure["history"]:
                point["date"] = point["date"].replace("2016", "2012" if asked.query["p"] == "2" else "2016")
        return honest[0], honest[1], json.dumps(content).encode()

    server.replay.strikes = {"history": Strike(turned)}
    with pytest.raises(SourceError, match="not in the order"):
        collect(context(server, tmp_path, "/dashboard?id=org:one"))


def test_check(server: SonarQube, tmp_path: Path) -> None:
    source = sources()["sonar"]
    assert source.check(context(server, tmp_path)) == "answers as version 9.9.4.87374; 3 projects"
    assert source.check(context(server, tmp_path, "/dashboard?id=org:two")) == (
        "answers as version 9.9.4.87374; project Two"
    )
    with pytest.raises(SourceError, match="does not accept the credentials"):
        source.check(context(server, tmp_path, password="wrong"))
    server.version = "7.9.6.41879"
    with pytest.raises(SourceError, match=r"is version 7\.9\.6"):
        source.check(context(server, tmp_path))
    server.state = "DB_MIGRATION_NEEDED"
    with pytest.raises(SourceError, match="is not ready: its status is DB_MIGRATION_NEEDED"):
        source.check(context(server, tmp_path))


def test_scrape(agent: Agent, server: SonarQube) -> None:
    """The whole way, twice: valid files, trackers that installations know, and only what is new."""
    agent.export().mkdir(parents=True)
    entry = {"type": "sonar", "name": "quality", "url": server.url}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
    done = agent.scrape("--make-secrets")
    assert done.status == 0, done
    assert not schemas.errors(agent.export())
    tracker = json.loads((agent.export() / "measurements_update.json").read_text())
    assert (tracker["sources"], tracker["versions"]) == ([entry], {server.url: "2024-06-01T12:00:00+00:00"})
    assert set(tracker["components"][server.url]) == {"org:one", "org:two"}
    server.now += timedelta(hours=1)
    server.projects[0].analyses[server.now] = measured(1)
    done = agent.scrape()
    assert done.status == 0, done
    rows = json.loads((agent.export() / "data_metrics.json").read_text())
    assert {row["date"] for row in rows} == {local(server.now.isoformat())}
