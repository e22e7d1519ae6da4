"""Gathers a project: who asks, what the project has, and the issues that changed, in this order."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from gros_agent.errors import SourceError
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.jira import access
from gros_agent.sources.jira.cloud_search import CloudSearch
from gros_agent.sources.jira.metadata import Metadata
from gros_agent.sources.jira.position import Position
from gros_agent.sources.jira.search import Issue, Losses, Search, Task, condition
from gros_agent.sources.jira.server_search import ServerSearch
from gros_agent.sources.jira.shapes import moment_of


class Gathering:
    """The collection of one project since a position. Raises :class:`SourceError` if it can't be collected.

    ``metadata`` is asked for as far as it is used; take what is needed before the issues. ``has_news`` says whether any
    issue changed: if not, neither fields nor people are needed. ``issues`` yields each that did, once.
    """

    def __init__(self, context: Context, position: str | None) -> None:
        self.server = access.resolve(context)
        self.position = Position(position)
        self.position.began(self.server.headers, self.server.info.server_time, is_cloud=self.server.is_cloud)
        self.metadata = Metadata(self.server)
        self._losses = Losses(self.position)
        since = self.position.milliseconds()
        jql = condition(self.metadata.project.key, since, context.query)
        task = Task(self.server, jql, self._losses, context.progress)
        self._search: Search = CloudSearch(task) if self.server.is_cloud else ServerSearch(task)

    @cached_property
    def has_news(self) -> bool:
        """Whether any issue changed. A first collection is not asked."""
        return self.position.moment is None or self._search.count() > 0

    def issues(self, fields: Sequence[str]) -> Iterator[Issue]:
        """Yield the issues that changed, with these fields. Raises :class:`SourceError`."""
        if self.has_news:
            yield from self._search.issues(list(dict.fromkeys(fields)))

    def unreadable(self, issue: Issue, error: SourceError) -> None:
        """Note an issue from which no versions can be made. Raises the error if there were many."""
        self._losses.unreadable(issue.key or f"number {issue.id}", moment_of(issue.fields.get("created")), error)

    def incomplete(self, words: str) -> None:
        """Note that something is missing, so that the position stays where it was."""
        self._losses.incomplete(words)

    def collected(self, notes: Iterable[str] = (), *, issues: int = 0, versions: int = 0) -> Collected:
        """How it ended: ``versions`` of so many ``issues`` were made.

        An issue that the server announced and that did not come has one version at least.
        """
        announced = self._search.expected
        lost = 0 if announced is None else announced - issues - self._losses.gone
        return Collected(
            position=self.position.next(),
            notes=(*self._notes(), *notes),
            missing=tuple(self._losses.missing),
            version=self.server.info.version,
            expected=None if announced is None else versions + max(0, lost),
        )

    def _notes(self) -> Iterator[str]:
        if self.server.account is None:
            yield "no credentials are configured: only what is public was collected"
        if self.metadata.project.archived:
            yield f"project {self.metadata.project.key} is archived: its issues are hidden"
        if not self.metadata.project.key.isalpha():
            words = "existing controllers register no such project, and their schemas refuse its issues"
            yield f"the key {self.metadata.project.key} has more than letters: {words}"
        yield from self.metadata.notes
        yield from self._losses.notes()
