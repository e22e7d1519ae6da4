"""Turns the revisions since the last scrape into rows."""

import re
from collections.abc import Iterator, Sequence

from gros_agent.rows import NOBODY, ChangePath, Row, VcsVersion
from gros_agent.rows.moments import UNKNOWN, Moments
from gros_agent.sources.base import Progress
from gros_agent.sources.subversion import log
from gros_agent.sources.subversion.changes import Change, Changes, Layout
from gros_agent.sources.subversion.client import Client, Info
from gros_agent.sources.subversion.server import Server

BLOCK = 500
"""Rows per block, or a few more."""

_REVERT = re.compile(r'\ARevert "|\brevert(?:s|ed|ing)?\b[^\n]{0,40}?\b(?:r|rev\.? ?|revisions? )\d', re.IGNORECASE)
_EPOCH = "1970-01-01 00:00:00"


class History:
    """The revisions of a repository after a given one.

    ``count`` is their number and ``notes`` are remarks for the outcome. Both are complete once all rows were read.
    """

    def __init__(self, client: Client, info: Info, since: int, name: str) -> None:
        self._client, self._info, self._since, self._name = client, info, since, name
        self._layout = Layout(info.path)
        self.moments = Moments()
        self._moved: tuple[str, ...] = ()
        self.count = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for readers of the rows."""
        return (*self._moved, *self.moments.notes())

    def rows(self, server: Server | None, progress: Progress) -> Iterator[Sequence[Row]]:
        """Yield blocks of revisions, and of changed files, oldest first. Raises :class:`SourceError`.

        Without a server there are no statistics and no changed files.
        """
        changes = Changes(server, self._layout) if server else None
        versions: list[VcsVersion] = []
        paths: list[ChangePath] = []
        for revision in log.read(self._client, self._since + 1, self._info.revision):
            self._note_move(revision)
            version = self._version(revision)
            if changes:
                self._add_statistics(version, revision, changes, paths)
            versions.append(version)
            self.count += 1
            if len(versions) + len(paths) >= BLOCK:
                yield versions
                yield paths
                versions, paths = [], []
                progress("revisions", revision.number, self._info.revision)
        yield versions
        yield paths

    def _note_move(self, revision: log.Revision) -> None:
        """Note where the older history is, if this revision copied the URL's folder or a parent from elsewhere."""
        for path in revision.paths:
            if path.source is not None and f"{self._info.path}/".startswith(f"{path.path}/"):
                older = f"{path.source} as of revision {path.source_revision}"
                self._moved = (
                    f"the URL's history starts at revision {revision.number}; what is older lies in {older}",
                )

    def _version(self, revision: log.Revision) -> VcsVersion:
        author = revision.author or NOBODY
        moment = self.moments.local(revision.date, _EPOCH)
        return VcsVersion(
            repo_name=self._name,
            version_id=str(revision.number),
            sprint_id=NOBODY,
            message=revision.message,
            type="revert" if _REVERT.search(revision.message) else "commit",
            developer=author,
            developer_username=author,
            developer_email=NOBODY,
            commit_date=moment,
            author_date=UNKNOWN,
        )

    def _add_statistics(
        self, version: VcsVersion, revision: log.Revision, changes: Changes, paths: list[ChangePath]
    ) -> None:
        found = changes.of(revision)
        insertions = sum(change.insertions for change in found)
        deletions = sum(change.deletions for change in found)
        merged = changes.merged(revision)
        if merged and version.type == "commit":
            version.type = "merge" if merged > 0 else "revert"
        branches = {self._layout.branch(path) for path in revision.paths if self._layout.covers(path.path)}
        version.branch = (branches.pop() if len(branches) == 1 else None) or NOBODY
        version.insertions = str(insertions)
        version.deletions = str(deletions)
        version.number_of_files = str(len(found))
        version.number_of_lines = str(insertions + deletions)
        version.size = str(sum(change.size for change in found))
        paths += [self._path(version.version_id, change) for change in found]

    def _path(self, version: str, change: Change) -> ChangePath:
        return ChangePath(
            repo_name=self._name,
            version_id=version,
            file=change.path.encode(errors="surrogateescape").decode(errors="replace"),
            change_type=change.kind,
            insertions=str(change.insertions),
            deletions=str(change.deletions),
            size=str(change.size),
        )
