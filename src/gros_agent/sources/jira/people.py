"""Gathers people: everyone in issues, changes and comments, and everyone whom issues can be assigned to."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import UNSET

from gros_agent.rows import JiraDeveloper, trimmed

_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]+")
_LONGEST_ADDRESS = 100
"""The width of the column. A part of an address is not an address."""

Lookup = Callable[[str], Mapping[str, Any] | None]
"""Asks the server for the person with a key. None if there is no such person."""


def nobody(_key: str) -> None:
    """Know no person."""


def address(value: object) -> str | None:
    """An e-mail address. None if it is hidden, empty or masked (``person at example dot org``)."""
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) else None


class People:
    """The people of a project.

    Jira Cloud knows a person by ``accountId``, Data Center by ``name``. Changes in Data Center have the person's
    ``key`` instead, which is not the name for accounts since Jira 8.4; ``lookup`` is called once for each key of a
    person who was not seen yet.
    """

    def __init__(self, *, is_cloud: bool, lookup: Lookup = nobody) -> None:
        self._is_cloud = is_cloud
        self._named_by = ("accountId", "name", "key") if is_cloud else ("name", "accountId", "key")
        self._lookup = lookup
        self._rows: dict[str, JiraDeveloper] = {}
        self._names: dict[str, str] = {}
        self._guessed: set[str] = set()
        self.unknown: set[str] = set()
        """Keys that are written instead of a name, since the server does not know them."""

    def account(self, value: object) -> str | None:
        """The account name of a person, who is noted. None for nobody."""
        if isinstance(value, str):
            return trimmed(value) or None
        if not isinstance(value, dict):
            return None
        name = self._name(value)
        if name is None:
            return None
        row = self._rows.get(name)
        if row is None or name in self._guessed or (row.email is UNSET and value.get("emailAddress")):
            self._note(name, value)
        key = value.get("key")
        if isinstance(key, str) and key:
            self._names[key] = name
        return name

    def before(self, item: Mapping[str, Any]) -> str | None:
        """The account name of the person whom a change replaced. None for nobody."""
        key = item.get("from")
        if not isinstance(key, str) or not trimmed(key):
            return None
        key = trimmed(key)
        name = key if self._is_cloud else self._of_key(key)
        shown = item.get("fromString")
        if name not in self._rows:
            full = trimmed(shown) if isinstance(shown, str) else ""
            self._rows[name] = JiraDeveloper(name=name, display_name=full or name)
            self._guessed.add(name)
        return name

    def rows(self) -> list[JiraDeveloper]:
        """A row for each person."""
        return list(self._rows.values())

    def _name(self, value: Mapping[str, Any]) -> str | None:
        for one in self._named_by:
            text = value.get(one)
            if isinstance(text, str) and (name := trimmed(text)):
                return name
        return None

    def _note(self, name: str, value: Mapping[str, Any]) -> None:
        shown = value.get("displayName")
        full = trimmed(shown) if isinstance(shown, str) else ""
        row = JiraDeveloper(name=name, display_name=full or name)
        if (email := address(value.get("emailAddress"))) is not None:
            row.email = email
        self._rows[name] = row
        self._guessed.discard(name)

    def _of_key(self, key: str) -> str:
        """The name of the person with a key, or the key itself if the server knows no such person."""
        if key in self._names:
            return self._names[key]
        name: str | None = key  # in accounts from before Jira 8.4 the key is the first name that they had
        if key not in self._rows:
            name = self.account(self._lookup(key))
            if name is None:
                self.unknown.add(key)
        self._names[key] = name or key
        return self._names[key]

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.unknown:
            yield f"{len(self.unknown)} people of changes are not known any more: their keys stand for their names"
