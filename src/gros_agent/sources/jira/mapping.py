"""Reads the mapping of Jira's fields to the columns of the tables.

The built-in mapping, ``fields.json``, is ``jira_fields.json`` of grip-on-software/data-gathering at commit ae4063b,
Apache License 2.0, with one addition: ``duedate`` names its changes. A file of the user's own in the same form replaces
it; its form is described by the schema ``jira/fields.json`` of the same project.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from gros_agent.errors import ConfigurationError, Problems
from gros_agent.rows import JiraIssue
from gros_agent.runtime.decoding import decoder

Type = Literal[
    "int",
    "identifier",
    "str",
    "boolean",
    "date",
    "unicode",
    "sprint",
    "developer",
    "decimal",
    "id_list",
    "version",
    "rank",
    "issue_key",
    "flag",
    "ready_status",
    "labels",
    "project",
    "status_category",
]
Special = Literal["comment", "components", "issuelinks", "subtasks"]
SPECIAL: tuple[str, ...] = get_args(Special)
"""Entries whose values have tables of their own, and no column."""
_REQUIRED = {"updated": "created", "updated_by": "author"}
"""Entries without which there are no versions, and what they are in each change."""
_HINT = "the mapping has the form of jira_fields.json; leave the option out to use the built-in mapping"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Where a column's value comes from: an entry of the mapping. Further keys are ignored."""

    type: Type | tuple[Type, ...] = "unicode"
    special_parser: Special | None = None
    field: str | None = None
    part: str | None = msgspec.field(default=None, name="property")
    primary: str | None = None
    changelog_name: str | None = None
    changelog_primary: str | None = None
    table: str | Mapping[str, Type] | None = None
    fields: Mapping[str, str] = {}

    @property
    def types(self) -> tuple[Type, ...]:
        """The types that are applied to a value, in turn."""
        return self.type if isinstance(self.type, tuple) else (self.type,)


@dataclass(frozen=True)
class FieldMapping:
    """A mapping: the entry of each column, the special entries, and columns that the tables do not have."""

    columns: Mapping[str, Entry]
    special: Mapping[str, Entry]
    unknown: tuple[str, ...] = ()

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.unknown:
            yield f"the mapping of fields has columns that the tables do not have: {', '.join(self.unknown)}"


@cache
def built_in() -> FieldMapping:
    """The mapping that is used unless the user has one."""
    content = (resources.files("gros_agent.sources.jira") / "fields.json").read_bytes()
    return parsed(content, "the built-in mapping of fields")


def of(path: Path | None) -> FieldMapping:
    """The user's mapping, or the built-in one. Raises :class:`ConfigurationError`."""
    return built_in() if path is None else read(path)


def read(path: Path) -> FieldMapping:
    """Read the user's mapping. Raises :class:`ConfigurationError` if that is not possible."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}", _HINT) from None
    return parsed(content, str(path))


def parsed(content: bytes, name: str) -> FieldMapping:
    """Parse a mapping, and check it. Raises :class:`ConfigurationError` with everything that is wrong."""
    try:
        raw = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} is not valid JSON: {error}", _HINT) from None
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{name} is not a JSON object with an entry for each column", _HINT)
    problems: list[str] = []
    entries = {column: entry for column, value in raw.items() if (entry := _entry(column, value, problems)) is not None}
    problems += [f"{column}: this entry is required" for column in _REQUIRED if column not in raw]
    Problems.raise_if(ConfigurationError(f"{name}: {problem}", _HINT) for problem in problems)
    columns = set(JiraIssue.__struct_fields__) - {"encrypted"}
    return FieldMapping(
        columns={column: entry for column, entry in entries.items() if column in columns},
        special={column: entry for column, entry in entries.items() if column in SPECIAL},
        unknown=tuple(column for column in entries if column not in columns and column not in SPECIAL),
    )


def _entry(column: str, value: Any, problems: list[str]) -> Entry | None:  # noqa: ANN401 (any JSON)
    """An entry, or None if it is wrong. What is wrong is appended to ``problems``."""
    decoder(Entry)  # which builds the type, by one thread at a time
    try:
        entry = msgspec.convert(value, Entry)
    except msgspec.ValidationError as error:
        problems.append(f"{column}: {error}")
        return None
    found = list(_problems(column, entry))
    problems += [f"{column}: {problem}" for problem in found]
    return None if found else entry


def _problems(column: str, entry: Entry) -> Iterator[str]:
    if entry.special_parser is not None and column not in SPECIAL:
        yield f"a special_parser is only possible for {', '.join(SPECIAL)}"
    if column in SPECIAL and entry.special_parser != column:
        yield f"special_parser must be {column}"
    if entry.part is not None and entry.field is None:
        yield "property is the part of a field, and needs field"
    if entry.primary is not None and entry.field is not None:
        yield "primary and field exclude each other"
    if not entry.types:
        yield "type is an empty list"
    wanted = _REQUIRED.get(column)
    if wanted is not None and entry.changelog_primary != wanted:
        yield f"changelog_primary must be {wanted}"
    if wanted is None and entry.changelog_primary is not None:
        yield f"changelog_primary is only possible for {', '.join(_REQUIRED)}"
