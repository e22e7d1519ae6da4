"""Repositories on GitHub, github.com and Enterprise Server: what the API knows beside Git.

- :mod:`.access` finds the API and the credentials, and explains refusals,
- :mod:`.graphql` sends queries, :mod:`.queries` has their texts and the shapes of their answers,
- :mod:`.collect` goes through pull requests and issues page by page, :mod:`.rows` makes rows of them,
- :mod:`.comments` asks for comments on commits, which need the REST API,
- :mod:`.discovery` lists the repositories of an owner.

The API is described at https://docs.github.com/en/graphql and https://docs.github.com/en/rest.
"""

from collections.abc import Generator, Iterable, Sequence

from gros_agent.sources.base import Collected, Context, Environment, SourceEntry
from gros_agent.tables.schema import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    GitHubRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    Row,
)


class GitHubSource:
    """A repository whose pull requests, reviews, issues and comments are collected."""

    kind = "github"
    title = "GitHub"
    tables: tuple[type[Row], ...] = (
        *(GitHubRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment),
        *(GitHubIssue, GitHubIssueNote),
    )
    items: type[Row] = GitHubIssue
    tracker = "github_update.json"
    documents: tuple[str, ...] = ()
    alongside: tuple[str, ...] = ("git",)

    def check(self, context: Context) -> str:
        """Say who the token is, what it may do and until when, and whether it sees the repository."""
        from gros_agent.sources.github import access  # noqa: PLC0415 (slow to import, and not every project needs it)

        return access.check(context)

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what changed since a moment; pull requests are issues, too."""
        from gros_agent.sources.github import collect  # noqa: PLC0415 (slow to import, and not every project needs it)

        return (yield from collect.collect(context, since))

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every repository of the owner, or of the project's team."""
        from gros_agent.sources.github import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.repositories(context)

    def environment(self, context: Context) -> Environment:
        """The owner."""
        from gros_agent.sources.github import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.environment(context)

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Give the token's user a public key."""
        from gros_agent.sources import keys  # noqa: PLC0415 (slow to import, and not every project needs it)
        from gros_agent.sources.github import access  # noqa: PLC0415

        base = access.rest_base(context)
        return keys.publish(access.client(context, base), f"{base}/user/keys", title, line, dry_run=dry_run)

    def host_keys(self, context: Context) -> Sequence[str]:
        """The host keys that GitHub publishes."""
        from gros_agent.sources.github import access  # noqa: PLC0415 (slow to import, and not every project needs it)

        return access.host_keys(context)


SOURCE = GitHubSource()
