"""Reads what a git command prints, record by record, while git still works."""

import contextlib
import fcntl
import subprocess
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from gros_agent import process
from gros_agent.errors import SourceError
from gros_agent.sources.git.clone import Clone

_BLOCK = 256 << 10
_PIPE = 1 << 20
"""Bytes that git may print ahead of us: what Linux allows to everybody."""


class GitStream:
    """A git command in a clone. Leaving the context raises :class:`SourceError` if git failed.

    ``stdin`` is what the command reads. It is handed over at once, so it must fit a pipe (64 KiB), unless nothing is
    given and the caller writes to :attr:`stdin` itself.
    """

    def __init__(self, clone: Clone, *arguments: str, stdin: bytes | None = None) -> None:
        self._name = arguments[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the stream)
        self._process = process.start(
            ["git", *arguments], clone.environment, stdin=subprocess.PIPE, stderr=self._errors
        )
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        assert self._process.stdout is not None  # noqa: S101
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        with contextlib.suppress(OSError):  # a smaller pipe is slower, and no harm
            fcntl.fcntl(self.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # its exit status tells why
                self.stdin.write(stdin)
                self.stdin.close()

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
        """Yield the records that ``separator`` ends; what follows the last one is a record if it is not empty."""
        rest: list[bytes] = []
        read = self.stdout.raw.read if hasattr(self.stdout, "raw") else self.stdout.read
        while block := read(_BLOCK):
            first, *others = block.split(separator)
            rest.append(first)
            if others:
                yield b"".join(rest)
                rest = [others.pop()]
                yield from others
        if last := b"".join(rest):
            yield last

    def finish(self) -> None:
        """Wait for git's end. Raises :class:`SourceError` if it failed."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read(process.MAX_ERRORS).decode(errors="replace").strip().splitlines()
        self._errors.close()
        if status:
            raise SourceError(
                f"git {self._name} failed with status {status}: {words[-1] if words else 'it did not say why'}",
                "remove the local clone if it is damaged, and run again",
            )

    def abandon(self) -> None:
        """End git at once."""
        process.stop(self._process)
        self._errors.close()
