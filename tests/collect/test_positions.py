"""Positions that are moments: in UTC, in the form of existing trackers; those of others count as early as they can."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.collect import positions
from gros_agent.errors import AgentError
from gros_agent.settings.load import load
from gros_agent.tables import trackers
from support.agent import Agent, give_secrets
from support.gitlab import PATH, TOKEN, UNDER, GitLab
from support.replay import serving
from support.zones import needs_time_zones

TRACKER, LINE = "gitlab_update.json", "jira-updated.txt"
WRITTEN = "2024-01-01 12:00:00"


def test_ours_are_as_they_are(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    positions.note(settings.project("ABC"), {TRACKER: {"one": WRITTEN}, "latest_vcs_versions.json": {"one": "a" * 40}})
    read = {TRACKER: {"one": WRITTEN, "other": WRITTEN}, "latest_vcs_versions.json": {"one": "a" * 40}}
    assert positions.in_utc(settings.project("ABC"), read) == {
        TRACKER: {"one": WRITTEN, "other": "2023-12-31 22:00:00"},
        "latest_vcs_versions.json": {"one": "a" * 40},
    }
    assert positions.in_utc(settings.project("DEF"), read)[TRACKER]["one"] == "2023-12-31 22:00:00"


def test_earlier_ones_of_ours(tmp_path: Path) -> None:
    """A failed import, or a batch that is thrown away, brings them back."""
    settings = load(tmp_path, {})
    for day in range(1, 29):
        positions.note(settings.project("ABC"), {TRACKER: {"one": f"2024-01-{day:02} 12:00:00"}})
    read = {TRACKER: {"one": "2024-01-25 12:00:00"}}
    assert positions.in_utc(settings.project("ABC"), read) == read


@given(st.datetimes(), st.integers(-12, 14))
def test_nothing_is_lost_whatever_zone_it_was(local: object, offset: int) -> None:
    """The position that counts is never after the moment that was meant."""
    from datetime import datetime, timedelta  # noqa: PLC0415

    assert isinstance(local, datetime)
    text = f"{local.replace(microsecond=0).isoformat(' ')}"
    meant = positions._meant(text, ())
    if meant != text:
        assert datetime.fromisoformat(meant) <= local - timedelta(hours=offset)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-01-02 12:00", "2024-01-01 10:00"),
        ("2024-01-02 12:00:59", "2024-01-01 10:00"),
        ("1900-01-01 01:01", "1899-12-30 23:01"),
        ("yesterday", "yesterday"),
    ],
)
def test_minutes(tmp_path: Path, text: str, meant: str) -> None:
    """Two zones are unknown: that of the agent which wrote it, and that of the account which asked by it."""
    project = load(tmp_path, {}).project("ABC")
    assert positions.in_utc(project, {LINE: {"project": text}}) == {LINE: {"project": meant}}
    positions.note(project, {LINE: {"project": text}})
    assert positions.in_utc(project, {LINE: {"project": text}}) == {LINE: {"project": text}}


def test_what_is_no_moment_is_left_to_its_source(tmp_path: Path) -> None:
    assert positions.in_utc(load(tmp_path, {}).project("ABC"), {TRACKER: {"one": "yesterday"}}) == {
        TRACKER: {"one": "yesterday"}
    }


def test_a_damaged_note(tmp_path: Path) -> None:
    (tmp_path / "state" / "positions").mkdir(parents=True)
    (tmp_path / "state" / "positions" / "ABC.json").write_text("[")
    with pytest.raises(AgentError, match="is damaged"):
        positions.in_utc(load(tmp_path, {}).project("ABC"), {TRACKER: {"one": WRITTEN}})


@needs_time_zones
@pytest.mark.parametrize(("first", "second"), [("Europe/Amsterdam", "UTC"), ("America/New_York", "Asia/Tokyo")])
def test_an_agent_that_moves(agent: Agent, first: str, second: str) -> None:
    """What changed a minute after the first scrape's newest is collected by the second, wherever that is."""
    give_secrets(agent)
    gitlab = GitLab()
    newest = max(one["updated_at"] for one in gitlab.data["merge_requests"])
    with serving(gitlab.replay) as replay:
        section = f"[127.0.0.1:{replay.port}]\ngitlab_token = {TOKEN}\nstrip = {UNDER}\n"
        (agent.home / "credentials.cfg").write_text(section)
        source = f"gitlab:code={replay.url}/{UNDER}/{PATH}"
        agent.scrape("--source", source, variables={"TZ": first})
        tracker = json.loads((agent.export() / TRACKER).read_text())
        later = gitlab.data["merge_requests"][-1]
        later["updated_at"] = f"{newest[:14]}59:59.000Z" if newest[14:19] < "59:59" else newest
        assert later["updated_at"] > newest
        agent.scrape("--source", source, variables={"TZ": second})
    rows = json.loads((agent.export() / "data_merge_request.json").read_text())
    assert [row["id"] for row in rows] == [str(later["id"])], tracker
    assert json.loads((agent.export() / TRACKER).read_text()) != tracker


def test_of_thousands_of_sources(tmp_path: Path) -> None:
    """A note or tracker that grows with the sources is read whatever its size: 4,000 take 5 MB."""
    settings = load(tmp_path, {})
    names = [f"a-repository-with-a-long-name-{number}" for number in range(4000)]
    path = tmp_path / "state" / "positions" / "ABC.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({TRACKER: {name: [WRITTEN] * 50 for name in names}}))
    assert path.stat().st_size > 4 << 20
    read = {TRACKER: dict.fromkeys(names, WRITTEN)}
    assert positions.in_utc(settings.project("ABC"), read) == read
    tracker = tmp_path / TRACKER
    tracker.write_bytes(trackers.encode(TRACKER, {f"{name}{'x' * 300}": WRITTEN for name in names}))
    assert tracker.stat().st_size > 1 << 20
    assert len(trackers.read(tracker)) == len(names)
