"""A sink that writes tables: the only way from a source to the disk, and it leads through the pseudonymiser."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.rows import Row
from gros_agent.runtime.storage import storage_errors
from gros_agent.tables.writer import TableFile, Writer


class TableSink:
    """Writes rows to files of their own in a new folder, with people as pseudonyms.

    Raises :class:`AgentError` where the disk is full or can't be written.
    """

    def __init__(
        self, folder: Path, tables: Iterable[type[Row]], pseudonymiser: Pseudonymiser, *, whole_numbers: bool
    ) -> None:
        self._folder = folder
        self._pseudonymiser = pseudonymiser
        with storage_errors(folder):
            folder.mkdir(mode=0o700)
        self.writer = Writer(folder, tables, whole_numbers=whole_numbers)

    def take(self, rows: Sequence[Row]) -> None:
        """Write a block of rows of one table."""
        self.writer.write(self._pseudonymiser.rows(rows))

    def close(self) -> Mapping[str, int]:
        """Finish all files, and return the number of rows of each table."""
        self.writer.close()
        return {table: file.count for table, file in self.writer.tables.items()}

    @property
    def tables(self) -> Mapping[str, TableFile]:
        """The files that were written."""
        return self.writer.tables

    def undo(self) -> None:
        """Remove all files."""
        self.writer.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True)
class TableSinks:
    """How the tables of a scrape are written. It can be pickled with its pseudonymiser, which has secrets."""

    pseudonymiser: Pseudonymiser
    whole_numbers: bool

    def make(self, folder: Path, tables: Iterable[type[Row]]) -> TableSink:
        """A sink that writes to a new folder."""
        return TableSink(folder, tables, self.pseudonymiser, whole_numbers=self.whole_numbers)
