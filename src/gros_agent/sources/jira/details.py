"""Completes an issue: its histories and comments, where a list within an answer has fewer than there are."""

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http import repair
from gros_agent.http.client import Request
from gros_agent.http.faults import HttpError, is_server_fault
from gros_agent.sources.jira.access import Server
from gros_agent.sources.jira.lists import whole
from gros_agent.sources.jira.search import Issue, Losses
from gros_agent.sources.jira.shapes import Item, RawIssue

PAGE = 100
"""Comments or histories of one issue on a page."""
T = TypeVar("T")
_OF_THE_ISSUE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def decoded(raw: msgspec.Raw, kind: type[T], url: str) -> T:
    """A part of the answer of an address. Raises :class:`SourceError`."""
    try:
        return repair.decoded(bytes(raw), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(
            f"an issue in the answer of {url} could not be parsed: {error}",
            "check the address and the system's version",
            own="the server's answer could not be parsed",
        ) from None


class Details:
    """Completes issues of one server. Several threads may use it."""

    def __init__(self, server: Server, losses: Losses) -> None:
        self._server, self._losses = server, losses

    def completed(self, one: RawIssue, histories: list[Item] | None = None) -> Issue | None:
        """The issue with all its histories and comments, or None if it is gone or can't be read.

        Without ``histories`` those that came with it are taken, if they are all.
        """
        try:
            every = self._histories(one) if histories is None else histories
            return Issue(one.id, one.key, one.fields, every, self._comments(one))
        except HttpError as error:
            if error.code not in _OF_THE_ISSUE and not is_server_fault(error.code):
                raise
            if error.code == HTTPStatus.NOT_FOUND and self._is_gone(one):
                self._losses.left()
            else:
                self._losses.unreadable(one.name, one.created, error)
        except IncompleteError as error:
            self._losses.unreadable(one.name, one.created, error)
        return None

    def _is_gone(self, one: RawIssue) -> bool:
        """Whether an issue was deleted or hidden since it was found, so that nothing of it is missing."""
        try:
            self._server.get(f"issue/{one.id}", RawIssue, {"fields": "updated"})
        except HttpError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return True
            raise
        return False

    def _histories(self, one: RawIssue) -> list[Item]:
        """All histories of an issue. Versions are numbered by them, so that a part of them is worth nothing."""
        if _is_whole(one):
            return _of(one)
        if self._server.is_cloud:
            return self._changelog(one)
        query = {"fields": "updated", "expand": "changelog"}
        again = self._server.client.ask(Request("GET", self._server.url(f"issue/{one.id}"), query), RawIssue).value
        if not _is_whole(again):
            raise IncompleteError("its changelog", len(_of(again)), again.changelog.total if again.changelog else None)
        return _of(again)

    def _changelog(self, one: RawIssue) -> list[Item]:
        """All histories of an issue on Cloud, by themselves."""
        found, total = whole(self._server, self._server.url(f"issue/{one.id}/changelog"), "values", PAGE)
        if total is None or len(found) < total:
            raise IncompleteError("its changelog", len(found), total)
        return found

    def _comments(self, one: RawIssue) -> list[Item]:
        """All comments of an issue, also those for which there was no room in its field."""
        told = one.fields.get("comment")
        found = told.get("comments") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(found, list):
            return []
        total: Any = told.get("total")
        if not isinstance(total, int) or total <= len(found):
            return found
        url = self._server.url(f"issue/{one.id}/comment")
        comments, now = whole(self._server, url, "comments", PAGE, {"orderBy": "created"})
        every = {str(comment.get("id")): comment for comment in comments}  # pages may overlap
        if len(every) < (total if now is None else now):
            raise IncompleteError("its comments", len(every), now)
        return list(every.values())


class IncompleteError(SourceError):
    """A server gives fewer items of a list than it says that there are."""

    def __init__(self, what: str, count: int, total: int | None) -> None:
        super().__init__(
            f"{what}: {count} of {'?' if total is None else total} came",
            "its versions can't be made without all of them; the next collection asks again",
            own="the server gives less than it says",
        )


def _of(one: RawIssue) -> list[Item]:
    return one.changelog.histories if one.changelog else []


def _is_whole(one: RawIssue) -> bool:
    """Whether all histories came with an issue. One without a number of them has none that could be compared."""
    log = one.changelog
    return log is not None and log.total is not None and len(log.histories) >= log.total
