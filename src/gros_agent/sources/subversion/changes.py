"""Finds the files that a revision changed, and how, from the paths in the log, with folders and copies resolved.

The rows follow those of Git, so that a team that migrates sees the same numbers:

- An added file has all its lines added, a deleted file all its lines deleted, also if its folder was deleted or copied.
  A replaced file is modified. A copy is added.
- A copy whose source is deleted in the same revision is renamed (R): its lines are compared with the source, and the
  source has no row. The same is true for the files of a folder that was moved.
- Copying, deleting or replacing a whole branch, tag or the trunk changes no file. Further changes in the copy by the
  same revision do, compared with the source. If the trunk moves to or from a place that is none of these, its files are
  renamed like those of any folder.
- A change of properties alone makes a file modified with no lines added or deleted. A binary file (by its MIME type)
  has no lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gros_agent.sources.subversion.lines import count, is_binary
from gros_agent.sources.subversion.log import ChangedPath, Revision
from gros_agent.sources.subversion.server import File, Server

_ROOTS = ("trunk", "branches", "tags")
_MERGEINFO = b"svn:mergeinfo"


class Place(NamedTuple):
    """A path in a revision."""

    path: str
    revision: int


class Change(NamedTuple):
    """A changed file: kind (M, A, D or R), its path below the URL, lines added and deleted, and its new size."""

    kind: str
    path: str
    insertions: int
    deletions: int
    size: int


class Layout:
    """The locations of trunk, branches and tags: directly below the URL, or nowhere. ``prefix`` is the URL's path."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def covers(self, path: str) -> bool:
        """Whether a path is the URL's own, or below it."""
        return path == self._prefix or path.startswith(f"{self._prefix}/")

    def below(self, path: str) -> str:
        """A path relative to the URL, without a leading slash."""
        return path[len(self._prefix) + 1 :]

    def is_root(self, path: str) -> bool:
        """Whether a folder is the URL's own, the trunk, a branch or tag, or the folder of all branches or tags."""
        first, _, rest = self.below(path).partition("/")
        if first not in _ROOTS:
            return not first
        return "/" not in rest and (not rest or first != "trunk")

    def branch(self, changed: ChangedPath) -> str | None:
        """The branch that a path is on, or None for the trunk, a tag, or another place."""
        parts = self.below(changed.path).split("/")
        if parts[0] != "branches" or len(parts) == 1 or (len(parts) == 2 and changed.kind == "file"):  # noqa: PLR2004
            return None
        return parts[1]


@dataclass
class _Found:
    """The files of one revision, with their origins (None: no origin), and the paths that the log names themselves."""

    added: dict[str, Place | None] = field(default_factory=dict)
    removed: dict[str, Place] = field(default_factory=dict)
    modified: dict[str, tuple[Place | None, bool]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)


class Changes:
    """Finds the changed files of revisions, with the help of a mirror."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server = server
        self._layout = layout

    def of(self, revision: Revision) -> list[Change]:
        """The files that a revision changed, ordered by path."""
        found = _Folders(self._server, self._layout, revision).found()
        return sorted(self._counted(revision.number, found), key=lambda change: change.path)

    def merged(self, revision: Revision) -> int:
        """The number of revisions by which ``svn:mergeinfo`` grew. Negative if merges were taken back."""
        total = 0
        folders = _Folders(self._server, self._layout, revision)
        for changed in revision.paths:
            copied = changed.source is not None
            if changed.properties and (changed.action == "M" or copied) and self._layout.covers(changed.path):
                kind = folders.kind(changed)
                before = folders.source(changed) if copied else folders.origin(changed.path)
                now = self._mergeinfo(kind, Place(changed.path, revision.number))
                total += now - self._mergeinfo(kind, before)
        return total

    def _mergeinfo(self, kind: str, place: Place | None) -> int:
        if place is None:
            return 0
        if kind == "dir":
            return merged_revisions(self._server.folder_properties(*place).get(_MERGEINFO, b""))
        return merged_revisions(self._server.file(*place, lambda _: False).properties.get(_MERGEINFO, b""))

    def _counted(self, number: int, found: _Found) -> Iterator[Change]:
        renamed = set()
        for path, source in sorted(found.added.items()):
            if source and source.path != path and source.path in found.removed:
                del found.removed[source.path]
                found.removed.pop(path, None)
                renamed.add(path)
        for path, source in found.added.items():
            old = source if path in renamed else found.removed.pop(path, None)
            kind = "R" if path in renamed else "M" if old else "A"
            change, same = self._change(kind, path, old, Place(path, number))
            if kind != "M" or not same or path in found.named:
                yield change
        for path, (old, text) in found.modified.items():
            if path not in found.added:
                kind = "M" if old else "A"
                yield self._change(kind, path, old, Place(path, number), text=text)[0]
        for path, old in found.removed.items():
            yield self._change("D", path, old, None)[0]

    def _change(
        self, kind: str, path: str, old: Place | None, new: Place | None, *, text: bool = True
    ) -> tuple[Change, bool]:
        """A change, and whether the file is the same afterwards."""
        before = self._file(old) if text else _NOTHING
        after = self._file(new, keep=text)
        insertions = deletions = 0
        if before.text is not None and after.text is not None:
            insertions, deletions = count(before.text, after.text)
        same = (before.text, before.size) == (after.text, after.size) and after.text is not None
        return Change(kind, self._layout.below(path), insertions, deletions, after.size), same

    def _file(self, place: Place | None, *, keep: bool = True) -> File:
        if place is None:
            return _NOTHING
        return self._server.file(*place, lambda properties: keep and not is_binary(properties))


_NOTHING = File(b"", 0, {})


class _Folders:
    """Resolves the folders among the paths of a revision."""

    def __init__(self, server: Server, layout: Layout, revision: Revision) -> None:
        self._server, self._layout = server, layout
        self._number = revision.number
        self._paths = [path for path in revision.paths if layout.covers(path.path)]
        self._copied = {
            path.path: self.source(path) for path in self._paths if path.source is not None and self.kind(path) == "dir"
        }

    def kind(self, changed: ChangedPath) -> str:
        """The kind of a path: file or dir."""
        if changed.kind:
            return changed.kind
        place = self.origin(changed.path) if changed.action == "D" else Place(changed.path, self._number)
        return self._server.kind(*place) if place else ""

    def source(self, changed: ChangedPath) -> Place | None:
        """The source of a copied path, if that is below the URL."""
        if changed.source is None or not self._layout.covers(changed.source):
            return None
        return Place(changed.source, changed.source_revision)

    def origin(self, path: str) -> Place | None:
        """The location of a path before its own change: in the revision before, or in the source of a copied folder."""
        folder = self._copied_above(path)
        if folder is None:
            return Place(path, self._number - 1)
        source = self._copied[folder]
        return source and Place(source.path + path[len(folder) :], source.revision)

    def found(self) -> _Found:
        """The files of the revision."""
        found = _Found()
        for changed in self._paths:  # a folder comes before its content
            above = self._copied_above(changed.path)
            is_in_copy = above is not None and not self._is_whole(above)
            if self.kind(changed) == "dir":
                self._folder(changed, found, is_in_copy=is_in_copy)
            else:
                self._file(changed, found, is_in_copy=is_in_copy)
        return found

    def _file(self, changed: ChangedPath, found: _Found, *, is_in_copy: bool) -> None:
        path = changed.path
        found.named.add(path)
        if changed.action == "M":
            if not is_in_copy:
                found.modified[path] = (self.origin(path), changed.text)
            return
        if not is_in_copy:
            self._remove(changed, found)
        if changed.action in {"A", "R"}:
            found.added[path] = self.source(changed)

    def _folder(self, changed: ChangedPath, found: _Found, *, is_in_copy: bool) -> None:
        path = changed.path
        if self._is_whole(path) and (changed.action != "R" or path in self._copied):
            return
        if not is_in_copy:
            self._remove(changed, found)
        if changed.action in {"A", "R"} and path in self._copied:
            for below in self._server.files(path, self._number):
                found.added[below] = self.origin(below)

    def _remove(self, changed: ChangedPath, found: _Found) -> None:
        """Note the file, or the files of the folder, that existed before a path was deleted or replaced."""
        before = self.origin(changed.path) if changed.action in {"D", "R"} else None
        if before is None:
            return
        kind = self._server.kind(*before) if changed.action == "R" else self.kind(changed)
        if kind == "dir":
            for below in self._server.files(*before):
                found.removed[changed.path + below[len(before.path) :]] = Place(below, before.revision)
        elif kind == "file":
            found.removed[changed.path] = before

    def _is_whole(self, path: str) -> bool:
        """Whether a folder is the trunk, a branch or a tag, and was not moved to or from any other place."""
        if not self._layout.is_root(path):
            return False
        deleted = {changed.path for changed in self._paths if changed.action == "D"}
        source = self._copied.get(path)
        if source and source.path in deleted and not self._layout.is_root(source.path):
            return False
        targets = [target for target, place in self._copied.items() if place and place.path == path]
        return path not in deleted or all(self._layout.is_root(target) for target in targets)

    def _copied_above(self, path: str) -> str | None:
        """The nearest copied folder that contains a path."""
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in self._copied:
                return path
        return None


def merged_revisions(text: bytes) -> int:
    """The number of revisions in a ``svn:mergeinfo``: lines with a path, a colon, and ranges."""
    total = 0
    for line in text.splitlines():
        for part in line.rpartition(b":")[2].split(b","):
            first, _, last = part.strip().rstrip(b"*").partition(b"-")
            if first.isdigit() and (last.isdigit() or not last):
                total += int(last or first) - int(first) + 1
    return total
