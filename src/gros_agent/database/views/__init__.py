"""Views of the schema ``gros`` that answer questions: a file for each, in the order in which they build on each other.

A file begins with comments: its name and question, what to know about it, and the address of its definition. The names
are those of CHAOSS (https://chaoss.community/kb-metrics-and-metrics-models/), where it defines what a view shows.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from gros_agent.database.quoting import constant, quoted

_COMMENT = "-- "


@dataclass(frozen=True)
class View:
    """A view: its name, what it shows, what to know about it, where it is defined, and its query."""

    name: str
    title: str
    remarks: str
    source: str
    query: str


@cache
def views() -> tuple[View, ...]:
    """All views, each after those that it builds on."""
    files = (one for one in resources.files(__name__).iterdir() if one.name.endswith(".sql"))
    return tuple(_parsed(one.name, one.read_text(encoding="utf-8")) for one in sorted(files, key=lambda one: one.name))


def _parsed(file: str, text: str) -> View:
    lines = text.splitlines()
    comments = [line.removeprefix(_COMMENT) for line in lines if line.startswith(_COMMENT)]
    query = "\n".join(line for line in lines if not line.startswith(_COMMENT)).strip()
    title, *others = comments
    sources = [line for line in others if line.startswith("https://")]
    remarks = " ".join(line for line in others if line not in sources)
    name = file.removesuffix(".sql").partition("-")[2]
    return View(name, title, remarks, "".join(sources), query)


@cache
def digest() -> str:
    """What tells these views from those of another version."""
    return hashlib.sha256("\n".join(f"{one.name} {one.query}" for one in views()).encode()).hexdigest()[:16]


def statements() -> Iterator[str]:
    """The statements that make the views anew. What builds on them outside of this list must be made anew, too."""
    for one in reversed(views()):
        yield f"DROP VIEW IF EXISTS gros.{quoted(one.name)}"
    for one in views():
        yield f"CREATE VIEW gros.{quoted(one.name)} AS {one.query}"
        yield f"COMMENT ON VIEW gros.{quoted(one.name)} IS {constant(f'{one.title} {one.remarks}'.strip())}"
