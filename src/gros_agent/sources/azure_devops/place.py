"""Parses the address of a repository, in all the forms that Azure DevOps has."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from gros_agent.errors import SourceError
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context
from gros_agent.sources.common import api

PUBLIC = "https://dev.azure.com"
_SSH = frozenset({"ssh.dev.azure.com", "vs-ssh.visualstudio.com"})
_SWITCHES = frozenset({"true", "yes", "on", "1"})


@dataclass(frozen=True)
class Place:
    """A repository. ``base`` is the server's address, ``collection`` a path below it (or an organisation).

    ``above`` are the path segments before the repository, as spelled in the address. They may lack the project if it
    has the same name as the repository.
    """

    base: str
    collection: str
    project: str
    repository: str
    above: tuple[str, ...]

    @property
    def url(self) -> str:
        """The address of the collection."""
        return f"{self.base}/{quote(self.collection)}" if self.collection else self.base

    @property
    def project_url(self) -> str:
        """The address of the project."""
        return f"{self.url}/{quoted(self.project)}"

    @property
    def names_project(self) -> bool:
        """Whether the address contains the project."""
        return len(self.above) > len([one for one in self.collection.split("/") if one])


def quoted(name: str) -> str:
    """A name, escaped as a path segment."""
    return quote(name, safe="")


def place(context: Context) -> Place:
    """Parse a source's address. Raises :class:`SourceError` if it does not name a repository."""
    url, host = context.entry.url, context.host
    parts = split(url)
    path, strip = parts.path.strip("/"), (host.get("strip") or "").strip("/")
    given = [one for one in (path.removeprefix(f"{strip}/") if strip else path).split("/") if one]
    segments = [unquote(one) for one in given]
    hostname = (parts.hostname or "").lower()
    wrong = SourceError(f"{url} names no repository", "write https://HOST/COLLECTION/PROJECT/_git/REPOSITORY")
    if hostname in _SSH:
        if len(segments) != 4 or segments[0] != "v3":  # noqa: PLR2004 (v3, organisation, project, repository)
            raise wrong
        return Place(PUBLIC, segments[1], segments[2], segments[3], tuple(given[1:3]))
    mark = next((number for number, one in enumerate(segments) if one.lower() in {"_git", "_ssh"}), None)
    if mark is None or len(segments) != mark + 2:
        raise wrong
    before, repository = segments[:mark], segments[-1]
    length = _collection_length(hostname, before, host.get("tfs") or "", url)
    if len(before) < length:
        raise wrong
    project = before[length] if len(before) > length else repository
    base = "/".join(one for one in (api.web_base(parts, host), strip) if one)
    return Place(base, "/".join(before[:length]), project, repository, tuple(given[:mark]))


def _collection_length(hostname: str, before: list[str], configured: str, url: str) -> int:
    """The number of path segments that name the collection."""
    if hostname.endswith(".visualstudio.com"):
        return int(bool(before) and before[0].lower() == "defaultcollection")
    if configured and configured.lower() not in _SWITCHES:
        named = [unquote(one).lower() for one in configured.split("/") if one]
        if [one.lower() for one in before[: len(named)]] != named:
            raise SourceError(
                f"{url} lies outside of the collection {configured}", "correct tfs of this host, or the source's URL"
            )
        return len(named)
    return 2 if before and before[0].lower() == "tfs" else 1
