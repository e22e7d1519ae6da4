"""A controller that loads what it takes into a database."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec
import pytest

from gros_agent.errors import BusyError
from gros_agent.rows import Row
from support.controller import Controller, client_key, controller, wait_until
from support.inbox import asked
from support.rows import change, tag

LOADED = "SELECT batch, state FROM gros.batches ORDER BY id"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return client_key(tmp_path)


def deliver(running: Controller, rows: Sequence[Row], batch: str) -> None:
    """Upload the rows of a table, announce them, and wait until they were taken."""
    name = f"{rows[0].table}.json"
    content = b"[\n" + b",\n".join(map(msgspec.json.encode, rows)) + b"\n]\n"
    (running.home() / "export" / "ABC" / name).write_bytes(content)
    before = len(running.inbox())
    assert running.export({"export": [name]}, batch=batch).status_code == 202
    wait_until(lambda: len(running.inbox()) > before)


def batches(url: str) -> list[tuple[str, str]]:
    """The batches in the database; none while a load has the file."""
    time.sleep(0.5)  # whoever looks has the file, too
    try:
        return [(batch, state) for batch, state in asked(url, LOADED)]
    except (BusyError, duckdb.CatalogException):
        return []


def test_each_batch_when_it_was_taken(tmp_path: Path, key: Path) -> None:
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    with controller(tmp_path / "c", "--load-to", url) as running:
        running.register(key)
        deliver(running, [change("a")], "one")
        wait_until(lambda: batches(url) == [("one", "loaded")])
        deliver(running, [change("a"), change("a")], "two")  # a key that stands twice
        deliver(running, [tag("v1")], "three")
        wait_until(lambda: batches(url) == [("one", "loaded"), ("two", "refused"), ("three", "loaded")])
        assert running.stop() == 0
        log = running.log.read_text()
    assert "batch two of ABC was refused" in log


def test_what_came_meanwhile(tmp_path: Path, key: Path) -> None:
    """Batches that came without a database are loaded by the next start; a database in use is tried again."""
    with controller(tmp_path / "c") as running:
        running.register(key)
        deliver(running, [change("a")], "one")
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    reader = duckdb.connect(tmp_path / "data.duckdb")
    with controller(tmp_path / "c", "--load-to", url) as running:
        wait_until(lambda: "the inbox was not loaded" in running.log.read_text())
        reader.close()
        deliver(running, [tag("v1")], "two")  # taken although the database was in use
        wait_until(lambda: batches(url) == [("one", "loaded"), ("two", "loaded")])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://owner:wrong-word@127.0.0.1/x", "'mysql' is no kind of database"),
        ("duckdb:", "no kind of database"),
        ("duckdb:gros.duckdb", "another name"),
    ],
)
def test_wrong_url(tmp_path: Path, url: str, told: str) -> None:
    command = [sys.executable, "-m", "gros_agent", "controller", "serve", "--folder", str(tmp_path / "c")]
    done = subprocess.run([*command, "--load-to", url], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 7
    assert told in done.stderr
    assert "wrong-word" not in done.stderr
    assert not (tmp_path / "c").exists()


def test_the_url_is_no_argument_of_the_load(tmp_path: Path) -> None:
    """A password in it would be seen by other users of the machine."""
    inbox = str(tmp_path / "c" / "inbox").encode()
    seen: list[bytes] = []

    def is_seen() -> bool:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.extend([arguments for arguments in (path.read_bytes(),) if inbox in arguments])
        return bool(seen)

    with controller(tmp_path / "c", "--load-to", f"duckdb:{tmp_path / 'secret-word.duckdb'}"):
        wait_until(is_seen)
    assert not [arguments for arguments in seen if b"secret-word" in arguments]
