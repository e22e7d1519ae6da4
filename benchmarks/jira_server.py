"""Serves a made Jira project on loopback, in a process of its own: its memory is not that of what is measured.

Usage: python benchmarks/jira_server.py (server|cloud) ISSUES MILLISECONDS

``server`` is Data Center. It prints its address, and for each line at its input how often which route was asked since
the last one, as JSON. It ends with its input.
"""

import json
import sys
from collections.abc import Callable, Iterable
from itertools import groupby

from jira_answers import Jira
from jira_issues import CHANGES, FIRST, changed
from jira_project import Item, encoded

from sources.jira.replay import refused
from support.replay import Asked, serving
from support.web import Answer

LONGEST, CLOUD_LONGEST, IDENTIFIERS = 1000, 100, 5000
"""Issues on a page, with fields and on Cloud without."""
MANY, HISTORIES = 1000, 10_000
"""Issues whose histories can be asked for together, and histories on a page."""
GONE = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."

Routes = Iterable[tuple[str, str, str, Callable[[Asked], Answer]]]


class DataCenter(Jira):
    """Data Center: pages by an offset, changelogs within issues."""

    def further(self, api: str) -> Routes:
        """The search, and people by their key."""
        return (
            ("search", "GET", f"{api}/search", self.search),
            ("search", "POST", f"{api}/search", self.search),
            ("user", "GET", f"{api}/user", self.user),
        )

    def user(self, asked: Asked) -> Answer:
        """The person with a key."""
        found = [one for one in self.project.people if one["key"] == asked.query.get("key")]
        return answer(encoded(found[0])) if found else refused(404, "The user does not exist")

    def search(self, asked: Asked) -> Answer:
        """A page of the issues that a query finds."""
        asks, fields, with_changes = described(asked)
        numbers = self.found(asks["jql"])
        if numbers is None:
            return refused(400, f"Error in the JQL Query: '{asks['jql']}'")
        begin, size = int(asks.get("startAt", 0)), min(int(asks.get("maxResults", 50)), LONGEST)
        chosen = self.issues.named(fields)
        issues = (self.issues.issue(one, chosen, with_changes=with_changes) for one in numbers[begin : begin + size])
        told = b'{"startAt":%d,"maxResults":%d,"total":%d,"issues":[%b]}'
        return answer(told % (begin, size, len(numbers), b",".join(issues)))


class Cloud(Jira):
    """Cloud: pages by a token, changelogs of many issues by themselves."""

    def further(self, api: str) -> Routes:
        """The search and the one that was before it, issues and histories by identifiers, and all projects."""
        return (
            ("search", "GET", f"{api}/search/jql", self.search),
            ("search", "POST", f"{api}/search/jql", self.search),
            ("former search", "GET", f"{api}/search", lambda _: refused(410, GONE)),
            ("former search", "POST", f"{api}/search", lambda _: refused(410, GONE)),
            ("changelogs", "POST", f"{api}/changelog/bulkfetch", self.changelogs),
            ("issues", "POST", f"{api}/issue/bulkfetch", self.many),
            ("projects", "GET", f"{api}/project/search", self.projects),
        )

    def projects(self, asked: Asked) -> Answer:
        """All projects."""
        return self.page(asked, [self.project.short], "values", 50)

    def search(self, asked: Asked) -> Answer:
        """A page of the issues that a query finds."""
        asks, fields, with_changes = described(asked)
        numbers = self.found(asks["jql"])
        if numbers is None:
            return refused(400, f"Error in the JQL Query: '{asks['jql']}'")
        is_short = set(fields or ["id"]) <= {"id", "key"}
        begin = int(asks.get("nextPageToken") or 0)
        end = begin + min(int(asks.get("maxResults", 50)), IDENTIFIERS if is_short else CLOUD_LONGEST)
        if is_short:
            issues: Iterable[bytes] = (b'{"id":"%d"}' % (FIRST + one) for one in numbers[begin:end])
        else:
            chosen = self.issues.named(fields)
            issues = (self.issues.issue(one, chosen, with_changes=with_changes) for one in numbers[begin:end])
        last = b'"isLast":true' if end >= len(numbers) else b'"nextPageToken":"%d","isLast":false' % end
        return answer(b'{"issues":[%b],%b}' % (b",".join(issues), last))

    def changelogs(self, asked: Asked) -> Answer:
        """A page of the histories of several issues by their moment: those of one issue may be on several pages."""
        asks = asked.json
        numbers = [one for name in asks["issueIdsOrKeys"][:MANY] if (one := self.issues.number(name)) is not None]
        every = sorted((changed(number, place), number, place) for number in numbers for place in range(CHANGES))
        begin = int(asks.get("nextPageToken") or 0)
        end = begin + min(int(asks.get("maxResults", 1000)), HISTORIES)
        page = sorted((number, place) for _, number, place in every[begin:end])
        logs = (
            b'{"issueId":"%d","changeHistories":[%b]}'
            % (FIRST + number, b",".join(self.issues.change(*one, in_milliseconds=True) for one in some))
            for number, some in groupby(page, key=lambda one: one[0])
        )
        token = b',"nextPageToken":"%d"' % end if end < len(every) else b""
        return answer(b'{"issueChangeLogs":[%b]%b}' % (b",".join(logs), token))

    def many(self, asked: Asked) -> Answer:
        """Issues by their identifiers."""
        asks = asked.json
        numbers = [one for name in asks["issueIdsOrKeys"] if (one := self.issues.number(name)) is not None]
        chosen = self.issues.named(asks.get("fields"))
        return answer(
            b'{"issues":[%b],"issueErrors":[]}' % b",".join(self.issues.issue(one, chosen) for one in numbers)
        )


def answer(content: bytes) -> Answer:
    """An answer that is JSON already."""
    return 200, {"Content-Type": "application/json"}, content


def described(asked: Asked) -> tuple[Item, list[str] | None, bool]:
    """What a search asks for, in its content or its query; the fields that it names; and whether it wants changes."""
    asks: Item = asked.json if asked.method == "POST" else dict(asked.query)
    fields, expand = asks.get("fields"), asks.get("expand") or ""
    return asks, fields.split(",") if isinstance(fields, str) else fields, "changelog" in expand


def main() -> None:
    """Serve until the input ends."""
    kind, issues, milliseconds = sys.argv[1:]
    made = Cloud(int(issues), is_cloud=True) if kind == "cloud" else DataCenter(int(issues), is_cloud=False)
    made.replay.latency = int(milliseconds) / 1000
    with serving(made.replay) as replay:
        print(f"{replay.url}{made.under}", flush=True)
        for _ in sys.stdin:
            counts = replay.counts()
            unknown = {one.path for one in replay.asked if not one.route}
            replay.asked.clear()
            print(json.dumps({"asked": counts, "unknown": sorted(unknown)}), flush=True)


if __name__ == "__main__":
    main()
