"""What a project has besides its issues: boards with sprints, and what is needed to read issues.

A list that is refused is a note, and the rest is collected. The project itself is not optional.
"""

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from http import HTTPStatus
from typing import TypeVar

from gros_agent.http.client import Request
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import smaller_page
from gros_agent.runtime import parallel
from gros_agent.sources.jira import access
from gros_agent.sources.jira.access import Server
from gros_agent.sources.jira.lists import by_offset
from gros_agent.sources.jira.shapes import Board, Item, LinkTypes, Project

AGILE_PAGE = 50
"""The largest page of boards and sprints."""
PROJECTS_PAGE = 100
USERS_PAGE = 1000
_ROUND = 50
"""Servers limit pages to a multiple of this: a page of such a length may have a successor, whatever was asked for."""
WITH_SPRINTS = frozenset({"scrum", "simple", None})
"""Types of boards that can have sprints: ``simple`` ones are those of team-managed projects."""

DESCRIBED = frozenset({"issuetype", "priority", "resolution", "status"})
"""Columns whose values the API lists, each under the name of the column."""

T = TypeVar("T")


class Metadata:
    """The metadata of a project, each list asked for when it is needed first. ``notes`` tell what was refused."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._named: dict[str, Item | None] = {}
        self.notes: list[str] = []

    @cached_property
    def project(self) -> Project:
        """The project with its versions, components and issue types. Raises :class:`SourceError`."""
        return access.project(self._server)

    @cached_property
    def boards(self) -> list[Board]:
        """The boards that show issues of the project, of all pages."""

        def ask() -> list[Board]:
            pages = by_offset(
                *(self._server, self._server.agile_url("board"), "values", AGILE_PAGE),
                {"projectKeyOrId": self.project.key},
            )
            return [_board(one) for page in pages for one in page if isinstance(one.get("id"), int)]

        return self._optional("boards and sprints", ask, [])

    @cached_property
    def sprints(self) -> list[Item]:
        """The sprints of all boards, each once. ``boardId`` is the board on which a sprint was found first."""
        found: dict[object, Item] = {}
        boards = [board for board in self.boards if board.type in WITH_SPRINTS]
        for board, sprints in zip(boards, parallel.mapped(self._of_board, boards), strict=True):
            for sprint in sprints:
                found.setdefault(
                    sprint.get("id"), sprint if "originBoardId" in sprint else {"boardId": board.id} | sprint
                )
        return list(found.values())

    def _of_board(self, board: Board) -> list[Item]:
        url = self._server.agile_url(f"board/{board.id}/sprint")

        def ask() -> list[Item]:
            try:
                return [one for page in by_offset(self._server, url, "values", AGILE_PAGE) for one in page]
            except HttpError as error:
                if error.code != HTTPStatus.BAD_REQUEST:  # the board has no sprints
                    raise
                return []

        return self._optional(f"sprints of board {board.id}", ask, [])

    @cached_property
    def fields(self) -> list[Item]:
        """All fields that issues can have, also those of other projects."""
        return self._optional("fields", lambda: self._server.get("field", list[Item]), [])

    @cached_property
    def link_types(self) -> list[Item]:
        """The types of links between issues. Links may be switched off."""
        return self._optional(
            "types of links", lambda: self._server.get("issueLinkType", LinkTypes).issue_link_types, []
        )

    @cached_property
    def users(self) -> list[Item]:
        """The people to whom issues of the project can be assigned, as far as the server lists them."""
        return self._optional("assignable users", lambda: list(self._assignable()), [])

    def _assignable(self) -> Iterator[Item]:
        """Yield users by pages, as far as the server lists them.

        Cloud gives those that can be assigned among the people in a range, up to the thousandth of the site. Some
        releases of a server give nothing after the first thousand.
        """
        known: set[str] = set()
        begin, is_last = 0, False
        while not is_last:
            page, size = self._assignable_page(begin)
            new = [one for one in page if _identity(one) not in known]
            known.update(map(_identity, new))
            yield from new
            if self._server.is_cloud:
                begin += size
                is_last = begin >= USERS_PAGE
            else:
                begin += len(page)
                is_last = not new or (len(page) < size and len(page) % _ROUND > 0)
        is_cut = len(known) >= USERS_PAGE if self._server.is_cloud else not page and begin == USERS_PAGE
        if is_cut:
            self._note(f"the server lists {len(known)} assignable users and no more: others are known from issues")

    def _assignable_page(self, begin: int) -> tuple[list[Item], int]:
        """A page of users, and the size that was asked for in the end."""
        query = {
            "projectKeys": self.project.key,
            "query" if self._server.is_cloud else "username": "",
            "startAt": str(begin),
            "maxResults": str(USERS_PAGE),
        }
        url = self._server.url("user/assignable/multiProjectSearch")
        answer = self._server.client.ask(Request("GET", url, query, smaller=smaller_page("maxResults")), list[Item])
        return answer.value, int((answer.request.query or query)["maxResults"])

    @cached_property
    def projects(self) -> dict[str, str]:
        """The keys of all projects that the account may see, by their identifiers."""

        def ask() -> dict[str, str]:
            found = self._all_projects()
            return {str(one["id"]): str(one["key"]) for one in found if "id" in one and "key" in one}

        return self._optional("other projects", ask, {})

    def _all_projects(self) -> list[Item]:
        if not self._server.is_cloud:
            return self._server.get("project", list[Item])
        pages = by_offset(self._server, self._server.url("project/search"), "values", PROJECTS_PAGE)
        return [one for page in pages for one in page]

    def described(self, column: str) -> list[Item]:
        """All that a column of issues can refer to, such as statuses, with their names."""
        if column not in DESCRIBED:
            return []
        return self._optional(f"names for {column}", lambda: self._server.get(column, list[Item]), [])

    def user(self, key: str) -> Item | None:
        """The person with a key on a server, or None. The key is what changelogs have there, and no name."""
        with self._lock:
            if key not in self._named:
                self._named[key] = None if self._server.is_cloud else self._of_key(key)
            return self._named[key]

    def _of_key(self, key: str) -> Item | None:
        try:
            found = self._server.get("user", Item, {"key": key})
            return found if found.get("name") else None
        except HttpError as error:
            if error.code not in access.REFUSALS:
                raise
            words = "people by their keys are refused: changes name them by key"
            if error.code != HTTPStatus.NOT_FOUND and words not in self.notes:
                self.notes.append(words)
            return None

    def _optional(self, what: str, ask: Callable[[], T], otherwise: T) -> T:
        """The result of a request that may be refused, which is noted."""
        try:
            return ask()
        except HttpError as error:
            if error.code not in access.REFUSALS:
                raise
            self._note(f"{what} are refused or switched off there: {error.message}; {error.hint}")
            return otherwise

    def _note(self, words: str) -> None:
        with self._lock:
            self.notes.append(words)


def _board(one: Item) -> Board:
    kind = one.get("type")
    return Board(one["id"], str(one.get("name", "")), kind if isinstance(kind, str) else None)


def _identity(user: Item) -> str:
    return str(user.get("accountId") or user.get("key") or user.get("name"))
