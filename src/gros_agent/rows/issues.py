"""Rows of Jira: versions of issues, their comments and links, and everything that these refer to."""

from typing import Annotated, ClassVar, Self

from msgspec import UNSET, Meta, UnsetType

from gros_agent.rows.base import (
    Account,
    Date,
    DateOrNone,
    Email,
    Encrypted,
    Files,
    Flag,
    Identifier,
    JsonIdentifier,
    Labels,
    Moment,
    MomentOrNone,
    Number,
    People,
    Points,
    Row,
    unit,
)

YesNo = Annotated[str, Meta(pattern="^(-1|1)$", description="1 for yes, -1 for no.")]
UpOrDown = Annotated[str, Meta(pattern="^-?1$", description="1 for up, -1 for down.")]
TestCases = Annotated[Number, unit("test cases")]
IssueKey = Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*-[0-9]+$", max_length=20, description="Key of an issue.")]
ProjectKey = Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*$", max_length=20, description="Key of a project.")]
_Name = Annotated[str, Meta(max_length=100, description="Name.")]
_Description = Annotated[str, Meta(max_length=500, description="Description, or 0.")]
_ID = Annotated[Identifier, Meta(description="Identifier in Jira.")]


class JiraIssue(Row, kw_only=True, forbid_unknown_fields=True):
    """A version of an issue: version 0 when it was created, and one more for each moment of change.

    Numbers have no gaps, and a version keeps its number. Fields without a value are left out.
    """

    table: ClassVar[str] = "data"
    key_fields: ClassVar[tuple[str, ...]] = ("issue_id", "changelog_id")
    changed: ClassVar[str] = "updated"
    personal: ClassVar[tuple[str, ...]] = ("reporter", "assignee", "updated_by")
    free_text: ClassVar[tuple[str, ...]] = (
        *("title", "description", "additional_information", "review_comments", "environment"),
        *("ready_status_reason", "test_given", "test_when", "test_then"),
    )

    issue_id: Annotated[Identifier, Meta(description="Identifier of the issue.")]
    changelog_id: Annotated[Number, Meta(description="Number of this version of it.")]
    key: IssueKey
    title: Annotated[str, Meta(description="Summary.")]
    issuetype: Annotated[Identifier, Meta(description="Type.")] | UnsetType = UNSET
    status: Annotated[Identifier, Meta(description="Status.")] | UnsetType = UNSET
    priority: Annotated[Identifier, Meta(description="Priority.")] | UnsetType = UNSET
    resolution: Annotated[Identifier, Meta(description="Resolution.")] | UnsetType = UNSET
    resolution_date: Annotated[Moment, Meta(description="When it was resolved, as of now.")] | UnsetType = UNSET
    fixVersions: Annotated[Identifier, Meta(description="Last of the versions that fix it.")] | UnsetType = UNSET  # noqa: N815
    versions: Annotated[Identifier, Meta(description="Last of the versions that it affects.")] | UnsetType = UNSET
    created: Annotated[Moment, Meta(description="When it was made.")]
    updated: Annotated[Moment, Meta(description="When this version was made.")]
    updated_by: Annotated[Account, Meta(description="Who made this version.")] | UnsetType = UNSET
    reporter: Annotated[Account, Meta(description="Who reported it.")] | UnsetType = UNSET
    assignee: Annotated[Account, Meta(description="Who is to resolve it.")] | UnsetType = UNSET
    description: Annotated[str, Meta(description="Description, as wiki text.")] | UnsetType = UNSET
    environment: Annotated[str, Meta(max_length=100, description="Affected environment.")] | UnsetType = UNSET
    duedate: Annotated[Date, Meta(description="Day when it is to be done.")] | UnsetType = UNSET
    project: Annotated[ProjectKey, Meta(description="Project that it was in, if another.")] | UnsetType = UNSET
    external_project: Annotated[ProjectKey, Meta(description="Project that it is for.")] | UnsetType = UNSET
    sprint: Annotated[Identifier, Meta(description="Last of its sprints.")] | UnsetType = UNSET
    storypoint: Annotated[Points, Meta(description="Estimated effort.")] | UnsetType = UNSET
    epic: Annotated[IssueKey, Meta(description="Epic that it belongs to.")] | UnsetType = UNSET
    rank_change: Annotated[UpOrDown, Meta(description="1: ranked higher, -1: ranked lower.")] | UnsetType = UNSET
    watchers: Annotated[People, Meta(description="How many people watch it, as of now.")]
    attachment: Annotated[Files, Meta(description="How many files are attached.")]
    labels: Annotated[Labels, Meta(description="How many labels it has.")]
    flagged: Annotated[Flag, Meta(description="Whether it is marked as blocked: 1 or 0.")]
    bugfix: Annotated[YesNo, Meta(description="Whether it fixes a bug.")] | UnsetType = UNSET
    approved: Annotated[YesNo, Meta(description="Whether the team approved it.")] | UnsetType = UNSET
    approved_by_po: Annotated[YesNo, Meta(description="Whether the product owner approved it.")] | UnsetType = UNSET
    additional_information: Annotated[str, Meta(description="Additional information.")] | UnsetType = UNSET
    review_comments: Annotated[str, Meta(description="Remarks of a review.")] | UnsetType = UNSET
    ready_status: Annotated[Identifier, Meta(description="Whether it is ready for a sprint.")] | UnsetType = UNSET
    ready_status_reason: Annotated[str, Meta(description="Why it has that ready status.")] | UnsetType = UNSET
    expected_ltcs: Annotated[TestCases, Meta(description="Expected logical test cases.")] | UnsetType = UNSET
    expected_phtcs: Annotated[TestCases, Meta(description="Expected physical test cases.")] | UnsetType = UNSET
    test_given: Annotated[str, Meta(description="Given of a test case.")] | UnsetType = UNSET
    test_when: Annotated[str, Meta(description="When of a test case.")] | UnsetType = UNSET
    test_then: Annotated[str, Meta(description="Then of a test case.")] | UnsetType = UNSET
    test_execution: Annotated[Identifier, Meta(description="How the test is executed.")] | UnsetType = UNSET
    test_execution_time: (
        Annotated[Number, Meta(description="How long the test takes, in the unit of its field.")] | UnsetType
    ) = UNSET
    encrypted: Encrypted = "0"


class JiraComment(Row, kw_only=True, forbid_unknown_fields=True):
    """A comment on an issue."""

    table: ClassVar[str] = "data_comments"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)
    changed: ClassVar[str] = "updated_at"
    personal: ClassVar[tuple[str, ...]] = ("author", "updater")
    free_text: ClassVar[tuple[str, ...]] = ("comment",)

    id: _ID
    issue_id: Annotated[Identifier, Meta(description="Issue that it is on.")]
    comment: Annotated[str, Meta(description="Text of the comment, as wiki text.")]
    author: Annotated[Account, Meta(description="Who wrote it, or 0.")]
    created_at: Annotated[Moment, Meta(description="When it was written.")]
    updater: Annotated[Account, Meta(description="Who changed it last, or 0.")]
    updated_at: Annotated[Moment, Meta(description="When it last changed.")]
    encrypted: Encrypted = "0"


class JiraDeveloper(Row, kw_only=True, forbid_unknown_fields=True):
    """A person in issues, changes or comments, or one that issues can be assigned to.

    An unknown address is left out: the importer takes two people with the same address for one, whatever it says.
    """

    table: ClassVar[str] = "data_developer"
    key_fields: ClassVar[tuple[str, ...]] = ("name",)
    rule: ClassVar[str] = "the first row with an address counts"
    personal: ClassVar[tuple[str, ...]] = ("name", "display_name", "email")
    snapshot: ClassVar[bool] = True
    is_partial: ClassVar[bool] = True

    name: Annotated[Account, Meta(description="Account name; in Jira Cloud the account's identifier.")]
    display_name: Annotated[str, Meta(max_length=100, description="Full name, or the account name.")]
    email: Annotated[Email, Meta(description="Address.")] | UnsetType = UNSET
    encrypted: Encrypted = "0"

    def one_of(self, later: Self) -> Self:
        """The later row, if this one has no address."""
        return later if self.email is UNSET else self


class JiraSprint(Row, kw_only=True, forbid_unknown_fields=True):
    """A sprint. What is not known about it is left out."""

    table: ClassVar[str] = "data_sprint"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)
    free_text: ClassVar[tuple[str, ...]] = ("name", "goal")
    snapshot: ClassVar[bool] = True
    is_partial: ClassVar[bool] = True

    id: _ID
    name: Annotated[str, Meta(max_length=500, description="Name.")]
    start_date: Annotated[Moment, Meta(description="When it starts.")] | UnsetType = UNSET
    end_date: Annotated[Moment, Meta(description="When it is to end.")] | UnsetType = UNSET
    complete_date: Annotated[Moment, Meta(description="When it was completed.")] | UnsetType = UNSET
    goal: Annotated[str, Meta(max_length=500, description="Goal.")] | UnsetType = UNSET
    board_id: Annotated[Identifier, Meta(description="Board that it is on.")] | UnsetType = UNSET


class JiraVersion(Row, kw_only=True, forbid_unknown_fields=True):
    """A version of the product, which issues affect or are fixed in."""

    table: ClassVar[str] = "data_fixVersion"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)
    free_text: ClassVar[tuple[str, ...]] = ("name", "description")
    snapshot: ClassVar[bool] = True
    is_partial: ClassVar[bool] = True

    id: _ID
    name: _Name
    description: Annotated[str, Meta(max_length=500, description="Description.")] = ""
    start_date: Annotated[DateOrNone, Meta(description="Day of its first change, or 0.")] = "0"
    release_date: Annotated[DateOrNone, Meta(description="Day of its release, or 0.")] = "0"
    released: Annotated[YesNo, Meta(description="Whether it was released: 1 or -1.")] = "-1"


class JiraComponent(Row, kw_only=True, forbid_unknown_fields=True):
    """A component of the product."""

    table: ClassVar[str] = "data_component"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)
    free_text: ClassVar[tuple[str, ...]] = ("name", "description")
    snapshot: ClassVar[bool] = True
    is_partial: ClassVar[bool] = True

    id: _ID
    name: _Name
    description: _Description = "0"


class JiraIssueComponent(Row, kw_only=True, forbid_unknown_fields=True):
    """A component that an issue has, or had."""

    table: ClassVar[str] = "data_issue_component"
    key_fields: ClassVar[tuple[str, ...]] = ("issue_id", "component_id")

    issue_id: Annotated[Identifier, Meta(description="Issue.")]
    component_id: Annotated[Identifier, Meta(description="Component.")]
    start_date: Annotated[MomentOrNone, Meta(description="When it was added, or 0 since the beginning.")] = "0"
    end_date: Annotated[MomentOrNone, Meta(description="When it was removed, or 0.")] = "0"


class JiraIssueLink(Row, kw_only=True, forbid_unknown_fields=True):
    """A link from one issue to another, which is there or was there."""

    table: ClassVar[str] = "data_issuelinks"
    key_fields: ClassVar[tuple[str, ...]] = ("from_key", "to_key", "relationshiptype", "outward")

    from_key: Annotated[IssueKey, Meta(description="Issue that has the link.")]
    to_key: Annotated[IssueKey, Meta(description="Issue that it leads to.")]
    relationshiptype: Annotated[Identifier, Meta(description="Type of the link.")]
    outward: Annotated[YesNo, Meta(description="Whether it goes in the type's outward direction: 1 or -1.")]
    start_date: Annotated[MomentOrNone, Meta(description="When it was made, or 0 since the beginning.")] = "0"
    end_date: Annotated[MomentOrNone, Meta(description="When it was removed, or 0.")] = "0"


class JiraSubtask(Row, kw_only=True, forbid_unknown_fields=True):
    """A sub-task of an issue."""

    table: ClassVar[str] = "data_subtasks"
    key_fields: ClassVar[tuple[str, ...]] = ("from_id", "to_id")

    from_id: Annotated[Identifier, Meta(description="Issue that it is a part of.")]
    to_id: Annotated[Identifier, Meta(description="Sub-task.")]


class JiraIssueType(Row, kw_only=True, forbid_unknown_fields=True):
    """A type of issues."""

    table: ClassVar[str] = "data_issuetype"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    name: _Name
    description: _Description = "0"


class JiraResolution(Row, kw_only=True, forbid_unknown_fields=True):
    """A way in which issues are resolved."""

    table: ClassVar[str] = "data_resolution"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    name: _Name
    description: _Description = "0"


class JiraPriority(Row, kw_only=True, forbid_unknown_fields=True):
    """A priority of issues."""

    table: ClassVar[str] = "data_priority"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    name: _Name


class JiraStatus(Row, kw_only=True, forbid_unknown_fields=True):
    """A status of issues.

    Its category is a JSON number: the importer takes nothing else.
    """

    table: ClassVar[str] = "data_status"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    name: _Name
    description: _Description = "0"
    statusCategory: Annotated[JsonIdentifier, Meta(description="Category.")] | UnsetType = UNSET  # noqa: N815


class JiraStatusCategory(Row, kw_only=True, forbid_unknown_fields=True):
    """A category of statuses.

    Its identifier is a JSON number: the importer takes nothing else.
    """

    table: ClassVar[str] = "data_status_category"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: Annotated[JsonIdentifier, Meta(description="Identifier in Jira.")]
    key: Annotated[str, Meta(max_length=32, description="Name that is the same in each language.")]
    name: _Name
    color: Annotated[str, Meta(max_length=32, description="Name of its colour, or 0.")] = "0"


class JiraRelationshipType(Row, kw_only=True, forbid_unknown_fields=True):
    """A type of links between issues."""

    table: ClassVar[str] = "data_relationshiptype"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)
    snapshot: ClassVar[bool] = True
    is_partial: ClassVar[bool] = True

    id: _ID
    name: _Name
    inward: Annotated[str, Meta(description="Words for its inward direction.")] = ""
    outward: Annotated[str, Meta(description="Words for its outward direction.")] = ""


class JiraReadyStatus(Row, kw_only=True, forbid_unknown_fields=True):
    """A value of the field that says whether an issue is ready for a sprint."""

    table: ClassVar[str] = "data_ready_status"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    name: _Name


class JiraTestExecution(Row, kw_only=True, forbid_unknown_fields=True):
    """A way in which tests are executed."""

    table: ClassVar[str] = "data_test_execution"
    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: _ID
    value: _Name
