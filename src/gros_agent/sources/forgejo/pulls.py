"""Pull requests with their reviews and the comments on their lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from gros_agent.http.faults import HttpError
from gros_agent.rows import Row
from gros_agent.runtime import parallel
from gros_agent.sources.base import Progress
from gros_agent.sources.common.api import Refused, Since
from gros_agent.sources.forgejo.access import Reached, optional
from gros_agent.sources.forgejo.lists import Lists, total
from gros_agent.sources.forgejo.rows import PENDING, Rows, is_given
from gros_agent.sources.forgejo.shapes import LineComment, PullRequest, Review, known


@dataclass
class _Reviewed:
    """What hangs on a pull request: its reviews, and the comments on lines with the review that each belongs to."""

    reviews: list[Review]
    comments: list[tuple[LineComment, Review]] = field(default_factory=list)


class Pulls:
    """The pull requests that changed since a moment.

    ``total`` is how many there are, ``seen`` how many came, ``unreadable`` how many the server could not give.
    """

    def __init__(
        self, reached: Reached, lists: Lists, rows: Rows, since: Since, refused: Refused, progress: Progress
    ) -> None:
        self._reached, self._lists, self._rows, self._since = reached, lists, rows, since
        self._refused, self._progress = refused, progress
        self.seen = self.unreadable = 0
        self.total: int | None = None

    def read(self) -> Iterator[Sequence[Row]]:
        """Yield them page by page, the newest first, back to the first that is known already.

        What changes meanwhile moves to the front: others come twice, and none is passed over. A pull request whose
        branches a Forgejo can't read is null there.
        """
        query = {"state": "all", "sort": "recentupdate"}
        numbers = set[int]()
        kind: Any = PullRequest | None
        pages = self._lists.steady("pull requests", f"{self._reached.url}/pulls", kind, query, self._is_known)
        for page in pages:
            self.total = total(page) if self._since.moment is None else None
            pulls: list[PullRequest] = [one for one in page.value if one is not None]
            if (page.request.query or {}).get("page") == "1":
                self.unreadable = 0
            self.unreadable += len(page.value) - len(pulls)
            new = [one for one in pulls if self._since.is_new(one.updated) and one.number not in numbers]
            numbers.update(one.number for one in new)
            yield from self._rows_of(new, page.headers)
            self.seen += len(new)
            self._progress("pull requests", self.seen, self.total)

    def _is_known(self, page: Sequence[PullRequest | None]) -> bool:
        return not all(self._since.is_new(one.updated) for one in page if one is not None)

    def _rows_of(self, new: Sequence[PullRequest], headers: Mapping[str, str]) -> Iterator[Sequence[Row]]:
        found = list(zip(new, parallel.mapped(self._reviewed, new), strict=True))
        for pull, one in found:
            # an edited comment is newer than its pull request
            others = [known(review.updated_at) for review in one.reviews if is_given(review)]
            for moment in (pull.updated, *others, *(comment.updated for comment, _ in one.comments)):
                self._since.saw(moment, headers)
        yield [self._rows.request(pull, one.reviews) for pull, one in found]
        yield [self._rows.issue(pull) for pull, _ in found]
        # all votes of a request that changed: a vote that was dismissed takes the place of the one delivered before
        yield [
            self._rows.review(review, pull.number)
            for pull, one in found
            for review in one.reviews
            if is_given(review) and not self._rows.is_bot(review.user)
        ]
        yield [row for pull, one in found for row in self._lines(pull.number, one.comments)]

    def _reviewed(self, pull: PullRequest) -> _Reviewed:
        """The reviews of a pull request, and the comments of those that have some."""
        url = f"{self._reached.url}/pulls/{pull.number}/reviews"

        def ask() -> list[Review]:
            try:
                return self._lists.whole(url, Review)
            except HttpError as error:
                if error.code == HTTPStatus.NOT_FOUND and self._is_gone(pull):
                    return []
                raise

        reviews = self._refused.attempt("reviews of pull requests", ask)
        one = _Reviewed(reviews)
        for review in reviews:
            if review.comments_count and review.state != PENDING:
                one.comments += [(comment, review) for comment in self._comments(f"{url}/{review.id}/comments")]
        return one

    def _is_gone(self, pull: PullRequest) -> bool:
        """Whether a pull request was removed since it was listed: then nothing of it is missing."""
        url = f"{self._reached.url}/pulls/{pull.number}"
        return optional(lambda: self._reached.client.get(url, PullRequest), {HTTPStatus.NOT_FOUND}) is None

    def _comments(self, url: str) -> list[LineComment]:
        def ask() -> list[LineComment]:
            return self._reached.client.get(url, list[LineComment])

        return self._refused.attempt("comments on lines", ask)

    def _lines(self, number: int, comments: Sequence[tuple[LineComment, Review]]) -> Iterator[Row]:
        """The comments on lines that are new, or whose review is: they may be older than the moment it was sent at.

        Those at one place of a review are a conversation, which the first one begins.
        """
        begins: dict[tuple[int, str, int, int], int] = {}
        for comment, review in sorted(comments, key=lambda one: (one[0].created, one[0].id)):
            begin = begins.setdefault((review.id, *comment.place), comment.id)
            if self._since.is_new(comment.updated, review.updated_at) and not self._rows.is_bot(comment.user):
                yield self._rows.line_comment(comment, number, None if comment.id == begin else begin)
