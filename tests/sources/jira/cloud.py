"""Jira Cloud: pages by a token, changelogs of many issues at once, people without names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sources.jira.replay import TOKEN, Item, Jira, basic, moment, recorded, refused
from support.replay import Asked
from support.web import Answer, json_answer

ADDRESS = "person@example.org"
_CLIENT = "source: MrRefactoring/jira.js, src/cloud"
_VENDOR = "description: developer.atlassian.com/cloud/jira/platform/rest/v2"
ORIGINS = {
    "server": "recording: jira/cloud.json",
    "myself": f"recording: jira/cloud.json, users; {_VENDOR}, myself",
    "field": "recording: jira/cloud.json",
    "project": f"recording: jira/cloud.json, projects; {_VENDOR}, project",
    "projects": f"recording: jira/cloud.json; {_VENDOR}, project/search",
    "links": f"{_VENDOR}, issueLinkType",
    "assignable": f"recording: jira/cloud.json, users; {_VENDOR}, user/assignable/multiProjectSearch",
    "names": f"recording: jira/cloud.json, within issues; {_VENDOR}, issuetype, priority, resolution and status",
    "search": f"{_CLIENT}/models/searchAndReconcileResults.ts; recording: jira/cloud.json, issues",
    "former search": f"{_VENDOR}, changelog 2046",
    "changelogs": f"{_CLIENT}/models/bulkChangelogRequest.ts and bulkChangelogResponse.ts",
    "issues": f"{_CLIENT}/models/bulkFetchIssueRequest.ts and bulkIssueResults.ts",
    "changelog": f"{_VENDOR}, issue/ID/changelog",
    "issue": f"recording: jira/cloud.json, issues; {_VENDOR}, issue/ID",
    "comments": f"recording: jira/cloud.json, within issues; {_VENDOR}, issue/ID/comment",
    "boards": f"{_VENDOR}/../../../software/rest, board",
    "sprints": "recording: jira/cloud.json",
}
"""Where each route comes from."""
PAGE, IDENTIFIERS, INLINE = 100, 5000, 20
"""Issues on a page, issues on a page of identifiers alone, and comments within an issue."""


@dataclass
class JiraCloud(Jira):
    """A site with the recorded project and one more. Tests make pages short (``shown`` issues) and give warnings."""

    key: str = "EE"
    shown: list[int] = field(default_factory=list)
    """The lengths of the next pages of a search, where they are shorter than they could be."""
    warnings: list[Item] = field(default_factory=list)
    unindexed: set[str] = field(default_factory=set)
    """Keys of issues that are listed by identifier, and not found with their fields."""
    faulty: set[str] = field(default_factory=set)
    """Identifiers of issues that can't be given one by one."""
    histories_on_page: int = 10_000
    by_key: bool = False

    def __post_init__(self) -> None:
        data = recorded("cloud")
        self.info = data["serverInfo"]
        self.account = {**data["users"][0], "emailAddress": ADDRESS}
        self.issues = data["issues"]
        for one in self.issues:  # recorded newest first
            one["changelog"]["histories"].sort(key=lambda history: (moment(history["created"]), int(history["id"])))
        self.projects = data["projects"]
        self.project = next(one for one in self.projects if one["key"] == self.key)
        self.boards = [{"id": 8, "name": "board", "type": "scrum"}]
        self.sprints = {8: data["sprints"]}
        self.fields, self.users = data["fields"], data["users"]
        api = f"{self.under}/rest/api/2"
        self.serve(
            (
                ("search", "POST", f"{api}/search/jql", self.search),
                ("former search", "POST", f"{api}/search", gone),
                ("projects", "GET", f"{api}/project/search", self.all_projects),
                ("changelogs", "POST", f"{api}/changelog/bulkfetch", self.changelogs),
                ("issues", "POST", f"{api}/issue/bulkfetch", self.many),
                ("changelog", "GET", f"{api}/issue/([0-9]+)/changelog", self.changelog),
                ("issue", "GET", f"{api}/issue/([0-9]+)", self.one_issue),
            )
        )

    def guarded(self, handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        """Take who has no valid log-in for anybody: searches find nothing then."""

        def answer(asked: Asked) -> Answer:
            is_known = asked.headers.get("Authorization") == basic(ADDRESS, TOKEN)
            if not is_known and asked.route == "myself":
                return refused(401, "Client must be authenticated to access this resource.")
            if not is_known and not self.public and asked.route not in {"server", "field"}:
                if asked.route == "search":
                    return json_answer({"issues": [], "isLast": True})
                return refused(404, "No project could be found.")
            if asked.method == "POST":
                assert asked.headers["X-Atlassian-Token"] == "no-check"
            return handler(asked)

        return answer

    def all_projects(self, asked: Asked) -> Answer:
        return self.paged(asked, self.projects, "values", 100, isLast=True)

    def search(self, asked: Asked) -> Answer:
        sent = asked.json
        found = self.found(sent["jql"])
        if isinstance(found, str):
            return refused(400, found)
        fields = sent.get("fields", ["id"])
        is_short = set(fields) <= {"id", "key"}
        begin = self.place_of(sent, "nextPageToken")
        size = min(int(sent.get("maxResults", 50)), IDENTIFIERS if is_short else PAGE)
        if not is_short:
            found = [one for one in found if one["key"] not in self.unindexed]
            size = min(size, self.shown.pop(0)) if self.shown else size
        page = found[begin : begin + size]
        answer: Item = {"issues": [self.given(one, fields, is_short=is_short) for one in page]}
        if begin + size < len(found):
            answer |= {"nextPageToken": f"token-{begin + size}-{len(self.replay.asked)}", "isLast": False}
        else:
            answer |= {"isLast": True}
        return json_answer(answer | ({"warnings": self.warnings} if self.warnings else {}))

    def place_of(self, sent: Item, name: str) -> int:
        """Where a page begins by its token."""
        token = sent.get(name)
        return int(token.split("-")[1]) if token else 0

    def given(self, one: Item, fields: list[str], *, is_short: bool = False) -> Item:
        """An issue with some fields: the newest comments, and no changelog unless it is asked for."""
        if is_short:
            return {"id": one["id"]}
        comments = one["fields"]["comment"]["comments"]
        shown = comments[-INLINE:]
        every = {**one["fields"], "comment": {"comments": shown, "maxResults": len(shown), "total": len(comments)}}
        return {"id": one["id"], "key": one["key"], "fields": {name: every[name] for name in fields if name in every}}

    def changelogs(self, asked: Asked) -> Answer:
        """Histories of several issues by their moment: those of one issue may be on several pages."""
        sent = asked.json
        assert len(sent["issueIdsOrKeys"]) <= 1000
        found = [one for name in sent["issueIdsOrKeys"] if (one := self.issue(name))]
        every = [(one, history) for one in found for history in one["changelog"]["histories"]]
        every.sort(key=lambda pair: (moment(pair[1]["created"]), int(pair[0]["id"])))
        begin, size = self.place_of(sent, "nextPageToken"), min(int(sent["maxResults"]), self.histories_on_page)
        logs: dict[str, list[Any]] = {}
        for one, history in every[begin : begin + size]:
            milliseconds = int(moment(history["created"]).timestamp() * 1000)
            logs.setdefault(one["key" if self.by_key else "id"], []).append({**history, "created": milliseconds})
        answer: Item = {"issueChangeLogs": [{"issueId": one, "changeHistories": logs[one]} for one in logs]}
        return json_answer(answer | ({"nextPageToken": f"token-{begin + size}"} if begin + size < len(every) else {}))

    def many(self, asked: Asked) -> Answer:
        sent = asked.json
        assert len(sent["issueIdsOrKeys"]) <= 100
        faulty = [name for name in sent["issueIdsOrKeys"] if name in self.faulty]
        found = [one for name in sent["issueIdsOrKeys"] if name not in self.faulty and (one := self.issue(name))]
        errors = [{"id": name, "errorMessage": "The issue is too large."} for name in faulty]
        return json_answer({"issues": [self.given(one, sent["fields"]) for one in found], "issueErrors": errors})

    def one_issue(self, asked: Asked) -> Answer:
        found = self.issue(asked.parts[0])
        if found is None:
            return refused(404, "Issue does not exist or you do not have permission to see it.")
        return json_answer(self.given(found, asked.query["fields"].split(",")))

    def changelog(self, asked: Asked) -> Answer:
        found = self.issue(asked.parts[0])
        if found is None:
            return refused(404, "Issue does not exist or you do not have permission to see it.")
        return self.paged(asked, found["changelog"]["histories"], "values", 100, isLast=True)


def gone(_asked: Asked) -> Answer:
    """What is left of the former search."""
    return refused(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
