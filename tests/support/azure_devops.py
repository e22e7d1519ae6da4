"""Azure DevOps on loopback: recorded answers about Microsoft's Fabrikam, as Services and Server give them.

Lists page by ``$top`` and ``$skip``, the history of work items by continuation tokens, and a version of the API that
the server does not know is refused as theirs are. What the recordings lack is made here, in the documented form: the
branches of most pushes. Pull requests, pushes and work items were recorded of several projects; here they are of one.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "azuredevops"
TOKEN = "the-token-of-azure"
ZEROS = "0" * 40
Item = dict[str, Any]

_SPECIFIED = "description: MicrosoftDocs/vsts-rest-api-specs at adb28786, specification"
_FABRIKAM = "; recording: azuredevops/fabrikam.json"
ORIGINS = {
    "neighbours": f"{_SPECIFIED}/git/7.2/git.json",
    "repository": f"{_SPECIFIED}/git/7.2/git.json{_FABRIKAM}",
    "pulls": f"{_SPECIFIED}/git/7.2/git.json{_FABRIKAM}",
    "pull": f"{_SPECIFIED}/git/7.2/git.json{_FABRIKAM}",
    "threads": f"{_SPECIFIED}/git/7.2/git.json{_FABRIKAM}",
    "pushes": f"{_SPECIFIED}/git/7.2/git.json{_FABRIKAM}",
    "teams": f"{_SPECIFIED}/core/7.2/core.json{_FABRIKAM}",
    "members": f"{_SPECIFIED}/core/7.2/core.json{_FABRIKAM}",
    "sprints": f"{_SPECIFIED}/work/7.2/work.json{_FABRIKAM}",
    "work items": f"{_SPECIFIED}/wit/7.2/workItemTracking.json{_FABRIKAM}",
    "connection": "source: microsoft/azure-devops-node-api, api/LocationsApi.ts",
}
"""Where each route comes from. Addresses of the first servers are those of their own documentation."""


def recorded() -> Item:
    found: Item = json.loads((RECORDED / "fabrikam.json").read_text())
    for push in found["pushes"]:
        number = push["pushId"]
        before = f"{number - 1:040x}" if number % 5 else ZEROS
        made = {"name": "refs/heads/master", "oldObjectId": before, "newObjectId": f"{number:040x}"}
        push.setdefault("refUpdates", [made])
    deleted = {"name": "refs/heads/old", "oldObjectId": f"{7:040x}", "newObjectId": ZEROS}
    found["pushes"][0]["refUpdates"].append(deleted)
    return found


def refusal(key: str, message: str, status: int = 400) -> Answer:
    words = {"$id": "1", "innerException": None, "message": message}
    return json_answer({**words, "typeName": f"Microsoft.{key}, Microsoft", "typeKey": key, "errorCode": 0}, status)


@dataclass
class AzureDevOps:
    """The data of one project, and what serves it. Tests change the data as people would.

    ``collection`` is its path, ``newest`` the newest version of the API, ``longest`` the longest page, ``batch`` the
    longest batch of work items, ``neighbours`` all repositories. One with ``is_first`` has the addresses of the first
    servers.
    """

    data: Item = field(default_factory=recorded)
    replay: Replay = field(default_factory=Replay)
    collection: str = "tfs/Fabrikam"
    newest: str = "7.1"
    longest: int = 1000
    batch: int = 200
    is_first: bool = False
    neighbours: list[Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        root, known = f"/{quote(self.collection)}", self.data["repository"]
        project = self.either(known["project"])
        repository = self.either(known)
        git = f"{root}/{project}/_apis/git"
        if self.is_first:
            git = f"{root}/_apis/git/{project}"
        one = f"{git}/repositories/{repository}"
        teams = f"{root}/_apis/projects/{project}/teams"
        sprints = f"{root}/{project}/([^/]+)/_apis/work/teamsettings/iterations"
        self.route("neighbours", f"(?:{git}|{root}/_apis/git)/repositories", lambda _: self.listed(self.neighbours))
        self.route("repository", one, lambda _: json_answer(known))
        self.route("pulls", f"{one}/pullrequests", lambda asked: self.paged(asked, self.listed_pulls()))
        self.route("pull", rf"{one}/pullRequests/(\d+)", self.one_pull)
        self.route("threads", rf"{one}/pullRequests/(\d+)/threads", self.threads)
        self.route("pushes", f"{one}/pushes", self.pushes)
        self.route("teams", teams, lambda asked: self.paged(asked, self.data["teams"]))
        self.route("members", f"{teams}/([^/]+)/members", lambda asked: self.paged(asked, self.data["members"]))
        self.route("sprints", sprints, lambda _: self.listed(self.data["iterations"]))
        self.route("work items", f"{root}/{project}/_apis/wit/reporting/workitemrevisions", self.revisions)
        self.route("connection", f"{root}/_apis/connectionData", self.connection)

    @staticmethod
    def either(known: Item) -> str:
        """A pattern of a name or an identifier."""
        return f"(?:{quote(known['name'], safe='')}|{known['id']})"

    @property
    def url(self) -> str:
        """The address of the repository."""
        known = self.data["repository"]
        names = (quote(one, safe="") for one in (known["project"]["name"], "_git", known["name"]))
        return f"{self.replay.url}/{quote(self.collection)}/{'/'.join(names)}"

    def listed_pulls(self) -> list[Item]:
        """Pull requests as their list has them: of a description the first 400 characters."""
        return [one | {"description": (one.get("description") or "")[:400]} for one in self.data["pulls"]]

    def one_pull(self, asked: Asked) -> Answer:
        """A pull request by itself, whole."""
        return json_answer(next(one for one in self.data["pulls"] if str(one["pullRequestId"]) == asked.parts[0]))

    def route(self, name: str, pattern: str, handler: Callable[[Asked], Answer]) -> None:
        self.replay.route(name, pattern, lambda asked: self.refused(asked) or handler(asked))

    def refused(self, asked: Asked) -> Answer | None:
        kind, _, given = asked.headers.get("Authorization", "").partition(" ")
        if kind != "Basic" or base64.b64decode(given).decode().partition(":")[2] != TOKEN:
            return 401, {"WWW-Authenticate": 'Basic realm="https://example"'}, b"<html>TF400813</html>"
        version = asked.query.get("api-version", "")
        if asked.route == "connection":
            return None
        if not version:
            return refusal("VssVersionNotSpecifiedException", "No api-version was supplied for the request.")
        if version > self.newest:
            words = f"The requested REST API version of {version} is out of range for this server. "
            latest = f"The latest REST API version this server supports is {self.newest}."
            return refusal("VssVersionOutOfRangeException", words + latest)
        return None

    def listed(self, items: list[Item]) -> Answer:
        return json_answer({"count": len(items), "value": items})

    def paged(self, asked: Asked, items: list[Item]) -> Answer:
        skip, top = int(asked.query.get("$skip", 0)), min(int(asked.query.get("$top", 100)), self.longest)
        return self.listed(items[skip : skip + top])

    def threads(self, asked: Asked) -> Answer:
        if self.newest < "3.0":
            return refusal("HttpResourceNotFound", "The controller was not found.", 404)
        return self.listed(self.data["threads"].get(asked.parts[0], []))

    def pushes(self, asked: Asked) -> Answer:
        since = asked.query.get("searchCriteria.fromDate", "")
        return self.paged(asked, [one for one in self.data["pushes"] if one["date"] >= since])

    def revisions(self, asked: Asked) -> Answer:
        """The versions of work items in the order in which they were made; the token is a place in it."""
        everything = sorted(self.data["revisions"], key=lambda one: (one["fields"]["System.ChangedDate"], one["id"]))
        since, token = asked.query.get("startDateTime", ""), asked.query.get("continuationToken", "")
        start = sum(one["fields"]["System.ChangedDate"] < since for one in everything)
        if token:
            start = int(token.split(";")[0])
        size = min(self.batch, int(asked.query.get("$maxPageSize", self.batch)))
        shown, end = everything[start : start + size], min(start + size, len(everything))
        token = f"{end};{shown[-1]['id'] if shown else 0};1"
        answer = {
            "values": shown,
            "nextLink": f"{self.replay.url}{asked.path}?continuationToken={token}&api-version=2.0",
            "isLastBatch": end >= len(everything),
        }
        if self.newest >= "3.0":
            answer["continuationToken"] = token
        return json_answer(answer)

    def connection(self, _asked: Asked) -> Answer:
        user = {"providerDisplayName": "reader", "isActive": True}
        return json_answer({"authenticatedUser": user, "authorizedUser": user, "deploymentType": "onPremises"})

    # what people do

    def pull(self, number: int) -> Item:
        found: Item = next(one for one in self.data["pulls"] if one["pullRequestId"] == number)
        return found

    def person(self) -> Item:
        found: Item = self.data["members"][0]["identity"]
        return found

    def say(self, number: int, moment: str, content: str | None = "more", **more: Any) -> Item:
        """Comment on a pull request; returns the thread."""
        threads = self.data["threads"].setdefault(str(number), [])
        comment = {
            "id": 1,
            "parentCommentId": 0,
            "author": self.person(),
            "content": content,
            "publishedDate": moment,
            "lastUpdatedDate": moment,
            "commentType": "text",
        }
        thread = {"id": 1000 + len(threads), "publishedDate": moment, "lastUpdatedDate": moment, "comments": [comment]}
        threads.append({**thread, "threadContext": None, "properties": {}, "isDeleted": False, **more})
        return dict(threads[-1])

    def push(self, moment: str, *updates: Item) -> None:
        """Push to branches."""
        number = self.data["pushes"][0]["pushId"] + 1
        made = {"name": "refs/heads/master", "oldObjectId": f"{number - 1:040x}", "newObjectId": f"{number:040x}"}
        push = {"pushId": number, "date": moment, "pushedBy": self.person(), "refUpdates": list(updates) or [made]}
        self.data["pushes"].insert(0, push)

    def change(self, number: int, moment: str, **fields: Any) -> None:
        """Make a new version of a work item."""
        old = [one for one in self.data["revisions"] if one["id"] == number]
        last = old[-1] if old else {"id": number, "rev": 0, "fields": self.data["revisions"][0]["fields"]}
        changed = {**last["fields"], "System.ChangedDate": moment, **fields}
        self.data["revisions"].append({"id": number, "rev": last["rev"] + 1, "fields": changed})
