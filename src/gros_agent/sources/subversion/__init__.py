"""Subversion repositories: revisions, the files that they change, and tags.

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

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import MappingProxyType

from gros_agent.rows import ChangePath, Row, Tag, VcsVersion
from gros_agent.sources.base import Collected, Context, Declared, Order
from gros_agent.sources.common.host_options import COMMON, HISTORY
from gros_agent.sources.subversion import access, tags
from gros_agent.sources.subversion.client import Client, Info
from gros_agent.sources.subversion.history import History
from gros_agent.sources.subversion.mirror import Mirror
from gros_agent.sources.subversion.server import Server


class SubversionSource(Declared):
    """Any repository that Subversion can read: over its own protocol, SSH or HTTPS, or from a folder."""

    kind = "subversion"
    title = "Subversion"
    tables: tuple[type[Row], ...] = (VcsVersion, ChangePath, Tag)
    items: type[Row] = VcsVersion
    tracker = "latest_vcs_versions.json"
    order = Order.REPOSITORIES
    host_options = (*COMMON, *HISTORY)
    programs: Mapping[str, Callable[[], str]] = MappingProxyType({"svn": access.supported_version})

    def check(self, context: Context) -> str:
        """Ask the repository for its youngest revision."""
        return f"answers; newest revision {Client(context).info().revision}"

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield new revisions, oldest first, their changed files, and all tags."""
        client = Client(context)
        info = client.info()
        mirror = Mirror(context.folder)
        start, notes = _start(since, info, mirror)
        history = History(client, info, start, context.entry.name)
        if context.host.is_on("skip_stats"):
            yield from history.rows(None, context.progress)
            ask = tags.asked_messages(client, info.revision)
            yield from tags.rows(client, info.revision, context.entry.name, ask, history.moments)
        else:
            mirror.update(client, info, context.progress)
            with Server(mirror.path) as server:
                yield from history.rows(server, context.progress)
                yield from tags.rows(client, info.revision, context.entry.name, _messages(server), history.moments)
        notes = (*notes, *history.notes, *_ignored(context))
        return Collected(position=str(info.revision), notes=notes, expected=history.count)


def _start(since: str | None, info: Info, mirror: Mirror) -> tuple[int, tuple[str, ...]]:
    """The revision to go on after, and what the outcome has to name. Raises :class:`SourceError`."""
    if since is None:
        return 0, ()
    if not (since.isascii() and since.isdecimal()):
        return 0, (f"the tracker's position {since!r} is no revision: everything was collected again",)
    if int(since) > info.revision:
        return 0, (f"revision {since} of the last scrape is gone: everything was collected again",)
    if mirror.is_of_another(info):
        return 0, ("another repository answers at this URL than before: everything was collected again",)
    return int(since), ()


def _messages(server: Server) -> tags.Messages:
    return lambda revisions: {number: server.message(number) for number in revisions}


def _ignored(context: Context) -> Iterator[str]:
    """Name the options that are set and that this source does not act on."""
    for option in ("from_date", "tag"):
        if context.host.is_on(option):
            yield f"[{context.host.section}] {option} is not acted on: all revisions were collected"


SOURCE = SubversionSource()
