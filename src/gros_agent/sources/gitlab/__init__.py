"""Projects on GitLab, gitlab.com and self-managed under any path: what the API knows beside Git.

- :mod:`.access` finds the API, and explains refusals; :mod:`.shapes` has the shapes of its answers,
- :mod:`.collect` goes through merge requests with their discussions, :mod:`.events` through pushes,
- :mod:`.rows` makes rows of them,
- :mod:`.discovery` lists the projects of a group.

The API is described at https://docs.gitlab.com/api/rest/.
"""

from collections.abc import Generator, Iterable, Sequence

from gros_agent.sources.base import Collected, Context, Environment, SourceEntry
from gros_agent.tables.schema import (
    CommitComment,
    GitLabRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    Row,
    VcsEvent,
)


class GitLabSource:
    """A project whose merge requests, discussions and pushes are collected."""

    kind = "gitlab"
    title = "GitLab"
    tables: tuple[type[Row], ...] = (
        *(GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
    )
    items: type[Row] = MergeRequest
    tracker = "gitlab_update.json"
    documents: tuple[str, ...] = ()
    alongside: tuple[str, ...] = ("git",)

    def check(self, context: Context) -> str:
        """Say who the token is, what it may do and until when, and whether it sees the project."""
        from gros_agent.sources.gitlab import access  # noqa: PLC0415 (slow to import, and not every project needs it)

        return access.check(context)

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what changed since a moment."""
        from gros_agent.sources.gitlab import collect  # noqa: PLC0415 (slow to import, and not every project needs it)

        return (yield from collect.collect(context, since))

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every project of the group."""
        from gros_agent.sources.gitlab import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.repositories(context)

    def environment(self, context: Context) -> Environment:
        """The group."""
        from gros_agent.sources.gitlab import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.environment(context)

    def publish_key(self, context: Context, title: str, line: str, *, dry_run: bool) -> str:
        """Give the token's user a public key."""
        from gros_agent.sources import keys  # noqa: PLC0415 (slow to import, and not every project needs it)
        from gros_agent.sources.gitlab import access  # noqa: PLC0415

        return keys.publish(access.client(context), f"{access.base(context)}/user/keys", title, line, dry_run=dry_run)

    def host_keys(self, _context: Context) -> Sequence[str]:
        """None: GitLab's API does not tell them."""
        return ()


SOURCE = GitLabSource()
