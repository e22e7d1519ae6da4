"""The batches of every source: each row is in the database once, with the same values in both databases."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gros_agent.database.columns import by_file
from gros_agent.database.definitions import by_row, definitions
from gros_agent.errors import ExitStatus
from gros_agent.rows import Row
from support.agent import Agent, give_secrets
from support.inbox import Inbox, asked, dump
from support.postgresql import Server
from support.sources import under_test
from support.together import Together, together

KINDS = tuple(kind for kind, one in under_test().items() if not one.needs_program)
WITH_PROGRAMS = pytest.param(tuple(under_test()), marks=pytest.mark.integration, id="with-programs")
FILLED = 30
"""Tables that the sources together have rows for, at least."""


def scraped(agent: Agent, inbox: Inbox, one: Together) -> None:
    """Scrape three times: from the start, what is new, and everything again."""
    one.write(agent)
    for number, options in enumerate(((), (), ("--full",))):
        if number == 1:
            one.happen()
        done = agent.scrape("--json", *options, variables={"TZ": "Europe/Amsterdam"})
        assert done.status == 0, done
        inbox.add_export(agent.export())


def rows_of(inbox: Inbox) -> Iterator[tuple[type[Row], list[dict[str, Any]]]]:
    for folder in sorted((inbox.folder / "TEST").iterdir()):
        for path in folder.iterdir():
            if row := by_file().get(path.name):
                content = json.loads(path.read_text())
                yield row, content if isinstance(content, list) else [content]


def expected(inbox: Inbox) -> dict[str, int]:
    """How many rows each table must have."""
    keys: dict[type[Row], set[Any]] = {}
    added: dict[type[Row], int] = {}
    for row, rows in rows_of(inbox):
        table = by_row(row)
        names = [table.columns[name].name for name in table.key if name in table.columns]
        found = {tuple(str(one[name]) for name in names) for one in rows}
        if not row.key_fields:
            added[row] = added.get(row, 0) + len(rows)
        elif not row.snapshot or row.is_partial:
            keys.setdefault(row, set()).update(found)
        elif table.has_source:
            sources = {one["repo_name"] for one in rows}
            place = names.index("repo_name")
            keys[row] = found | {one for one in keys.get(row, set()) if one[place] not in sources}
        elif rows:
            keys[row] = found
    counts = {by_row(row).name: len(found) for row, found in keys.items()}
    counts |= {by_row(row).name: count for row, count in added.items()}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("kinds", [pytest.param(KINDS, id="all"), WITH_PROGRAMS])
@pytest.mark.integration
def test_in_both(agent: Agent, inbox: Inbox, postgresql: Server, tmp_path: Path, kinds: Sequence[str]) -> None:
    give_secrets(agent)
    with together(tmp_path / "served", *kinds) as one:
        scraped(agent, inbox, one)
    urls = [f"duckdb:{tmp_path / 'data.duckdb'}", postgresql.new()]
    for url in urls:
        result = inbox.load(url)
        assert (result.status, len(result.batches)) == (ExitStatus.DONE, 3), result
    first, second = map(dump, urls)
    for table in {*first, *second}:
        assert first[table] == second[table], table
    counts = {table: len(rows) for table, rows in first.items() if table not in {"batches", "version"}}
    assert counts == expected(inbox)
    assert len(counts) >= FILLED
    for url, before in zip(urls, (first, second), strict=True):
        assert inbox.load(url).loaded_before == 3
        assert dump(url) == before
        check_people(url)


def check_people(url: str) -> None:
    """Nobody is missing rather than 0, and all others are pseudonyms."""
    for table in definitions():
        for name, column in table.columns.items():
            if column.is_personal:
                query = f'SELECT DISTINCT length("{name}") FROM {table.full_name} WHERE "{name}" IS NOT NULL'
                assert asked(url, query) in ([], [(64,)]), (table.name, name)
