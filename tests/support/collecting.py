"""Collects from a source as a scrape does, and compares what comes with what was recorded."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gros_agent.collect.part import drain
from gros_agent.rows import Row
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context

Found = dict[type[Row], list[Any]]


def collect(context: Context, since: str | None = None) -> tuple[Found, Collected]:
    """The rows of each table, and how it ended."""
    source = sources()[context.entry.type]
    rows: Found = {table: [] for table in source.tables}

    def take(block: Sequence[Row]) -> None:
        if block:
            rows[type(block[0])].extend(block)

    return rows, drain(source.collect(context, since), take)


def local(moment: str) -> str:
    """A moment in ISO 8601 as the tables have it."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def columns(rows: Sequence[Row], *names: str) -> Counter[tuple[Any, ...]]:
    """What some fields of rows hold, and how often."""
    return Counter(tuple(getattr(row, name) for name in names) for row in rows)


def same(rows: Found) -> dict[type[Row], Counter[str]]:
    """Rows in a form in which their order does not count."""
    return {table: Counter(map(repr, found)) for table, found in rows.items()}
