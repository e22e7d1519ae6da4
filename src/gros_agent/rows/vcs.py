"""Rows of version control systems."""

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, UnsetType

from gros_agent.rows.base import (
    Bytes,
    Email,
    Encrypted,
    Files,
    Identifier,
    Lines,
    Moment,
    MomentOrNone,
    RepoName,
    Row,
    Version,
)


class VcsVersion(Row, kw_only=True, forbid_unknown_fields=True):
    """A commit or revision. With ``skip_stats`` the fields from ``branch`` to ``size`` are left out."""

    table: ClassVar[str] = "data_vcs_versions"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "version_id")
    personal: ClassVar[tuple[str, ...]] = ("developer", "developer_username", "developer_email")
    free_text: ClassVar[tuple[str, ...]] = ("message", "branch")

    repo_name: RepoName
    version_id: Version
    sprint_id: Annotated[Identifier, Meta(description="Sprint that it belongs to, or 0.")]
    message: Annotated[str, Meta(description="Commit message.")]
    type: Annotated[str, Meta(pattern="^(commit|revert|merge)$", description="commit, revert or merge.")]
    developer: Annotated[str, Meta(max_length=500, description="Name of the author.")]
    developer_username: Annotated[str, Meta(max_length=64, description="Account name of the author.")]
    developer_email: Annotated[Email, Meta(description="Address of the author.")]
    commit_date: Annotated[Moment, Meta(description="When it was committed.")]
    author_date: Annotated[MomentOrNone, Meta(description="When it was written.")]
    branch: Annotated[str, Meta(max_length=255, description="Branch it was made on, or 0.")] | UnsetType = UNSET
    insertions: Annotated[Lines, Meta(description="Lines added.")] | UnsetType = UNSET
    deletions: Annotated[Lines, Meta(description="Lines removed.")] | UnsetType = UNSET
    number_of_files: Annotated[Files, Meta(description="Files changed.")] | UnsetType = UNSET
    number_of_lines: Annotated[Lines, Meta(description="Lines added and removed.")] | UnsetType = UNSET
    size: Annotated[Bytes, Meta(description="Size of the commit object.")] | UnsetType = UNSET
    encrypted: Encrypted = "0"


class ChangePath(Row, kw_only=True, forbid_unknown_fields=True):
    """A file changed in a commit or revision."""

    table: ClassVar[str] = "data_change_path"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "version_id", "file")
    grouped: ClassVar[int] = 2
    free_text: ClassVar[tuple[str, ...]] = ("file",)

    repo_name: RepoName
    version_id: Version
    file: Annotated[str, Meta(max_length=1000, description="Path after the change.")]
    change_type: Annotated[str, Meta(pattern="^[MADR]$", description="M modified, A added, D deleted, R renamed.")]
    insertions: Annotated[Lines, Meta(description="Lines added.")]
    deletions: Annotated[Lines, Meta(description="Lines removed.")]
    size: Annotated[Bytes, Meta(description="Size of the file after the change.")]


class Tag(Row, kw_only=True, forbid_unknown_fields=True):
    """A tag. A lightweight tag has no message, date or tagger."""

    table: ClassVar[str] = "data_tag"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "tag_name")
    personal: ClassVar[tuple[str, ...]] = ("tagger", "tagger_email")
    free_text: ClassVar[tuple[str, ...]] = ("tag_name", "message")
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    tag_name: Annotated[str, Meta(max_length=100, description="Name of the tag.")]
    version_id: Annotated[Version, Meta(description="Commit or revision that it points to, or 0.")]
    message: Annotated[str, Meta(description="Message of the tag, or 0.")]
    tagged_date: Annotated[MomentOrNone, Meta(description="When the tag was made.")]
    tagger: Annotated[str, Meta(max_length=64, description="Name of the tagger.")]
    tagger_email: Annotated[Email, Meta(description="Address of the tagger.")]
    encrypted: Encrypted = "0"
