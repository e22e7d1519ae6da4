"""Answers about a made Jira project that Data Center and Cloud have in common; :mod:`jira_server` has what differs.

The paths are the vendor's, as far as the clients that are compared ask for them. All others are not there.
"""

import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from jira_issues import COMMENTS, Issues
from jira_project import BASE, BOARD, KEY, PRIORITY, RELATES, RESOLUTION, STATUSES, STORY, Item, Project, moment

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from sources.jira.replay import not_there, refused
from support.replay import Asked, Replay
from support.web import Answer, json_answer

USER, PASSWORD = "person@jira.example", "the-password"
AGILE, USERS = 50, 1000
"""The longest pages of boards and sprints, and of people."""
_JQL = re.compile(
    r'project ?= ?"?(?P<project>\w+)"?'
    r'(?: AND updated ?(?P<sign>>=?) ?(?:(?P<milliseconds>\d+)|"(?P<day>[\d-]+ [\d:]+)"))?(?: order by .+)?',
    re.IGNORECASE,
)
"""The queries of the clients that are compared."""
_NAMES = {"status": [*STATUSES.values()], "issuetype": [STORY], "priority": [PRIORITY], "resolution": [RESOLUTION]}
"""Lists of what issues can be."""


class Lists(Replay):
    """A replay that takes a list in a query as a text with commas, as Jira does, if it is sent as several values."""

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Answer | None:
        """Answer with one value for each name in the query."""
        parts = urlsplit(target)
        query: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        return super().answer(method, parts._replace(query=urlencode(query)).geturl(), headers, content)


def always(content: object) -> Callable[[Asked], Answer]:
    """Answer the same each time."""
    return lambda _: json_answer(content)


class Jira:
    """What both deployments have."""

    def __init__(self, issues: int, *, is_cloud: bool) -> None:
        self.is_cloud = is_cloud
        self.project = Project(is_cloud=is_cloud)
        self.issues = Issues(self.project, issues)
        self.replay = Lists(unknown=not_there)
        self.under = "" if is_cloud else "/jira"
        api, agile = f"{self.under}/rest/api/2", f"{self.under}/rest/agile/1.0"
        project, projects = self.project, [self.project.short]
        fixed: Mapping[str, object] = {
            f"{api}/field": project.fields,
            f"{api}/project": projects,
            f"{api}/project/{KEY}": project.whole,
            f"{api}/project/{KEY}/versions": project.versions,
            f"{api}/project/{KEY}/components": project.components,
            f"{api}/issueLinkType": {"issueLinkTypes": [RELATES]},
            **{f"{api}/{name}": listed for name, listed in _NAMES.items()},
        }
        for path, answer in fixed.items():
            self.add(path.removeprefix(f"{api}/"), "GET", path, always(answer))
        for name, method, path, handler in (
            ("serverInfo", "GET", f"{api}/serverInfo", self.info),
            ("myself", "GET", f"{api}/myself", self.myself),
            ("assignable", "GET", f"{api}/user/assignable/multiProjectSearch", self.assignable),
            ("boards", "GET", f"{agile}/board", lambda asked: self.page(asked, [project.board], "values", AGILE)),
            (
                *("sprints", "GET", f"{agile}/board/{BOARD}/sprint"),
                lambda asked: self.page(asked, project.sprints, "values", AGILE, total=None),
            ),
            ("comments", "GET", f"{api}/issue/([A-Z0-9-]+)/comment", self.comments),
            ("issue", "GET", f"{api}/issue/([A-Z0-9-]+)", self.one_issue),
            *self.further(api),
        ):
            self.add(name, method, path, handler)

    def further(self, api: str) -> Iterable[tuple[str, str, str, Callable[[Asked], Answer]]]:
        """What one deployment has, with name, method, path and handler."""
        raise NotImplementedError

    def add(self, name: str, method: str, path: str, handler: Callable[[Asked], Answer]) -> None:
        """Answer at a path, to all if it is about the server, and else to the one account that there is."""
        known = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

        def answer(asked: Asked) -> Answer:
            if name != "serverInfo" and asked.headers.get("Authorization") != known:
                return refused(401, "You are not authenticated. Authentication required to perform this operation.")
            return handler(asked)

        self.replay.route(name, path, answer, method)

    def info(self, _: Asked) -> Answer:
        """What the server is."""
        is_cloud = self.is_cloud
        numbers = [1001, 0, 0] if is_cloud else [9, 12, 7]
        return json_answer(
            {
                "baseUrl": f"{self.replay.url}{self.under}",
                "version": "1001.0.0-SNAPSHOT" if is_cloud else "9.12.7",
                "versionNumbers": numbers,
                "deploymentType": "Cloud" if is_cloud else "Server",
                "buildNumber": 100_204 if is_cloud else 912_007,
                "serverTime": moment(int(datetime.now(UTC).timestamp())).decode().strip('"'),
                "serverTitle": "Jira",
            }
        )

    def myself(self, _: Asked) -> Answer:
        """The account that asks. Some clients take the server's address from its address."""
        one = self.project.people[0]
        return json_answer({**one, "self": one["self"].replace(BASE, f"{self.replay.url}{self.under}")})

    def assignable(self, asked: Asked) -> Answer:
        """The people to whom issues can be assigned."""
        begin, size = int(asked.query.get("startAt", 0)), min(int(asked.query.get("maxResults", 50)), USERS)
        return json_answer(self.project.people[begin : begin + size])

    def page(self, asked: Asked, items: Sequence[Item], key: str, longest: int, **more: object) -> Answer:
        """A page of a list by an offset."""
        begin, size = int(asked.query.get("startAt", 0)), min(int(asked.query.get("maxResults", 50)), longest)
        told: Item = {"startAt": begin, "maxResults": size, "total": len(items), "isLast": begin + size >= len(items)}
        told = {name: value for name, value in (told | more).items() if value is not None}
        return json_answer(told | {key: items[begin : begin + size]})

    def comments(self, asked: Asked) -> Answer:
        """The comments on an issue."""
        number = self.issues.number(asked.parts[0])
        if number is None:
            return refused(404, "Issue Does Not Exist")
        items = b",".join(self.issues.comments(number))
        told = b'{"startAt":0,"maxResults":1048576,"total":%d,"comments":[%b]}' % (COMMENTS, items)
        return 200, {"Content-Type": "application/json"}, told

    def one_issue(self, asked: Asked) -> Answer:
        """An issue."""
        number = self.issues.number(asked.parts[0])
        if number is None:
            return refused(404, "Issue Does Not Exist")
        fields = self.issues.named(asked.query.get("fields", "*all").split(","))
        with_changes = "changelog" in asked.query.get("expand", "")
        return 200, {"Content-Type": "application/json"}, self.issues.issue(number, fields, with_changes=with_changes)

    def found(self, jql: str) -> range | None:
        """The numbers of the issues that a query finds, or None if it is no query, or about another project."""
        match = _JQL.fullmatch(jql.strip())
        if match is None or match["project"] != KEY:
            return None
        if match["day"]:
            second = int(datetime.strptime(match["day"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp())
        else:
            second = int(match["milliseconds"] or 0) // 60_000 * 60
        return range(self.issues.since(second + (match["sign"] == ">")), self.issues.count)
