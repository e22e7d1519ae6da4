"""Goes through the pages of a list, however the system names the next one."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from requests.utils import parse_header_links

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient

T = TypeVar("T")

Query = Mapping[str, str]
Next = Callable[[Answer[T], Query], Query | None]
"""Given a page and the query that it answers, tells the query of the next page, or None at the end."""


def pages(client: WebClient, url: str, kind: type[T], query: Query, following: Next[T]) -> Iterator[Answer[T]]:
    """Ask for each page of a list. Raises :class:`SourceError`, also if a page comes again.

    Of what leads to the next page only the query counts: a system behind a proxy may not know its own address.
    """
    asked: set[frozenset[tuple[str, str]]] = set()
    wanted: Query | None = query
    while wanted is not None:
        mark = frozenset(wanted.items())
        if mark in asked:
            raise SourceError(f"{url} sends us from page to page in a circle", "report it to whoever runs the system")
        asked.add(mark)
        answer = client.ask(Request("GET", url, wanted), kind)
        yield answer
        wanted = following(answer, wanted)


def by_link(answer: Answer[T], _query: Query) -> Query | None:
    """The next page as the header ``Link`` has it (RFC 8288), which GitHub and GitLab send."""
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(link["url"]).query, keep_blank_values=True))
    return None
