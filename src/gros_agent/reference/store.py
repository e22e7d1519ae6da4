"""The controller's storage: one SQLite file, and folders beside it.

::

    controller.db             projects with their salts, agents with their keys, announcements, statuses, log records
    agents/agent-A/export/K/  what an agent uploads
    agents/agent-A/update/K/  the trackers that an agent fetches
    trackers/K/               the stored trackers
    inbox/K/N-BATCH/          the taken batches, each with a receipt.json
"""

import fcntl
import glob
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gros_agent.errors import BusyError, ConfigurationError
from gros_agent.privacy.secrets import TOKEN_BYTES, Salts
from gros_agent.runtime.storage import replace_file, storage_errors

KEY = re.compile(r"[A-Z]{1,64}")
"""Pattern of project keys and agent keys."""

USER = re.compile(r"agent-[A-Z]{1,64}")
"""Pattern of agents' accounts."""

_BATCH_FOLDER = re.compile(r"(\d{6,18})-(.+)")

MOST_RECORDS = 10_000
"""How many log records, and how many statuses, are kept; older ones are removed."""

_BUSY_SECONDS = 10
_SALTS = "SELECT salt, pepper FROM project WHERE key = ?"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS project (key TEXT PRIMARY KEY, salt TEXT NOT NULL, pepper TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agent (user TEXT PRIMARY KEY, public_key TEXT NOT NULL, registered TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS registration (user TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY (user, project));
CREATE TABLE IF NOT EXISTS lock (name TEXT PRIMARY KEY, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS announcement (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, batch TEXT NOT NULL, agent TEXT NOT NULL,
    files TEXT NOT NULL, moment TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    time_zone TEXT NOT NULL DEFAULT '', sources TEXT NOT NULL DEFAULT '[]');
CREATE INDEX IF NOT EXISTS announcement_batch ON announcement (project, batch);
CREATE TABLE IF NOT EXISTS record (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, project TEXT NOT NULL, moment TEXT NOT NULL,
    content TEXT NOT NULL);
"""
_ADDED = {"time_zone": "TEXT NOT NULL DEFAULT ''", "sources": "TEXT NOT NULL DEFAULT '[]'"}
"""The columns of ``announcement`` that the database of an earlier version lacks."""


@dataclass(frozen=True)
class About:
    """What an agent says about a batch.

    ``time_zone`` is that of the moments in its files; it is empty if the agent did not say it. ``sources`` says how
    completely each source was collected.
    """

    time_zone: str = ""
    sources: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Announcement:
    """The announcement of an uploaded batch. ``files`` has file names by kind (``export``, ``update``, ``other``)."""

    sequence: int
    project: str
    batch: str
    agent: Mapping[str, Any]
    files: Mapping[str, Sequence[str]]
    moment: str
    about: About = About()

    @property
    def user(self) -> str:
        """The account that uploaded it, according to the announcement."""
        return str(self.agent.get("user", ""))

    @property
    def names(self) -> list[str]:
        """All announced file names, without duplicates."""
        return list(dict.fromkeys(name for names in self.files.values() for name in names))


def now() -> str:
    """The current time as it is stored: ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat()


class State:
    """The controller's folder. Several threads may use it; two processes may not."""

    def __init__(self, folder: Path) -> None:
        """Open or make the folder. Raises :class:`BusyError` if another controller uses it."""
        self.folder = folder.absolute()
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("agents", "trackers", "inbox"):
                (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self.folder / "controller.lock", os.O_RDWR | os.O_CREAT, 0o600)
            (self.folder / "controller.db").touch(0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise BusyError(f"another controller has {self.folder}", "stop it, or give another --folder") from None
        try:
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                known = {row[1] for row in connection.execute("PRAGMA table_info(announcement)")}
                for name, kind in _ADDED.items():
                    if name not in known:
                        connection.execute(f"ALTER TABLE announcement ADD COLUMN {name} {kind}")
                connection.execute("DELETE FROM lock")  # left by a killed process
                self._go_on_counting(connection)
        except sqlite3.DatabaseError as error:
            self.close()
            raise ConfigurationError(
                f"{self.folder / 'controller.db'} can't be used: {error}",
                "restore it from a backup, or start with another folder",
            ) from None

    def _go_on_counting(self, connection: sqlite3.Connection) -> None:
        """Continue numbering after the batches in the inbox, in case the database was lost."""
        folders = (self.folder / "inbox").glob("*/*")
        numbers = [int(match[1]) for path in folders if (match := _BATCH_FOLDER.fullmatch(path.name))]
        counted = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'announcement'"
        (last,) = connection.execute(counted).fetchone()
        if max(numbers, default=0) > last:
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'announcement'")
            connection.execute("INSERT INTO sqlite_sequence VALUES ('announcement', ?)", (max(numbers),))

    def close(self) -> None:
        """Release the folder for another controller."""
        os.close(self._lock)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "controller.db", timeout=_BUSY_SECONDS, isolation_level=None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one transaction, which is rolled back on an exception."""
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    def rows(self, query: str, *values: object) -> list[Any]:
        """Run a query, without waiting for writers."""
        with closing(self._connect()) as connection:
            return connection.execute(query, values).fetchall()

    def home(self, user: str) -> Path:
        """The folder that is an agent's home."""
        return self.folder / "agents" / user

    def trackers(self, project: str) -> Path:
        """The folder with the stored trackers of a project."""
        return self.folder / "trackers" / project

    def salts(self, project: str) -> Salts | None:
        """The salts of a project, or None if no agent registered for it."""
        rows = self.rows(_SALTS, project)
        return Salts(*rows[0]) if rows else None

    def public_key(self, user: str) -> str | None:
        """The public key of an account, or None if it is not registered."""
        rows = self.rows("SELECT public_key FROM agent WHERE user = ?", user)
        return str(rows[0][0]) if rows else None

    def owns(self, user: str, project: str) -> bool:
        """Whether an agent registered for a project."""
        return bool(self.rows("SELECT 1 FROM registration WHERE (user, project) = (?, ?)", user, project))

    def locked(self) -> bool:
        """Whether a registration is under way."""
        return bool(self.rows("SELECT 1 FROM lock"))

    def register(self, project: str, user: str, public_key: str) -> Salts:
        """Register an agent for a project, with the side effects that existing controllers have.

        The key replaces the previous one. The agent's ``export`` and ``update`` folders are removed and made again for
        this project only; with a new key, the whole home is removed. Raises :class:`BusyError` during another
        registration, or while a batch of this agent is being taken, which this would destroy.
        """
        with self._registering(), storage_errors(self.folder), self.transaction() as connection:
            pending = "SELECT 1 FROM announcement WHERE state = 'announced' AND json_extract(agent, '$.user') = ?"
            if connection.execute(pending, (user,)).fetchone():
                raise BusyError(f"a batch of {user} is being taken", "try again in a moment")
            known = connection.execute("SELECT public_key FROM agent WHERE user = ?", (user,)).fetchone()
            connection.execute(
                "INSERT INTO agent VALUES (?, ?, ?) ON CONFLICT (user) DO UPDATE"
                " SET public_key = excluded.public_key, registered = excluded.registered",
                (user, public_key, now()),
            )
            connection.execute("INSERT OR IGNORE INTO registration VALUES (?, ?)", (user, project))
            tokens = (secrets.token_hex(TOKEN_BYTES), secrets.token_hex(TOKEN_BYTES))
            connection.execute("INSERT OR IGNORE INTO project VALUES (?, ?, ?)", (project, *tokens))
            # the files of refused batches are removed now
            connection.execute(
                "UPDATE announcement SET state = 'withdrawn'"
                " WHERE state = 'refused' AND json_extract(agent, '$.user') = ?",
                (user,),
            )
            self._make_home(user, project, everything=known is not None and known[0] != public_key)
            return Salts(*connection.execute(_SALTS, (project,)).fetchone())

    @contextmanager
    def _registering(self) -> Iterator[None]:
        try:
            with self.transaction() as connection:
                connection.execute("INSERT INTO lock VALUES ('registration', ?)", (now(),))
        except sqlite3.IntegrityError:
            raise BusyError("another registration is under way", "try again in a moment") from None
        try:
            yield
        finally:
            with self.transaction() as connection:
                connection.execute("DELETE FROM lock WHERE name = 'registration'")

    def _make_home(self, user: str, project: str, *, everything: bool) -> None:
        home = self.home(user)
        for path in (home,) if everything else (home / "export", home / "update"):
            if path.exists():
                shutil.rmtree(path)
        for name in ("export", "update"):
            (home / name / project).mkdir(parents=True)
        if self.trackers(project).exists():
            shutil.copytree(self.trackers(project), home / "update" / project, dirs_exist_ok=True)

    def keep_tracker(self, project: str, user: str, name: str, content: bytes) -> None:
        """Store a tracker, and copy it to the agent's folder."""
        self.trackers(project).mkdir(exist_ok=True)
        replace_file(self.trackers(project) / name, content)
        update = self.home(user) / "update" / project
        update.mkdir(parents=True, exist_ok=True)
        replace_file(update / name, content)

    def announce(
        self,
        project: str,
        batch: str | None,
        agent: Mapping[str, Any],
        files: Mapping[str, Any],
        about: About = About(),
    ) -> None:
        """Store the announcement of a batch, unless the same batch is still waiting."""
        texts, told = (json.dumps(agent), json.dumps(files)), json.dumps(about.sources)
        with self.transaction() as connection:
            waiting = "SELECT 1 FROM announcement WHERE (project, batch, state) = (?, ?, 'announced')"
            if batch and connection.execute(waiting, (project, batch)).fetchone():
                return
            connection.execute(
                "INSERT INTO announcement (project, batch, agent, files, moment, state, time_zone, sources)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (project, batch or secrets.token_hex(8), *texts, now(), "announced", about.time_zone, told),
            )

    def announced(self) -> list[Announcement]:
        """The announced batches that are not taken yet, the oldest first."""
        query = (
            "SELECT sequence, project, batch, agent, files, moment, time_zone, sources FROM announcement"
            " WHERE state = 'announced' ORDER BY sequence"
        )
        return [
            Announcement(
                *(sequence, project, batch, json.loads(agent), json.loads(files), moment),
                About(time_zone, json.loads(sources)),
            )
            for sequence, project, batch, agent, files, moment, time_zone, sources in self.rows(query)
        ]

    def was_taken(self, project: str, batch: str) -> bool:
        """Whether a batch was taken before. The inbox is checked as well, since the database may be an older backup."""
        query = "SELECT 1 FROM announcement WHERE (project, batch, state) = (?, ?, 'taken')"
        return bool(self.rows(query, project, batch)) or self._is_in_inbox(project, batch)

    def _is_in_inbox(self, project: str, batch: str) -> bool:
        folders = (self.folder / "inbox" / project).glob(f"*-{glob.escape(batch)}")
        waits = "SELECT 1 FROM announcement WHERE (sequence, project, batch, state) = (?, ?, ?, 'announced')"
        for folder in folders:
            match = _BATCH_FOLDER.fullmatch(folder.name)
            # a copy of a killed attempt still has to be finished
            if match and match[2] == batch and not self.rows(waits, int(match[1]), project, batch):
                return True
        return False

    def batch(self, project: str, user: str, batch: str) -> tuple[str, str]:
        """The state of an agent's batch (``taken``, ``announced``, ``refused`` or ``unknown``), and the reason."""
        query = (
            "SELECT state, reason FROM announcement WHERE (project, batch) = (?, ?)"
            " AND json_extract(agent, '$.user') = ? ORDER BY sequence DESC"
        )
        found = self.rows(query, project, batch, user)
        if any(state in {"taken", "repeated"} for state, _ in found):
            return "taken", ""
        return found[0] if found and found[0][0] != "withdrawn" else ("unknown", "")

    def settle(self, announcement: Announcement, state: str, reason: str = "") -> None:
        """Store the result of an announcement: ``taken``, ``repeated`` or ``refused``."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE announcement SET state = ?, reason = ? WHERE sequence = ?",
                (state, reason, announcement.sequence),
            )

    def refusal(self, project: str) -> str | None:
        """The reason why the last batch of a project was refused, or None if it was not."""
        query = (
            "SELECT state, batch, reason FROM announcement"
            " WHERE project = ? AND state NOT IN ('announced', 'withdrawn') ORDER BY sequence DESC LIMIT 1"
        )
        for state, batch, reason in self.rows(query, project):
            return f"batch {batch} was refused: {reason}" if state == "refused" else None
        return None

    def keep_record(self, kind: str, project: str, content: object) -> None:
        """Store a ``log`` record or a BigBoat ``status`` of an agent."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO record (kind, project, moment, content) VALUES (?, ?, ?, ?)",
                (kind, project, now(), json.dumps(content)),
            )
            connection.execute(
                "DELETE FROM record WHERE kind = ?1 AND sequence NOT IN"
                " (SELECT sequence FROM record WHERE kind = ?1 ORDER BY sequence DESC LIMIT ?2)",
                (kind, MOST_RECORDS),
            )
