"""Repositories on GitHub, github.com and Enterprise Server: the data of the API beyond Git.

- :mod:`.access` finds the API and the credentials, and explains errors,
- :mod:`.graphql` sends queries, :mod:`.queries` has their texts and the shapes of their answers,
- :mod:`.collect` reads pull requests and issues page by page, :mod:`.rows` makes rows of them,
- :mod:`.comments` reads comments on commits, which need the REST API,
- :mod:`.discovery` lists the repositories of an owner.

The API is described at https://docs.github.com/en/graphql and https://docs.github.com/en/rest.
"""

from collections.abc import Mapping

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right
from gros_agent.rows import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    GitHubRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    Row,
)
from gros_agent.sources.base import Environment
from gros_agent.sources.common.host_options import COMMON, SKIP_ARCHIVED
from gros_agent.sources.common.lazy import LazyKeyPublisher


class GitHubSource(LazyKeyPublisher):
    """A repository with its pull requests, reviews, issues and comments."""

    kind = "github"
    title = "GitHub"
    tables: tuple[type[Row], ...] = (
        *(GitHubRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment),
        *(GitHubIssue, GitHubIssueNote),
    )
    items: type[Row] = GitHubIssue
    tracker = "github_update.json"
    host_options: tuple[HostOption, ...] = (
        *COMMON,
        HostOption("github_api_url", "API of GitHub Enterprise", "GITHUB_API", controller=Right.CONNECTION),
        HostOption(
            "github_token",
            "API token",
            secret=True,
            controller=Right.CREDENTIAL,
            identifies=True,
            git_user="x-access-token",  # as in GitHub's documentation
        ),
        HostOption("github_app_id", "id of a GitHub App, in place of a token", in_template=False, identifies=True),
        HostOption("github_app_installation", "id of the app's installation", in_template=False),
        HostOption("github_app_key", "file with the app's private key", in_template=False, file=True),
        HostOption("github_bots", "logins whose comments are left out, separated by commas", controller=Right.NAME),
        SKIP_ARCHIVED,
    )

    def project_columns(self, environment: Environment, team: str | None, long_name: str | None) -> Mapping[str, str]:
        """The project's team."""
        del environment, long_name
        return {"github_team": team} if team else {}


SOURCE = GitHubSource()
