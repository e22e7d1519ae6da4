"""Servers of both deployments, and a client that does not wait long before it tries again."""

from collections.abc import Iterator

import pytest

from gros_agent.http import client as http_client
from sources.jira.cloud import JiraCloud
from sources.jira.sample import furnish
from sources.jira.server import JiraServer
from support.replay import serving


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def server() -> Iterator[JiraServer]:
    one = JiraServer()
    with serving(one.replay):
        yield one


@pytest.fixture
def cloud() -> Iterator[JiraCloud]:
    one = JiraCloud()
    with serving(one.replay):
        yield one


@pytest.fixture
def jira() -> Iterator[JiraServer]:
    """A server whose project has the key of the agent's project."""
    one = JiraServer(key="TEST")
    furnish(one)
    with serving(one.replay):
        yield one
