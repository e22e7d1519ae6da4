"""Lists all repositories of a project, or of a collection if the address does not name a project."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from gros_agent.runtime.urls import split
from gros_agent.sources.azure_devops.access import client_for, negotiated
from gros_agent.sources.azure_devops.answers import Listed, Neighbour
from gros_agent.sources.azure_devops.place import place, quoted
from gros_agent.sources.base import Context, Environment, SourceEntry


def repositories(context: Context) -> Iterator[SourceEntry]:
    """Every enabled repository, with an address on the host that the entry names.

    Raises :class:`SourceError`.
    """
    where = place(context)
    collection = f"{where.url}/_apis/git"
    url, first = f"{collection}/repositories", f"{collection}/repositories"
    if where.names_project:
        url, first = f"{where.project_url}/_apis/git/repositories", f"{collection}/{quoted(where.project)}/repositories"
    parts = split(context.entry.url)
    if parts.scheme not in {"http", "https"}:
        parts = urlsplit(where.base)
    base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    for one in negotiated(client_for(context, where), url, first, Listed[Neighbour]).answer.value.value:
        if not one.is_disabled:
            yield SourceEntry("tfs", one.name, f"{base}{urlsplit(one.remote_url).path}")


def environment(context: Context) -> Environment:
    """The collection, and the project if the address has it, in the form of existing installations."""
    where = place(context)
    length = 2 if where.above and where.above[0] == "tfs" else 1
    names = ("/".join(where.above[:length]), *where.above[length : length + 1])
    return Environment("tfs", "/".join((where.base, *names)), (where.base, *(one.lower() for one in names)))
