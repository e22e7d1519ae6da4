"""Repositories on Azure DevOps, Services and Server (formerly Team Foundation Server): the data of the API beyond Git.

- :mod:`.place` parses addresses,
- :mod:`.access` has the credentials, negotiates the version of the API, and explains errors,
- :mod:`.ntlm` logs in with Windows accounts on servers that accept nothing else,
- :mod:`.discovery` lists the repositories of a project,
- :mod:`.answers` has the shapes of answers,
- :mod:`.collect` reads pull requests, their threads, and pushes; :mod:`.rows` makes rows of them,
- :mod:`.boards` reads teams, sprints and versions of work items; :mod:`.fields` knows the fields of work items.

The API is described at https://learn.microsoft.com/en-us/rest/api/azure/devops/.
"""

from collections.abc import Mapping

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right
from gros_agent.rows import (
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
from gros_agent.sources.base import Environment
from gros_agent.sources.common.host_options import COMMON
from gros_agent.sources.common.lazy import LazyReviewSource


class AzureDevOpsSource(LazyReviewSource):
    """A repository with its pull requests, reviews, comments and pushes, and the boards of its project."""

    kind = "tfs"
    title = "Azure DevOps"
    tables: tuple[type[Row], ...] = (
        *(MergeRequest, MergeRequestNote, MergeRequestReview, CommitComment, VcsEvent),
        *(TfsTeam, TfsTeamMember, TfsSprint, TfsWorkItem, TfsDeveloper),
    )
    items: type[Row] = MergeRequest
    tracker = "tfs_update.json"
    host_options: tuple[HostOption, ...] = (
        *COMMON,
        HostOption(
            "tfs",
            "true, or a collection path: the host is Azure DevOps",
            controller=Right.CONNECTION,
            identifies=True,
        ),
    )

    def project_columns(self, environment: Environment, team: str | None, long_name: str | None) -> Mapping[str, str]:
        """The collection as spelled in its address. The environment's identity has it in lower case only."""
        del team, long_name
        begin = len(environment.identity[0] or "") + 1
        collection = (environment.url or "")[begin : begin + len(environment.identity[1] or "")]
        return {"tfs_collection": collection} if collection else {}


SOURCE = AzureDevOpsSource()
