"""Git repositories: commits of the default branch, the files that they change, and tags.

- :mod:`.collect` collects a repository,
- :mod:`.access` determines the URL and credentials, :mod:`.clone` keeps a bare local clone,
- :mod:`.order` lists the commits and finds the branch of each, :mod:`.log` reads them with their changes,
- :mod:`.sizes` looks up the sizes of objects, :mod:`.tags` reads tags.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gros_agent.rows import ChangePath, Row, Tag, VcsVersion
from gros_agent.sources.base import Order
from gros_agent.sources.common.host_options import COMMON, HISTORY
from gros_agent.sources.common.lazy import LazySource, load


def _version() -> str:
    version: str = load(f"{__name__}.access").supported_version()
    return version


class GitSource(LazySource):
    """Any repository that git can read: over HTTPS, SSH or git's own protocol, or from a folder."""

    kind = "git"
    title = "Git"
    order = Order.REPOSITORIES
    tables: tuple[type[Row], ...] = (VcsVersion, ChangePath, Tag)
    items: type[Row] = VcsVersion
    tracker = "latest_vcs_versions.json"
    host_options = (*COMMON, *HISTORY)
    programs: Mapping[str, Callable[[], str]] = MappingProxyType({"git": _version})


SOURCE = GitSource()
