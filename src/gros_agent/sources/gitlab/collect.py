"""Collects a project: changed merge requests with their discussions, the newest first; and pushes."""

from collections.abc import Generator, Iterator, Sequence

from gros_agent.http.client import Request as Ask
from gros_agent.http.paging import by_link, pages
from gros_agent.rows import Row
from gros_agent.runtime import parallel
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common import api
from gros_agent.sources.common.api import Since
from gros_agent.sources.gitlab import access
from gros_agent.sources.gitlab.access import PAGE, optional
from gros_agent.sources.gitlab.events import KEPT, Pushes
from gros_agent.sources.gitlab.rows import Rows
from gros_agent.sources.gitlab.shapes import Approvals, Commit, CommitNote, Discussion, Note, Project, Request, User

Blocks = Iterator[Sequence[Row]]
APPROVED, UNAPPROVED = "approved this merge request", "unapproved this merge request"


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what changed since a position. Raises :class:`SourceError`."""
    since = Since(position)
    one = _Collection(context, since)
    project = one.project()
    yield [one.rows.repository(project)]
    refused, is_off = one.refused, not project.has_merge_requests
    streams = [
        refused.unless("merge requests", one.requests(), is_off=is_off),
        refused.unless("pushes", one.pushes.read()),
    ]
    if context.host.is_on("has_commit_comments"):
        streams.append(refused.unless("comments on commits", one.commit_comments()))
    yield from parallel.merged(streams)
    missing = tuple(refused.missing)
    # refused lists are requested again next time, from the same position
    following = position if missing else since.next()
    notes = (*refused.notes, *one.notes())
    return Collected(position=following, notes=notes, missing=missing, expected=one.total)


class _Collection:
    def __init__(self, context: Context, since: Since) -> None:
        self._project = access.resolve(context)
        self.rows = Rows(context.entry.name)
        self._progress = context.progress
        self._since = since
        self.refused = api.Refused("" if context.host.secret("gitlab_token") else "gitlab_token")
        self._seen = 0
        self.total: int | None = None
        self.pushes = Pushes(self._project, self.rows, since)

    def project(self) -> Project:
        """Request the project before anything else: the time of this answer limits the next position."""
        answer = self._project.client.ask(Ask("GET", self._project.url), Project)
        self._since.began(answer.headers)
        return answer.value

    def requests(self) -> Blocks:
        """Merge requests with their discussions and approvals.

        The newest come first. A request that changes meanwhile moves to the front, so that others may appear twice, but
        none is skipped.
        """
        query = {"per_page": PAGE, "scope": "all", "state": "all", "order_by": "updated_at", "sort": "desc"}
        if (after := self._since.utc()) is not None:
            query["updated_after"] = after
        seen: set[int] = set()
        url = f"{self._project.url}/merge_requests"
        for page in pages(self._project.client, url, list[Request], query, by_link, size="per_page", page="page"):
            if self.total is None and self._since.moment is None and page.headers.get("X-Total", "").isdecimal():
                self.total = int(page.headers["X-Total"])
            new = [one for one in page.value if self._since.is_new(one.updated_at) and one.id not in seen]
            seen.update(one.id for one in new)
            for one in new:
                self._since.saw(one.updated_at, page.headers)
            yield [self.rows.request(one) for one in new]
            for request, discussions in zip(new, parallel.mapped(self._discussions, new), strict=True):
                yield from self._notes(request, discussions)
                yield self._approvals(request, discussions)
            self._seen += len(new)
            self._progress("merge requests", self._seen, self.total)

    def _discussions(self, request: Request) -> list[Discussion]:
        path = f"/merge_requests/{request.iid}/discussions"
        return self.refused.attempt("comments on merge requests", lambda: self._project.whole(path, Discussion))

    def _notes(self, request: Request, discussions: Sequence[Discussion]) -> Blocks:
        notes = [
            (note, discussion.notes[0].id if number else None)
            for discussion in discussions
            for number, note in enumerate(discussion.notes)
            if self._since.is_new(note.updated_at, note.created_at)
        ]
        yield [self.rows.note(note, request.id, parent) for note, parent in notes if note.position is None]
        yield [
            self.rows.line_note(note, note.position, request.id, parent)
            for note, parent in notes
            if note.position is not None
        ]

    def _approvals(self, request: Request, discussions: Sequence[Discussion]) -> Sequence[Row]:
        """The current approvals of a request, as far as they were given since the position."""
        given: dict[str, Note] = {}
        told = [note for discussion in discussions for note in discussion.notes if note.system]
        for note in sorted(told, key=lambda one: one.created_at):
            if note.author and note.body == APPROVED:
                given[note.author.username] = note
            elif note.author and note.body == UNAPPROVED:
                given.pop(note.author.username, None)
        new = {name for name, note in given.items() if self._since.is_new(note.created_at)}
        if not new:
            return []
        found = optional(lambda: self._project.get(f"/merge_requests/{request.iid}/approvals", Approvals))
        users: list[User] = [note.author for note in given.values() if note.author]
        if found is not None:
            users = [one.user for one in found.approved_by]
        return [self.rows.approval(user, request.id) for user in users if user.username in new]

    def commit_comments(self) -> Blocks:
        """Comments on new commits. This takes a request for each commit, so the host's options must enable it."""
        query = {"all": "true"} | ({"since": after} if (after := self._since.utc()) else {})
        commits = [one.id for one in self._project.whole("/repository/commits", Commit, query)]

        def comments(commit: str) -> list[CommitNote]:
            return self._project.whole(f"/repository/commits/{commit}/comments", CommitNote)

        for commit, found in zip(commits, parallel.mapped(comments, commits), strict=True):
            yield [self.rows.commit_comment(one, commit) for one in found if self._since.is_new(one.created_at)]

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self._since.moment is None:
            yield KEPT
        if self.pushes.unknown:
            yield f"of {self.pushes.unknown} pushes only the last commit is known: the others are gone"
        if self.pushes.bulk:
            yield (
                f"{self.pushes.bulk} pushes of {self.pushes.bulk_refs} branches and tags have no rows: "
                "GitLab only keeps their number"
            )
        if self.total is not None and self.total != self._seen:
            yield f"{self._seen} of {self.total} merge requests: the others changed meanwhile"
