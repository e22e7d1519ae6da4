"""Git repositories: commits of the default branch, the files that they change, and tags.

- :mod:`.access` decides where to connect and as whom, :mod:`.clone` keeps a bare local clone,
- :mod:`.order` lists the commits and finds the branch of each, :mod:`.log` reads them with their changes,
- :mod:`.sizes` asks for the sizes of objects, :mod:`.tags` reads tags.
"""

from collections.abc import Generator, Iterator, Sequence

from gros_agent.sources.base import Collected, Context
from gros_agent.sources.git import access, tags
from gros_agent.sources.git.clone import Clone, Remote
from gros_agent.sources.git.history import History
from gros_agent.tables.schema import ChangePath, Row, Tag, VcsVersion


class GitSource:
    """Any repository that git can read: over HTTPS, SSH or git's own protocol, or from a folder."""

    kind = "git"
    title = "Git"
    tables: tuple[type[Row], ...] = (VcsVersion, ChangePath, Tag)
    items: type[Row] = VcsVersion
    tracker = "latest_vcs_versions.json"

    def check(self, context: Context) -> str:
        """Ask the repository for its default branch and tags."""
        remote = Remote(access.resolve(context), context.silence)
        advertised = remote.advertised()
        if advertised.head is None:
            return "answers; the repository is empty"
        return f"answers; newest commit {advertised.head[:12]}"

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield new commits, oldest first, their changed files, and all tags."""
        remote = Remote(access.resolve(context), context.silence)
        advertised = remote.advertised()
        if advertised.head is None:
            return Collected(position=None, notes=("the repository is empty",), expected=0)
        clone = Clone(context.folder, remote)
        clone.update(advertised, context.progress)
        history = History(clone, advertised.head, since, context.entry.name)
        yield from history.rows(with_statistics=not context.host.is_on("skip_stats"), progress=context.progress)
        yield from tags.rows(clone, context.entry.name)
        notes = (*advertised.notes, *history.notes, *_shallow(clone), *_ignored(context))
        return Collected(position=advertised.head, notes=notes, expected=history.expected)


def _shallow(clone: Clone) -> Iterator[str]:
    if clone.is_shallow:
        yield "the repository is shallow: its older commits are missing, and the oldest ones look like first commits"


def _ignored(context: Context) -> Iterator[str]:
    """Name the options that are set and that this source does not act on."""
    for option in ("from_date", "tag"):
        if context.host.is_on(option):
            yield f"[{context.host.section}] {option} is not acted on: all commits were collected"


SOURCE = GitSource()
