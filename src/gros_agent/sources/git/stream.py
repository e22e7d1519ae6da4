"""Reads the output of git commands record by record, while they are running."""

import contextlib
import fcntl
import logging
import os
import selectors
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

from gros_agent.errors import SourceError
from gros_agent.runtime import process
from gros_agent.sources.git.clone import OUT_OF_MEMORY, Clone, too_much_memory

log = logging.getLogger(__name__)

_BLOCK = 256 << 10
_PIPE = 1 << 20
"""Bytes of output that a pipe can buffer: the limit of Linux for unprivileged users."""


LONGEST_RECORD = 16 << 20
"""About how many bytes of a record, such as a message, are kept. The rest is of no use."""


def split(blocks: Iterator[bytes], separator: bytes) -> Iterator[bytes]:
    """Yield records that end with ``separator``. Text after the last separator is a record if it is not empty.

    A record that is longer than :data:`LONGEST_RECORD` is cut.
    """
    rest: list[bytes] = []
    size = 0
    for block in blocks:
        first, *others = block.split(separator)
        if size <= LONGEST_RECORD:
            rest.append(first)
        size += len(first)
        if others:
            if size > LONGEST_RECORD:
                log.warning("a text of %d bytes in a repository was cut off", size)
            yield b"".join(rest)
            rest = [others.pop()]
            size = len(rest[0])
            yield from others
    if last := b"".join(rest):
        yield last


class GitStream:
    """A git command in a clone. Leaving the context raises :class:`SourceError` if git failed.

    ``stdin`` is the input of the command. Without it, the caller writes to :attr:`stdin`.
    """

    def __init__(self, clone: Clone, *arguments: str, stdin: bytes | None = None) -> None:
        self._name = arguments[0]
        self._errors = tempfile.TemporaryFile(dir=clone.folder)  # noqa: SIM115 (closed with the stream)
        with contextlib.ExitStack() as stack:
            source = subprocess.PIPE
            if stdin is not None:
                file = stack.enter_context(tempfile.TemporaryFile(dir=clone.folder))
                file.write(stdin)
                file.seek(0)
                source = file.fileno()
            self._process = process.start(["git", *arguments], clone.environment, stdin=source, stderr=self._errors)
        assert self._process.stdout is not None  # noqa: S101 (for the type checker)
        self.stdout = self._process.stdout
        with contextlib.suppress(OSError):  # a smaller pipe is only slower
            fcntl.fcntl(self.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def stdin(self) -> IO[bytes]:
        """The input of the command, if it was not given at the start."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        return self._process.stdin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()

    def records(self, separator: bytes) -> Iterator[bytes]:
        """Yield records that end with ``separator``. Text after the last separator is a record if it is not empty."""
        return split(iter(lambda: os.read(self.stdout.fileno(), _BLOCK), b""), separator)

    def finish(self) -> None:
        """Wait for git to end. Raises :class:`SourceError` if it failed."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self.stdout.close()
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read(process.MAX_ERRORS).decode(errors="replace").strip().splitlines()
        self._errors.close()
        if status:
            raise failure(self._name, status, words[-1] if words else "it did not say why")

    def abandon(self) -> None:
        """Stop git at once."""
        process.stop(self._process)
        self._errors.close()


def failure(name: str, status: int, words: str) -> SourceError:
    """The error for a git command that failed while it read a clone."""
    if OUT_OF_MEMORY.search(words):
        return too_much_memory(words)
    return SourceError(
        f"git {name} failed with status {status}: {words}",
        "remove the local clone if it is damaged, and run again",
        own=f"git {name} failed with status {status}",
    )


class Readahead:
    """Several git commands whose outputs are processed one after the other, and read ahead.

    Without this, a command would stall once its pipe is full. ``room`` is the number of bytes that are kept for each
    command.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._selector = selectors.DefaultSelector()
        self._kept: dict[GitStream, deque[bytes]] = {}
        self._sizes: dict[GitStream, int] = {}

    def add(self, stream: GitStream) -> None:
        """Start reading a command's output."""
        self._kept[stream], self._sizes[stream] = deque(), 0
        self._selector.register(stream.stdout, selectors.EVENT_READ, stream)

    def blocks(self, stream: GitStream) -> Iterator[bytes]:
        """Yield a command's output to its end, while reading ahead from the others."""
        kept = self._kept[stream]
        while True:
            self._read(0 if kept else None)
            while not kept:
                self._read(None)
            block = kept.popleft()
            if not block:
                del self._kept[stream], self._sizes[stream]
                return
            if self._sizes[stream] >= self._room > self._sizes[stream] - len(block):
                self._selector.register(stream.stdout, selectors.EVENT_READ, stream)
            self._sizes[stream] -= len(block)
            yield block

    def close(self) -> None:
        """Stop reading."""
        self._selector.close()

    def _read(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            stream: GitStream = key.data
            block = os.read(key.fd, _BLOCK)
            self._kept[stream].append(block)
            self._sizes[stream] += len(block)
            if not block or self._sizes[stream] >= self._room:
                self._selector.unregister(stream.stdout)
