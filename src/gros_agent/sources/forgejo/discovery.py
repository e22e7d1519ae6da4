"""All repositories of an organisation or a user."""

from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.faults import HttpError
from gros_agent.sources.base import Context, Environment, SourceEntry
from gros_agent.sources.common import api
from gros_agent.sources.forgejo import access
from gros_agent.sources.forgejo.lists import Lists
from gros_agent.sources.forgejo.shapes import Listed

_TYPE = "git"
"""What an owner is in ``data_environments.json``: its published schema has no type of its own for these systems."""


def owner(context: Context) -> str:
    """The owner that is configured for the host, else that of the URL. Raises :class:`SourceError` if it names none."""
    found = context.host.get("group") or api.repository_path(context.entry.url, context.host).partition("/")[0]
    if not found:
        raise SourceError(f"{context.entry.url} names no owner", "write https://HOST/OWNER/REPOSITORY")
    return found


def repositories(context: Context) -> Iterator[SourceEntry]:
    """Every repository of the organisation, or of the user of that name. Raises :class:`SourceError`."""
    client, base, name = access.client(context), access.base(context), quote(owner(context), safe="")
    without_archived = context.host.is_on("skip_archived")
    for one in _listed(access.lists(client, base), base, name):
        if not (one.archived and without_archived):
            yield SourceEntry("forgejo", one.name, one.clone_url.removesuffix(".git"))


def _listed(lists: Lists, base: str, name: str) -> Iterator[Listed]:
    """The repositories of an owner; those of an organisation may be hidden from a token that sees those of users."""
    try:
        yield from _pages(lists, f"{base}/orgs/{name}/repos")
    except HttpError as error:
        if error.code not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
            raise
        yield from _pages(lists, f"{base}/users/{name}/repos")


def _pages(lists: Lists, url: str) -> Iterator[Listed]:
    for page in lists.pages(url, Listed):
        yield from page.value


def environment(context: Context) -> Environment:
    """The owner, known by the server's web address and its name."""
    web, name = api.web_root(context), owner(context)
    return Environment(_TYPE, f"{web}/{name}", (web, name))
