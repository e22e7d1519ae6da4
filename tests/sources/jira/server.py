"""Jira Server and Data Center, under a path: whole changelogs in the search, pages by an offset."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sources.jira.replay import PASSWORD, TOKEN, USER, Item, Jira, basic, recorded, refused
from support.replay import Asked
from support.web import Answer, json_answer

UNDER = "/jira"
LIMIT = 1000
"""``jira.search.views.default.max``, as it is installed."""
_CLIENT, _DOCS = (
    "source: schrepfler/jira-rest-java-client",
    "description: docs.atlassian.com/software/jira/docs/api/REST",
)
ORIGINS = {
    "server": "recording: jira/server.json",
    "myself": "recording: jira/server.json, user",
    "field": "recording: jira/server.json",
    "project": "recording: jira/server.json",
    "projects": f"{_DOCS}/9.12.0, project",
    "links": "recording: jira/server.json, linkTypes",
    "assignable": f"{_DOCS}/9.12.0, user/assignable/multiProjectSearch",
    "user": f"recording: jira/server.json; {_DOCS}/9.12.0, user",
    "names": f"recording: jira/server.json, within issues; {_DOCS}/9.12.0, issuetype, priority, resolution and status",
    "search": f"recording: jira/server.json, issues; {_DOCS}/9.12.0, search",
    "issue": "recording: jira/server.json, issues",
    "comments": f"recording: jira/server.json, within issues; {_DOCS}/9.12.0, issue/ID/comment",
    "boards": "recording: jira/server.json",
    "sprints": "recording: jira/server.json",
}
"""Where each route comes from."""
OPEN = frozenset({"server"})
"""Routes that take anybody."""


@dataclass
class JiraServer(Jira):
    """A server of the recorded project, with the issues of two recordings."""

    under: str = UNDER
    key: str = "TST"
    limit: int = LIMIT
    captcha: bool = False
    cut: dict[str, int] = field(default_factory=dict)
    """The number of histories of an issue that a search gives, where it does not give all."""
    cut_for_good: bool = False
    left: list[Item] = field(default_factory=list)
    """People who can be found by their keys, and whom nothing can be assigned to any more."""

    def __post_init__(self) -> None:
        data = recorded("server")
        self.info = {
            **data["serverInfo"],
            "version": "9.12.7",
            "versionNumbers": [9, 12, 7],
            "deploymentType": "Server",
        }
        self.account = {**data["user"], "key": "JIRAUSER10000", "name": USER}
        self.project = {**data["project"], "key": self.key, "id": "10000"}
        self.issues = [_renamed(one, self.key, number) for number, one in enumerate(data["issues"], 1)]
        self.boards = data["boards"]
        self.sprints = {self.boards[0]["id"]: data["sprints"]}
        self.fields, self.users = data["fields"], [self.account]
        self.link_types = data["linkTypes"]
        self.projects = [self.project, {"id": "10100", "key": "HST", "name": "History Test"}]
        api = f"{self.under}/rest/api/2"
        self.serve(
            (
                ("search", "POST", f"{api}/search", self.search),
                ("projects", "GET", f"{api}/project", lambda _: json_answer(self.projects)),
                ("user", "GET", f"{api}/user", self.user),
                ("issue", "GET", f"{api}/issue/([0-9]+)", self.one_issue),
            )
        )

    def guarded(self, handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        """Refuse a wrong log-in everywhere, and none where something is not public."""

        def answer(asked: Asked) -> Answer:
            told = asked.headers.get("Authorization")
            if told is not None and self.captcha:
                reason = {"X-Authentication-Denied-Reason": f"CAPTCHA_CHALLENGE; login-url={self.url}/login.jsp"}
                return 403, {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED", **reason}, b""
            if told not in {None, basic(USER, PASSWORD), f"Bearer {TOKEN}"}:
                page = b"<html>Unauthorized (401)</html>"
                return 401, {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED", "Content-Type": "text/html"}, page
            is_open = asked.route in OPEN or (self.public and asked.route != "myself")
            if told is None and not is_open:
                return refused(401, "You are not authenticated. Authentication required to perform this operation.")
            if asked.method == "POST":
                assert asked.headers["X-Atlassian-Token"] == "no-check"
            return handler(asked)

        return answer

    def user(self, asked: Asked) -> Answer:
        found = next((one for one in (*self.users, *self.left) if one["key"] == asked.query["key"]), None)
        return json_answer(found) if found else refused(404, "The user does not exist")

    def search(self, asked: Asked) -> Answer:
        sent = asked.json
        found = self.found(sent["jql"])
        if isinstance(found, str):
            return refused(400, found)
        begin, size = int(sent.get("startAt", 0)), min(int(sent.get("maxResults", 50)), self.limit)
        issues = [self.given(one, sent["fields"], sent.get("expand", ())) for one in found[begin : begin + size]]
        return json_answer({"startAt": begin, "maxResults": size, "total": len(found), "issues": issues})

    def given(self, one: Item, fields: list[str], expand: Any, cut: int | None = None) -> Item:
        """An issue with some fields, and with its changelog if that is asked for."""
        comments = one["fields"]["comment"]["comments"]
        listed = {"comments": comments, "maxResults": 1_048_576, "total": len(comments), "startAt": 0}
        every = {**one["fields"], "comment": listed}
        result: Item = {"id": one["id"], "key": one["key"]}
        result["fields"] = {name: value for name, value in every.items() if name in fields}
        if "changelog" in expand:
            histories = one["changelog"]["histories"]
            some = histories[: self.cut.get(one["key"], len(histories)) if cut is None else cut]
            log = {"startAt": 0, "maxResults": len(some), "total": len(histories), "histories": some}
            result["changelog"] = log
        return result

    def one_issue(self, asked: Asked) -> Answer:
        found = self.issue(asked.parts[0])
        if found is None:
            return refused(404, "Issue Does Not Exist")
        fields, expand = asked.query["fields"].split(","), asked.query.get("expand", "").split(",")
        return json_answer(self.given(found, fields, expand, None if self.cut_for_good else 1_000_000))


def _renamed(issue: Item, key: str, number: int) -> Item:
    """An issue of a recording as one of this project."""
    project = {**issue["fields"]["project"], "key": key}
    return {**issue, "key": f"{key}-{number}", "fields": {**issue["fields"], "project": project}}
