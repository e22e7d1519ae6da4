"""Lists all repositories of an owner, or of a team of an organisation."""

from collections.abc import Iterator, Mapping
from typing import Any

from gros_agent.errors import SourceError
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context, Environment, SourceEntry
from gros_agent.sources.common import api
from gros_agent.sources.github import access
from gros_agent.sources.github.graphql import GraphQL
from gros_agent.sources.github.queries import OWNED, TEAM, Owned, OwnedRepositories, TeamOwned


def owner(context: Context) -> str:
    """The user or organisation in a source's URL. Raises :class:`SourceError` if it has none."""
    found = api.repository_path(context.entry.url, context.host).partition("/")[0]
    if not found:
        raise SourceError(f"{context.entry.url} names no owner", "write https://HOST/OWNER/REPOSITORY")
    return found


def repositories(context: Context) -> Iterator[SourceEntry]:
    """Every repository of the owner, or of the project's team. Raises :class:`SourceError`."""
    base = access.rest_base(context)
    graphql = GraphQL(access.client(context, base), access.graphql_url(base))
    without_archived = context.host.is_on("skip_archived")
    cursor: str | None = None
    while True:
        page = _page(graphql, context, cursor)
        for one in page.nodes:
            if not (one.is_archived and without_archived):
                yield SourceEntry("github", one.name, one.url)
        if not page.page_info.has_next_page:
            return
        if page.page_info.end_cursor in {None, cursor}:
            raise SourceError(f"{base}: the list of repositories repeats in a loop", "try again later")
        cursor = page.page_info.end_cursor


def _page(graphql: GraphQL, context: Context, cursor: str | None) -> OwnedRepositories:
    name = owner(context)
    variables: Mapping[str, Any] = {"owner": name, "after": cursor}
    if context.team:
        slug = "-".join(context.team.lower().split())
        found = graphql.ask(TEAM, {**variables, "slug": slug}, TeamOwned).data.organization
        if found is not None and found.team is not None:
            return found.team.repositories
        raise SourceError(f"{name} has no team {slug}", "see [teams] in settings.cfg; the token needs read:org")
    known = graphql.ask(OWNED, variables, Owned).data.repository_owner
    if known is None:
        raise SourceError(f"there is no owner {name} on this GitHub", "check the address")
    return known.repositories


def environment(context: Context) -> Environment:
    """The owner in the form of existing installations: host, owner, and the team or None."""
    parts, name = split(context.entry.url), owner(context)
    web = api.web_base(parts, context.host)
    return Environment("github", f"{web}/{name}", (parts.netloc.rpartition("@")[2], name, context.team or None))
