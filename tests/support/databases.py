"""The databases that tests load into: a new one each, of either kind. A room's ``conftest.py`` imports these fixtures.

Tests that take both are not marked as integration, so that psycopg is tried with each Python and its oldest release.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.inbox import Inbox
from support.postgresql import Server, server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database."""
    if request.param == "duckdb":
        return f"duckdb:{tmp_path / 'data.duckdb'}"
    found: str = request.getfixturevalue("postgresql").new()
    return found


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    (tmp_path / "inbox").mkdir()
    return Inbox(tmp_path / "inbox")
