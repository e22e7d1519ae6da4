"""Reads texts, properties and folders from the mirror, through our own ``svnserve`` on a pipe.

One process answers any number of requests, so that a file needs no new process and no connection. The pipe carries
Subversion's own protocol: lists in parentheses of words, numbers, and strings with their length before them. So a path
or text is never mistaken for something else.

Source of the format: ``subversion/libsvn_ra_svn/protocol`` in apache/subversion.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gros_agent.errors import SourceError
from gros_agent.runtime import process
from gros_agent.sources.common.transport import from_outside


@dataclass(frozen=True, slots=True)
class File:
    """A file in a revision: its text (None if it was not wanted), size in bytes, and properties."""

    text: bytes | None
    size: int
    properties: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the protocol."""

    text: bytes


class Server:
    """A running ``svnserve``. Raises :class:`SourceError` if a request fails."""

    def __init__(self, mirror: Path) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the server)
        command = ["svnserve", "--tunnel", "--root", str(mirror.parent), "--tunnel-user", "agent"]
        self._process = process.start(command, from_outside(), stdin=subprocess.PIPE, stderr=self._errors)
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        assert self._process.stdout is not None  # noqa: S101
        self._input, self._output = self._process.stdin, self._process.stdout
        self._name = mirror.name

    def __enter__(self) -> Self:
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server."""
        process.stop(self._process)
        self._errors.close()

    def _greet(self) -> None:
        self._answer()
        url = f"svn://mirror/{self._name}".encode()
        self._send(b"( 2 ( edit-pipeline depth log-revprops ) %b )" % _string(url))
        self._answer()  # the authentication methods
        self._send(b"( EXTERNAL ( 0: ) )")
        self._answer()  # the confirmation
        self._answer()  # the repository's description

    def file(self, path: str, revision: int, wanted: Callable[[Mapping[bytes, bytes]], bool]) -> File:
        """The size and properties of a file, and its text if ``wanted`` returns true for the properties."""
        properties = self._ask(b"get-file", path, revision, b" true true")[2]
        found = {name: value for name, value in properties}  # noqa: C416 (pairs are lists here)
        keep = wanted(found)
        size, blocks = 0, []
        while block := self._item():
            if not isinstance(block, bytes):
                raise self._broken(block)
            size += len(block)
            if keep:
                blocks.append(block)
        self._answer()
        return File(b"".join(blocks) if keep else None, size, found)

    def folder_properties(self, path: str, revision: int) -> Mapping[bytes, bytes]:
        """The properties of a folder."""
        properties = self._ask(b"get-dir", path, revision, b" true false ( kind )")[1]
        return {name: value for name, value in properties}  # noqa: C416

    def files(self, path: str, revision: int) -> Iterator[str]:
        """The paths of all files below a folder, in a revision."""
        folders = [path]
        while folders:
            folder = folders.pop()
            for name, kind, *_ in self._ask(b"get-dir", folder, revision, b" false true ( kind )")[2]:
                below = f"{folder}/{name.decode(errors='surrogateescape')}"
                if kind == Word(b"dir"):
                    folders.append(below)
                else:
                    yield below

    def kind(self, path: str, revision: int) -> str:
        """The kind of a path: file, dir or none."""
        word: Word = self._ask(b"check-path", path, revision, b"")[0]
        return word.text.decode("ascii")

    def message(self, revision: int) -> str:
        """The message of a revision."""
        self._send(b"( rev-prop ( %d 7:svn:log ) )" % revision)
        self._answer()
        found = self._answer()[0]
        return found[0].decode(errors="replace") if found else ""

    def _ask(self, command: bytes, path: str, revision: int, rest: bytes) -> list[Any]:
        name = _string(path.strip("/").encode(errors="surrogateescape"))
        self._send(b"( %b ( %b ( %d )%b ) )" % (command, name, revision, rest))
        self._answer()  # it needs no authentication
        return self._answer()

    def _send(self, content: bytes) -> None:
        try:
            self._input.write(content + b" ")
            self._input.flush()
        except BrokenPipeError:
            raise self._broken("nothing") from None

    def _answer(self) -> list[Any]:
        """The content of an answer. Raises :class:`SourceError` if the request failed."""
        answer = self._item()
        if isinstance(answer, list) and len(answer) > 1 and answer[0] == Word(b"success"):
            content: list[Any] = answer[1]
            return content
        raise self._broken(answer)

    def _broken(self, answer: object) -> SourceError:
        self._errors.seek(0)
        words = self._errors.read(process.MAX_ERRORS).decode(errors="replace").strip() or repr(answer)[:500]
        return SourceError(f"the local mirror does not answer: {words}", "remove it, and run again")

    def _item(self) -> Any:  # noqa: ANN401 (a string, a number, a word, or a list of items)
        """Read the next item. A space or line break follows each item."""
        first = self._read_space()
        if first == b"(":
            items = []
            while (item := self._item()) is not _END:
                items.append(item)
            return items
        if first == b")":
            return _END
        token = first
        while (byte := self._output.read(1)) not in b" \n:":
            token += byte
        if byte == b":":
            return self._output.read(int(token))
        if not byte:
            raise self._broken("it ended")
        return int(token) if token.isdigit() else Word(token)

    def _read_space(self) -> bytes:
        while (byte := self._output.read(1)) in (b" ", b"\n"):
            pass
        if not byte:
            raise self._broken("it ended")
        return byte


_END = object()


def _string(content: bytes) -> bytes:
    return b"%d:%b" % (len(content), content)
