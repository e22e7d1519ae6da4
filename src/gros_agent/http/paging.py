"""Reads the pages of a list, for any way in which a system names the next page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from requests.utils import parse_header_links

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient

T = TypeVar("T")

Query = Mapping[str, str]
Next = Callable[[Answer[T], Query], Query | None]
"""Takes a page and its query, and returns the query of the next page, or None at the end."""


def pages(
    client: WebClient, url: str, kind: type[T], query: Query, following: Next[T], *, size: str, page: str = ""
) -> Iterator[Answer[T]]:
    """Yield each page of a list. Raises :class:`SourceError`, also if a page is repeated.

    ``size`` is the query parameter with the page size, ``page`` the one with the page number, if the list has one. If a
    server can't return a page, it is requested in smaller parts; the following pages have the full size again. Only the
    query of a link to the next page is used: a system behind a proxy may not know its own address.
    """
    asked: set[frozenset[tuple[str, str]]] = set()
    wanted: Query | None = query
    while wanted is not None:
        mark = frozenset(wanted.items())
        if mark in asked:
            raise SourceError(f"the pages of {url} repeat in a loop", "report it to the operator of the system")
        asked.add(mark)
        answer = client.ask(Request("GET", url, wanted, smaller=smaller_page(size, page)), kind)
        yield answer
        wanted = following(answer, answer.request.query or {})
        if wanted is not None and query.get(size):
            wanted = _whole_page(wanted, query[size], size, page)


def _whole_page(query: Query, whole: str, size: str, page: str) -> Query:
    """A query with the full page size again, if the position is at the start of such a page."""
    if page not in query:
        return {**query, size: whole}
    begin = (int(query[page]) - 1) * int(query.get(size, whole))
    number, rest = divmod(begin, int(whole))
    return query if rest else {**query, size: whole, page: str(number + 1)}


def smaller_page(size: str, page: str = "") -> Callable[[Request], Request]:
    """Return a function that requests the first part of a page. Numbered parts start at a page boundary.

    The size is halved, or divided by five if it is odd, down to one item.
    """

    def smaller(request: Request) -> Request:
        query = dict(request.query or {})
        now = int(query.get(size, "0"))
        parts = next((one for one in (2, 5) if now % one == 0), now if not page or query.get(page, "1") == "1" else 1)
        if now <= 1 or parts <= 1:
            return request
        query[size] = str(now // parts)
        if page and page in query:
            query[page] = str((int(query[page]) - 1) * parts + 1)
        return replace(request, query=query)

    return smaller


def by_link(answer: Answer[T], _query: Query) -> Query | None:
    """The next page from the header ``Link`` (RFC 8288), which GitHub and GitLab send."""
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(link["url"]).query, keep_blank_values=True))
    return None
