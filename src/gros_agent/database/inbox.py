"""The batches in the inbox of a reference controller: ``inbox/KEY/NNNNNN-BATCH/`` with a ``receipt.json``."""

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gros_agent.database import columns
from gros_agent.database.checking import TableRows, Unfit, check_content, rows_of
from gros_agent.database.erased import Erased
from gros_agent.database.without import without
from gros_agent.errors import ConfigurationError
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.storage import storage_errors
from gros_agent.tables.batch import ENVIRONMENTS, CollectedSource

log = logging.getLogger(__name__)

RECEIPT = "receipt.json"
CHANGED = ".erased"
"""The folder in a batch with files that replace those of the same names, if replacing them was interrupted."""
_KEY = re.compile(r"[A-Z]{1,64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FOLDER = re.compile(rf"([0-9]{{1,18}})-({_FILE.pattern})")
"""The controller takes no identifier of another form: a copy, for instance, has a name of its own."""
_WITHOUT_TABLE = frozenset({ENVIRONMENTS, "data_sources.json"})
"""Files that list what is collected from; they have addresses, and no rows."""


class InboxFile(msgspec.Struct, frozen=True):
    """A file of a batch, as its receipt says."""

    name: str
    kind: str
    bytes: int
    sha256: str


class _Agent(msgspec.Struct, frozen=True):
    user: str = ""


class BatchReceipt(msgspec.Struct, frozen=True):
    """What is known about a batch."""

    batch: str
    project: str
    moment: datetime
    files: list[InboxFile]
    agent: _Agent = _Agent()
    time_zone: str = ""
    sources: list[CollectedSource] = []


@dataclass(frozen=True)
class InboxBatch:
    """A batch in the inbox, as its folder says."""

    project: str
    number: int
    identifier: str
    folder: Path

    def path(self, name: str) -> Path:
        """The path of a file."""
        changed = self.folder / CHANGED / name
        return changed if changed.exists() else self.folder / name

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock of readers on the batch's folder."""
        with storage_errors(self.folder), lock(self.folder, is_shared=True):
            yield

    def receipt(self) -> BatchReceipt:
        """The receipt. Raises :class:`Unfit` if it is missing, damaged, or that of another batch."""
        try:
            content = decoder(BatchReceipt).decode(self.path(RECEIPT).read_bytes())
            content.moment.astimezone(UTC)
        except OSError as error:
            raise Unfit(f"{RECEIPT} can't be read: {error.strerror}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            raise Unfit(f"{RECEIPT} is damaged: {error}") from None
        if (content.project, content.batch) != (self.project, self.identifier):
            raise Unfit(f"{RECEIPT} is that of batch {content.batch} of {content.project}")
        return content

    def tables(self, receipt: BatchReceipt, erased: Erased) -> Generator[TableRows, None, None]:
        """Yield the checked files of tables, without the people who were erased.

        Raises :class:`Unfit` for a file that no table fits.
        """
        for file in receipt.files:
            if file.kind != "export" or file.name in _WITHOUT_TABLE:
                continue
            row = columns.by_file().get(file.name)
            if row is None or not _FILE.fullmatch(file.name):
                raise Unfit(f"{file.name} is no table that this version of gros-agent knows")
            path = self.path(file.name)
            check_content(path, file.bytes, file.sha256)
            people = erased.within(path)
            with contextlib.ExitStack() as closing:
                rows = closing.enter_context(contextlib.closing(rows_of(path, row)))
                if people:
                    rows = closing.enter_context(contextlib.closing(without(rows, people)[0]))
                yield rows


@contextlib.contextmanager
def lock(folder: Path, *, is_shared: bool) -> Iterator[None]:
    """Hold a lock on a folder, shared among readers. Wait until other processes release it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def batches(inbox: Path) -> list[InboxBatch]:
    """All batches in an inbox, in the order of their numbers. Raises :class:`ConfigurationError` if it is missing."""
    if not inbox.is_dir():
        raise ConfigurationError(
            f"{inbox}: there is no such folder", "name the folder inbox of the controller with --inbox"
        )
    found, others = [], []
    with storage_errors(inbox):
        for folder in inbox.glob("*/*"):
            match = _FOLDER.fullmatch(folder.name)
            if match and _KEY.fullmatch(folder.parent.name):
                found.append(InboxBatch(folder.parent.name, int(match[1]), match[2], folder))
            elif not folder.name.startswith("."):  # a batch that the controller is still copying
                others.append(folder)
    if others:
        log.warning("%d entries of the inbox are no batches, and were left alone: %s", len(others), min(others))
    return sorted(found, key=lambda one: (one.number, one.project, one.identifier))
