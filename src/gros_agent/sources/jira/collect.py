"""Collects a project: its versions, components and sprints, and the issues that changed, with all that happened."""

from collections.abc import Generator, Iterator, Sequence

from gros_agent.errors import SourceError
from gros_agent.rows import Row
from gros_agent.runtime.limits import TimeUpError
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.jira import columns, comments, fields, mapping
from gros_agent.sources.jira.changes import UnreadableError
from gros_agent.sources.jira.fields import Fields
from gros_agent.sources.jira.gathering import Gathering
from gros_agent.sources.jira.replay import Replay
from gros_agent.sources.jira.search import Issue
from gros_agent.sources.jira.seen import Seen

BLOCK = 500
"""Rows of a table that are handed over together."""

Blocks = Iterator[Sequence[Row]]


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what changed since a position. Raises :class:`SourceError`."""
    one = _Collection(context, position)
    yield from _joined(one.rows())
    return one.collected()


class _Collection:
    """``issues`` and ``versions`` count those that were made into rows."""

    def __init__(self, context: Context, position: str | None) -> None:
        self._mapping = mapping.of(context.mapping)
        self._gathering = Gathering(context, position)
        self._metadata = self._gathering.metadata
        self._is_cloud = self._gathering.server.is_cloud
        project = self._metadata.project
        self._seen = Seen(
            project.key,
            is_cloud=self._is_cloud,
            lookup=self._metadata.user,
            others=lambda: self._metadata.projects,
        )
        self._seen.add_project({"id": project.id, "key": project.key})
        moment = self._gathering.position.moment
        self._since = None if moment is None else int(moment.timestamp())
        self._issues = self._versions = 0
        self._notes: list[str] = []

    def rows(self) -> Blocks:
        """Rows of one table each. Types of links and people are known only if issues changed."""
        for version in self._metadata.project.versions:
            self._seen.add_version(version)
        for component in self._metadata.project.components:
            self._seen.add_component(component)
        for sprint in self._metadata.sprints:
            self._seen.add_sprint(sprint)
        if self._gathering.has_news:
            yield from self._changed()
        yield from self._seen.rows()

    def _changed(self) -> Blocks:
        found = fields.match(self._mapping, self._metadata.fields or None, is_cloud=self._is_cloud)
        self._notes += found.notes
        for kind in self._metadata.link_types:
            self._seen.add_link_type(kind)
        for person in self._metadata.users:
            self._seen.people.account(person)
        replay = Replay(found, self._seen, self._since)
        for issue in self._gathering.issues(found.requested):
            yield from self._of_issue(issue, replay, found)
        self._describe(found)

    def _of_issue(self, issue: Issue, replay: Replay, found: Fields) -> Blocks:
        try:
            made = replay.issue({"id": issue.id, "key": issue.key, "fields": issue.fields}, issue.histories)
        except UnreadableError as error:
            self._gathering.unreadable(issue, error)
            return
        self._issues += 1
        self._versions += len(made.versions)
        yield from (made.versions, made.links, made.components, made.subtasks)
        if found.has("comment"):
            yield list(comments.comments(issue.id, issue.comments, self._seen, self._since))

    def _describe(self, found: Fields) -> None:
        """Describe what only changes refer to, such as an earlier status, as far as the server does.

        If it fails now, all issues have come: they are kept, and the next collection asks for all of this again.
        """
        undescribed = self._seen.undescribed()
        for column in found.columns:
            wanted = undescribed.get(column.name)
            try:
                for one in self._metadata.described(column.name) if wanted else ():
                    columns.describe(column, one, wanted or (), self._seen)
            except TimeUpError:
                raise
            except SourceError as error:
                self._gathering.incomplete(f"names for {column.name}: {error.message}; {error.hint}")

    def collected(self) -> Collected:
        """How it ended."""
        notes = (*self._notes, *self._seen.notes())
        return self._gathering.collected(notes, issues=self._issues, versions=self._versions)


def _joined(blocks: Blocks) -> Blocks:
    """The same rows in blocks of more rows. What was not handed over yet is lost with an error, as is the rest."""
    waiting: dict[type[Row], list[Row]] = {}
    for block in blocks:
        for row in block:
            waiting.setdefault(type(row), []).append(row)
        if block and len(rows := waiting[type(block[0])]) >= BLOCK:
            yield rows
            del waiting[type(block[0])]
    yield from waiting.values()
