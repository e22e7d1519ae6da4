"""The search of Jira Server and Data Center: pages by an offset, each issue with its whole changelog."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gros_agent.http.client import Answer
from gros_agent.http.faults import HttpError
from gros_agent.runtime import parallel
from gros_agent.sources.jira.details import Details, decoded
from gros_agent.sources.jira.lists import Size, smaller
from gros_agent.sources.jira.search import BYTES, Issue, Task, mean
from gros_agent.sources.jira.shapes import Outline, Page, RawIssue

PAGE = 500
"""Issues on a page. Servers limit it, by default to 1000."""
STEPS = 10
"""The number of steps back after which a result that goes on changing is taken as it is."""
PATH = "search"

T = TypeVar("T")


@dataclass(frozen=True)
class _Waiting:
    """A page that was asked for: where it begins, how many issues it may have, and how many of them are known."""

    begin: int
    size: int
    overlap: int
    answer: Callable[[], Answer[Page]]


class ServerSearch:
    """The issues that match a condition, the oldest first.

    If an issue leaves the result while it is read, those after it move up, and one could be passed over. So each page
    begins with the last issue of the page before. If it does not, the reading steps back.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._details = Details(task.server, task.losses)
        self._size = Size(PAGE)
        self._known: set[str] = set()
        self._at = self._total = 0
        self._steps = self._back = 0
        self.expected: int | None = None

    def count(self) -> int:
        """The number of issues that match. Raises :class:`SourceError`."""
        return self._ask({"startAt": 0, "maxResults": 1, "fields": ["updated"]}).value.total

    def issues(self, fields: Sequence[str]) -> Iterator[Issue]:
        """Yield each issue once. Raises :class:`SourceError`.

        While the issues of a page are used, the next one is asked for.
        """
        wanted = {"fields": list(fields), "expand": ["changelog"]}
        waiting: _Waiting | None = self._next(wanted)
        while waiting is not None:
            answer = waiting.answer()
            waiting = self._next(wanted) if self._goes_on(waiting, answer) else None
            yield from self._new(answer.value.issues)
        self._compare()

    def _next(self, wanted: Mapping[str, object]) -> "_Waiting":
        """Ask for the next page. If there was one before, it begins with the last issue of that one."""
        overlap = 1 if self._at and self._size.now > 1 else 0
        begin, size = self._at - overlap, self._size.now + overlap
        content = {"startAt": begin, "maxResults": size, **wanted}
        return _Waiting(begin, size, overlap, parallel.started(lambda: self._ask(content)))

    def _goes_on(self, asked: "_Waiting", answer: Answer[Page]) -> bool:
        """Set where the next page begins. False at the end of the result."""
        page, total = answer.value.issues, answer.value.total
        has_moved = asked.overlap > 0 and (not page or self._part(page[0], Outline).id not in self._known)
        self._adapt(asked.size, answer)
        goes_on = self._stepped_back(asked.begin, total) if has_moved else False
        return goes_on or self._went_on(asked.begin, len(page), asked.overlap, total)

    def _part(self, raw: msgspec.Raw, kind: type[T]) -> T:
        return decoded(raw, kind, self._task.server.url(PATH))

    def _new(self, page: Sequence[msgspec.Raw]) -> Iterator[Issue]:
        """Yield the issues of a page that were not on another one."""
        for raw in page:
            one = self._part(raw, RawIssue)
            if one.id not in self._known:
                self._known.add(one.id)
                found = self._details.completed(one)
                if found is not None:
                    yield found
        self._task.progress("issues", len(self._known), self._total or None)

    def _stepped_back(self, begin: int, total: int) -> bool:
        """Set the next page to begin earlier, by as many issues as left. False if that was done too often."""
        dropped = max(1, self._total - total)
        if self._steps >= STEPS:
            return False
        self._steps += 1
        self._back = max(dropped, 2 * self._back)
        self._at = max(0, begin - self._back) + 1
        self._total = self.expected = total
        return True

    def _went_on(self, begin: int, count: int, overlap: int, total: int) -> bool:
        """Set the next page to begin where this one ends. False at the end of the result."""
        self._total = self.expected = total
        self._back = 0
        self._at = begin + count
        is_stuck = count <= overlap and (not overlap or self._size.now > 1)  # a page of one has room for no other
        return not is_stuck and self._at < total

    def _compare(self) -> None:
        """Compare the number of issues with what the server says."""
        if len(self._known) < self._total:
            words = f"issues: the server says that {self._total} changed, and gave {len(self._known)}"
            self._task.losses.incomplete(words)
        elif self._steps >= STEPS:
            self._task.losses.incomplete("issues: they changed again and again while they were read")

    def _adapt(self, asked: int, answer: Answer[Page]) -> None:
        """Set the size of the next page: what the server allows, and what fits."""
        self._size.came(asked, answer.request)
        allowed, content = answer.value.max_results, answer.request.content
        if allowed and isinstance(content, dict) and allowed < content["maxResults"]:
            self._size.limit(allowed)
        if answer.value.issues:
            self._size.limit(max(1, BYTES // mean(answer.value.issues)))

    def _ask(self, content: dict[str, object]) -> Answer[Page]:
        try:
            answer = self._task.server.post(PATH, Page, {"jql": self._task.jql, **content}, smaller)
        except HttpError as error:
            raise self._task.failed(error) from None
        for words in answer.value.warning_messages or ():
            self._task.losses.incomplete(f"issues: {words}")
        return answer
