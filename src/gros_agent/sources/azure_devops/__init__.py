"""Repositories on Azure DevOps, Services and Server (once Team Foundation Server): what the API knows beside Git.

- :mod:`.place` takes addresses apart,
- :mod:`.access` has the credentials, finds the version that the server speaks, and explains refusals,
- :mod:`.ntlm` proves Windows accounts to servers that take nothing else,
- :mod:`.discovery` lists the repositories of a project,
- :mod:`.answers` has the shapes of answers,
- :mod:`.collect` goes through pull requests, their threads, and pushes; :mod:`.rows` makes rows of them,
- :mod:`.boards` goes through teams, sprints and the versions of work items; :mod:`.fields` knows the fields of those.

The API is described at https://learn.microsoft.com/en-us/rest/api/azure/devops/.
"""

from collections.abc import Generator, Iterable, Sequence

from gros_agent.sources.base import Collected, Context, Environment, SourceEntry
from gros_agent.tables.schema import (
    CommitComment,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    Row,
    TfsDeveloper,
    TfsSprint,
    TfsTeam,
    TfsTeamMember,
    TfsWorkItem,
    VcsEvent,
)


class AzureDevOpsSource:
    """A repository whose pull requests, reviews, comments and pushes are collected, and the boards of its project."""

    kind = "tfs"
    title = "Azure DevOps"
    tables: tuple[type[Row], ...] = (
        *(MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
        *(TfsTeam, TfsTeamMember, TfsSprint, TfsWorkItem, TfsDeveloper),
    )
    items: type[Row] = MergeRequest
    tracker = "tfs_update.json"
    documents: tuple[str, ...] = ()
    alongside: tuple[str, ...] = ("git",)

    def check(self, context: Context) -> str:
        """Say who the password belongs to, the version of the API, and which repository is seen."""
        from gros_agent.sources.azure_devops import access  # noqa: PLC0415 (slow to import, and not always needed)

        return access.check(context)

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield what changed since a moment, and the teams and sprints as they are."""
        from gros_agent.sources.azure_devops import collect  # noqa: PLC0415 (slow to import, and not always needed)

        return (yield from collect.collect(context, since))

    def repositories(self, context: Context) -> Iterable[SourceEntry]:
        """Every repository of the project or collection."""
        from gros_agent.sources.azure_devops import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.repositories(context)

    def environment(self, context: Context) -> Environment:
        """The collection, and the project if the address has it."""
        from gros_agent.sources.azure_devops import discovery  # noqa: PLC0415 (slow to import, and few have seeds)

        return discovery.environment(context)


SOURCE = AzureDevOpsSource()
