"""Makes rows of the comments on an issue."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gros_agent.rows import NOBODY, JiraComment
from gros_agent.sources.jira import sprints
from gros_agent.sources.jira.moments import seconds
from gros_agent.sources.jira.seen import Seen


def comments(
    issue: str, listed: Sequence[Mapping[str, Any]], seen: Seen, since: int | None = None
) -> Iterator[JiraComment]:
    """The comments that were written or changed since a moment, in seconds since 1970. None for all.

    A comment without a moment that can be parsed can't be written, and is counted.
    """
    for one in listed:
        identifier = sprints.number(one.get("id"))
        created = seconds(one.get("created"))
        updated = seconds(one.get("updated"))
        moments = [moment for moment in (created, updated) if moment is not None]
        author = seen.people.account(one.get("author"))
        updater = seen.people.account(one.get("updateAuthor"))
        if identifier is None or not moments:
            seen.odd["comment"] += 1
        elif since is None or max(moments) >= since:
            body = one.get("body")
            yield JiraComment(
                id=identifier,
                issue_id=issue,
                comment=body if isinstance(body, str) else "",
                author=author or NOBODY,
                created_at=seen.dates.bounded(moments[0]),
                updater=updater or NOBODY,
                updated_at=seen.dates.bounded(moments[-1]),
            )
