"""A server for each test, and a client that does not wait long before it tries again."""

from collections.abc import Iterator

import pytest

from gros_agent.http import client as http_client
from sources.forgejo.replay import Forgejo
from support.replay import serving


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def forgejo(request: pytest.FixtureRequest) -> Iterator[Forgejo]:
    """A Gitea, unless a test names the recording of another."""
    one = Forgejo(getattr(request, "param", "gitea"))
    with serving(one.replay):
        yield one
