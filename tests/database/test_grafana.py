"""The dashboard for Grafana: its queries run, and its parts fit together. Grafana itself is not run here."""

import json
import re
from datetime import date, datetime
from itertools import combinations
from typing import Any

import psycopg
import pytest
import yaml

from database.test_views import history
from gros_agent.database.definitions import definitions
from support.agent import ROOT
from support.inbox import Inbox
from support.postgresql import Server

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "software-teams.json").read_text())
PERIOD = ("2023-01-01T00:00:00Z", "2024-12-31T23:59:59.999Z")
_TIME_FILTER = re.compile(r"\$__timeFilter\(([^)]*)\)")
WIDTH = 24


def panels() -> list[dict[str, Any]]:
    return [one for one in DASHBOARD["panels"] if one["type"] != "row"]


def queries() -> list[tuple[str, str, str]]:
    """The title of each panel, the format of its data, and its query."""
    return [(one["title"], target["format"], target["rawSql"]) for one in panels() for target in one["targets"]]


def expanded(query: str) -> str:
    """A query as the data source sends it: its macros and variables replaced."""
    filtered = _TIME_FILTER.sub(rf"\1 BETWEEN '{PERIOD[0]}' AND '{PERIOD[1]}'", query)
    found = filtered.replace("$project", "'ABC','DEF'")
    assert "$" not in found
    return found


@pytest.fixture(scope="module")
def filled(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the history of the views' tests, as a user who can only read."""
    inbox = Inbox(tmp_path_factory.mktemp("inbox"))
    inbox.add(*history(), zone="UTC")
    url = postgresql.new()
    inbox.load(url)
    statements = re.findall(r"^(?:CREATE|GRANT|ALTER) .*;$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert len(statements) == 4
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.replace("FOR ROLE loader ", "").encode())
    return url.replace("owner@", "grafana@")


@pytest.mark.integration
@pytest.mark.parametrize(("title", "form", "query"), queries(), ids=[title for title, _, _ in queries()])
def test_each_query_has_an_answer(filled: str, title: str, form: str, query: str) -> None:
    """As the data source needs it for the format, and without a person."""
    with psycopg.connect(filled) as connection:
        cursor = connection.execute(expanded(query).encode())
        rows = cursor.fetchall()
        names = [one.name for one in cursor.description or ()]
    assert rows, title
    assert not re.search(r"[0-9a-f]{64}", str(rows))
    if form == "time_series":
        assert names[0] == "time"
        assert all(isinstance(row[0], datetime | date) for row in rows)
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        texts = {name for row in rows for name, value in zip(names, row, strict=True) if isinstance(value, str)}
        assert texts <= {"metric"}
        assert len(names) - len(texts) > 1


@pytest.mark.integration
def test_the_list_of_projects(filled: str) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    with psycopg.connect(filled) as connection:
        assert connection.execute(variable["query"].encode()).fetchall() == [("ABC",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM gros.batches")


@pytest.mark.integration
def test_the_numbers_are_those_of_the_views(filled: str) -> None:
    """Two of them, worked out by hand in the views' tests."""
    found = {title: query for title, _, query in queries()}
    with psycopg.connect(filled) as connection:
        assert connection.execute(expanded(found["Commits"]).encode()).fetchall() == [(13,)]
        assert connection.execute(expanded(found["Contributors"]).encode()).fetchall() == [(4,)]
        ((accepted,),) = connection.execute(expanded(found["Accepted"]).encode()).fetchall()
        assert accepted == pytest.approx(3 / 5)


def test_panels() -> None:
    """Each has a place of its own, an explanation, and the data source that is provisioned."""
    every = DASHBOARD["panels"]
    assert len({one["id"] for one in every}) == len(every)
    assert len({one["title"] for one in panels()}) == len(panels())
    (source,) = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "gros.yaml").read_text())["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}
    for one in panels():
        assert one["description"]
        assert [one["datasource"], *(target["datasource"] for target in one["targets"])] == [expected] * 2
    assert DASHBOARD["templating"]["list"][0]["datasource"] == expected
    for one, other in combinations((panel["gridPos"] for panel in every), 2):
        assert one["x"] + one["w"] <= WIDTH
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_no_query_reads_a_table_with_people() -> None:
    tables = {one.name for one in definitions()}
    for _, _, query in queries():
        assert not set(re.findall(r"gros\.(\w+)", query)) & tables


def test_files_fit_together() -> None:
    """Compose sets each variable, and puts each file where it is looked for; no password is in any of them."""
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    grafana = compose["services"]["grafana"]
    source = (FOLDER / "provisioning" / "datasources" / "gros.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", source)) <= set(grafana["environment"])
    for name in grafana["secrets"]:
        assert f"/run/secrets/{name}" in source + str(grafana["environment"])
        assert compose["secrets"][name]["file"].startswith("${")
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "gros.yaml").read_text())["providers"]
    mounted = dict(one.removesuffix(":ro").split(":") for one in grafana["volumes"])
    assert mounted["./dashboards"] == provider["options"]["path"]
    assert all((FOLDER / one).is_dir() for one in mounted if one.startswith("./"))
    assert yaml.safe_load(source)["datasources"][0]["secureJsonData"] == {
        "password": "$__file{/run/secrets/database_password}"
    }
    readme = " ".join((FOLDER / "README.md").read_text().split())
    assert "Grafana itself was not run" in readme
    for name in re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()):
        assert f"`{name}`" in readme
