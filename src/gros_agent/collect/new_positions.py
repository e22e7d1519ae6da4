"""The positions that a scrape has reached, and the trackers that hold them."""

from collections.abc import Mapping, Sequence

from gros_agent.collect.engine import Gathered, LeftOff, key_of
from gros_agent.sources.base import Part
from gros_agent.tables import trackers
from gros_agent.tables.writer import WrittenTables


def moved(known: LeftOff, done: Sequence[Gathered[WrittenTables]]) -> LeftOff:
    """The positions after this scrape: the earlier ones, updated for the parts that were collected."""
    reached = {name: dict(content) for name, content in known.positions.items()}
    documents = dict(known.documents)
    for one in done:
        if isinstance(one.task, Part) and one.collected is not None:
            if one.collected.position is not None:
                reached[one.task.source.tracker][key_of(one.task)] = one.collected.position
            for name, content in one.collected.documents.items():
                documents[name] = trackers.merged(documents[name], content)
    return LeftOff(reached | _shared(known, done), documents)


def _shared(known: LeftOff, done: Sequence[Gathered[WrittenTables]]) -> dict[str, dict[str, str]]:
    """The trackers whose position is that of several parts: the earliest one, or the former one if a part has none."""
    found: dict[str, list[str | None]] = {}
    keys: dict[str, str] = {}
    for one in done:
        if isinstance(one.task, Part) and one.task.source.tracker in trackers.LINES:
            name = one.task.source.tracker
            keys[name] = key_of(one.task)
            reached = one.collected.position if one.collected else None
            found.setdefault(name, []).append(reached or known.since(one.task))
    return {
        name: {keys[name]: min(one for one in reached if one)} if all(reached) else dict(known.positions[name])
        for name, reached in found.items()
    }


def encoded(known: LeftOff, done: Sequence[Gathered[WrittenTables]]) -> dict[str, bytes]:
    """The contents of all trackers."""
    listed: dict[str, list[Mapping[str, str]]] = {}
    for one in done:
        if isinstance(one.task, Part):
            listed.setdefault(one.task.source.tracker, []).append(one.task.entry.listed())
    documents = dict(known.documents)
    written = {
        name: trackers.encode(name, content, listed.get(name, ()), documents.pop(name, None))
        for name, content in known.positions.items()
        if content or name not in trackers.LINES
    }
    # a document that is a line of text is from older agents: it is read, and never changed
    return written | {
        name: trackers.encode_document(content)
        for name, content in documents.items()
        if trackers.TEXT not in content and content
    }
