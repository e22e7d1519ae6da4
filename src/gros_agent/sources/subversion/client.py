"""Runs ``svn`` and reads its XML output while it is running."""

import codecs
import os
import re
import selectors
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, cast
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from gros_agent.errors import MachineError, SourceError
from gros_agent.runtime import process
from gros_agent.sources.base import Context
from gros_agent.sources.subversion.access import Access, private_configuration, resolve, supported_version

_BLOCK = 64 << 10


class MissingError(SourceError):
    """Nothing exists at a URL."""


@dataclass(frozen=True)
class Info:
    """Information about a URL: the repository's youngest revision, its UUID, and the URL's path within it."""

    revision: int
    identity: str
    path: str


class Client:
    """A remote repository, accessed through Subversion's own programs."""

    def __init__(self, context: Context) -> None:
        supported_version()
        self.access: Access = resolve(context)
        self.silence = context.silence
        self._folder = context.folder

    def info(self) -> Info:
        """Ask for the youngest revision. Raises :class:`SourceError`, also if the URL is not a folder."""
        if self.access.password is not None and self.access.url.startswith("http"):
            self._refuse_redirection()
        found = [self._info(entry) for entry in self.elements("entry", "info", f"{self.access.url}@")]
        if len(found) != 1:
            raise SourceError("svn said nothing about the repository", "check the URL")
        return found[0]

    def _refuse_redirection(self) -> None:
        """Make sure that the host does not redirect: ``svn`` would follow with the password, svnrdump does not."""
        arguments = ("dump", "--quiet", "--incremental", "-r", "0:0", self.access.url)
        with self.started("svnrdump", *arguments) as (started, errors):
            for _ in read_blocks(started, self.silence):
                pass  # revision 0 is empty
            finish(started, errors, self.silence)

    def _info(self, entry: ET.Element) -> Info:
        if entry.get("kind") != "dir":
            raise SourceError(f"{self.access.url} is a file", "name the folder that it lies in")
        path = unquote((entry.findtext("relative-url") or "^/").removeprefix("^"))
        identity = entry.findtext("repository/uuid") or ""
        return Info(int(entry.get("revision") or 0), identity, path.rstrip("/"))

    def elements(self, name: str, *arguments: str) -> Iterator[ET.Element]:
        """Run an svn command with ``--xml``, and yield each element with a name as soon as it is complete.

        Raises :class:`SourceError` if svn fails, prints something else, or falls silent.
        """
        with self.started("svn", *arguments, "--xml") as (started, errors):
            parser = _Elements(name)
            try:
                for block in read_blocks(started, self.silence):
                    yield from parser.feed(block)
                finish(started, errors, self.silence)
                parser.close()
            except ET.ParseError as error:
                finish(started, errors, self.silence)
                raise SourceError(f"svn {arguments[0]} printed something unexpected: {error}", "run again") from None

    @contextmanager
    def started(self, program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        """Start a program that connects. It is ended with the context. The file receives its standard error."""
        with (
            private_configuration(self.access, self._folder) as options,
            tempfile.TemporaryFile() as errors,
        ):
            command = [program, *arguments, *options]
            started = process.start(command, self.access.environment, stdin=subprocess.PIPE, stderr=errors)
            try:
                hand_over(started, self.access.stdin)
                yield started, errors
            finally:
                process.stop(started)


def hand_over(started: subprocess.Popen[bytes], content: bytes) -> None:
    """Write the input of a program. If the program ends before, its exit status explains why."""
    assert started.stdin is not None  # noqa: S101 (for the type checker)
    try:
        started.stdin.write(content)
        started.stdin.close()
    except BrokenPipeError:
        return


def read_blocks(started: subprocess.Popen[bytes], silence: float) -> Generator[bytes]:
    """Yield the output of a program. Raises :class:`SourceError` if it falls silent."""
    assert started.stdout is not None  # noqa: S101 (for the type checker)
    with selectors.DefaultSelector() as selector:
        selector.register(started.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(silence):
                raise stalled(silence)
            block = os.read(started.stdout.fileno(), _BLOCK)
            if not block:
                return
            yield block


def finish(started: subprocess.Popen[bytes], errors: IO[bytes], silence: float) -> None:
    """Wait for the end of a program whose output was read. Raises :class:`SourceError` if it failed."""
    try:
        status = started.wait(silence)
    except subprocess.TimeoutExpired:
        raise stalled(silence) from None
    if status:
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - process.MAX_ERRORS))
        raise explain(errors.read().decode(errors="replace"), status)


class _Elements:
    """Finds elements with a name in XML that arrives in pieces. Elements are dropped after they were read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[ET.Element] = []
        # an old repository may contain invalid UTF-8, which Subversion prints unchanged
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parser: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(["start", "end"])

    def feed(self, content: bytes) -> Iterator[ET.Element]:
        """Yield the elements that have become complete. Raises :class:`ParseError`."""
        self._parser.feed(self._decoder.decode(content))
        for event, element in cast("Iterator[tuple[str, ET.Element]]", self._parser.read_events()):
            if event == "start":
                self._open.append(element)
                continue
            self._open.pop()
            if element.tag == self._name:
                yield element
                if self._open:
                    self._open[-1].remove(element)

    def close(self) -> None:
        """Check that the document is complete. Raises :class:`ParseError`."""
        self._parser.close()


def seconds(text: str | None) -> int | None:
    """Convert a moment of Subversion to seconds since 1970. None if it is missing or can't be parsed."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else None
    except ValueError:
        return None


def stalled(silence: float) -> SourceError:
    """The error for a host that fell silent."""
    return SourceError(
        f"the repository's host was silent for {silence:g} s",
        "check the network, or allow more time with --timeout",
    )


_MISSING = "there is no such repository, or no such folder in it"
_REASONS: tuple[tuple[str, str, str], ...] = (
    (r"E170011", "the repository's host redirects to another address", "use that URL; redirects are not followed"),
    (
        r"[Hh]ost key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host shows another SSH key than the one that was pinned",
        "find out why; if the change is legitimate, remove the host's line from the known hosts file",
    ),
    (
        r"\bssh: (?:command )?not found|Can't create tunnel.*No such file",
        process.NO_SSH,
        "install an SSH client (openssh-client)",
    ),
    (
        r"E170001|E215004|E220001|E220004|E175013|Permission denied|Authentication failed|[Uu]sername not found",
        "the repository asks for a password or key that is missing or wrong, or does not let this account read",
        "set username and password, or env for SSH, for its host in the credentials file",
    ),
    (
        r"E230001|certificate",
        "the host's certificate is not trusted",
        "name the authority's certificate as cacert of the host in the credentials file, or install it",
    ),
    (
        r"E210005|E180001|E160013|E170000|W170000|non-existent in revision|E200009",
        _MISSING,
        "check its URL, and that this account may read it",
    ),
    (
        r"E175003|E175002|E175009|E170003|E175011|E130003|does not support|Unexpected HTTP status",
        "there is no Subversion repository at this URL",
        "check the URL: use that of the repository, not of a page that shows it",
    ),
    (
        (
            r"E000111|E000110|E000113|E000101|E000104|E670002|E731001|E670003|E670008|E120106|E120108|E210002"
            r"|Unknown hostname|[Cc]ould not resolve|Connection (?:refused|timed out|reset|closed)|E175012"
        ),
        "the repository's host can't be reached, or broke the connection",
        "check its URL, the network and the proxy",
    ),
    process.DISK_IS_FULL,
)


def explain(errors: str, status: int) -> SourceError:
    """Turn Subversion's error output into an error for users: the reason first, then its own words."""
    lines = [line.strip() for line in errors.splitlines() if re.match(r"svn\w*: ", line)]
    words = (lines or [line for line in errors.splitlines() if line.strip()] or [f"status {status}"])[-1]
    for pattern, reason, hint in _REASONS:
        if re.search(pattern, errors):
            kind: type[SourceError] = MissingError if reason == _MISSING else SourceError
            if reason in process.OF_MACHINE:
                kind = MachineError
            return kind(f"{reason} ({words})", hint, own=reason)
    return SourceError(
        f"Subversion failed: {words}",
        "run again; if it stays, try svn info with this URL",
        own=f"Subversion failed with status {status}",
    )
