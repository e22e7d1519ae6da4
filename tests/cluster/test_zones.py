"""Projects with time zones of their own at the same time: each has the moments of its zone, and its batch names it."""

import json
from pathlib import Path

import pytest

from gros_agent.rows.moments import zone_variable
from support.agent import Agent, give_secrets
from support.dask import PASSWORD, Running, on, sources
from support.servers import HttpServer
from support.zones import needs_time_zones

ZONES = {"PA": ("Asia/Tokyo", 21), "PB": ("America/New_York", 8), "PC": ("", 12), "PD": ("Asia/Kolkata", 17)}
"""The zone that the controller gave each project, and the hour of the first commits there."""


@needs_time_zones
@pytest.mark.parametrize("command", ["scrape", "run"])
def test_at_the_same_time(agent: Agent, server: HttpServer, cluster: Running, certificates: Path, command: str) -> None:
    (agent.home / "credentials.cfg").write_text(f"[127.0.0.1]\nusername=reader\npassword={PASSWORD}\n")
    for key, (zone, _) in ZONES.items():
        give_secrets(agent, key)
        agent.export(key).mkdir(parents=True)
        (agent.export(key) / "preflight_env").write_text(f"TZ={zone}\n" if zone else "")
    variables = {"JIRA_KEY": " ".join(ZONES), "TZ": "", **on(cluster, certificates)}
    done = agent(command, *sources(server, "code1", "code2"), variables=variables)
    assert done.status == 0, done
    for key, (zone, hour) in ZONES.items():
        rows = json.loads((agent.export(key) / "data_vcs_versions.json").read_text())
        assert {int(row["commit_date"][11:13]) for row in rows} == {hour}, key
        named = json.loads((agent.export(key) / ".batch.json").read_text())["time_zone"]
        assert named == zone if zone else "Asia" not in named and "America" not in named


@pytest.mark.parametrize(
    ("zone", "variable"),
    [("Europe/Amsterdam", "Europe/Amsterdam"), ("UTC+0530", "<UTC+0530>-05:30"), ("UTC-0400", "<UTC-0400>+04:00")],
)
def test_zone_without_a_name(zone: str, variable: str) -> None:
    """Workers get the offset that the batch names."""
    assert zone_variable(zone) == variable
