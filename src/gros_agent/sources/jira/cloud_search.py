"""The search of Jira Cloud: pages by a token, and the changelogs of many issues at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer
from gros_agent.http.faults import HttpError
from gros_agent.runtime import parallel
from gros_agent.sources.jira import access
from gros_agent.sources.jira.details import Details, decoded
from gros_agent.sources.jira.lists import by_token
from gros_agent.sources.jira.search import BYTES, Issue, Task
from gros_agent.sources.jira.shapes import (
    Changelogs,
    CloudPage,
    Identifiers,
    Item,
    ManyIssues,
    Outline,
    RawIssue,
    Tokened,
)

PAGE = 100
"""Issues on a page: Cloud gives no more with fields."""
IDENTIFIERS = 5000
"""Issues on a page of identifiers alone."""
BATCH = 500
"""Issues whose histories are asked for together. The API takes up to 1000."""
WHOLE = 2 * BYTES
"""The size of a batch with its histories in bytes that is aimed at, by those of the batches before."""
HISTORIES = 10_000
"""Histories on a page, the most that the API gives."""
AGAIN = 100
"""Issues that are asked for together by their identifiers, the most that the API takes."""
SEARCH, CHANGELOGS, ISSUES = "search/jql", "changelog/bulkfetch", "issue/bulkfetch"

P = TypeVar("P", bound=Tokened)


@dataclass
class _Batch:
    """Issues and their histories, not decoded yet.

    ``has_histories`` says that these were asked for, ``is_refused`` that they are only given by issue.
    """

    outlines: list[Outline] = field(default_factory=list)
    issues: list[msgspec.Raw] = field(default_factory=list)
    histories: dict[str, list[msgspec.Raw]] = field(default_factory=dict)
    is_refused: bool = False
    has_histories: bool = False
    _size: int = 0

    def add(self, issue: msgspec.Raw, url: str) -> None:
        """Add an issue from the answer of an address."""
        self.outlines.append(decoded(issue, Outline, url))
        self.issues.append(issue)
        self._size += len(memoryview(issue))

    def is_full(self, histories: int) -> bool:
        """Whether the batch should be completed before more issues come.

        ``histories`` is the size in bytes that the histories of an issue may have.
        """
        count = len(self.issues)
        return count >= BATCH or self._size >= BYTES or self._size + count * histories >= WHOLE

    @property
    def histories_of_an_issue(self) -> int:
        """The mean size of the histories of an issue in bytes."""
        sizes = (len(memoryview(one)) for listed in self.histories.values() for one in listed)
        return sum(sizes) // max(1, len(self.issues))

    def of(self, one: Outline) -> list[msgspec.Raw]:
        """The histories of an issue, which is named by its identifier or by its key."""
        return [*self.histories.get(one.id, ()), *self.histories.get(one.key, ())]


class CloudSearch:
    """The issues that match a condition. First the identifiers of all are listed, to see later that all came."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._details = Details(task.server, task.losses)
        self._left: set[str] | None = None
        self._known: set[str] = set()
        self._histories: int | None = None
        self.expected: int | None = None

    def count(self) -> int:
        """The number of issues that match. Raises :class:`SourceError`."""
        if self._left is None:
            pages = self._pages(Identifiers, ["id"], IDENTIFIERS)
            self._left = {one.id for page in pages for one in page.value.issues}
            self.expected = len(self._left)
        return len(self._left)

    def issues(self, fields: Sequence[str]) -> Iterator[Issue]:
        """Yield each issue once. Raises :class:`SourceError`."""
        self.count()
        # pages and histories of the next batches are read, each in a thread, while the issues of one are used
        with closing(parallel.merged([self._batches(fields)], ahead=1)) as batches:
            for batch in parallel.mapped(self._with_histories, batches, at_once=1):
                yield from self._completed(batch)
        left = sorted((self._left or set()) - self._known, key=lambda one: (len(one), one))
        for first in range(0, len(left), AGAIN):
            yield from self._completed(self._with_histories(self._again(left[first : first + AGAIN], fields)))

    def _batches(self, fields: Sequence[str]) -> Iterator[_Batch]:
        """The issues by pages. The first page is a batch of its own, to see how large histories are."""
        batch = _Batch()
        for page in self._pages(CloudPage, fields, PAGE):
            for issue in page.value.issues:
                batch.add(issue, self._task.server.url(SEARCH))
            is_first = self._histories is None and batch.issues
            if is_first or batch.is_full(self._histories or 0):
                yield self._with_histories(batch) if is_first else batch
                batch = _Batch()
        if batch.issues:
            yield batch

    def _again(self, some: Sequence[str], fields: Sequence[str]) -> _Batch:
        """Issues that were listed and did not come. Those that are not there now were deleted meanwhile."""
        found, batch = self._by_identifier(some, fields), _Batch()
        for issue in found.issues:
            batch.add(issue, self._task.server.url(ISSUES))
        self._task.losses.left(max(0, len(some) - len(found.issues) - len(found.issue_errors)))
        return batch

    def _by_identifier(self, some: Sequence[str], fields: Sequence[str]) -> ManyIssues:
        content = {"issueIdsOrKeys": list(some), "fields": list(fields)}
        found = self._task.server.post(ISSUES, ManyIssues, content).value
        for fault in found.issue_errors:
            error = SourceError(fault.error_message or "the server can't give it", "the next collection asks again")
            self._task.losses.unreadable(f"number {fault.id}", None, error)
        return found

    def _with_histories(self, batch: _Batch) -> _Batch:
        """Ask for the histories of a batch, in as many pages as the server makes of them."""
        if batch.has_histories or not batch.outlines:
            return batch
        content = {"issueIdsOrKeys": [one.id for one in batch.outlines], "maxResults": HISTORIES}
        try:
            for page in by_token(self._task.server, CHANGELOGS, Changelogs, content):
                for one in page.value.issue_change_logs:
                    batch.histories.setdefault(one.issue_id, []).extend(one.change_histories)
        except HttpError as error:
            if error.code not in access.REFUSALS:
                raise
            batch.is_refused = True
        batch.has_histories = True
        self._histories = batch.histories_of_an_issue
        return batch

    def _completed(self, batch: _Batch) -> Iterator[Issue]:
        """Yield the issues of a batch that were in no other one. Those that need requests are read several at once."""
        new = {one.id: (one, raw) for one, raw in zip(batch.outlines, batch.issues, strict=True)}
        new = {name: pair for name, pair in new.items() if name not in self._known}
        self._known.update(new)
        gone = self._gone([one for one, _ in new.values() if not batch.is_refused and not batch.of(one)])

        def complete(pair: tuple[Outline, msgspec.Raw]) -> Issue | None:
            one, url = pair[0], self._task.server.url(CHANGELOGS)
            every: list[Item] = [decoded(raw, Item, url) for raw in batch.of(one)]
            issue = decoded(pair[1], RawIssue, self._task.server.url(SEARCH))
            return self._details.completed(issue, None if batch.is_refused else every)

        pairs = [pair for name, pair in new.items() if name not in gone]
        short = {one.id for one, _ in pairs if batch.is_refused or not one.fields.has_all_comments}
        with closing(parallel.mapped(complete, [pair for pair in pairs if pair[0].id in short])) as completed:
            for pair in pairs:
                issue = next(completed) if pair[0].id in short else complete(pair)
                if issue is not None:
                    yield issue
        self._task.progress("issues", len(self._known), self.expected)

    def _gone(self, without: Sequence[Outline]) -> set[str]:
        """Which issues without histories were deleted before these were asked for: they may be if they changed."""
        asked = [one.id for one in without if one.has_changed]
        there: set[str] = set()
        for first in range(0, len(asked), AGAIN):
            some = asked[first : first + AGAIN]
            found = self._by_identifier(some, ["updated"])
            there.update(decoded(raw, Outline, self._task.server.url(ISSUES)).id for raw in found.issues)
            self._task.losses.left(max(0, len(some) - len(found.issues) - len(found.issue_errors)))
        return set(asked) - there

    def _pages(self, kind: type[P], fields: Sequence[str], size: int) -> Iterator[Answer[P]]:
        content: Mapping[str, object] = {"jql": self._task.jql, "fields": list(fields), "maxResults": size}
        try:
            for page in by_token(self._task.server, SEARCH, kind, content):
                for warning in getattr(page.value, "warnings", None) or ():
                    self._task.losses.incomplete(f"issues: {warning.message or warning.type}")
                yield page
        except HttpError as error:
            raise self._task.failed(error) from None
