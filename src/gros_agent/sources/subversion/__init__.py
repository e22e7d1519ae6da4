"""Subversion repositories: revisions, the files that they change, and tags.

- :mod:`.collect` goes through a repository,
- :mod:`.access` decides where to connect and as whom, :mod:`.client` runs ``svn`` and explains its failures,
- :mod:`.log` reads the revisions out of one ``svn log``, :mod:`.tags` lists the tags,
- :mod:`.mirror` keeps a local copy that one ``svnrdump`` brings up to date, :mod:`.server` asks it for texts,
- :mod:`.changes` finds the files that a revision changed, :mod:`.lines` counts lines.

Why a local copy: line counts need the texts before and after a change, and Subversion has no request that tells the
differences of several revisions at once. ``svn log --diff`` makes two connections for each revision and a request for
each file, leaves out the lines of deleted files, and shows a new tag as so many added files. ``svnrdump`` streams all
of it through one connection, as ``git fetch`` does. So however many revisions are new, the repository gets four
requests: what is there, the log, the differences, and the list of tags.
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
