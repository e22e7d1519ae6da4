"""Collects a repository: the newest pull requests and issues first, back to the end of the last collection."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TypeVar

from gros_agent.errors import SourceError
from gros_agent.rows import MergeRequestReview, Row
from gros_agent.runtime import parallel
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.api import Refused, Since
from gros_agent.sources.github import access, queries
from gros_agent.sources.github.comments import CommitComments
from gros_agent.sources.github.graphql import Data, QueryRefused
from gros_agent.sources.github.queries import Comment, Connection, First, Issue, LineComment, PullRequest, Review
from gros_agent.sources.github.rows import Rows, login, moments, submitted

_WORDS = {"pullRequests": "pull requests", "issues": "issues"}
_LOOK = 10
"""Pull requests and issues on the first page of a later collection, since most of them are already known."""

T = TypeVar("T")
Blocks = Iterator[Sequence[Row]]


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what changed since a position. Raises :class:`SourceError`."""
    since = Since(position)
    one = _Collection(context, since)
    known = one.first().repository
    streams: list[Blocks] = []
    if known.pull_requests is not None:
        streams.append(one.pulls(known.pull_requests))
    if known.issues is not None:
        streams.append(one.issues(known.issues))
    on_commits = CommitComments(one.repository, context.folder / "commit_comments.json", position)
    if known.commit_comments.total_count:
        streams.append(one.refused.unless("comments on commits", one.commit_comments(on_commits)))
    yield [one.rows.repository(known)]
    yield from parallel.merged(streams)
    lost = one.repository.graphql.lost
    missing = (*one.refused.missing, *([f"{lost} items that GitHub could not return completely"] if lost else ()))
    # refused lists are requested again next time, from the same position
    following = position if missing else since.next()
    if known.commit_comments.total_count and not missing:
        on_commits.keep(following)
    return Collected(
        position=following, notes=tuple(one.notes()), missing=missing, expected=None if missing else one.expected()
    )


class _Collection:
    def __init__(self, context: Context, since: Since) -> None:
        bots = (context.host.get("github_bots") or "").split(",")
        self.repository = access.resolve(context)
        self.rows = Rows(context.entry.name, frozenset(bot.strip() for bot in bots if bot.strip()))
        self._progress = context.progress
        self._since = since
        self.refused = Refused()
        self._where = {"owner": self.repository.owner, "name": self.repository.name}
        self._asked = 0
        self._seen = {"pull requests": 0, "issues": 0}
        self._totals = {"pull requests": 0, "issues": 0}

    def first(self) -> First:
        """Request the repository and its newest items, and note the newest moments before any other request."""
        answer = self._first({})
        self._since.began(answer.headers)
        known = answer.data.repository
        for what, connection in (("pull requests", known.pull_requests), ("issues", known.issues)):
            for item in connection.nodes[:1] if connection else ():
                self._since.saw(item.updated_at, answer.headers)
            self._totals[what] = (connection and connection.total_count) or 0
        return answer.data

    def _first(self, left_out: Mapping[str, bool]) -> Data[First]:
        """Send the first query.

        If the token may not read a list, send it again without, and note that it is missing.
        """
        size = queries.PAGE if self._since.moment is None else _LOOK
        variables = {**self._where, "size": size, "since": self._since.utc(), **left_out}
        try:
            return self.repository.graphql.ask(queries.FIRST, variables, First)
        except QueryRefused as error:
            new = {**left_out, **{queries.LISTS[name]: False for name in error.lists if name in queries.LISTS}}
            if len(new) in {len(left_out), len(queries.LISTS)}:
                raise
            for name in (name for name in error.lists if name in _WORDS):
                self.refused.missing.append(f"{_WORDS[name]}: {error.message}; {error.hint}")
            return self._first(new)

    def pulls(self, page: Connection[PullRequest]) -> Blocks:
        """Pull requests with their reviews and comments, and also as issues."""

        def following(cursor: str) -> Connection[PullRequest]:
            variables = {**self._where, "size": queries.PAGE, "pulls": cursor}
            answer = self.repository.graphql.ask(queries.PULLS, variables, queries.Pulls)
            return answer.data.repository.pull_requests

        for nodes in self._pages("pull requests", page, following):
            for pull in nodes:
                pull.comments.nodes = self._all(pull.comments, pull.id, "pull comments", Comment)
                pull.reviews.nodes = list(submitted(self._all(pull.reviews, pull.id, "reviews", Review)))
                for review in pull.reviews.nodes:
                    review.comments.nodes = self._all(review.comments, review.id, "review comments", LineComment)
            yield [self.rows.request(pull, pull.reviews.nodes) for pull in nodes]
            yield [self.rows.issue(pull) for pull in nodes]
            yield from self._notes(nodes)
            reviews = [(review, pull.number) for pull in nodes for review in pull.reviews.nodes]
            yield list(self._votes(reviews))
            yield [
                self.rows.line_comment(comment, number)
                for review, number in reviews
                for comment in review.comments.nodes
                if self._since.is_new(comment.updated_at) and not self.rows.is_bot(comment.author)
            ]

    def _votes(self, reviews: Sequence[tuple[Review, int]]) -> Iterator[MergeRequestReview]:
        """All votes of each reviewer who cast a new vote on a pull request.

        A row replaces the reviewer's earlier row. So a comment after an approval must come with the approval: all votes
        are needed to see which one counts.
        """
        new = {
            (number, login(review.author))
            for review, number in reviews
            if self._since.is_new(*moments(review)) and not self.rows.is_bot(review.author)
        }
        for review, number in sorted(reviews, key=lambda one: one[0].submitted_at or one[0].updated_at):
            if (number, login(review.author)) in new:
                yield self.rows.review(review, number)

    def issues(self, page: Connection[Issue]) -> Blocks:
        """Issues with their comments."""

        def following(cursor: str) -> Connection[Issue]:
            variables = {**self._where, "size": queries.PAGE, "issues": cursor, "since": self._since.utc()}
            answer = self.repository.graphql.ask(queries.ISSUES, variables, queries.Issues)
            return answer.data.repository.issues

        for nodes in self._pages("issues", page, following):
            for issue in nodes:
                issue.comments.nodes = self._all(issue.comments, issue.id, "issue comments", Comment)
            yield [self.rows.issue(issue) for issue in nodes]
            yield from self._notes(nodes)

    def commit_comments(self, found: CommitComments) -> Blocks:
        """Comments on commits."""
        for page, headers in found.read():
            for one in page:
                self._since.saw(one.updated_at, headers)
            yield [
                self.rows.commit_comment(one.written(), one.commit_id, one.path, one.line, one.line)
                for one in page
                if self._since.is_new(one.updated_at) and not self.rows.is_bot(one.written().author)
            ]

    def _notes(self, items: Sequence[Issue]) -> Blocks:
        notes = [
            (comment, item)
            for item in items
            for comment in item.comments.nodes
            if self._since.is_new(comment.updated_at)
        ]
        yield [self.rows.issue_note(comment, item.number) for comment, item in notes]
        yield [
            self.rows.request_note(comment, item.number)
            for comment, item in notes
            if isinstance(item, PullRequest) and not self.rows.is_bot(comment.author)
        ]

    def _pages(self, what: str, page: Connection[T], following: Callable[[str], Connection[T]]) -> Iterator[list[T]]:
        """Yield the new items of each page. The newest come first, so the first known item ends the list."""
        for nodes in self._lists(what, page, following):
            new = [node for node in nodes if self._since.is_new(node.updated_at)]  # type: ignore[attr-defined]
            self._seen[what] += len(new)
            self._progress(what, self._seen[what], self._totals[what] if self._since.moment is None else None)
            if new:
                yield new
            if len(new) < len(nodes):
                return

    def _all(self, connection: Connection[T], node: str, what: str, kind: type[T]) -> list[T]:
        """All items of a list within a pull request, issue or review. The first items came with it."""

        def following(cursor: str) -> Connection[T]:
            variables = {"id": node, "size": queries.MORE, "after": cursor}
            return self.repository.graphql.ask(queries.REST_OF[what], variables, queries.Rest[kind]).data.node.found  # type: ignore[valid-type]

        return [one for nodes in self._lists(what, connection, following) for one in nodes]

    def _lists(self, what: str, page: Connection[T], following: Callable[[str], Connection[T]]) -> Iterator[list[T]]:
        cursors: set[str] = set()
        while True:
            yield page.nodes
            if not page.page_info.has_next_page:
                return
            cursor = page.page_info.end_cursor
            if not cursor or cursor in cursors:
                raise SourceError(
                    f"{self.repository.path}: the list of {what} repeats in a loop",
                    "try again later; GitHub is at fault",
                )
            cursors.add(cursor)
            page = following(cursor)

    def expected(self) -> int | None:
        """The number of issues and pull requests at the start, if all of them are collected."""
        if self._since.moment is not None:
            return None
        return sum(self._totals.values())

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.rows.left_out:
            yield f"{self.rows.left_out} comments and reviews of bots were left out"
        if self._since.moment is None:
            for what, total in self._totals.items():
                if self._seen[what] != total:
                    yield f"{self._seen[what]} of {total} {what}: the others changed meanwhile, and come next time"
