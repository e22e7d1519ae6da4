"""Repositories on Forgejo and Gitea, under whatever path: what the API knows beside Git.

- :mod:`.access` finds the API, checks it, and explains refusals; :mod:`.shapes` has the shapes of its answers,
- :mod:`.lists` goes through the pages of a list,
- :mod:`.collect` goes through issues and comments, :mod:`.pulls` through pull requests with their reviews,
- :mod:`.rows` makes rows of them,
- :mod:`.discovery` lists the repositories of an owner, :mod:`.keys` publishes a public key.

The API is modelled on GitHub's REST API: issues and pull requests share one series of numbers. So a pull request is
known by its number, and issues go into the tables of GitHub's issues, whose fields mean the same here. The repository
itself has no row: the tables of repositories say which repository of GitHub or GitLab it is. The tracker is GitHub's,
since existing controllers hand back only the trackers that they know, and this one has a moment for each source, too.

What is not collected: the texts of reviews, pushes, reactions, and who closed an issue. A comment on lines that is
edited comes when its pull request changes. Accounts that were deleted are all Ghost, and what was moved from another
system belongs to the name that it had there. Bots with an account like any other's can't be told from people.

The API is described at https://forgejo.org/docs/latest/user/api-usage/ and https://docs.gitea.com/development/api-usage;
every server has its own description at ``/api/swagger``.
"""

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right
from gros_agent.rows import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    Row,
)
from gros_agent.sources.common.host_options import COMMON, GROUP, SKIP_ARCHIVED
from gros_agent.sources.common.lazy import LazyKeyPublisher


class ForgejoSource(LazyKeyPublisher):
    """A repository whose pull requests, reviews, issues and comments are collected."""

    kind = "forgejo"
    also_called = ("gitea",)
    sent_as = "git"  # the published lists of types have none for these systems
    title = "Forgejo / Gitea"
    tables: tuple[type[Row], ...] = (
        *(MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment),
        *(GitHubIssue, GitHubIssueNote),
    )
    items: type[Row] = MergeRequest
    tracker = "github_update.json"
    host_options: tuple[HostOption, ...] = (
        *COMMON,
        HostOption(
            "forgejo_token",
            "API token of a Forgejo or Gitea",
            secret=True,
            controller=Right.CREDENTIAL,
            identifies=True,
            git_user="x-oauth-basic",  # any name is taken with a token
        ),
        GROUP,
        SKIP_ARCHIVED,
    )


SOURCE = ForgejoSource()
