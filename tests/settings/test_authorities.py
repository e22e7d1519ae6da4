"""Which authorities count: the same for whatever asks a host. What git and svn do with them is tried where they are."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gros_agent.controller.https import ControllerClient
from gros_agent.errors import AgentError
from gros_agent.http.client import WebClient
from gros_agent.settings import authorities
from gros_agent.settings.load import load
from gros_agent.settings.model import Settings
from gros_agent.sources.common import transport
from support.certificates import certificate
from support.web import json_answer, web

Asked = Callable[[Settings, int], object]


def api(settings: Settings, port: int) -> object:
    client = WebClient(authorities=transport.authorities(settings.host("127.0.0.1")), tries=1)
    return client.get(f"https://127.0.0.1:{port}/x", dict[str, object])


def controller(settings: Settings, _port: int) -> object:
    return ControllerClient(settings).version("1")


ORIGINS: list[tuple[dict[str, str], str, bool]] = [
    ({}, "", False),
    ({"SSL_CERT_FILE": "own"}, "", True),
    ({"REQUESTS_CA_BUNDLE": "own"}, "", True),
    ({"SSL_CERT_FILE": "other", "REQUESTS_CA_BUNDLE": "own"}, "", False),
    ({"SSL_CERT_FILE": "own", "REQUESTS_CA_BUNDLE": "other"}, "", True),
    ({}, "own", True),
    ({"SSL_CERT_FILE": "other", "REQUESTS_CA_BUNDLE": "other"}, "own", True),
    ({"SSL_CERT_FILE": "own", "REQUESTS_CA_BUNDLE": "own"}, "other", False),
]
"""Variables, the file that is configured for the host itself, and whether the host is trusted then."""


@pytest.mark.parametrize(("variables", "configured", "trusted"), ORIGINS)
@pytest.mark.parametrize("ask", [api, controller])
def test_what_is_trusted(
    tmp_path: Path,
    ask: Asked,
    variables: dict[str, str],
    configured: str,
    trusted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the process's own variables say something else: those of the environment files are ahead of them."""
    key = tmp_path / "key"
    for name in ("own", "other"):
        certificate(tmp_path / name, timedelta(-1), timedelta(1), ("127.0.0.1",), key if name == "own" else None)
    for name in authorities.VARIABLES:
        monkeypatch.setenv(name, str(tmp_path / "other"))
    answer = json_answer({"up_to_date": True, "version": "1"})
    with web(lambda _: answer, (tmp_path / "own", key)) as server:
        environment = {name: str(tmp_path / value) for name, value in variables.items()}
        environment |= {"SSH_HOST": "127.0.0.1", "SSH_HTTPS_PORT": str(server.port)}
        if configured:
            environment["SSH_HTTPS_CERT"] = str(tmp_path / configured)
            (tmp_path / "credentials.cfg").write_text(f"[127.0.0.1]\ncacert={tmp_path / configured}\n")
        settings = load(tmp_path, environment)
        if trusted:
            assert ask(settings, server.port)
        else:
            with pytest.raises(AgentError, match="certificate"):
                ask(settings, server.port)


def test_the_system_has_a_file() -> None:
    """It is what git trusts by itself on Debian and Ubuntu, where these tests run."""
    found = authorities.of_the_system()
    assert found is None or "BEGIN CERTIFICATE" in found.read_text(encoding="utf-8")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    settings = load(tmp_path, {"SSL_CERT_FILE": "nowhere.pem"})
    with pytest.raises(AgentError, match=r"nowhere.pem: there is no such file") as caught:
        transport.authorities(settings.host("h.example"))
    assert caught.value.hint == "see SSL_CERT_FILE"
