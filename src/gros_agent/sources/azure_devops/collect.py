"""Collects a repository: pull requests with their threads, pushes, and the boards of its project, all in parallel."""

import threading
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta

from msgspec.structs import replace

from gros_agent.rows import Row
from gros_agent.runtime import parallel
from gros_agent.sources.azure_devops import access
from gros_agent.sources.azure_devops.answers import Described, Listed, PullRequest, Push, Thread
from gros_agent.sources.azure_devops.boards import Boards
from gros_agent.sources.azure_devops.rows import Rows, activity, written
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.api import Refused, Since, whole

AT_ONCE = 6
"""Pull requests whose threads are requested at the same time."""
OPEN_TO_COMMENTS = timedelta(days=14)
"""How long a closed pull request is still checked for new comments."""
WORK_ITEMS = "TFS 2015 Update 2 and newer have their history; let the password's user see the work items"
"""What to do if the history of work items is refused."""
LISTED_DESCRIPTION = 400
"""The list of pull requests cuts descriptions to this many characters."""
THREADS = "3.0"
"""The oldest version with the threads of a pull request."""

Blocks = Iterator[Sequence[Row]]


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what changed since a position. Raises :class:`SourceError`."""
    since = Since(position)
    one = _Collection(context, since)
    refused = one.refused
    pulls = list(refused.unless("pull requests", one.pulls()))
    boards = Boards(one.api, context.entry.name, since, context.progress)
    streams = [one.requests(pulls[number::AT_ONCE]) for number in range(min(AT_ONCE, len(pulls)))]
    others = [
        refused.unless("pushes", one.pushes()),
        refused.unless("teams", boards.teams()),
        refused.unless("work items", boards.work_items(), hint=WORK_ITEMS),
    ]
    yield from parallel.merged([*streams, *others])
    missing = tuple(refused.missing)
    return Collected(
        # refused lists are requested again next time, from the same position
        position=position if missing else since.next(),
        notes=(*refused.notes, *one.notes()),
        missing=missing,
        expected=len(pulls) if since.moment is None and not missing else None,
    )


class _Collection:
    def __init__(self, context: Context, since: Since) -> None:
        self.api = access.connect(context)
        self._rows = Rows(context.entry.name)
        self._since = since
        self.refused = Refused()
        self._progress = context.progress
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0
        self._without_refs = 0
        since.began(self.api.headers)

    def pulls(self) -> Iterator[PullRequest]:
        """Yield the pull requests that may have something new."""
        url = f"{self.api.git}/pullrequests"
        query = {"searchCriteria.status": "all", "status": "all"}
        for pulls, headers in self.api.pages(url, PullRequest, lambda pull: pull.pull_request_id, query):
            for pull in pulls:
                self._since.saw(pull.closed_date or pull.creation_date, headers)
            found = [pull for pull in pulls if self._may_have_new(pull)]
            self._total += len(found)
            yield from found

    def _may_have_new(self, pull: PullRequest) -> bool:
        end = pull.closed_date
        if end is None or self._since.moment is None:
            return True
        return self._since.is_new(pull.creation_date) or whole(end) > self._since.moment - OPEN_TO_COMMENTS

    def requests(self, pulls: Sequence[PullRequest]) -> Blocks:
        """Pull requests with their reviews and comments."""
        for pull in pulls:
            threads = self._threads(pull)
            updated = activity(pull, threads)
            if self._since.is_new(updated, pull.creation_date):
                yield [self._rows.request(self._whole(pull), updated)]
                yield list(self._rows.reviews(pull))
                yield from self._comments(pull, threads)
            with self._lock:
                self._done += 1
                self._progress("pull requests", self._done, self._total)

    def _whole(self, pull: PullRequest) -> PullRequest:
        """A pull request with its whole description. The list only has the first 400 characters."""
        if len(pull.description or "") < LISTED_DESCRIPTION:
            return pull

        def ask() -> list[Described]:
            return [self.api.ask(f"{self.api.git}/pullRequests/{pull.pull_request_id}", Described).value]

        found = self.refused.attempt("whole descriptions of pull requests", ask)
        return replace(pull, description=next((one.description for one in found), None) or pull.description)

    def _threads(self, pull: PullRequest) -> list[Thread]:
        if self.api.version < THREADS:
            return []

        def ask() -> list[Thread]:
            answer = self.api.ask(f"{self.api.git}/pullRequests/{pull.pull_request_id}/threads", Listed[Thread])
            self._since.saw(activity(pull, answer.value.value), answer.headers)
            return answer.value.value

        return self.refused.attempt("comments of pull requests", ask)

    def _comments(self, pull: PullRequest, threads: Sequence[Thread]) -> Blocks:
        new = [
            (thread, comment)
            for thread in threads
            for comment in written(thread)
            if self._since.is_new(comment.last_updated_date)
        ]
        yield [
            self._rows.note(pull, thread, comment)
            for thread, comment in new
            if not (thread.thread_context and thread.thread_context.file_path)
        ]
        yield [
            self._rows.line_comment(pull, thread, comment, thread.thread_context)
            for thread, comment in new
            if thread.thread_context and thread.thread_context.file_path
        ]

    def pushes(self) -> Blocks:
        """Pushes, with their effect on each branch and tag."""
        query = {"searchCriteria.includeRefUpdates": "true", "includeRefUpdates": "true"}
        start = self._since.utc()
        if start:
            query |= {"searchCriteria.fromDate": start, "fromDate": start}
        for pushes, headers in self.api.pages(f"{self.api.git}/pushes", Push, lambda push: push.push_id, query):
            new = [push for push in pushes if self._since.is_new(push.date)]
            for push in pushes:
                self._since.saw(push.date, headers)
            self._without_refs += sum(push.ref_updates is None for push in new)
            yield [row for push in new for row in self._rows.events(push)]

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self._without_refs:
            yield f"{self._without_refs} pushes have no rows: the server does not list their branches"
        if self.api.version < THREADS:
            yield "comments of pull requests are not collected: the server is older than TFS 2017"
