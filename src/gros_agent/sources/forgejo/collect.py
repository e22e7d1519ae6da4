"""Collects a repository: pull requests, issues, and the comments on both, all at once."""

import re
from collections.abc import Generator, Iterator, Sequence

from gros_agent.http.client import Request
from gros_agent.rows import Row
from gros_agent.runtime import parallel
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.api import Refused, Since
from gros_agent.sources.forgejo import access
from gros_agent.sources.forgejo.pulls import Pulls
from gros_agent.sources.forgejo.rows import Rows
from gros_agent.sources.forgejo.shapes import Comment, Issue, Repository

Blocks = Iterator[Sequence[Row]]
_NUMBER = re.compile(r"/([0-9]{1,18})(?:[#?].*)?$")
"""The number at the end of the address of an issue or a pull request."""


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what changed since a position. Raises :class:`SourceError`."""
    since = Since(position)
    one = _Collection(context, since)
    repository = one.repository()
    refused, has_pulls, has_issues = one.refused, repository.has_pull_requests, repository.has_own_issues
    streams = [
        refused.unless("pull requests", one.pulls.read(), is_off=not has_pulls),
        refused.unless("issues", one.issues(), is_off=not has_issues),
        refused.unless("comments", one.comments(), is_off=not has_pulls and not has_issues),
    ]
    yield from parallel.merged(streams)
    missing = tuple(refused.missing)
    # what was refused is asked for again, from where it was refused
    following = position if missing else since.next()
    notes = (*refused.notes, *one.notes())
    return Collected(position=following, notes=notes, missing=missing, expected=one.pulls.total)


class _Collection:
    def __init__(self, context: Context, since: Since) -> None:
        self._reached = access.resolve(context)
        self._since = since
        self._progress = context.progress
        self._rows = Rows(context.entry.name)
        self._nowhere = 0
        self.refused = Refused("" if context.host.secret("forgejo_token") else "forgejo_token")
        self._lists = access.lists(self._reached.client, self._reached.base)
        self.pulls = Pulls(self._reached, self._lists, self._rows, since, self.refused, context.progress)

    def repository(self) -> Repository:
        """Ask for the repository before its lists: the moment of its answer bounds the next position."""
        answer = self._reached.client.ask(Request("GET", self._reached.url), Repository)
        self._since.began(answer.headers)
        return answer.value

    def issues(self) -> Blocks:
        """Issues without the pull requests among them. Older servers sort by age alone, so the list is read whole."""
        query = {"state": "all", "type": "issues", "sort": "recentupdate", **self._after()}
        numbers = set[int]()
        for page in self._lists.steady("issues", f"{self._reached.url}/issues", Issue, query):
            new = [
                one
                for one in page.value
                if one.pull_request is None and self._since.is_new(one.updated) and one.number not in numbers
            ]
            for one in new:
                numbers.add(one.number)
                self._since.saw(one.updated, page.headers)
            yield [self._rows.issue(one) for one in new]
            self._progress("issues", len(numbers), None)

    def comments(self) -> Blocks:
        """Comments on issues and on pull requests as a whole: one list for the repository, by when they changed."""
        numbers = set[int]()
        for page in self._lists.steady("comments", f"{self._reached.url}/issues/comments", Comment, self._after()):
            new = [one for one in page.value if self._since.is_new(one.updated) and one.id not in numbers]
            for one in new:
                numbers.add(one.id)
                self._since.saw(one.updated, page.headers)
            placed = [(one, *_place(one)) for one in new]
            self._nowhere += sum(not number for _, number, _ in placed)
            yield [self._rows.issue_note(one, number) for one, number, _ in placed if number]
            yield [
                self._rows.request_note(one, number)
                for one, number, is_pull in placed
                if number and is_pull and not self._rows.is_bot(one.user)
            ]

    def _after(self) -> dict[str, str]:
        after = self._since.utc()
        return {"since": after} if after else {}

    def notes(self) -> Iterator[str]:
        """What the reader of the tables has to know."""
        pulls = self.pulls
        if self._rows.left_out:
            yield f"{self._rows.left_out} comments and reviews of the server's own jobs were left out"
        if pulls.unreadable:
            yield f"{pulls.unreadable} pull requests have no rows: the server can't read them, and its log says why"
        if self._nowhere:
            yield f"{self._nowhere} comments have no rows: the server does not tell what they are on"
        for what in sorted(self._lists.restless):
            yield f"{what} were removed all the time while the list was read: some may be missing, which --full brings"
        if pulls.total is not None and pulls.seen + pulls.unreadable < pulls.total and not self.refused.missing:
            yield f"{pulls.seen} of {pulls.total} pull requests: others came or changed meanwhile, and come next time"


def _place(comment: Comment) -> tuple[int, bool]:
    """The number that a comment belongs to, 0 if it is not told, and whether that is a pull request."""
    url = comment.pull_request_url or comment.issue_url
    match = _NUMBER.search(url)
    return (int(match[1]) if match else 0), bool(comment.pull_request_url)
