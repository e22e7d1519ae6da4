"""Rows of Azure Boards (Azure DevOps, TFS): teams, sprints and work items."""

from typing import Annotated, ClassVar, Self

from msgspec import UNSET, Meta, UnsetType

from gros_agent.rows.base import (
    NOBODY,
    Date,
    Encrypted,
    Files,
    Identifier,
    Labels,
    Moment,
    Number,
    Points,
    RepoName,
    Row,
)

Person = Annotated[str, Meta(max_length=100, description="Name of a person, or 0.")]
TeamName = Annotated[str, Meta(max_length=100, description="Name of the team.")]
_Short = Annotated[str, Meta(max_length=64)]
_Medium = Annotated[str, Meta(max_length=100)]


class TfsTeam(Row, kw_only=True, forbid_unknown_fields=True):
    """A team."""

    table: ClassVar[str] = "data_tfs_team"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "team_name")
    free_text: ClassVar[tuple[str, ...]] = ("description",)
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    team_name: TeamName
    description: Annotated[str, Meta(max_length=500, description="What the team is for, or 0.")]


class TfsTeamMember(Row, kw_only=True, forbid_unknown_fields=True):
    """A member of a team."""

    table: ClassVar[str] = "data_tfs_team_member"
    key_fields: ClassVar[tuple[str, ...]] = ("team_name", "username")
    personal: ClassVar[tuple[str, ...]] = ("user", "username")
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    team_name: TeamName
    user: Person
    username: Annotated[str, Meta(max_length=100, description="Account name of the person.")]
    encrypted: Encrypted = "0"


class TfsSprint(Row, kw_only=True, forbid_unknown_fields=True):
    """A sprint of a team. Dates that are not set are left out."""

    table: ClassVar[str] = "data_tfs_sprint"
    key_fields: ClassVar[tuple[str, ...]] = ("repo_name", "team_name", "sprint_name")
    snapshot: ClassVar[bool] = True

    repo_name: RepoName
    team_name: TeamName
    sprint_name: Annotated[str, Meta(max_length=100, description="Name of the sprint.")]
    start_date: Annotated[Moment, Meta(description="When it starts.")] | UnsetType = UNSET
    end_date: Annotated[Moment, Meta(description="When it ends.")] | UnsetType = UNSET


class TfsWorkItem(Row, kw_only=True, forbid_unknown_fields=True):
    """A version of a work item, with one row for each change. Fields that its type does not have are left out."""

    table: ClassVar[str] = "data_tfs_work_item"
    key_fields: ClassVar[tuple[str, ...]] = ("issue_id", "changelog_id")
    personal: ClassVar[tuple[str, ...]] = ("reporter", "assignee", "updated_by")
    free_text: ClassVar[tuple[str, ...]] = ("title", "description", "additional_information")

    issue_id: Annotated[Identifier, Meta(description="Number of the work item.")]
    changelog_id: Annotated[Identifier, Meta(description="Number of this version of it.")]
    status: Annotated[_Short, Meta(description="State.")] | UnsetType = UNSET
    issuetype: Annotated[_Short, Meta(description="Type.")] | UnsetType = UNSET
    created_date: Annotated[Moment, Meta(description="When it was made.")] | UnsetType = UNSET
    reporter: Annotated[Person, Meta(description="Who made it.")] = "0"
    assignee: Annotated[Person, Meta(description="Who is to resolve it, or 0.")] = "0"
    updated: Annotated[Moment, Meta(description="When this version was made.")] | UnsetType = UNSET
    updated_by: Annotated[Person, Meta(description="Who made this version.")] = "0"
    title: Annotated[str, Meta(description="Title.")]
    description: Annotated[str, Meta(description="Description, in HTML.")] | UnsetType = UNSET
    labels: Annotated[Labels, Meta(description="How many tags it has.")] | UnsetType = UNSET
    attachments: Annotated[Files, Meta(description="How many files are attached.")]
    project_name: Annotated[_Medium, Meta(description="Project.")] | UnsetType = UNSET
    team_name: Annotated[_Medium, Meta(description="Team.")] | UnsetType = UNSET
    sprint_name: Annotated[_Medium, Meta(description="Sprint.")] | UnsetType = UNSET
    priority: Annotated[Number, Meta(description="Priority.")] | UnsetType = UNSET
    rank_change: Annotated[Number, Meta(description="Place on the backlog.")] | UnsetType = UNSET
    additional_information: Annotated[str, Meta(description="Acceptance criteria.")] | UnsetType = UNSET
    severity: Annotated[str, Meta(description="Severity of a bug.")] | UnsetType = UNSET
    impact: Annotated[Number, Meta(description="Impact.")] | UnsetType = UNSET
    business_value: Annotated[Number, Meta(description="Business value.")] | UnsetType = UNSET
    duedate: Annotated[Date, Meta(description="When it is to be done.")] | UnsetType = UNSET
    story_points: Annotated[Points, Meta(description="Estimated effort.")] | UnsetType = UNSET
    topdesk_number: Annotated[str, Meta(description="Number of a TOPdesk request.")] | UnsetType = UNSET
    use_case: Annotated[str, Meta(description="Another work item that describes the use case.")] | UnsetType = UNSET
    encrypted: Encrypted = "0"


class TfsDeveloper(Row, kw_only=True, forbid_unknown_fields=True):
    """A person who took part in work items or teams.

    The importer identifies people by name.
    """

    table: ClassVar[str] = "data_tfs_developer"
    key_fields: ClassVar[tuple[str, ...]] = ("display_name",)
    rule: ClassVar[str] = "a person's first known address counts"
    personal: ClassVar[tuple[str, ...]] = ("display_name", "email")

    display_name: Person
    email: Annotated[str, Meta(max_length=100, description="Address, or an account name of a Windows domain.")]
    encrypted: Encrypted = "0"

    def one_of(self, later: Self) -> Self:
        """The later row, if this one has no address."""
        return later if self.email == NOBODY else self
