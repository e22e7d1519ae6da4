"""Goes through the pages of a list.

Some lists name the next page in ``Link``; those of reviews, comments and keys tell only how many items there are, in
``X-Total-Count``. A page may have fewer items than were asked for while others follow, since the server leaves out what
the token's user may not see after it has cut the pages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gros_agent.http.client import Answer, WebClient
from gros_agent.http.paging import Query, by_link, pages

_TURNS = 5
"""How often a list is read in which something is removed meanwhile."""

T = TypeVar("T")


def total(answer: Answer[Any]) -> int | None:
    """How many items a list has altogether, if the server tells it."""
    told = answer.headers.get("X-Total-Count", "")
    return int(told) if told.isdecimal() else None


def never(_items: Sequence[Any]) -> bool:
    """Read a list to its end."""
    return False


@dataclass
class Lists:
    """The lists of one server. ``size`` is that of a page, or None where the server does not tell its largest one.

    Then no size is asked for: each server has one of its own that it keeps to.
    """

    client: WebClient
    size: int | None
    restless: set[str] = field(default_factory=set)

    def pages(self, url: str, kind: type[T], query: Mapping[str, str] | None = None) -> Iterator[Answer[list[T]]]:
        """Yield each page of a list. Raises :class:`SourceError`."""
        asked = {"page": "1"} | ({} if self.size is None else {"limit": str(self.size)}) | dict(query or {})
        whole: Any = list[kind] | None  # type: ignore[valid-type]  # null is how Go has an empty list
        for answer in pages(self.client, url, whole, asked, _Following(), size="limit", page="page"):
            yield replace(answer, value=answer.value or [])

    def whole(self, url: str, kind: type[T]) -> list[T]:
        """A list, every page of it. Raises :class:`SourceError`."""
        return [one for answer in self.pages(url, kind) for one in answer.value]

    def steady(
        self, what: str, url: str, kind: type[T], query: Mapping[str, str], is_enough: Callable[[list[T]], bool] = never
    ) -> Iterator[Answer[list[T]]]:
        """Yield each page, and all again if something was removed meanwhile.

        What follows a removed item moves up, and the item that moves to the page before is not on the next one. If
        that happens too often, the list is noted as ``restless``. The list ends where a page ``is_enough``.
        """
        for _ in range(_TURNS):
            largest, has_shrunk = 0, False
            for answer in self.pages(url, kind, query):
                now = total(answer)
                has_shrunk = has_shrunk or (now is not None and now < largest)
                largest = max(largest, now or 0)
                yield answer
                if is_enough(answer.value):
                    break
            if not has_shrunk:
                return
        self.restless.add(what)


class _Following:
    """Tells the next page of one list."""

    def __init__(self) -> None:
        self._seen = 0
        self._last: Sequence[Any] = ()

    def __call__(self, answer: Answer[Any], query: Query) -> Query | None:
        items: Sequence[Any] = answer.value or ()
        count, is_repeated, self._last = total(answer), items == self._last, items
        self._seen += len(items)
        if answer.headers.get("Link"):
            return by_link(answer, query)
        page, size = int(query.get("page", "1")), int(query.get("limit", "0"))
        if count is None and is_repeated:
            return None  # a list without pages
        return {**query, "page": str(page + 1)} if self._goes_on(count, page, size) else None

    def _goes_on(self, count: int | None, page: int, size: int) -> bool:
        """Whether there is a page after this one: a full one or one with something, where nothing tells the number."""
        if count is None:
            return len(self._last) >= max(1, size)
        if not size:
            return bool(self._last) and self._seen < count
        return page * size < count
