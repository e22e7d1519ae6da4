"""Looks for a secret where none may be: in files, and in the argument lists of all processes."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A process that was seen: its arguments, and whether its variables had the text that was looked for."""

    arguments: bytes
    has_it: bool


def leaks(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@contextlib.contextmanager
def watched_programs(text: str) -> Iterator[set[Program]]:
    """All processes that run meanwhile, looked at as often as can be."""
    seen: set[Program] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in Path("/proc").iterdir():
                with contextlib.suppress(OSError):  # no process, or one that ended
                    variables = (process / "environ").read_bytes()
                    arguments = (process / "cmdline").read_bytes()
                    if arguments:  # else it is about to end, or to become another program
                        seen.add(Program(arguments, text.encode() in variables))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
