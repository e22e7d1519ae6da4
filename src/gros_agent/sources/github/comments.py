"""Reads comments on commits from the REST API, since GraphQL does not return their lines.

The list can't be filtered, but an unchanged list costs nothing: it is requested with its last entity tag. See
https://docs.github.com/en/rest/commits/comments.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request
from gros_agent.http.paging import by_link, pages, smaller_page
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.sources.github.access import Repository
from gros_agent.sources.github.queries import Actor
from gros_agent.sources.github.queries import Comment as Written

_PAGE = 100


class User(msgspec.Struct):
    """An account as the REST API returns it."""

    login: str
    type: str = "User"


class OnCommit(msgspec.Struct):
    """A comment on a commit. Without a path it is about the whole commit."""

    id: int
    commit_id: str
    body: str
    created_at: datetime
    updated_at: datetime
    user: User | None = None
    path: str | None = None
    line: int | None = None

    def written(self) -> Written:
        """Convert the comment to the form of GraphQL."""
        author = Actor(kind=self.user.type, login=self.user.login) if self.user else None
        return Written(
            number=self.id, body=self.body, created_at=self.created_at, updated_at=self.updated_at, author=author
        )


class _Seen(msgspec.Struct):
    """The entity tag of the list, and the position of its collection."""

    position: str | None
    tag: str


class CommitComments:
    """The comments on a repository's commits.

    The tag is only used if the tracker's position is the one of the collection that noted it. If the rows of a
    collection were never published, the tracker has another position.
    """

    def __init__(self, repository: Repository, file: Path, position: str | None) -> None:
        self._repository, self._file, self._position = repository, file, position
        self._tag = ""

    def read(self) -> Iterator[tuple[list[OnCommit], Mapping[str, str]]]:
        """Yield pages with the headers of their answers, or nothing if the list has not changed.

        Raises :class:`SourceError`.
        """
        url, client = f"{self._repository.path}/comments", self._repository.client
        query = {"per_page": str(_PAGE)}
        first: Answer[list[OnCommit]] | None = client.ask_if_changed(
            Request("GET", url, query, budget="rest", smaller=smaller_page("per_page", "page")),
            list[OnCommit],
            self._known(),
        )
        if first is None:
            self._tag = self._known()
            return
        following = by_link(first, first.request.query or query)
        # the tag is that of the first page, and says nothing about others
        self._tag = first.headers.get("ETag", "") if following is None else ""
        yield first.value, first.headers
        if following is not None:
            for page in pages(client, url, list[OnCommit], following, by_link, size="per_page", page="page"):
                yield page.value, page.headers

    def keep(self, position: str | None) -> None:
        """Note the tag for the next collection from this position."""
        with storage_errors(self._file.parent):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, msgspec.json.encode(_Seen(position, self._tag)), 0o600)

    def _known(self) -> str:
        try:
            text = read_text(self._file, "the note on comments")
            seen = decoder(_Seen).decode(text) if text and self._position else None
        except (msgspec.MsgspecError, SourceError):
            return ""
        return seen.tag if seen and seen.position == self._position else ""
