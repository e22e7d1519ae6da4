"""A local copy of everything below the URL, kept between runs. New revisions are streamed into it.

``svnrdump dump --incremental`` fetches all new revisions through one connection, as differences, and ``svnadmin load``
reads them. Revisions keep their numbers, and files their paths, from the repository.

An interrupted load could leave a revision with half of its changes. So ``svnadmin`` is killed before it can take an
interruption for the end of its input, and a note next to the mirror has the last complete revision. A mirror whose
revisions differ from its note is recreated.
"""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from gros_agent.errors import SourceError
from gros_agent.runtime import process
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.sources.base import Progress
from gros_agent.sources.common.transport import from_outside
from gros_agent.sources.subversion.client import Client, Info, explain, finish, read_blocks

_DUMPED = re.compile(rb"Dumped revision (\d+)")
_HINT = "remove the local mirror, and run again"


class _Note(msgspec.Struct):
    """The origin of the mirror, and its last complete revision."""

    identity: str
    path: str
    revision: int


class Mirror:
    """A repository in the source's own folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mirror"
        self._folder = folder
        self._note = folder / "mirror.json"

    def is_of_another(self, info: Info) -> bool:
        """Whether there is a mirror of another repository than the one that answers now."""
        note = self._read_note()
        return note is not None and (note.identity != info.identity or note.revision > info.revision)

    def update(self, client: Client, info: Info, progress: Progress) -> None:
        """Update the mirror to the youngest revision. Raises :class:`SourceError`."""
        note = self._read_note()
        fits = note is not None and (note.identity, note.path) == (info.identity, info.path)
        if note is None or not fits or note.revision > info.revision or self._youngest() != note.revision:
            note = self._make(info)
        if note.revision < info.revision or not note.revision:
            try:
                self._fetch(client, note.revision + 1 if note.revision else 0, info.revision, progress)
            finally:
                note.revision = self._youngest()
                self._write_note(note)
        if note.revision != info.revision:
            raise SourceError(f"the mirror ends at revision {note.revision} instead of {info.revision}", _HINT)

    def _fetch(self, client: Client, first: int, last: int, progress: Progress) -> None:
        if first > last:
            return
        arguments = ("dump", "--incremental", "-r", f"{first}:{last}", client.access.url)
        load = ["svnadmin", "load", "--quiet", "--bypass-prop-validation", "--ignore-uuid", "--no-flush-to-disk"]
        with client.started("svnrdump", *arguments) as (dump, errors), tempfile.TemporaryFile() as load_errors:
            loading = process.start([*load, str(self.path)], from_outside(), stdin=subprocess.PIPE, stderr=load_errors)
            assert loading.stdin is not None  # noqa: S101 (for the type checker)
            tell = _progress_of(errors, last, progress)
            try:
                for block in read_blocks(dump, client.silence):
                    loading.stdin.write(block)
                    tell()
                finish(dump, errors, client.silence)
                loading.stdin.close()  # the real end of the input
                loading.wait()
            except BrokenPipeError:
                loading.wait(client.silence)
            finally:
                process.stop(loading)
            if loading.returncode:
                load_errors.seek(0)
                raise explain(load_errors.read(process.MAX_ERRORS).decode(errors="replace"), loading.returncode)

    def _make(self, info: Info) -> _Note:
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._note.unlink(missing_ok=True)
            if self.path.exists():
                shutil.rmtree(self.path)
        done = process.run(["svnadmin", "create", str(self.path)], from_outside(), silence=60)
        if done.status:
            raise explain(done.errors, done.status)
        note = _Note(info.identity, info.path, 0)
        self._write_note(note)
        return note

    def _youngest(self) -> int:
        done = process.run(["svnlook", "youngest", str(self.path)], from_outside(), silence=60)
        return int(done.output) if not done.status and done.output.strip().isdigit() else -1

    def _read_note(self) -> _Note | None:
        with storage_errors(self._folder), contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
            return decoder(_Note).decode(self._note.read_bytes())
        return None

    def _write_note(self, note: _Note) -> None:
        with storage_errors(self._folder):
            replace_file(self._note, msgspec.json.encode(note))


def _progress_of(errors: IO[bytes], last: int, progress: Progress) -> Callable[[], None]:
    """Return a function that reads svnrdump's progress from its error output."""
    seen = 0

    def tell() -> None:
        nonlocal seen
        size = errors.seek(0, 2)
        errors.seek(max(seen, size - 4096))
        found = _DUMPED.findall(errors.read())
        if size > seen and found:
            progress("fetching revisions", int(found[-1]), last)
        seen = size

    return tell
