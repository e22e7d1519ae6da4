"""Reads the pages of lists: by an offset, as both deployments have them, and by tokens, as Cloud has some."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request
from gros_agent.http.paging import Query, pages
from gros_agent.sources.jira.access import Server
from gros_agent.sources.jira.shapes import Item, Tokened

EMPTY_PAGES = 50
"""The number of empty pages in a row after which a list counts as endless. Some are empty and have a successor."""
_PARTS = 4
GOOD_PAGES = 3
"""The number of pages in a row after which larger ones are tried again: each that is too large costs a time-out."""
_REPORT = "report it to the operator of the system"

P = TypeVar("P", bound=Tokened)


def by_offset(server: Server, url: str, key: str, size: int, query: Query | None = None) -> Iterator[list[Item]]:
    """Yield the pages of a list, whose items are below ``key``. Raises :class:`SourceError`."""
    for answer in _answers(server, url, key, size, query):
        yield _items(answer, url, key)


def whole(server: Server, url: str, key: str, size: int, query: Query | None = None) -> tuple[list[Item], int | None]:
    """All items of a list, and their number as the last page tells it. Raises :class:`SourceError`."""
    found: list[Item] = []
    total: Any = None
    for answer in _answers(server, url, key, size, query):
        found += _items(answer, url, key)
        total = answer.value.get("total")
    return found, total if isinstance(total, int) else None


def _answers(server: Server, url: str, key: str, size: int, query: Query | None) -> Iterator[Answer[dict[str, Any]]]:
    first = {"startAt": "0", "maxResults": str(size), **(query or {})}
    kind: Any = dict[str, Any]
    yield from pages(server.client, url, kind, first, _Following(url, key), size="maxResults")


def _items(answer: Answer[dict[str, Any]], url: str, key: str) -> list[Item]:
    found = answer.value.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise SourceError(f"the answer of {url} could not be parsed: no list of {key}", "check the address")
    return found


class _Following:
    """Tells the next page of one list. Servers may give fewer items than asked for, so those that came count."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._last: list[Item] = []

    def __call__(self, answer: Answer[dict[str, Any]], query: Query) -> Query | None:
        items = _items(answer, self._url, self._key)
        begin, total, told = int(query["startAt"]), answer.value.get("total"), answer.value.get("maxResults")
        end = begin + len(items)
        if not items or answer.value.get("isLast") is True:
            return None
        if items == self._last:
            raise SourceError(f"the pages of {self._url} repeat in a loop", _REPORT)
        self._last = items
        if isinstance(total, int):
            is_last = end >= total
        else:
            size = told if isinstance(told, int) and told > 0 else int(query["maxResults"])
            is_last = answer.value.get("isLast") is None and len(items) < size
        return None if is_last else {**query, "startAt": str(end)}


def by_token(server: Server, path: str, kind: type[P], content: Mapping[str, Any]) -> Iterator[Answer[P]]:
    """Yield the pages of a list on Cloud. Raises :class:`SourceError`, also if a token or an empty page repeats.

    ``maxResults`` in ``content`` is the size of a page. It becomes smaller if the server can't
    answer, and grows again.
    """
    size = Size(int(content["maxResults"]))
    token: str | None = None
    seen: set[str] = set()
    empty = 0
    while True:
        asked = {**content, "maxResults": size.now, **({"nextPageToken": token} if token else {})}
        answer = server.post(path, kind, asked, smaller)
        yield answer
        token = answer.value.next_page_token
        if not token or answer.value.is_last:
            return
        empty = 0 if _has_content(answer.value) else empty + 1
        if token in seen or empty > EMPTY_PAGES:
            raise SourceError(f"the pages of {server.url(path)} repeat in a loop", _REPORT)
        seen.add(token)
        size.came(size.now, answer.request)


def _has_content(page: Tokened) -> bool:
    return any(isinstance(value, list) and value for value in msgspec.structs.astuple(page))


def smaller(request: Request) -> Request:
    """A request for a quarter of the results: so the tries of one request reach the smallest page."""
    content = request.content
    if not isinstance(content, dict):
        return request
    return replace(request, content={**content, "maxResults": max(1, content["maxResults"] // _PARTS)})


class Size:
    """The size of the next page: that of the last one that a server could give, and more again after some."""

    def __init__(self, full: int) -> None:
        self._full = self.now = full
        self._good = 0

    def came(self, asked: int, request: Request) -> None:
        """Note the request that was answered, after a page of a size was ``asked`` for."""
        content = request.content
        size = int(content["maxResults"]) if isinstance(content, dict) else asked
        if size < asked:
            self.now, self._good = size, 0
            return
        self._good += 1
        if self._good >= GOOD_PAGES and self.now < self._full:
            self.now, self._good = min(self._full, 2 * self.now), 0

    def limit(self, size: int) -> None:
        """Ask for no more than this from now on."""
        self._full = max(1, min(self._full, size))
        self.now = min(self.now, self._full)
