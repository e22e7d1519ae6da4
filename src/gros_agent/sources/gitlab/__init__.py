"""Projects on GitLab, gitlab.com and self-managed under any path: what the API knows beside Git.

- :mod:`.access` finds the API, and explains refusals; :mod:`.shapes` has the shapes of its answers,
- :mod:`.collect` goes through merge requests with their discussions, :mod:`.events` through pushes,
- :mod:`.rows` makes rows of them,
- :mod:`.discovery` lists the projects of a group.

The API is described at https://docs.gitlab.com/api/rest/.
"""

from gros_agent.rows import CommitComment, GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, Row, VcsEvent
from gros_agent.sources.common.lazy import LazyKeyPublisher


class GitLabSource(LazyKeyPublisher):
    """A project whose merge requests, discussions and pushes are collected."""

    kind = "gitlab"
    title = "GitLab"
    tables: tuple[type[Row], ...] = (
        *(GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
    )
    items: type[Row] = MergeRequest
    tracker = "gitlab_update.json"


SOURCE = GitLabSource()
