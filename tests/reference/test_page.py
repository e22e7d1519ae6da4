"""The controller's page: who may see it, and what it says."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from gros_agent.errors import ConfigurationError
from gros_agent.reference.operator_page import ensure_token
from gros_agent.reference.overview import overview
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.store import About, State
from gros_agent.runtime.tokens import has_token
from support.controller import Controller, client_key, controller, wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("page")
    with controller(folder / "c", "--project", "ABC", "--project", "XYZ") as started:
        started.register(client_key(folder))
        yield started


def page(running: Controller, token: str | None, path: str = "/") -> requests.Response:
    auth = None if token is None else ("anybody", token)
    address = f"https://127.0.0.1:{running.https}{path}"
    return requests.get(address, auth=auth, verify=str(running.certificate), timeout=30)


def token(running: Controller) -> str:
    return (running.folder / "page-token").read_text().strip()


@pytest.mark.parametrize("path", ["/", "/report"])
@pytest.mark.parametrize("given", [None, "", "wrong", "Ω"])
def test_nobody_without_the_token(running: Controller, path: str, given: str | None) -> None:
    answer = page(running, given.encode() if given == "Ω" else given, path)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert "ABC" not in answer.text


def test_the_token(running: Controller, tmp_path: Path) -> None:
    path = running.folder / "page-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token(running)) >= 32
    assert token(running) not in running.log.read_text()
    with controller(tmp_path / "c") as other:
        first = token(other)
    with controller(tmp_path / "c") as again:
        assert token(again) == first
        assert page(again, first).status_code == 200
        bearer = {"Authorization": f"Bearer {first}"}
        answer = requests.get(
            f"https://127.0.0.1:{again.https}/", headers=bearer, verify=str(again.certificate), timeout=30
        )
        assert "No agent has registered yet" in answer.text


@pytest.mark.parametrize("content", [b"", b" \n", b"short\n", b"\xff" * 32])
def test_a_file_without_a_token(tmp_path: Path, content: bytes) -> None:
    """An empty token would be an empty password."""
    (tmp_path / "page-token").write_bytes(content)
    with pytest.raises(ConfigurationError, match="page-token"):
        ensure_token(tmp_path)
    assert not has_token([(b"authorization", b"Bearer ")], "")
    assert not has_token([(b"authorization", b"Basic Og==")], "")


def test_what_it_shows(running: Controller) -> None:
    hostile = "<script>alert(1)</script>"
    sources = [
        {"name": "code", "kind": "git", "items": 3, "expected": 3, "state": "whole"},
        {"name": hostile, "kind": "jira", "items": 0, "state": "failed"},
    ]
    (running.home() / "export" / "ABC" / "data_tag.json").write_text("[]")
    running.export({"export": ["data_tag.json"]}, batch="b1", time_zone="UTC", sources=json.dumps(sources))
    wait_until(running.inbox)
    running.export({"export": ["none.json"]}, batch="b2")
    wait_until(lambda: "none.json" in page(running, token(running)).text)
    answer = page(running, token(running))
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    text = " ".join(answer.text.split())
    assert "<script>" not in text
    for words in (
        *("agent-ABC", "gros_agent/0.1 requests/2", "No agent has registered for this project."),
        "<b>Refused:</b> batch b2 was refused: none.json can&#39;t be read",
        "&lt;script&gt;alert(1)&lt;/script&gt;</b> (jira) could not be collected, and never was.",
    ):
        assert words in text
    assert "http://" not in text
    assert "https://" not in text


def test_many_sources(tmp_path: Path) -> None:
    """The page stays small, whatever agents announce."""
    sources = [{"name": f"code-{number:04}", "kind": "git", "items": 1, "state": "partly"} for number in range(3000)]
    with controller(tmp_path / "c") as running:
        running.register(client_key(tmp_path))
        (running.home() / "export" / "ABC" / "data_tag.json").write_text("[]")
        running.export({"export": ["data_tag.json"]}, batch="b1", time_zone="UTC", sources=json.dumps(sources))
        # in the inbox, it may not be noted as taken yet
        wait_until(lambda: "code-0000" in page(running, token(running)).text)
        answer = page(running, token(running))
    assert len(answer.text) < 100_000
    assert answer.text.count("is not complete,") == 20
    assert "2,980 more sources are not complete." in answer.text
    assert "The first 200 of 3,000 sources." in answer.text


def test_the_report_is_for_the_folders_owner(tmp_path: Path) -> None:
    """It stays in the controller's folder, which other users may be able to enter."""
    pytest.importorskip("vl_convert", reason="a report needs the extra report")
    with controller(tmp_path / "c") as running:
        running.register(client_key(tmp_path))
        (running.home() / "export" / "ABC" / "data_tag.json").write_text("[]")
        running.export({"export": ["data_tag.json"]}, batch="b1", time_zone="UTC")
        wait_until(running.inbox)
        answer = page(running, token(running), "/report")
        assert answer.status_code == 200, answer.text
        assert stat.S_IMODE((running.folder / "report.html").stat().st_mode) == 0o600


class TestOverview:
    """What is missing since when."""

    @pytest.fixture
    @staticmethod
    def state(tmp_path: Path) -> Iterator[State]:
        made = State(tmp_path / "c")
        made.register("ABC", "agent-ABC", "a key")
        yield made
        made.close()

    def take(self, state: State, moment: datetime, came: str = "whole") -> None:
        """A batch that was announced and taken then."""
        about = About("UTC", [{"name": "code", "kind": "git", "items": 1, "expected": None, "state": came}])
        state.announce("ABC", moment.isoformat(), {"user": "agent-ABC"}, {}, about)
        (announced,) = state.announced()
        state.settle(announced, "taken")
        with state.transaction() as connection:
            connection.execute(
                "UPDATE announcement SET moment = ? WHERE sequence = ?", (moment.isoformat(), announced.sequence)
            )

    @pytest.mark.parametrize(
        ("days", "batches", "later", "expected"),
        [
            (None, [0, 24, 48], 60, None),  # one a day: not yet
            (None, [0, 24, 48], 48 + 49, 48 + 48),
            (None, [0, 1, 2], 20, None),  # one an hour: a day may pass
            (None, [0, 1, 2], 27, 2 + 24),
            (None, [0, 24], 500, None),  # too few to say
            (7, [0], 24 * 8 - 1, None),
            (7, [0], 24 * 8 + 1, 24 * 8),
            (7, [], 500, None),
        ],
    )
    def test_when_the_next_was_due(
        self, state: State, days: int | None, batches: list[int], later: int, expected: int | None
    ) -> None:
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        for hours in batches:
            self.take(state, begin + timedelta(hours=hours))
        options = ServeOptions(folder=state.folder, days=days)
        (project,) = overview(state, options, begin + timedelta(hours=later)).projects
        assert project.expected == (None if expected is None else begin + timedelta(hours=expected))
        assert project.last == (begin + timedelta(hours=batches[-1]) if batches else None)

    def test_sources(self, state: State) -> None:
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        moments = [begin + timedelta(hours=number) for number in range(4)]
        for moment, came in zip(moments, ("failed", "whole", "partly", "failed"), strict=True):
            self.take(state, moment, came)
        (project,) = overview(state, ServeOptions(folder=state.folder), moments[-1]).projects
        (source,) = project.missing
        assert (source.state, source.last, source.whole) == ("failed", moments[3], moments[1])
        self.take(state, moments[3] + timedelta(hours=1))
        (project,) = overview(state, ServeOptions(folder=state.folder), moments[-1]).projects
        assert project.missing == ()
