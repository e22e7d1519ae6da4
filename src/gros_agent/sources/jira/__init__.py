"""Projects on Jira Server and Data Center (8.20 and newer), and on Jira Cloud.

What is asked:

- :mod:`.address` takes addresses of servers and of pages apart,
- :mod:`.access` finds the server and its deployment, logs in, and explains refusals; :mod:`.shapes` has the shapes of
  its answers,
- :mod:`.lists` reads the pages of a list,
- :mod:`.metadata` reads what a project has besides issues: versions, components, boards, sprints, people,
- :mod:`.search` finds the issues that changed: :mod:`.server_search` on a server, :mod:`.cloud_search` on Cloud;
  :mod:`.details` completes changelogs and lists of comments,
- :mod:`.position` says from when, and where the next collection goes on,
- :mod:`.gathering` puts these in order.

What is made of it:

- :mod:`.collect` makes rows of everything,
- :mod:`.mapping` reads the mapping of fields to columns: ``fields.json``, or a file of the user's own,
- :mod:`.fields` finds the fields of the mapping on a server,
- :mod:`.parsers` turns values of fields into values of columns, as they are now and as they were before a change;
  :mod:`.columns` makes them fit their column,
- :mod:`.moments` and :mod:`.sprints` parse dates and sprints,
- :mod:`.seen` and :mod:`.people` gather people, sprints, statuses and whatever else issues refer to,
- :mod:`.replay` makes the versions of an issue from its changes, with :mod:`.changes` and :mod:`.states`;
  :mod:`.links` makes its links and components, :mod:`.comments` its comments.

Both deployments are asked by version 2 of the API, whose texts are wiki markup as in the tables; version 3 has objects.
The tracker is that of existing installations: one line, a moment to the minute for the whole project.

The APIs are described at https://docs.atlassian.com/software/jira/docs/api/REST/latest and
https://developer.atlassian.com/cloud/jira/platform/rest/v2/.
"""

from gros_agent.options.hosts import HostOption
from gros_agent.rows import (
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
    Row,
)
from gros_agent.sources.base import Context, Environment, Order
from gros_agent.sources.common.host_options import COMMON
from gros_agent.sources.common.lazy import LazyApiSource


class JiraSource(LazyApiSource):
    """A project whose issues, their versions, comments and sprints are collected."""

    kind = "jira"
    title = "Jira"
    order = Order.ISSUES
    tables: tuple[type[Row], ...] = (
        *(JiraIssue, JiraComment, JiraDeveloper, JiraSprint, JiraVersion, JiraComponent, JiraIssueComponent),
        *(JiraIssueLink, JiraSubtask, JiraIssueType, JiraResolution, JiraPriority, JiraStatus, JiraStatusCategory),
        *(JiraRelationshipType, JiraReadyStatus, JiraTestExecution),
    )
    items: type[Row] = JiraIssue
    tracker = "jira-updated.txt"
    capability = "jira"
    host_options: tuple[HostOption, ...] = (*COMMON, HostOption("agile_rest_path", "path of Jira's agile API"))

    def environment(self, context: Context) -> Environment:
        """The server."""
        found: Environment = self._load("access").environment(context)
        return found


SOURCE = JiraSource()
