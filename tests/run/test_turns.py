"""The turns of projects at a controller, and what they write at the same time."""

import threading
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from gros_agent.deliver import delivery, outbox
from gros_agent.errors import AgentError, DeliveryError, ExitStatus
from gros_agent.run import turns as module
from gros_agent.run.history import Ended, History
from gros_agent.run.turns import Turn, Turns
from gros_agent.run.watching import Note
from gros_agent.runtime import sqlite


def test_registration_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have cleared the folders of the others, which are registered again in their turns."""
    asked: list[str] = []

    def register(project: MagicMock, _options: object) -> MagicMock:
        asked.append(project.key)
        if project.key == "PB":
            raise AgentError("the connection broke off")
        return MagicMock()

    monkeypatch.setattr(module, "register", register)
    monkeypatch.setattr(delivery, "obstacles", lambda *_: {})
    turns, projects = Turns(), {key: MagicMock(key=key) for key in ("PA", "PB")}
    for one in projects.values():
        one.environment.get.return_value = ""
    first, second = Turn(turns, MagicMock()), Turn(turns, MagicMock())
    first.register(projects["PA"])
    with first.alone(projects["PA"]):
        assert asked == ["PA"]
    with pytest.raises(AgentError, match="broke off"):
        second.register(projects["PB"])
    with first.alone(projects["PA"]):
        assert asked == ["PA", "PB", "PA"]


def test_registration_that_is_not_possible_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error claims neither that the project was collected nor that something waits: a scrape may only begin."""
    monkeypatch.setattr(module, "register", lambda *_: MagicMock())
    monkeypatch.setattr(delivery, "obstacles", lambda *_: {})
    project, turns = MagicMock(key="PA"), Turns()
    project.environment.get.return_value = ""
    turn = Turn(turns, MagicMock())
    turn.register(project)
    turns.registered = "PB"
    monkeypatch.setattr(delivery, "obstacles", lambda *_: {"PC": DeliveryError("PC is stuck", "see there")})
    monkeypatch.setattr(outbox, "waiting", lambda _: ())
    with pytest.raises(DeliveryError, match="could not be registered again after another project: PC is stuck"):
        turn.alone(project).__enter__()
    assert turns.lock.acquire(blocking=False)


def test_no_turn_begins_when_the_run_is_interrupted() -> None:
    """Who waits for the lock must not register while the others end."""
    turns = Turns()
    turns.is_over = True
    with pytest.raises(KeyboardInterrupt):
        Turn(turns, MagicMock()).alone(MagicMock(key="PA")).__enter__()
    assert turns.lock.acquire(blocking=False)


def test_many_note_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a disk that is so slow that some would wait longer than SQLite lets them."""
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    history = tmp_path / "history.sqlite"
    start = threading.Barrier(32)

    def go(number: int) -> None:
        start.wait()
        note = Note(History(history), f"P{number}", "test", MagicMock())
        for done in range(5):
            note.stage(f"step {done}")
        note.end(Ended(status=ExitStatus.DONE))

    threads = [threading.Thread(target=go, args=(number,)) for number in range(32)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert "not kept" not in caplog.text
    assert [run.status for run in History(history).runs()] == [ExitStatus.DONE] * 32
