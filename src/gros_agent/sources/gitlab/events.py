"""Collects pushes, with one row for each commit of a push.

GitLab lists the first and the last commit of a push; those between are requested separately. It keeps events for three
years. See https://docs.gitlab.com/api/events/.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

from gros_agent.http.paging import by_link, pages
from gros_agent.rows import Row
from gros_agent.runtime import parallel
from gros_agent.sources.common.api import Since
from gros_agent.sources.gitlab.access import PAGE, Reached, optional
from gros_agent.sources.gitlab.rows import Rows
from gros_agent.sources.gitlab.shapes import Comparison, Event

ACTIONS = frozenset({"pushed to", "pushed new", "deleted"})
KEPT = "GitLab keeps pushes for three years: older ones are not in the tables"


class Pushes:
    """The pushes to a project since a moment.

    ``unknown`` is the number of pushes whose commits no longer exist. ``bulk`` is the number of pushes that GitLab
    lists without their branches and tags, and ``bulk_refs`` the number of those.
    """

    def __init__(self, project: Reached, rows: Rows, since: Since) -> None:
        self._project, self._rows, self._since = project, rows, since
        self.unknown = 0
        self.bulk = self.bulk_refs = 0

    def read(self) -> Iterator[Sequence[Row]]:
        """Yield pushes page by page, the newest first. Raises :class:`SourceError`."""
        query = {"per_page": PAGE, "action": "pushed"}
        if self._since.moment is not None:
            # The list starts after this date, which may be in another time zone.
            query["after"] = f"{self._since.moment - timedelta(days=2):%Y-%m-%d}"
        seen: set[tuple[object, ...]] = set()
        for page in pages(
            self._project.client,
            f"{self._project.url}/events",
            list[Event],
            query,
            by_link,
            size="per_page",
            page="page",
        ):
            events = []
            for event in page.value:
                # a push meanwhile shifts the list, so that events of the previous page appear again
                mark = (event.id or event.created_at, event.push_data and event.push_data.ref, event.author_username)
                if event.action_name in ACTIONS and self._since.is_new(event.created_at) and mark not in seen:
                    seen.add(mark)
                    events.append(event)
                    self._since.saw(event.created_at, page.headers)
            found = zip(events, parallel.mapped(self._commits, events), strict=True)
            yield [self._rows.event(event, commit) for event, commits in found for commit in commits]

    def _commits(self, event: Event) -> list[str]:
        """The commits of a push, the newest first."""
        push = event.push_data
        if push is None:
            return []
        first, last = push.commit_from, push.commit_to
        if first is None and last is None:
            # a push of many branches or tags (more than three by default) is only listed with their number
            self.bulk += 1
            self.bulk_refs += push.ref_count or 1
            return []
        if first is None or last is None or push.ref_type == "tag":
            one = last or first
            return [one] if one else []
        if push.commit_count <= 1:
            return [last]
        between = f"/repository/compare?from={quote(first, safe='')}&to={quote(last, safe='')}"
        compared = optional(lambda: self._project.get(between, Comparison), {HTTPStatus.NOT_FOUND})
        if compared is None or not compared.commits:
            self.unknown += 1
            return [last]
        return [commit.id for commit in reversed(compared.commits)]
