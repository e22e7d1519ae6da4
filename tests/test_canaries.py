"""Canaries: a secret or a person's name that a counterpart repeats is in nothing that leaves or that is shown."""

import ast
import base64
import html
import json
import logging
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gros_agent
from gros_agent.controller.https import announced_name
from gros_agent.controller.log_handler import ControllerHandler
from gros_agent.errors import Own, SourceError
from gros_agent.project.configured import with_configured
from gros_agent.project.entries import sent as sent_list
from gros_agent.runtime import own
from gros_agent.runtime.logs import delivered
from gros_agent.runtime.masking import Redactor, shown_in, visible
from gros_agent.runtime.urls import without_user
from gros_agent.settings.load import load
from support.agent import Agent, give_secrets
from support.parrot import ESCAPES, LOGIN, PERSON, SECRET, USER, parrot
from support.repository import Repository
from support.sample import Sample
from support.sources import under_test

FORMS = [(400, "json"), (401, "text"), (403, "word"), (200, "json"), (200, "text"), (302, "text")]


def forms(secret: str) -> set[str]:
    """A secret in the forms in which it would still be one."""
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
    found |= {json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode().rstrip("=")}
    return found | {base64.b64encode(f"{USER}:{secret}".encode()).decode()}


def no_secret(text: str) -> None:
    for form in forms(SECRET):
        assert form not in text
    assert not set("\x1b\x07\x9b\u202e") & set(text)


@pytest.mark.parametrize("kind", under_test())
def test_what_a_source_repeats(agent: Agent, repository: Repository, kind: str, draw: Sample) -> None:
    """Preflight, scrape, run and its history: neither the secret in any form, nor escapes; and no name is delivered."""
    hands = draw.deal("parrots", [f"{status} {form}" for status, form in FORMS], list(under_test()), 1)
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    for hand in hands[kind]:
        status, form = hand.split()
        say_it(agent, repository, kind, int(status), form)
        shutil.rmtree(agent.export())


def say_it(agent: Agent, repository: Repository, kind: str, status: int, form: str) -> None:
    with parrot(status, form) as port:
        url = f"http://127.0.0.1:{port}"
        way = under_test()[kind].credentials
        lines = [f"{name} = {value.replace('{url}', url)}" for name, value in way.options.items()]
        (agent.home / "credentials.cfg").write_text(f"[127.0.0.1:{port}]\n" + "\n".join(lines) + "\n")
        (agent.home / "credentials.cfg").chmod(0o600)
        listed = [
            {"type": "git", "name": "sound", "url": f"file://{repository.path}"},
            {"type": kind, "name": "bad", "url": way.url.replace("{url}", url).replace("://", f"://{USER}@")},
        ]
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(json.dumps(listed))
        variables = {"JIRA_KEY": "TEST", "GROS_AGENT_TIMEOUT": "5"}
        told = [agent("run", "--skip-preflight", *more, variables=variables) for more in ((), ("--json",))]
        told += [agent("preflight", "--no-ssh", variables=variables), agent("scrape", "--dry-run", variables=variables)]
    for one in told:
        no_secret(one.output + one.errors)
    with closing(sqlite3.connect(agent.home / "state" / "history.sqlite")) as database:
        no_secret("\n".join(database.iterdump()))
    for name in ("scrape.log", ".data_sources.json", "data_environments.json"):
        path = agent.export() / name
        if path.exists():
            content = path.read_text()
            no_secret(content)
            for person in (PERSON, LOGIN, USER, "Canary"):
                assert person not in content, name
    assert "project TEST: source bad" in (agent.export() / "scrape.log").read_text()


@pytest.mark.parametrize(("status", "form"), FORMS)
def test_what_a_dashboard_repeats(agent: Agent, status: int, form: str) -> None:
    with parrot(status, form) as port:
        variables = {"JIRA_KEY": "TEST", "BIGBOAT_HOST": f"http://127.0.0.1:{port}", "BIGBOAT_KEY": SECRET}
        told = [agent("bigboat", "--dry-run", *more, variables=variables) for more in ((), ("--json",))]
        told.append(agent("preflight", "--no-ssh", "--no-secrets", variables=variables))
    for one in told:
        no_secret(one.output + one.errors)
    assert all(one.status for one in told[:2])


@given(st.text(min_size=6, max_size=40), st.text(max_size=9), st.text(max_size=9))
def test_every_form_of_a_secret(secret: str, before: str, after: str) -> None:
    secret = secret.encode(errors="replace").decode()
    before, after = (text.encode(errors="replace").decode() for text in (before, after))
    redactor = Redactor()
    redactor.hide([secret])
    for write in (
        str,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        html.escape,
    ):
        form = write(secret)
        assert form not in redactor.redact(f"{before}{form}{after}") or form in "********"
    coded = base64.b64encode(f"{before}:{secret}{after}".encode()).decode()
    assert redactor.redact(f"Basic {coded} is refused") == "Basic ******** is refused"


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "https://" + ":" * 200_000, "https://" * 100_000, "https://a:b" * 50_000]
)
def test_a_long_text_is_masked_in_no_time(text: str) -> None:
    """It may come from anybody: what it costs grows with its length, and not with the square of it."""
    redactor = Redactor()
    redactor.hide(["a secret", "another secret"])
    began = time.process_time()
    assert redactor.redact(text) == text
    coded = base64.b64encode(b"x" * 100_000 + b"a secret" + b"x" * 100_000).decode()
    assert redactor.redact(coded) == "********"
    assert time.process_time() - began < 5


@given(st.text())
def test_nothing_that_a_terminal_obeys(text: str) -> None:
    spelt = visible(text)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]", spelt
    )
    assert visible(spelt) == spelt


def test_how_it_is_spelt() -> None:
    assert visible(ESCAPES) == r"\x1b[31m\x1b]0;title\x07\x9b2J\u202e"
    assert visible("two\nlines\tand é, 漢字, 👩‍💻") == "two\nlines\tand é, 漢字, 👩‍💻"
    assert shown_in({"a\x1b": ["\x07", 1, None]}) == {"a\\x1b": ["\\x07", 1, None]}


def test_escapes_in_commits_and_logs(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    repository.commit(f"{ESCAPES} message", {"a": "1"})
    for more in (("--dry-run",), ("--dry-run", "--json"), ()):
        done = agent.scrape("--source", f"git:a\x1b[31m=file://{repository.path}", *more)
        assert done.status == 0, done
        no_secret(done.output + done.errors)
    assert r"\x1b[31m" in agent.scrape("--full", "--source", f"git:a\x1b[31m=file://{repository.path}").output


def test_no_line_of_a_log_can_be_forged(agent: Agent) -> None:
    done = agent("scrape", "--project", "ABC", "--source", "git:x=/none\n2026-01-01 00:00:00,000 INFO forged")
    assert not re.search(r"^2026-01-01 00:00:00,000 INFO forged", done.errors, re.MULTILINE)


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("gros_agent.x", logging.ERROR, gros_agent.__file__, 1, message, arguments, info)


class TestDelivered:
    """What is delivered of a record is made of what is known to be ours: all else is left out."""

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("text of somebody", 3), "source … has 3"),
            ((Own("words of ours"), 3), "source words of ours has 3"),
            ((SourceError(f"{PERSON} may not"), 3), "source see the agent's own log (SourceError) has 3"),
            ((SourceError(f"{PERSON} may not", own="status 403"), 3), "source status 403 (SourceError) has 3"),
            ((ValueError(PERSON), 3), "source ValueError has 3"),
            ((Path("/home/jan"), 3), "source … has 3"),
            ((["a", PERSON], 3), "source … has 3"),
            ((b"bytes", 3), "source … has 3"),
        ],
    )
    def test_arguments(self, arguments: tuple[object, ...], said: str) -> None:
        text = delivered(record("source %s has %d", *arguments))
        assert text.startswith(said)
        assert PERSON not in text

    def test_names_of_sources(self, tmp_path: Path) -> None:
        settings = load(tmp_path, {"JIRA_KEY": "ABC"}, None, "ABC")
        with_configured(settings.project("ABC"), ())
        assert delivered(record("project %s: %s", "ABC", "of nobody known")) == "project ABC: …"

    def test_where_an_error_came_from(self) -> None:
        try:
            without_user(3)  # type: ignore[arg-type]
        except AttributeError as error:
            text = own.trace(error)
        assert re.search(r"urls\.py:\d+ in ", text)
        assert str(Path(gros_agent.__file__).parent) not in text
        assert text.endswith("Error")

    def test_what_a_controller_is_sent(self) -> None:
        """Neither a name, nor the folders of this machine, nor what a traceback says."""
        sent: list[dict[str, str]] = []
        client: Any = SimpleNamespace(log=lambda _project, content: sent.append(content))
        handler = ControllerHandler(client, "ABC")
        try:
            raise SourceError(f"{PERSON} may not", own="status 403")  # noqa: TRY301 (a traceback is wanted)
        except SourceError as error:
            handler.emit(record("of %s: %s", PERSON, error, error=error))
        handler.close()
        (content,) = sent
        assert content["message"] == content["msg"]
        assert content["message"].startswith("of …: status 403 (SourceError)")
        assert PERSON not in "".join(content.values())
        assert str(Path(gros_agent.__file__).parent) not in "".join(content.values())
        assert content["exc_text"].endswith("SourceError")

    def test_every_message_stands_in_the_program(self) -> None:
        """A message that is put together elsewhere would be delivered as it is."""
        found = []
        for path in Path(gros_agent.__file__).parent.rglob("*.py"):
            tree = ast.parse(path.read_text())
            for function in ast.walk(tree):
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                found += [f"{path.name}:{call.lineno}" for call in _calls(function) if not _is_ours(call, function)]
        assert not found


_LEVELS = {"debug": 0, "info": 0, "warning": 0, "error": 0, "exception": 0, "critical": 0, "log": 1}


def _calls(function: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _LEVELS
        and ("log" in ast.unparse(node.func.value))
    ]


def _is_ours(call: ast.Call, function: ast.AST) -> bool:
    assert isinstance(call.func, ast.Attribute)
    position = _LEVELS[call.func.attr]
    if len(call.args) <= position or ast.unparse(call.func.value) in {"math", "self._client", "client"}:
        return True
    message: Any = call.args[position]
    if isinstance(message, ast.Name):
        values = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and any(ast.unparse(one) == message.id for one in node.targets)
        ]
        return bool(values) and all(_is_constant(one) for one in values)
    return _is_constant(message)


def _is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_constant(node.body) and _is_constant(node.orelse)
    return isinstance(node, ast.Constant)


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("https://jan@host/a", "https://host/a"),
        ("https://jan:secret@host/a", "https://host/a"),
        ("ssh://jan@host:22/a", "ssh://host:22/a"),
        ("ssh://git@host/a", "ssh://git@host/a"),
        ("svn+ssh://jan@host/a", "svn+ssh://host/a"),
        ("jan@host:a/b.git", "host:a/b.git"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("file:///a/b", "file:///a/b"),
    ],
)
def test_addresses_name_nobody(tmp_path: Path, url: str, without: str) -> None:
    assert without_user(url) == without
    assert json.loads(sent_list([{"type": "git", "name": "a", "url": url}], tmp_path))[0]["url"] == without


@pytest.mark.parametrize(
    ("variables", "own_name", "told"),
    [
        ({}, "laptop.example", "laptop.example"),
        ({}, None, None),
        ({"GROS_AGENT_HOSTNAME": "no"}, "laptop.example", None),
        ({"GROS_AGENT_HOSTNAME": "agent.example"}, "laptop.example", "agent.example"),
        ({"GROS_AGENT_HOSTNAME": "agent"}, "laptop.example", None),
    ],
)
def test_the_name_of_the_machine(
    tmp_path: Path, variables: dict[str, str], own_name: str | None, told: str | None
) -> None:
    assert announced_name(load(tmp_path, variables), own_name) == told
