"""The rows of every table: names, order and limits of the fields as the GROS project publishes them.

Source of the formats: the JSON Schemas of grip-on-software/data-gathering. Every value is text, including numbers
(except for categories of statuses); ``"0"`` also stands for *unknown*, *nobody* and *none*. Moments are local time.
"""

from gros_agent.rows.about import Project, SourceId
from gros_agent.rows.base import (
    LARGEST_INTEGER,
    NOBODY,
    Row,
    folded,
    is_valid,
    json_schema,
    key_of,
    length_limits,
    numbers,
    trimmed,
    units,
)
from gros_agent.rows.boards import TfsDeveloper, TfsSprint, TfsTeam, TfsTeamMember, TfsWorkItem
from gros_agent.rows.builds import Jenkins
from gros_agent.rows.issues import (
    JiraComment,
    JiraComponent,
    JiraDeveloper,
    JiraIssue,
    JiraIssueComponent,
    JiraIssueLink,
    JiraIssueType,
    JiraPriority,
    JiraReadyStatus,
    JiraRelationshipType,
    JiraResolution,
    JiraSprint,
    JiraStatus,
    JiraStatusCategory,
    JiraSubtask,
    JiraTestExecution,
    JiraVersion,
)
from gros_agent.rows.quality import Metric, MetricDefault, MetricTarget, MetricVersion
from gros_agent.rows.review import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    GitHubRepo,
    GitLabRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    VcsEvent,
)
from gros_agent.rows.vcs import ChangePath, Tag, VcsVersion

TABLES: tuple[type[Row], ...] = (
    *(VcsVersion, ChangePath, Tag),
    *(MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
    *(GitHubRepo, GitHubIssue, GitHubIssueNote, GitLabRepo),
    *(TfsTeam, TfsTeamMember, TfsSprint, TfsWorkItem, TfsDeveloper),
    *(JiraIssue, JiraComment, JiraDeveloper, JiraSprint, JiraVersion, JiraComponent, JiraIssueComponent),
    *(JiraIssueLink, JiraSubtask, JiraIssueType, JiraResolution, JiraPriority, JiraStatus, JiraStatusCategory),
    *(JiraRelationshipType, JiraReadyStatus, JiraTestExecution),
    *(Metric, MetricTarget, MetricVersion, MetricDefault),
    *(Jenkins, Project, SourceId),
)
"""All tables, in listing order."""

__all__ = [
    "LARGEST_INTEGER",
    "NOBODY",
    "TABLES",
    "ChangePath",
    "CommitComment",
    "GitHubIssue",
    "GitHubIssueNote",
    "GitHubRepo",
    "GitLabRepo",
    "Jenkins",
    "JiraComment",
    "JiraComponent",
    "JiraDeveloper",
    "JiraIssue",
    "JiraIssueComponent",
    "JiraIssueLink",
    "JiraIssueType",
    "JiraPriority",
    "JiraReadyStatus",
    "JiraRelationshipType",
    "JiraResolution",
    "JiraSprint",
    "JiraStatus",
    "JiraStatusCategory",
    "JiraSubtask",
    "JiraTestExecution",
    "JiraVersion",
    "MergeRequest",
    "MergeRequestNote",
    "MergeRequestReview",
    "Metric",
    "MetricDefault",
    "MetricTarget",
    "MetricVersion",
    "Project",
    "Row",
    "SourceId",
    "Tag",
    "TfsDeveloper",
    "TfsSprint",
    "TfsTeam",
    "TfsTeamMember",
    "TfsWorkItem",
    "VcsEvent",
    "VcsVersion",
    "folded",
    "is_valid",
    "json_schema",
    "key_of",
    "length_limits",
    "numbers",
    "trimmed",
    "units",
]
