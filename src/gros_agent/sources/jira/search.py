"""Finds the issues of a project that changed since a moment, with all that happened to them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from threading import Lock
from typing import Protocol

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.faults import HttpError
from gros_agent.sources.base import Progress, no_progress
from gros_agent.sources.jira.access import Server
from gros_agent.sources.jira.position import Position
from gros_agent.sources.jira.shapes import Item

BYTES = 8 << 20
"""The size of a page of issues in bytes that is aimed at: the next page has as many issues as fit, by those so far."""
NAMED = 20
"""The number of unreadable issues after which the server counts as unable to answer."""
_QUERY = "the query of the settings is one condition in JQL, without an order, such as: labels = public"
_QUOTED = re.compile(r""" "[^"\\]*" | '[^'\\]*' """, re.VERBOSE)
_ORDER = "ORDER BY created ASC, key ASC"
"""An order by the last change would let issues move from page to page."""


@dataclass(slots=True)
class Issue:
    """An issue as it is now, with all its histories (their order is the server's) and all its comments.

    A moment of a history is a text, or milliseconds since 1970 as a number or in digits.
    """

    id: str
    key: str
    fields: Item
    histories: list[Item]
    comments: list[Item]


@dataclass
class Losses:
    """What could not be read while the rest was. ``missing`` names it, and the position stays before it.

    ``gone`` is the number of issues that were deleted or hidden while they were read.
    """

    position: Position
    missing: list[str] = field(default_factory=list)
    gone: int = 0
    _unreadable: int = 0
    _lock: Lock = field(default_factory=Lock)

    def incomplete(self, words: str) -> None:
        """Note that issues are missing, and nobody knows which."""
        with self._lock:
            if words not in self.missing:
                self.missing.append(words)
            self.position.hold(None)

    def left(self, count: int = 1) -> None:
        """Note issues that were deleted or hidden meanwhile: nothing of them is missing."""
        with self._lock:
            self.gone += count

    def unreadable(self, name: str, created: datetime | None, error: SourceError) -> None:
        """Note an issue that could not be read. Raises the error if there were many: then it is not the issue."""
        with self._lock:
            self._unreadable += 1
            if self._unreadable > NAMED:
                raise error
            self.missing.append(f"issue {name}: {error.message}; {error.hint}")
            self.position.hold(created)

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self.gone:
            yield f"{self.gone} issues were deleted or hidden while they were read"


class Search(Protocol):
    """The search of one deployment. ``expected`` is the number of issues that the server announced."""

    expected: int | None

    def count(self) -> int:
        """The number of issues that changed. Raises :class:`SourceError`."""
        ...

    def issues(self, fields: Sequence[str]) -> Iterator[Issue]:
        """Yield each issue once, with these fields. Raises :class:`SourceError`."""
        ...


@dataclass(frozen=True)
class Task:
    """What a search needs: the server, the condition, and where losses and progress are told."""

    server: Server
    jql: str
    losses: Losses
    progress: Progress = no_progress

    def failed(self, error: HttpError) -> SourceError:
        """The error for a refused search."""
        if error.code != HTTPStatus.BAD_REQUEST:
            return error
        hint = f"check the query of the settings; issues of {self.server.project_key} may be hidden from"
        return SourceError(error.message, f"{hint} {self.server.who}", own=error.own)


def condition(project: str, since: int | None, extra: str | None) -> str:
    """The query in JQL: issues of a project that changed since some milliseconds after 1970, the oldest issue first.

    The key is quoted, since it may be a reserved word. Milliseconds mean the same in every zone. Raises
    :class:`SourceError` if the ``extra`` condition could be more than one: then it might name other projects.
    """
    quoted = re.sub(r'(["\\])', r"\\\1", project)
    parts = [f'project = "{quoted}"']
    if since is not None:
        parts.append(f"updated >= {since}")
    if extra and extra.strip():
        if not _is_closed(extra):
            raise SourceError(
                f"the query {extra.strip()!r} has a parenthesis, quotation mark or backslash too many", _QUERY
            )
        parts.append(f"({extra.strip()})")
    return f"{' AND '.join(parts)} {_ORDER}"


def _is_closed(condition: str) -> bool:
    """Whether all parentheses and quotation marks of a condition are closed, and none that it did not open.

    One with a backslash, which could hide a quotation mark, does not count as closed.
    """
    depth, outside = 0, _QUOTED.sub("", condition)
    for character in outside:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0 and not set("\"'\\") & set(outside)


def mean(issues: Sequence[msgspec.Raw]) -> int:
    """The mean size of some issues in bytes."""
    return max(1, sum(len(memoryview(one)) for one in issues) // len(issues))
