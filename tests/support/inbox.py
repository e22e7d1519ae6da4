"""An inbox as the reference controller leaves it, the databases that it is loaded into, and what they hold then."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from gros_agent.database import loading
from gros_agent.database.definitions import SCHEMA
from gros_agent.database.loading import Loading
from gros_agent.rows import Row
from gros_agent.tables.batch import ProjectFolder

ZONE = "Europe/Amsterdam"
Dump = dict[str, list[tuple[Any, ...]]]


def quiet(_what: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


@dataclass
class Inbox:
    """Adds batches, with numbers that go up."""

    folder: Path
    count: int = 0

    def add(self, *rows: Sequence[Row] | type[Row], project: str = "ABC", zone: str | None = ZONE) -> Path:
        """Add a batch with the files of these tables; of a type alone, a file without rows."""
        files = {}
        for several in rows:
            row = several if isinstance(several, type) else type(several[0])
            lines = [] if isinstance(several, type) else [msgspec.json.encode(one) for one in several]
            content = b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"
            files[f"{row.table}.json"] = lines[0] + b"\n" if row.is_single else content
        return self.add_files(files, project=project, zone=zone)

    def add_files(self, files: Mapping[str, bytes], *, project: str = "ABC", zone: str | None = ZONE) -> Path:
        """Add a batch with these files."""
        self.count += 1
        batch = f"b{self.count}"
        folder = self.folder / project / f"{self.count:06d}-{batch}"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        receipt = {
            "batch": batch,
            "project": project,
            "agent": {"user": f"agent-{project}", "version": "gros_agent/0.1"},
            "moment": f"2024-06-01T12:00:{self.count:02}+00:00",
            **({} if zone is None else {"time_zone": zone}),
            "files": [
                {
                    "name": name,
                    "kind": "export",
                    "rows": None,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for name, content in files.items()
            ],
        }
        (folder / "receipt.json").write_text(json.dumps(receipt))
        return folder

    def add_export(self, export: Path) -> Path:
        """Add the batch in an agent's folder."""
        manifest = ProjectFolder(export).batch()
        assert manifest is not None
        files = {name: (export / name).read_bytes() for name in manifest.tables}
        return self.add_files(files, project=export.name, zone=manifest.time_zone)

    def load(self, url: str, *, again: bool = False) -> Loading:
        """Load all that is new."""
        return loading.load(self.folder, url, quiet, again=again)


def asked(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with loading.opened(url) as target:
        return [tuple(map(_plain, row)) for row in target.run(query)]


def dump(url: str) -> Dump:
    """All rows of all tables that have any, but for when a batch was loaded."""
    tables = (
        "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_catalog, table_schema, table_name)"
        f" WHERE table_schema = '{SCHEMA}' AND table_type = 'BASE TABLE'"
    )
    columns: dict[str, list[str]] = {}
    for table, column in sorted(asked(url, tables)):
        if column != "loaded":
            columns.setdefault(table, []).append(f'"{column}"')
    found = {}
    with loading.opened(url) as target:
        for table, names in columns.items():
            rows = target.run(f'SELECT {", ".join(names)} FROM {SCHEMA}."{table}"')
            found[table] = sorted((tuple(map(_plain, row)) for row in rows), key=repr)
    return {table: rows for table, rows in found.items() if rows}


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
