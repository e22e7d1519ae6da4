"""What the delivered log says of an error: the place in the agent's own code, and none of somebody else's words."""

import logging
import re
from pathlib import Path

import pytest

from gros_agent.errors import AgentError
from gros_agent.runtime import own
from gros_agent.tables import trackers


def damaged(folder: Path) -> AgentError:
    path = folder / "a_person.json"
    path.write_text("no JSON at all")
    with pytest.raises(AgentError) as found:
        trackers.read(path)
    return found.value


def record(*arguments: object) -> logging.LogRecord:
    return logging.LogRecord("gros_agent", logging.ERROR, trackers.__file__, 1, "failed: %s", arguments, None)


def test_place_of_an_error(tmp_path: Path) -> None:
    """In whichever room it was raised, and with the room."""
    told = own.message(record(damaged(tmp_path)))
    assert re.search(r"\(ConfigurationError, tables/trackers\.py:\d+\)", told)
    assert "a_person" not in told


def test_places_of_a_trace(tmp_path: Path) -> None:
    trace = own.trace(damaged(tmp_path))
    assert re.search(r"tables/trackers\.py:\d+", trace)
    assert "a_person" not in trace


def test_place_of_a_record() -> None:
    assert own.place(record("x")) == "tables/trackers.py"
