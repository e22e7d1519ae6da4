"""Quotes names and constants for SQL statements. Values of rows are never part of a statement."""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""PostgreSQL cuts longer names."""


def quoted(name: str) -> str:
    """A name for a statement. Raises :class:`ValueError` for anything else than letters, digits and underscores."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a table or column")
    return f'"{name}"'


def listed(names: "tuple[str, ...] | list[str]", prefix: str = "") -> str:
    """Names for a statement, separated by commas; ``prefix`` is the alias of a table and a dot."""
    return ", ".join(f"{prefix}{quoted(name)}" for name in names)


def constant(text: str) -> str:
    """A constant text for a statement. Raises :class:`ValueError` for NUL and backslashes."""
    if "\0" in text or "\\" in text:
        raise ValueError(f"{text!r} is no constant")
    return "'" + text.replace("'", "''") + "'"
