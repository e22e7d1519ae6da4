"""Rows about the project itself: its names, and the identifiers of its parts in quality systems."""

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, UnsetType

from gros_agent.rows.base import Row

Named = Annotated[str, Meta(max_length=100)]


class Project(Row, kw_only=True, forbid_unknown_fields=True):
    """The project.

    Its file has this one object, without fields that are unknown.
    """

    table: ClassVar[str] = "data_project"
    key_fields: ClassVar[tuple[str, ...]] = ("jira_key",)
    free_text: ClassVar[tuple[str, ...]] = ("quality_display_name",)
    snapshot: ClassVar[bool] = True
    is_single: ClassVar[bool] = True

    jira_key: Annotated[str, Meta(description="Key of the project.")]
    jira_name: Annotated[Named, Meta(description="Name of the issue tracker, or the key.")]
    github_team: Annotated[Named, Meta(description="Team on GitHub.")] | UnsetType = UNSET
    gitlab_group_name: Annotated[Named, Meta(description="Group on GitLab.")] | UnsetType = UNSET
    tfs_collection: Annotated[str, Meta(description="Collection, or organization, of Azure DevOps.")] | UnsetType = (
        UNSET
    )
    quality_name: Annotated[Named, Meta(description="Name by which quality systems know it.")] | UnsetType = UNSET
    quality_display_name: Annotated[Named, Meta(description="Name that they show.")] | UnsetType = UNSET
    main_project: Annotated[Named | None, Meta(description="Key of the project that it is a part of.")] = None
    is_support_team: Annotated[bool, Meta(description="Whether its team supports other projects.")] = False


class SourceId(Row, kw_only=True, forbid_unknown_fields=True):
    """The identifier of a part of the project at a source."""

    table: ClassVar[str] = "data_source_ids"
    key_fields: ClassVar[tuple[str, ...]] = ("domain_name", "url")
    free_text: ClassVar[tuple[str, ...]] = ("domain_name",)
    snapshot: ClassVar[bool] = True

    domain_name: Annotated[Named, Meta(description="Name of the part.")]
    url: Annotated[str, Meta(max_length=255, description="Address of the source, without the identifier.")]
    source_id: Annotated[str, Meta(description="Identifier of the part there.")]
    source_type: Annotated[str, Meta(max_length=32, description="Type of the source.")]
    domain_type: Annotated[str, Meta(max_length=32, description="Type of the part.")]
