"""Reads revisions from one ``svn log --xml -v``, oldest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from gros_agent.sources.subversion.client import Client, seconds


@dataclass(frozen=True, slots=True)
class ChangedPath:
    """A changed path of the log, relative to the repository's root, with a leading slash.

    ``action`` is A, D, M or R (deleted and added in one revision). ``kind`` is file, dir, or empty if an old server
    does not report it. ``text`` and ``properties`` say whether these changed (true if an old server does not report
    it).
    """

    path: str
    action: str
    kind: str
    text: bool
    properties: bool
    source: str | None = None
    source_revision: int = 0


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision, with its date in seconds since 1970. The author and the date may be missing."""

    number: int
    author: str
    date: int | None
    message: str
    paths: tuple[ChangedPath, ...]


def read(client: Client, first: int, last: int) -> Iterator[Revision]:
    """Yield the revisions from ``first`` to ``last`` that changed something below the URL, under its current name.

    Raises :class:`SourceError`.
    """
    if first > last:
        return
    url = client.access.at("", last)
    for entry in client.elements("logentry", "log", "-v", "--stop-on-copy", "-r", f"{first}:{last}", url):
        yield revision(entry)


def revision(entry: ET.Element) -> Revision:
    """Parse a ``logentry``."""
    return Revision(
        int(entry.get("revision") or 0),
        entry.findtext("author") or "",
        seconds(entry.findtext("date")),
        entry.findtext("msg") or "",
        tuple(sorted((_path(path) for path in entry.iterfind("paths/path")), key=lambda path: path.path)),
    )


def _path(element: ET.Element) -> ChangedPath:
    return ChangedPath(
        element.text or "",
        element.get("action") or "M",
        element.get("kind") or "",
        element.get("text-mods") != "false",
        element.get("prop-mods") != "false",
        element.get("copyfrom-path"),
        int(element.get("copyfrom-rev") or 0),
    )
