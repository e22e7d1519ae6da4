"""Repositories on GitHub, github.com and Enterprise Server: what the API knows beside Git.

- :mod:`.access` finds the API and the credentials, and explains refusals,
- :mod:`.graphql` sends queries, :mod:`.queries` has their texts and the shapes of their answers,
- :mod:`.collect` goes through pull requests and issues page by page, :mod:`.rows` makes rows of them,
- :mod:`.comments` asks for comments on commits, which need the REST API,
- :mod:`.discovery` lists the repositories of an owner.

The API is described at https://docs.github.com/en/graphql and https://docs.github.com/en/rest.
"""

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
from gros_agent.sources.common.lazy import LazyKeyPublisher


class GitHubSource(LazyKeyPublisher):
    """A repository whose pull requests, reviews, issues and comments are collected."""

    kind = "github"
    title = "GitHub"
    tables: tuple[type[Row], ...] = (
        *(GitHubRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment),
        *(GitHubIssue, GitHubIssueNote),
    )
    items: type[Row] = GitHubIssue
    tracker = "github_update.json"


SOURCE = GitHubSource()
