"""Goes through the pages of a list, however the system names the next one."""

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
"""Given a page and the query that it answers, tells the query of the next page, or None at the end."""


def pages(
    client: WebClient, url: str, kind: type[T], query: Query, following: Next[T], *, size: str, page: str = ""
) -> Iterator[Answer[T]]:
    """Ask for each page of a list. Raises :class:`SourceError`, also if a page comes again.

    ``size`` names what says how many items a page has, ``page`` what counts the pages, if that is how the list goes
    on: a page that a server can't give is asked for in parts, and the next ones are whole again. Of what leads to the
    next page only the query counts: a system behind a proxy may not know its own address.
    """
    asked: set[frozenset[tuple[str, str]]] = set()
    wanted: Query | None = query
    while wanted is not None:
        mark = frozenset(wanted.items())
        if mark in asked:
            raise SourceError(f"{url} sends us from page to page in a circle", "report it to whoever runs the system")
        asked.add(mark)
        answer = client.ask(Request("GET", url, wanted, smaller=smaller_page(size, page)), kind)
        yield answer
        wanted = following(answer, answer.request.query or {})
        if wanted is not None and query.get(size):
            wanted = _whole_page(wanted, query[size], size, page)


def _whole_page(query: Query, whole: str, size: str, page: str) -> Query:
    """A query with the whole size again, where its page begins at the beginning of such a one."""
    if page not in query:
        return {**query, size: whole}
    begin = (int(query[page]) - 1) * int(query.get(size, whole))
    number, rest = divmod(begin, int(whole))
    return query if rest else {**query, size: whole, page: str(number + 1)}


def smaller_page(size: str, page: str = "") -> Callable[[Request], Request]:
    """What asks for the first part of a page; where pages are counted, a part that still begins at a page's beginning.

    A size becomes a half, or a fifth where it is odd, down to one item.
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
    """The next page as the header ``Link`` has it (RFC 8288), which GitHub and GitLab send."""
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(link["url"]).query, keep_blank_values=True))
    return None
