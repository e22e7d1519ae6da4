"""What a row is, the types of its fields, and its JSON Schema."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

NOBODY = "0"
"""Stands for a missing person, date or name."""

RepoName = Annotated[str, Meta(max_length=1000, description="Name of the source.")]
Version = Annotated[str, Meta(pattern="^[a-f0-9]+$", max_length=100, description="Commit hash or revision number.")]
Number = Annotated[str, Meta(pattern="^[0-9]+$", description="A whole number.")]
Flag = Annotated[str, Meta(pattern="^[01]$", description="1 or 0.")]
Encrypted = Annotated[str, Meta(pattern="^[01]$", description="Whether the personal fields hold pseudonyms: 1 or 0.")]
Moment = Annotated[
    str,
    Meta(
        pattern="^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) [0-9]{2}:[0-9]{2}:[0-9]{2}$",
        description="Local time.",
    ),
]
MomentOrNone = Annotated[
    str,
    Meta(
        pattern="^(0|[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) [0-9]{2}:[0-9]{2}:[0-9]{2})$",
        description="Local time, or 0 if it is not known.",
    ),
]
Integer = Annotated[str, Meta(pattern="^-?[0-9]+$", description="A whole number.")]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", description="A number.")]
Account = Annotated[str, Meta(max_length=64, description="Account name.")]
Name = Annotated[str, Meta(max_length=500, description="Name of a person.")]
Email = Annotated[str, Meta(max_length=100, pattern="^0$|^[0-9a-f]{64}$|@")]


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of some table.

    A subclass names its ``table`` (the file without ``.json``), the fields that are its ``key``, those that are
    ``personal`` (pseudonymised before they are written), those that are ``free_text`` (people can be named in them,
    and they are written as they are), and whether the table is a ``snapshot``, whole each time. Where it
    ``has_repetitions``, several rows may have the same key. One with personal fields has a field ``encrypted`` too. The
    file of a table that ``is_single`` holds one object instead of an array of them, and is missing where there is none.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    personal: ClassVar[tuple[str, ...]] = ()
    free_text: ClassVar[tuple[str, ...]] = ()
    snapshot: ClassVar[bool] = False
    has_repetitions: ClassVar[bool] = False
    is_single: ClassVar[bool] = False


LARGEST_INTEGER = 2**31 - 1
"""What the existing importer can read into a whole number (``java.lang.Integer``)."""


@cache
def json_schema(row: type[Row]) -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of one row of a table."""
    schema = msgspec.json.schema(row)
    definition: Mapping[str, Any] = schema["$defs"][row.__name__]
    return definition


@cache
def length_limits(row: type[Row]) -> Mapping[str, int]:
    """Field → longest text in characters, for the fields that have a limit and can be shortened to it."""
    properties = json_schema(row)["properties"]
    return {
        name: one["maxLength"]
        for name, content in properties.items()
        for one in content.get("anyOf", (content,))
        if "maxLength" in one and name != "version_id"
    }


@cache
def number_fields(row: type[Row]) -> tuple[str, ...]:
    """The fields that hold whole numbers."""
    properties = json_schema(row)["properties"]
    return tuple(name for name, content in properties.items() if content.get("pattern") == "^[0-9]+$")
