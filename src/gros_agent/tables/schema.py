"""The rows of every table: names, order and limits of the fields as the GROS project publishes them.

Source of the formats: the JSON Schemas of grip-on-software/data-gathering. Every value is text, numbers included;
``"0"`` is also *unknown*, *nobody* and *none*. Moments are local time.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

NOBODY = "0"
"""Stands for a missing person, date or name."""

RepoName = Annotated[str, Meta(max_length=1000, description="Name of the source.")]
Version = Annotated[str, Meta(pattern="^[a-f0-9]+$", max_length=100, description="Commit hash or revision number.")]
Number = Annotated[str, Meta(pattern="^[0-9]+$", description="A whole number.")]
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
Email = Annotated[str, Meta(max_length=100, pattern="^0$|^[0-9a-f]{64}$|@")]


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of some table.

    A subclass names its ``table`` (the file without ``.json``), the fields that are its ``key``, those that are
    ``personal`` (pseudonymised before they are written), those that are ``free_text`` (people can be named in them,
    and they are written as they are), and whether the table is a ``snapshot``, whole each time. One with personal
    fields has a field ``encrypted`` too.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    personal: ClassVar[tuple[str, ...]] = ()
    free_text: ClassVar[tuple[str, ...]] = ()
    snapshot: ClassVar[bool] = False


class VcsVersion(Row, kw_only=True, forbid_unknown_fields=True):
    """A commit or revision. With ``skip_stats`` the fields from ``branch`` to ``size`` are left out."""

    table: ClassVar[str] = "data_vcs_versions"
    key: ClassVar[tuple[str, ...]] = ("repo_name", "version_id")
    personal: ClassVar[tuple[str, ...]] = ("developer", "developer_username", "developer_email")
    free_text: ClassVar[tuple[str, ...]] = ("message", "branch")

    repo_name: RepoName
    version_id: Version
    sprint_id: Number
    message: Annotated[str, Meta(description="Commit message.")]
    type: Annotated[str, Meta(pattern="^(commit|revert|merge)$", description="commit, revert or merge.")]
    developer: Annotated[str, Meta(max_length=500, description="Name of the author.")]
    developer_username: Annotated[str, Meta(max_length=64, description="Account name of the author.")]
    developer_email: Annotated[Email, Meta(description="Address of the author.")]
    commit_date: Annotated[Moment, Meta(description="When it was committed.")]
    author_date: Annotated[MomentOrNone, Meta(description="When it was written.")]
    branch: Annotated[str, Meta(max_length=255, description="Branch it was made on.")] | UnsetType = UNSET
    insertions: Annotated[Number, Meta(description="Lines added.")] | UnsetType = UNSET
    deletions: Annotated[Number, Meta(description="Lines removed.")] | UnsetType = UNSET
    number_of_files: Annotated[Number, Meta(description="Files changed.")] | UnsetType = UNSET
    number_of_lines: Annotated[Number, Meta(description="Lines added and removed.")] | UnsetType = UNSET
    size: Annotated[Number, Meta(description="Bytes of the commit object.")] | UnsetType = UNSET
    encrypted: Encrypted = "0"


class ChangePath(Row, kw_only=True, forbid_unknown_fields=True):
    """A file changed in a commit or revision."""

    table: ClassVar[str] = "data_change_path"
    key: ClassVar[tuple[str, ...]] = ("repo_name", "version_id", "file")
    free_text: ClassVar[tuple[str, ...]] = ("file",)

    repo_name: RepoName
    version_id: Version
    file: Annotated[str, Meta(max_length=1000, description="Path after the change.")]
    change_type: Annotated[str, Meta(pattern="^[MADR]$", description="M modified, A added, D deleted, R renamed.")]
    insertions: Annotated[Number, Meta(description="Lines added.")]
    deletions: Annotated[Number, Meta(description="Lines removed.")]
    size: Annotated[Number, Meta(description="Bytes of the file after the change.")]


class Tag(Row, kw_only=True, forbid_unknown_fields=True):
    """A tag; a lightweight one has no message, date or tagger."""

    table: ClassVar[str] = "data_tag"
    key: ClassVar[tuple[str, ...]] = ("repo_name", "tag_name")
    personal: ClassVar[tuple[str, ...]] = ("tagger", "tagger_email")
    free_text: ClassVar[tuple[str, ...]] = ("tag_name", "message")
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    tag_name: Annotated[str, Meta(max_length=100, description="Name of the tag.")]
    version_id: Version
    message: Annotated[str, Meta(description="Message of the tag.")]
    tagged_date: Annotated[MomentOrNone, Meta(description="When the tag was made.")]
    tagger: Annotated[str, Meta(max_length=64, description="Name of the tagger.")]
    tagger_email: Annotated[Email, Meta(description="Address of the tagger.")]
    encrypted: Encrypted = "0"


TABLES: tuple[type[Row], ...] = (VcsVersion, ChangePath, Tag)
"""All tables, in the order in which they are listed."""

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
        name: content["maxLength"]
        for name, content in properties.items()
        if "maxLength" in content and name != "version_id"
    }


@cache
def number_fields(row: type[Row]) -> tuple[str, ...]:
    """The fields that hold whole numbers."""
    properties = json_schema(row)["properties"]
    return tuple(name for name, content in properties.items() if content.get("pattern") == "^[0-9]+$")
