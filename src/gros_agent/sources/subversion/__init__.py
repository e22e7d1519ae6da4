"""Subversion repositories: revisions, the files that they change, and tags.

- :mod:`.collect` collects a repository,
- :mod:`.access` determines the URL and credentials, :mod:`.client` runs ``svn`` and explains its failures,
- :mod:`.log` reads the revisions from one ``svn log``, :mod:`.tags` lists the tags,
- :mod:`.mirror` updates a local copy with one ``svnrdump``, :mod:`.server` reads texts from it,
- :mod:`.changes` finds the files that a revision changed, :mod:`.lines` counts lines.

A local copy is needed since line counts require the texts before and after a change, and Subversion has no request for
the differences of several revisions at once. ``svn log --diff`` makes two connections for each revision and a request
for each file, leaves out the lines of deleted files, and shows a new tag as many added files. ``svnrdump`` streams
everything through one connection, as ``git fetch`` does. So the repository gets four requests, however many revisions
are new: for its state, the log, the differences, and the list of tags.
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


class SubversionSource(LazySource):
    """Any repository that Subversion can read: over its own protocol, SSH or HTTPS, or from a folder."""

    kind = "subversion"
    title = "Subversion"
    order = Order.REPOSITORIES
    tables: tuple[type[Row], ...] = (VcsVersion, ChangePath, Tag)
    items: type[Row] = VcsVersion
    tracker = "latest_vcs_versions.json"
    host_options = (*COMMON, *HISTORY)
    programs: Mapping[str, Callable[[], str]] = MappingProxyType({"svn": _version})


SOURCE = SubversionSource()
