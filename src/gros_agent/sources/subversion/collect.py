"""Collects a repository: its new revisions with their changes, and all tags."""

from collections.abc import Generator, Iterator, Sequence

from gros_agent.rows import Row
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.subversion import tags
from gros_agent.sources.subversion.client import Client, Info
from gros_agent.sources.subversion.history import History
from gros_agent.sources.subversion.mirror import Mirror
from gros_agent.sources.subversion.server import Server


def check(context: Context) -> str:
    """Ask the repository for its youngest revision."""
    return f"answers; newest revision {Client(context).info().revision}"


def collect(context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
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
    """The revision to start after, and remarks for the outcome. Raises :class:`SourceError`."""
    if since is None:
        return 0, ()
    if not (since.isascii() and since.isdecimal()):
        return 0, (f"the tracker's position {since!r} is not a revision: everything was collected again",)
    if int(since) > info.revision:
        return 0, (f"revision {since} of the last scrape is gone: everything was collected again",)
    if mirror.is_of_another(info):
        return 0, ("another repository answers at this URL than before: everything was collected again",)
    return int(since), ()


def _messages(server: Server) -> tags.Messages:
    return lambda revisions: {number: server.message(number) for number in revisions}


def _ignored(context: Context) -> Iterator[str]:
    """Notes about configured options that this source does not support."""
    for option in ("from_date", "tag"):
        if context.host.is_on(option):
            yield f"[{context.host.section}] {option} has no effect: all revisions were collected"
