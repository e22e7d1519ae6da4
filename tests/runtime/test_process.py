"""Programs that print nothing: one that works is left alone, one that hangs is ended."""

import signal
import time
from pathlib import Path

import pytest

from gros_agent.runtime import process

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_one_that_hangs_is_ended() -> None:
    start = time.monotonic()
    done = process.run(["sleep", "60"], ENVIRONMENT, silence=0.5)
    assert done.stalled
    assert time.monotonic() - start < 10


def test_one_that_works_is_left_alone() -> None:
    """Also if it is another one that does the work for it."""
    work = "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do :; done"
    done = process.run(["sh", "-c", f"({work}); echo done"], ENVIRONMENT, silence=3)
    assert not done.stalled
    assert done.output == b"done\n"


def test_one_that_works_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_SILENCES", 2)
    start = time.monotonic()
    done = process.run(["sh", "-c", "while :; do :; done"], ENVIRONMENT, silence=0.5)
    assert done.stalled
    assert time.monotonic() - start < 10


def test_forgotten_ones_are_ended() -> None:
    """Those with the very variable, and no others."""
    environments = ({"GROS_TEST": "/some/folder"}, {"GROS_TEST": "/some/folder2"}, {"OTHER": "/some/folder"})
    started = [process.start(["sleep", "60"], {**ENVIRONMENT, **one}) for one in environments]
    try:
        process.end_forgotten("GROS_TEST", "/some/folder")
        assert [one.poll() for one in started] == [-signal.SIGKILL, None, None]
    finally:
        for one in started:
            process.stop(one)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "536870912\n"}, 512 << 20),
        ("0::/a/b\n", {"a/memory.max": "1073741824\n", "a/b/memory.max": "max\n"}, 1 << 30),
        ("0::/a/b\n", {"a/memory.max": "2147483648\n", "a/b/memory.max": "1073741824\n"}, 1 << 30),
        ("5:memory:/x\n0::/\n", {"memory/x/memory.limit_in_bytes": "1073741824\n"}, 1 << 30),
        ("5:memory:/x\n", {"memory/memory.limit_in_bytes": "1073741824\n"}, 1 << 30),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("", {}, None),
    ],
)
def test_memory_of_a_container(tmp_path: Path, groups: str, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "groups").write_text(groups)
    whole = process._memory(tmp_path, tmp_path / "none")
    assert process._memory(tmp_path, tmp_path / "groups") == min(whole, expected or whole)
