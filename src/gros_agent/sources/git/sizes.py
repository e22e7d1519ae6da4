"""Looks up the sizes of objects in git, many at a time, through one process."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gros_agent.errors import SourceError
from gros_agent.sources.git.clone import Clone
from gros_agent.sources.git.stream import GitStream

BLOCK = 700
"""Objects per request. The request and the longest answer fit into a pipe of 64 KiB."""


class Sizes:
    """A running ``git cat-file``. Ask first, do something else, then read the answer."""

    def __init__(self, clone: Clone) -> None:
        self._stream = GitStream(clone, "cat-file", "--batch-command=%(objectsize)", "--buffer")
        self._asked = 0
        self.missing = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.__exit__(kind, error, trace)

    def ask(self, objects: Sequence[str]) -> None:
        """Ask for the sizes of at most :data:`BLOCK` objects.

        The previous answer must have been read.
        """
        self._asked = len(objects)
        question = "".join(f"info {name}\n" for name in objects)
        try:
            self._stream.stdin.write(question.encode() + b"flush\n")
            self._stream.stdin.flush()
        except BrokenPipeError:
            self._stream.finish()

    def answer(self) -> list[str]:
        """The sizes in bytes, in the requested order. An object that is not in the clone has ``"0"`` and is counted."""
        sizes = []
        for _ in range(self._asked):
            line = self._stream.stdout.readline()
            if not line.endswith(b"\n"):
                raise SourceError("git cat-file ended before its time", "remove the local clone, and run again")
            if line.endswith(b" missing\n"):
                self.missing += 1
                sizes.append("0")
            else:
                sizes.append(line[:-1].decode("ascii"))
        self._asked = 0
        return sizes
