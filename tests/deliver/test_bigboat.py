"""The BigBoat dashboard: a replay of a real one, and a real controller that takes what it says."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from gros_agent.deliver import bigboat, dashboard
from gros_agent.deliver.bigboat import BigBoat
from gros_agent.errors import DeliveryError
from gros_agent.settings.load import load
from gros_agent.sources import sources
from support.agent import Agent
from support.bigboat import RECORDED, STATUS, Board
from support.controller import Controller, controller
from support.forward import forward_proxy
from support.replay import serving
from support.schemas import HERE
from support.web import Answer, json_answer

SENT = json.loads((RECORDED / "bigboat_api_data.json").read_text())
KEY = "the-key-of-the-dashboard"


@pytest.fixture
def board() -> Iterator[Board]:
    one = Board()
    with serving(one.replay):
        yield one


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controller]:
    with controller(tmp_path / "controller", "--project", "TEST", "--project", "OTHER") as one:
        yield one


def variables(board: Board, https: int, certificate: Path) -> dict[str, str]:
    return {
        "JIRA_KEY": "TEST OTHER",
        "BIGBOAT_HOST": board.url,
        "BIGBOAT_KEY": KEY,
        "SSH_HOST": "127.0.0.1",
        "SSH_HTTPS_PORT": str(https),
        "SSH_HTTPS_CERT": str(certificate),
    }


def received(running: Controller, project: str = "TEST") -> list[Any]:
    with contextlib.closing(sqlite3.connect(running.folder / "controller.db")) as connection:
        words = "select content from record where kind = 'status' and project = ? order by sequence"
        return [json.loads(content) for (content,) in connection.execute(words, (project,))]


def schema_errors(rows: Any) -> list[str]:
    contents = [json.loads((HERE / name).read_text()) for name in ("bigboat/status.json", "utils.json")]
    registry: Registry[Any] = Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in contents])
    return [error.message for error in Draft202012Validator(contents[0], registry=registry).iter_errors(rows)]


def test_recorded(board: Board) -> None:
    rows = msgspec.to_builtins(BigBoat(board.url, None).statuses())
    assert rows == SENT
    assert not schema_errors(rows)


def test_it_is_no_source_of_tables() -> None:
    assert "bigboat" not in sources()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("15", "1", "x")), inner, max_size=2),
    max_leaves=4,
)
details = st.dictionaries(st.sampled_from((*bigboat._VALUES, *bigboat._LIMITS, "free")), json_values) | json_values


@given(st.text(max_size=130), st.booleans(), details)
def test_any_details(name: str, ok: bool, content: Any) -> None:
    """Whatever a dashboard tells, a row is what the importer can take: numbers or nothing."""
    text = json.dumps({"name": name, "isOk": ok, "details": content, "lastCheck": {"ISO": "2026-03-04T05:06:07+02:00"}})
    row = msgspec.to_builtins(bigboat._status(msgspec.json.decode(text, type=bigboat._Item), "http://b.example"))
    assert not schema_errors([row])
    assert row["checked_time"] == "2026-03-04 03:06:07"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ({"loadavg": {"1": 1, "5": 2, "15": 0.25}}, 0.25),
        ({"loadavg": {"1": 1}}, None),
        ({"time": 1924201}, 1924201),
        ({"usedIps": "19", "used": 5}, None),
        (None, None),
    ],
)
def test_values(content: Any, value: Any) -> None:
    item = bigboat._Item("x", bigboat._LastCheck("2026-03-04T05:06:07Z"), is_ok=True, details=content)
    found = bigboat._status(item, "")
    assert found
    assert found.value == value


@pytest.mark.parametrize(
    ("told", "checked"),
    [
        ("0099-01-01T00:00:00Z", "0099-01-01 00:00:00"),
        ("2026-03-04T05:06:07.999", "2026-03-04 05:06:07"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31 23:30:00"),
    ],
)
def test_moments(told: str, checked: str) -> None:
    item = bigboat._Item("x", bigboat._LastCheck(told), is_ok=True)
    found = bigboat._status(item, "")
    assert found
    assert found.checked_time == checked


@pytest.mark.parametrize("told", ["", "yesterday", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_no_moment(told: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, and said so; the others are sent."""
    assert bigboat._status(bigboat._Item("x", bigboat._LastCheck(told), is_ok=True), "") is None
    assert "which is not a time: left out" in caplog.text


def test_credentials_in_the_address(board: Board) -> None:
    """They are for the dashboard alone: the controller is told the address without them."""
    for credentials in ("user:password", "token"):
        dashboard = BigBoat(board.url.replace("//", f"//{credentials}@") + "/", None)
        assert dashboard.url == board.url
        assert len(dashboard.statuses()) == 2
        assert board.asked[-1].path == "/api/v2/status"
        assert board.asked[-1].headers["Authorization"].startswith("Basic ")


def test_proxy_of_the_environment_file(agent: Agent, board: Board) -> None:
    """A dashboard that only a proxy reaches, as the environment files name it."""
    with forward_proxy() as between:
        (agent.home / "env").write_text(f"http_proxy=http://127.0.0.1:{between.port}\n")
        told = variables(board, 1, agent.home) | {"BIGBOAT_HOST": f"http://board.example:{board.replay.port}"}
        done = agent("bigboat", "--dry-run", "--json", variables=told)
    assert done.status == 0, done
    assert json.loads(done.output)


def test_sent(agent: Agent, board: Board, running: Controller) -> None:
    done = agent("bigboat", "--log", "DEBUG", variables=variables(board, running.https, running.certificate))
    assert done.status == 0, done
    assert "Available IPs" in done.output
    assert received(running) == [{"source": board.url, "status": SENT}]
    assert not received(running, "OTHER")
    assert board.asked[0].path == "/api/v2/status"
    assert board.asked[0].headers["api-key"] == KEY
    assert KEY not in done.output + done.errors
    assert not dashboard.waiting(agent.home / "state" / "bigboat" / "TEST")


def test_dry_run(agent: Agent, board: Board) -> None:
    done = agent("bigboat", "--dry-run", "--json", variables=variables(board, 1, agent.home))
    assert done.status == 0, done
    assert json.loads(done.output) == SENT
    assert not (agent.home / "state" / "bigboat").exists()


def test_not_configured(agent: Agent) -> None:
    done = agent("bigboat", "--dry-run", variables={"JIRA_KEY": "TEST"})
    assert done.status == 7
    assert "set BIGBOAT_HOST and BIGBOAT_KEY" in done.errors


def named(name: str, _: object) -> Answer:
    return json_answer([{**STATUS[0], "name": name}])


class TestControllerAway:
    """What was measured is kept, and sent later, once and in order."""

    @pytest.mark.slow
    def test_kept_and_sent(self, agent: Agent, board: Board, running: Controller) -> None:
        given = variables(board, running.https, running.certificate)
        folder = agent.home / "state" / "bigboat" / "TEST"
        for number in range(3):
            board.answer = partial(named, f"poll {number}")
            done = agent("bigboat", variables=given | {"SSH_HTTPS_PORT": "1"})
            assert done.status == 6, done
            assert f"{number + 1} polls wait" in done.errors
        assert len(dashboard.waiting(folder)) == 3
        (folder / "00-damaged.json").write_text("{")
        board.answer = partial(named, "poll 3")
        done = agent("bigboat", variables=given)
        assert done.status == 0, done
        assert "set aside" in done.errors
        assert [one["status"][0]["name"] for one in received(running)] == [f"poll {number}" for number in range(4)]
        assert not dashboard.waiting(folder)
        assert (folder / "00-damaged.damaged").exists()

    def test_dashboard_away(self, agent: Agent, board: Board, running: Controller) -> None:
        """What waits is sent all the same."""
        given = variables(board, running.https, running.certificate)
        assert agent("bigboat", variables=given | {"SSH_HTTPS_PORT": "1"}).status == 6
        board.answer = lambda _: json_answer({}, 401)
        done = agent("bigboat", variables=given)
        assert done.status == 3, done
        assert "refuses the credentials" in done.errors
        assert len(received(running)) == 1

    @pytest.mark.parametrize("suffix", [".json", dashboard.REFUSED, dashboard.DAMAGED])
    def test_full(
        self, agent: Agent, board: Board, running: Controller, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        """Nothing that was measured is dropped: where no more may wait, no more is measured."""
        monkeypatch.setattr(dashboard, "KEPT_POLLS", 3)
        given = variables(board, running.https, running.certificate)
        folder = agent.home / "state" / "bigboat" / "TEST"
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"{number}{suffix}").write_text(json.dumps({"source": str(number), "statuses": SENT}))
        with pytest.raises(DeliveryError):
            dashboard.send(load(agent.home, given | {"SSH_HTTPS_PORT": "1"}).project("TEST"))
        assert not board.asked
        assert sorted(path.name for path in folder.glob("[0-9]*")) == [f"{number}{suffix}" for number in range(3)]
        if suffix == ".json":
            assert dashboard.send(load(agent.home, given).project("TEST"))[1] == 1
            assert [one["source"] for one in received(running)] == ["0", "1", "2", board.url]

    @pytest.mark.slow
    def test_both_away(self, agent: Agent, board: Board, running: Controller) -> None:
        """Both are told; the data that waits decides about the status."""
        given = variables(board, running.https, running.certificate) | {"SSH_HTTPS_PORT": "1"}
        assert agent("bigboat", variables=given).status == 6
        board.answer = lambda _: json_answer({}, 401)
        done = agent("bigboat", "--log", "DEBUG", variables=given)
        assert done.status == 6, done
        assert "refuses the credentials" in done.errors
        assert "1 polls wait" in done.errors
        assert KEY not in done.output + done.errors


class TestRefused:
    """A poll that the controller refuses hinders no other."""

    def test_one_of_several(self, agent: Agent, board: Board, running: Controller) -> None:
        given = variables(board, running.https, running.certificate)
        folder = agent.home / "state" / "bigboat" / "TEST"
        folder.mkdir(parents=True)
        large = {**SENT[0], "name": "x" * dashboard.LARGEST_POLL}
        for name, source, rows in (("1", "x" * 10_000, SENT), ("2", "http://a.example", SENT), ("3", "y", [large])):
            (folder / f"{name}.json").write_text(json.dumps({"source": source, "statuses": rows}))
        done = agent("bigboat", variables=given)
        assert done.status == 6, done
        assert "0 polls wait, 2 were set aside" in done.errors
        assert [one["source"] for one in received(running)] == ["http://a.example", board.url]
        assert sorted(path.name for path in folder.glob("[0-9]*")) == ["1.refused", "3.refused"]
        assert agent("bigboat", variables=given).status == 0

    def test_all(self, agent: Agent, board: Board, running: Controller) -> None:
        """The polls are not what is wrong with a project that the controller does not know: they are kept."""
        given = variables(board, running.https, running.certificate)
        folder = agent.home / "state" / "bigboat" / "NONE"
        folder.mkdir(parents=True)
        for number in range(dashboard.TOO_MANY_REFUSALS + 5):
            (folder / f"{number}.json").write_text(json.dumps({"source": "y", "statuses": SENT}))
        done = agent("bigboat", "--project", "NONE", variables=given)
        assert done.status == 6, done
        assert f"{dashboard.TOO_MANY_REFUSALS + 6} polls wait: " in done.errors
        assert not list(folder.glob("*.refused"))


def test_one_sender(agent: Agent, board: Board, running: Controller) -> None:
    """Two senders at once never send a poll twice: the second one does nothing."""
    entered, leave = threading.Event(), threading.Event()

    def slow(_: object) -> Answer:
        entered.set()
        leave.wait(20)
        return json_answer(STATUS)

    board.answer = slow
    given = variables(board, running.https, running.certificate)
    with agent.start("bigboat", variables=given) as first:
        assert entered.wait(20)
        second = agent("bigboat", variables=given)
        leave.set()
        first.communicate(timeout=30)
    assert (first.returncode, second.status) == (0, 5)
    assert "another sender" in second.errors
    assert len(received(running)) == 1


def test_more_than_a_controller_takes(agent: Agent, board: Board) -> None:
    board.answer = lambda _: json_answer(STATUS * 8000)
    done = agent("bigboat", "--dry-run", variables=variables(board, 1, agent.home))
    assert done.status == 3
    assert "returns 16000 measurements" in done.errors


def test_dashboard_of_a_project(agent: Agent, board: Board) -> None:
    """A project's own dashboard and key win over the agent's."""
    words = f"[bigboat]\nhost=http://127.0.0.1:1\nhost.TEST={board.url}\nkey=other\nkey.TEST={KEY}\n"
    (agent.home / "settings.cfg").write_text(words)
    done = agent("bigboat", "--dry-run", "--json", variables={"JIRA_KEY": "TEST"})
    assert json.loads(done.output) == SENT, done
    assert board.asked[0].headers["api-key"] == KEY


class TestPreflight:
    def result(self, agent: Agent, given: dict[str, str]) -> tuple[str, str]:
        done = agent("preflight", "--json", "--no-secrets", "--no-ssh", variables=given)
        (found,) = [one for one in json.loads(done.output) if one["name"] == "BigBoat dashboard"]
        return found["status"], found["detail"]

    def test_states(self, agent: Agent, board: Board) -> None:
        assert self.result(agent, {})[0] == "skipped"
        given = {"JIRA_KEY": "TEST", "BIGBOAT_HOST": board.url, "BIGBOAT_KEY": KEY}
        assert self.result(agent, given) == ("ok", f"{board.url} answers with 2 measurements")
        board.answer = lambda _: json_answer({}, 403)
        assert self.result(agent, given)[0] == "warning"
        for host, words in (("bigboat.example", "this is not a URL"), ("ftp://127.0.0.1", "is not a valid address")):
            status, detail = self.result(agent, given | {"BIGBOAT_HOST": host})
            assert (status, words in detail) == ("warning", True)
        blocked = given | {"GATHERER_URL_BLACKLIST": "ftp://x,127.0.0.1:*"}
        assert "is blocked by" in self.result(agent, blocked)[1]
