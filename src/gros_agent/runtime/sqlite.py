"""A small SQLite file that several processes may use at once, with transactions and recovery from damage."""

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gros_agent.errors import AgentError
from gros_agent.runtime.storage import make_missing, storage_errors

log = logging.getLogger(__name__)

_BUSY_SECONDS = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, kw_only=True)
class Database:
    """An SQLite file: its path, the SQL of its schema, and its name in messages.

    ``changes`` are the statements that lead from each version of the schema, of which 1 is the first, to the next.
    Every transaction raises :class:`AgentError` if the file can't be used. A damaged file is set aside.
    """

    path: Path
    schema: str
    name: str
    changes: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """The version of the schema."""
        return 1 + len(self.changes)

    @contextlib.contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sqlite3.Connection]:
        """A transaction, which is done completely or not at all.

        Transactions that only read don't wait for each other.
        """
        connection = self._opened(writes)
        try:
            yield connection
            connection.execute("commit")
        except sqlite3.Error as error:
            connection.close()
            if not _is_damage(error):
                raise self._unusable(error) from error
            self._set_aside(error)
            raise AgentError(
                f"{self.path}: {self.name} was damaged", "it was set aside: a new file is started"
            ) from error
        finally:
            connection.close()

    def _opened(self, writes: bool) -> sqlite3.Connection:
        with storage_errors(self.path.parent):
            make_missing(self.path.parent)
        try:
            try:
                return self._begin(writes)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
                return self._begin(writes)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _begin(self, writes: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("pragma foreign_keys = on")
            connection.execute("begin immediate" if writes else "begin")
            if _version(connection) < self.version:
                self._renew(connection)
                connection.execute("begin immediate" if writes else "begin")
            self._check_version(_version(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, found: int) -> None:
        if found > self.version:
            raise AgentError(
                f"{self.path}: {self.name} was written by a newer version of the agent",
                "use that version, or move the file away",
            )

    def _renew(self, connection: sqlite3.Connection) -> None:
        """Bring a file to the newest version of the schema, unless another process was faster."""
        connection.execute("rollback")
        connection.execute("begin immediate")
        found = _version(connection)
        for words in self.schema.split(";") if found == 0 else self.changes[found - 1 :]:
            connection.execute(words)
        if found < self.version:
            connection.execute(f"pragma user_version = {self.version}")
        connection.execute("commit")

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Rename a damaged file, unless another process did, and its journal, which would damage the next file."""
        aside = self.path.with_suffix(".damaged")
        with storage_errors(self.path.parent), _locked(self.path.parent):
            if self._is_sound():
                return
            log.warning("%s: %s is damaged (%s): it is kept as %s", self.path, self.name, error, aside.name)
            for end in ("", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{end}").replace(f"{aside}{end}")

    def _is_sound(self) -> bool:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
                return connection.execute("pragma quick_check(1)").fetchall() == [("ok",)]
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                return False
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> AgentError:
        return AgentError(
            f"{self.path}: {self.name} can't be used: {error}",
            f"let user {os.getuid()} write there, or free some space",
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _version(connection: sqlite3.Connection) -> int:
    ((version,),) = connection.execute("pragma user_version").fetchall()
    return int(version)


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
