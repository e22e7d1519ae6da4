"""Projects on GitLab, gitlab.com and self-managed under any path: the data of the API beyond Git.

- :mod:`.access` finds the API, and explains errors; :mod:`.shapes` has the shapes of its answers,
- :mod:`.collect` reads merge requests with their discussions, :mod:`.events` reads pushes,
- :mod:`.rows` makes rows of them,
- :mod:`.discovery` lists the projects of a group.

The API is described at https://docs.gitlab.com/api/rest/.
"""

from collections.abc import Mapping

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right
from gros_agent.rows import CommitComment, GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, Row, VcsEvent
from gros_agent.sources.base import Environment
from gros_agent.sources.common.host_options import COMMON, GROUP, SKIP_ARCHIVED
from gros_agent.sources.common.lazy import LazyKeyPublisher


class GitLabSource(LazyKeyPublisher):
    """A project with its merge requests, discussions and pushes."""

    kind = "gitlab"
    title = "GitLab"
    tables: tuple[type[Row], ...] = (
        *(GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
    )
    items: type[Row] = MergeRequest
    tracker = "gitlab_update.json"
    host_options: tuple[HostOption, ...] = (
        *COMMON,
        HostOption(
            "gitlab_token",
            "API token",
            secret=True,
            controller=Right.CREDENTIAL,
            identifies=True,
            git_user="oauth2",  # as in GitLab's documentation
        ),
        HostOption("has_commit_comments", "GitLab: ask for the comments of each new commit", in_template=False),
        GROUP,
        SKIP_ARCHIVED,
    )

    def project_columns(self, environment: Environment, team: str | None, long_name: str | None) -> Mapping[str, str]:
        """The configured group, or the project's long name."""
        del team
        group = environment.identity[1] or long_name
        return {"gitlab_group_name": group} if group else {}


SOURCE = GitLabSource()
