"""The tables: their version, their names, and what may stand in a statement."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gros_agent.database import definitions, quoting
from gros_agent.database.definitions import TableDefinition, Way
from gros_agent.database.zones import zone_of

REMEMBERED = {1: "addc351bb21d3a2d"}
"""What the tables of each version are. A new table or column needs a new version, since databases have the last one."""


def test_the_version_says_what_the_tables_are() -> None:
    text = "\n".join(map(_described, definitions.definitions()))
    text += repr({name: [kind for kind, _ in table.values()] for name, table in OWN.items()})
    assert REMEMBERED[definitions.FORMAT] == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert max(REMEMBERED) == definitions.FORMAT


def _described(table: TableDefinition) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind, _ in table.types())
    return f"{table.name} {table.way.value} {' '.join(table.key)}: {columns}"


OWN = {
    "batches": definitions.BATCHES,
    "collected": definitions.COLLECTED,
    "erased": definitions.ERASED,
    "version": definitions.VERSION,
}


def test_names_are_unlike() -> None:
    names = [one.name for one in definitions.definitions()]
    assert len({name.lower() for name in (*names, *OWN)}) == len(names) + len(OWN)
    for one in definitions.definitions():
        assert len({name.lower() for name in one.names}) == len(one.names)
        assert set(one.key) <= set(one.names)
        assert (one.way is Way.ADDED) == (not one.key)
        if one.row.changed:
            assert one.row.changed in one.columns


def test_additions_are_all_there_is() -> None:
    """With all of it found, nothing is left to do."""
    found = {one.name: set(one.names) for one in definitions.definitions()}
    assert list(definitions.additions({**found, **{name: set(table) for name, table in OWN.items()}})) == []
    assert list(definitions.indexes({*found, *OWN})) == []


@given(some.text())
def test_names_in_statements(text: str) -> None:
    try:
        assert quoting.quoted(text) == f'"{text}"'
    except ValueError:
        return
    assert text.isascii()
    assert text.replace("_", "a").isalnum()


@given(some.text(alphabet="a'\\\0;-\n"))
def test_constants_in_statements(text: str) -> None:
    try:
        constant = quoting.constant(text)
    except ValueError:
        assert "\0" in text or "\\" in text
        return
    assert constant[1:-1].replace("''", "") == text.replace("'", "")
    assert constant[1:-1].count("'") == 2 * text.count("'")


@pytest.mark.parametrize(
    ("name", "title", "is_known"),
    [
        ("Europe/Amsterdam", "Europe/Amsterdam", True),
        ("UTC", "UTC", True),
        ("CET", "CET", True),
        ("UTC+0000", "UTC", True),
        ("UTC+0545", "UTC+0545", True),
        ("UTC-0330", "UTC-0330", True),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "UTC", False),
        ("../../etc/passwd", "UTC", False),
        ("Europe/Amsterdam'--", "UTC", False),
        ("localtime", "UTC", False),
        ("Factory", "UTC", False),
        ("", "UTC", False),
    ],
)
def test_zones(name: str, title: str, is_known: bool) -> None:
    zone = zone_of(name)
    assert (zone.title, not zone.note) == (title, is_known)
    assert name in zone.note or is_known
