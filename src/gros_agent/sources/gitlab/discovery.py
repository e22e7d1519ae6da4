"""Lists all projects of a group and its subgroups, or of a user."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.client import WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import by_link, pages
from gros_agent.sources.base import Context, Environment, SourceEntry
from gros_agent.sources.common import api
from gros_agent.sources.gitlab import access
from gros_agent.sources.gitlab.access import PAGE
from gros_agent.sources.gitlab.shapes import Listed


def group(context: Context) -> str:
    """The group that is configured for the host, or else the namespace in the URL. Raises :class:`SourceError`."""
    configured = context.host.get("group")
    found = configured or api.repository_path(context.entry.url, context.host).rpartition("/")[0]
    if not found:
        raise SourceError(f"{context.entry.url} names no group", "write https://HOST/GROUP/PROJECT")
    return found


def repositories(context: Context) -> Iterator[SourceEntry]:
    """Every project of the group, or of the user with that name. Raises :class:`SourceError`."""
    client, base, name = access.client(context), access.base(context), quote(group(context), safe="")
    query = {"per_page": PAGE, "order_by": "id", "sort": "asc"}
    if context.host.is_on("skip_archived"):
        query["archived"] = "false"
    try:
        yield from _listed(client, f"{base}/groups/{name}/projects", query | {"include_subgroups": "true"})
    except HttpError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        yield from _listed(client, f"{base}/users/{name}/projects", query)


def _listed(client: WebClient, url: str, query: Mapping[str, str]) -> Iterator[SourceEntry]:
    for page in pages(client, url, list[Listed], query, by_link, size="per_page", page="page"):
        for one in page.value:
            yield SourceEntry("gitlab", one.name, one.http_url_to_repo.removesuffix(".git"))


def environment(context: Context) -> Environment:
    """The group in the form of existing installations."""
    namespace = api.repository_path(context.entry.url, context.host).partition("/")[0]
    web, configured = api.web_root(context), context.host.get("group")
    return Environment("gitlab", f"{web}/{configured or namespace}", (web, configured, namespace))
