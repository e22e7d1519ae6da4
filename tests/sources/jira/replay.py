"""A Jira on loopback that answers what was recorded of one: what Server, Data Center and Cloud have in common.

:mod:`sources.jira.server` and :mod:`sources.jira.cloud` have what differs. Issues beyond those of the recordings are
made here, in their form. The server has a clock of its own, which tests set.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDINGS = Path(__file__).parents[2] / "recordings" / "jira"
USER, PASSWORD, TOKEN = "reader", "the-password-of-jira", "the-token-of-jira"
Item = dict[str, Any]

_JQL = re.compile(
    r'project = "(?P<project>(?:[^"\\]|\\.)+)"(?: AND updated >= (?P<since>[0-9]+))?(?: AND \((?P<extra>[^()]*)\))?'
    r" ORDER BY created ASC, key ASC"
)
"""The queries that are understood here. ``updated`` takes milliseconds since 1970, of which the minute counts."""
_EXTRA = re.compile(r'issuetype = "(?P<type>[^"]+)"')


def recorded(name: str) -> Item:
    found: Item = json.loads((RECORDINGS / f"{name}.json").read_text())
    return found


def refused(code: int, *messages: str, **headers: str) -> Answer:
    """How Jira refuses: a list of messages, and what is wrong with each field."""
    code, plain, content = json_answer({"errorMessages": list(messages), "errors": {}}, code)
    return code, plain | headers, content


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def written(at: datetime) -> str:
    """A moment as both deployments write it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"


@dataclass
class Jira:
    """A project with what hangs on it, in the API's shapes. ``issues`` have their histories, the oldest first."""

    under: str = ""
    key: str = ""
    info: Item = field(default_factory=dict)
    account: Item = field(default_factory=dict)
    project: Item = field(default_factory=dict)
    issues: list[Item] = field(default_factory=list)
    boards: list[Item] = field(default_factory=list)
    sprints: dict[int, list[Item]] = field(default_factory=dict)
    fields: list[Item] = field(default_factory=list)
    link_types: list[Item] = field(default_factory=list)
    users: list[Item] = field(default_factory=list)
    projects: list[Item] = field(default_factory=list)
    names: dict[str, list[Item]] = field(default_factory=dict)
    public: bool = False
    now: datetime = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    replay: Replay = field(default_factory=Replay)
    page_of_boards: int = 50
    agile: bool = True
    closed: set[str] = field(default_factory=set)

    def serve(self, further: Iterable[tuple[str, str, str, Callable[[Asked], Answer]]]) -> None:
        """Set the routes: those of both deployments, and others with name, method, path and handler."""
        api, agile = f"{self.under}/rest/api/2", f"{self.under}/rest/agile/1.0"
        routes = (
            ("server", "GET", f"{api}/serverInfo", lambda _: json_answer(self.told())),
            ("myself", "GET", f"{api}/myself", lambda _: json_answer(self.account)),
            ("field", "GET", f"{api}/field", lambda _: json_answer(self.fields)),
            ("project", "GET", f"{api}/project/([^/]+)", self.one_project),
            ("links", "GET", f"{api}/issueLinkType", lambda _: json_answer({"issueLinkTypes": self.link_types})),
            ("assignable", "GET", f"{api}/user/assignable/multiProjectSearch", self.assignable),
            ("comments", "GET", f"{api}/issue/([0-9]+)/comment", self.comments),
            ("names", "GET", f"{api}/(issuetype|priority|resolution|status)", self.all_names),
            ("boards", "GET", f"{agile}/board", self.all_boards),
            ("sprints", "GET", f"{agile}/board/([0-9]+)/sprint", self.all_sprints),
        )
        for name, method, pattern, handler in (*further, *routes):
            self.replay.route(name, pattern, self.dated(self.guarded(handler)), method)
        self.replay.unknown = lambda path: self.dated(lambda _: not_there(path))(Asked("", "GET", path, {}, {}))

    @property
    def url(self) -> str:
        """The web address of the server."""
        return f"{self.replay.url}{self.under}"

    def told(self) -> Item:
        return {**self.info, "serverTime": written(self.now)}

    def dated(self, handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        """Give each answer the server's time."""

        def answer(asked: Asked) -> Answer:
            code, headers, content = handler(asked)
            return code, {**headers, "Date": format_datetime(self.now, usegmt=True)}, content

        return answer

    def guarded(self, handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        raise NotImplementedError

    # what both deployments list

    def one_project(self, asked: Asked) -> Answer:
        if asked.parts[0] not in {self.key, self.project["id"]}:
            return refused(404, f"No project could be found with key '{asked.parts[0]}'.")
        return json_answer(self.project)

    def assignable(self, asked: Asked) -> Answer:
        assert asked.query["projectKeys"] == self.key
        begin, size = int(asked.query.get("startAt", 0)), min(int(asked.query.get("maxResults", 50)), 1000)
        return json_answer(self.users[begin : begin + size])

    def all_names(self, asked: Asked) -> Answer:
        """All types, priorities, resolutions or statuses: those of issues, and those of ``names``."""
        column = asked.parts[0]
        found = [value for one in self.issues if (value := one["fields"].get(column))]
        every = {one["id"]: one for one in (*self.names.get(column, ()), *found)}
        return json_answer(list(every.values()))

    def paged(self, asked: Asked, items: list[Item], key: str, longest: int, **more: Any) -> Answer:
        """A page by an offset, with no more items than the longest page has."""
        begin = int(asked.query.get("startAt", 0))
        size = min(int(asked.query.get("maxResults", 50)), longest)
        page = items[begin : begin + size]
        told = {"startAt": begin, "maxResults": size, "total": len(items), **more}
        if "isLast" in more:
            told["isLast"] = begin + size >= len(items)
        return json_answer({name: value for name, value in told.items() if value is not None} | {key: page})

    def all_boards(self, asked: Asked) -> Answer:
        if not self.agile:
            return not_there(asked.path)
        assert asked.query["projectKeyOrId"] == self.key
        return self.paged(asked, self.boards, "values", self.page_of_boards, isLast=True)

    def all_sprints(self, asked: Asked) -> Answer:
        board = next((one for one in self.boards if str(one["id"]) == asked.parts[0]), None)
        if board is None:
            return refused(404, "Board does not exist or you do not have permission to view it.")
        if board.get("type") == "kanban":
            return refused(400, "The board does not support sprints")
        return self.paged(
            asked, self.sprints.get(board["id"], []), "values", self.page_of_boards, isLast=True, total=None
        )

    def comments(self, asked: Asked) -> Answer:
        issue = self.issue(asked.parts[0])
        if issue is None:
            return refused(404, "Issue Does Not Exist")
        return self.paged(asked, issue["fields"]["comment"]["comments"], "comments", 1_000_000)

    # searching

    def issue(self, name: str) -> Item | None:
        """An issue by its identifier or key."""
        return next((one for one in self.visible() if name in {one["id"], one["key"]}), None)

    def visible(self) -> list[Item]:
        return [one for one in self.issues if one["key"] not in self.closed]

    def found(self, jql: str) -> list[Item] | str:
        """The issues that a query finds, in its order, or what is wrong with it."""
        match = _JQL.fullmatch(jql)
        if match is None:
            return f"Error in the JQL Query: '{jql}'"
        project = re.sub(r"\\(.)", r"\1", match["project"])
        if project != self.key:
            return f"The value '{project}' does not exist for the field 'project'."
        extra = _EXTRA.fullmatch(match["extra"]) if match["extra"] else None
        if match["extra"] and extra is None:
            return f"Error in the JQL Query: '{match['extra']}'"
        since = int(match["since"] or 0) // 60_000 * 60_000
        issues = [
            one
            for one in self.visible()
            if one["key"].rpartition("-")[0] == project
            and moment(one["fields"]["updated"]).timestamp() * 1000 >= since
            and (extra is None or one["fields"]["issuetype"]["name"] == extra["type"])
        ]
        return sorted(issues, key=lambda one: (moment(one["fields"]["created"]), int(one["key"].rpartition("-")[2])))

    # what people do

    def touch(self, key: str, at: datetime | None = None) -> Item:
        """Change something of an issue that no changelog has."""
        found = next(one for one in reversed(self.issues) if one["key"] == key)
        found["fields"]["updated"] = written(at or self.now)
        return found

    def change(self, key: str, at: datetime | None = None, **item: Any) -> Item:
        """Change a field of an issue."""
        found, when = self.touch(key, at), written(at or self.now)
        changed = {
            "field": "summary",
            "fieldtype": "jira",
            "from": None,
            "fromString": "a",
            "to": None,
            "toString": "b",
        }
        histories = found["changelog"]["histories"]
        histories.append(
            {"id": str(900_000 + len(histories)), "author": self.account, "created": when, "items": [changed | item]}
        )
        return found

    def say(self, key: str, at: datetime | None = None, body: str = "more") -> Item:
        """Write a comment."""
        found, when = self.touch(key, at), written(at or self.now)
        comments = found["fields"]["comment"]["comments"]
        by = {"author": self.account, "updateAuthor": self.account, "created": when, "updated": when}
        comments.append({"id": str(800_000 + 1000 * int(found["id"]) + len(comments)), "body": body, **by})
        return found

    def add(self, number: int, changes: int = 0, comments: int = 0, at: datetime | None = None) -> Item:
        """Make an issue like the first one of the recording."""
        model = self.issues[0]
        begin = at or datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        key, when = f"{self.key}-{number}", written(begin)
        fields = {**model["fields"], "created": when, "updated": when, "summary": f"number {number}"}
        fields["comment"] = {"comments": []}
        self.issues.append({"id": str(500_000 + number), "key": key, "fields": fields, "changelog": {"histories": []}})
        for count in range(changes):
            self.change(key, begin + timedelta(hours=count))
        for count in range(comments):
            self.say(key, begin + timedelta(hours=count))
        return self.issues[-1]

    def remove(self, key: str) -> None:
        """Delete an issue."""
        self.issues[:] = [one for one in self.issues if one["key"] != key]


def not_there(path: str) -> Answer:
    """The page of the web server for a path that it has not."""
    return 404, {"Content-Type": "text/html"}, f"<html><title>Not found</title>{path}</html>".encode()


def basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
