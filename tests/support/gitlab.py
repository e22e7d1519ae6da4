"""GitLab on loopback, under a path: recorded merge requests and notes of gitlab-data/snowflake_spend.

Lists page by number, with the headers that GitLab sends. What the recordings lack is made here, in the documented form:
discussions that notes belong to, who approved, pushes of several commits, and comments on commits.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay, paged
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "gitlab.json"
PATH, TOKEN, UNDER = "gitlab-data/snowflake_spend", "the-token-of-gitlab", "gl"
Item = dict[str, Any]

_API = "source: gitlabhq/gitlabhq (mirror of GitLab), lib/api"
ORIGINS = {
    "merge requests": f"{_API}/merge_requests.rb; recording: gitlab.json",
    "discussions": f"{_API}/discussions.rb; recording: gitlab.json, notes",
    "events": f"{_API}/project_events.rb; recording: gitlab.json",
    "commits": f"{_API}/commits.rb",
    "comments": f"{_API}/commits.rb; recording: gitlab.json",
    "project": f"{_API}/projects.rb; recording: gitlab.json",
    "approvals": f"{_API}/merge_request_approvals.rb",
    "compare": f"{_API}/repositories.rb",
    "user": f"{_API}/users.rb",
    "version": f"{_API}/metadata.rb, deprecated there since 15.5 in favour of metadata",
    "personal_access_tokens/self": f"{_API}/personal_access_tokens/self_information.rb",
    "keys": f"{_API}/users.rb",
    "add key": f"{_API}/users.rb",
    "remove key": f"{_API}/users.rb",
    "groups": f"{_API}/groups.rb",
    "users": f"{_API}/projects.rb",
}
"""Where each route comes from."""
FOR_USERS = frozenset(
    {"discussions", "user", "version", "personal_access_tokens/self", "keys", "add key", "remove key"}
)
"""Routes that want a token in a public project, too (``authenticate!`` in their sources)."""


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


@dataclass
class GitLab:
    """The data of one project, in the API's shapes, and what serves it."""

    data: dict[str, Any] = field(default_factory=recorded)
    replay: Replay = field(default_factory=Replay)
    keys: list[Item] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    comments: dict[str, list[Item]] = field(default_factory=dict)
    projects: list[Item] = field(default_factory=list)
    has_group: bool = True
    has_approvals: bool = True
    public: bool = False

    def __post_init__(self) -> None:
        project = f"/{UNDER}/api/v4/projects/[^/]+"
        lists = {
            "merge requests": ("merge_requests", self.requests),
            "discussions": ("merge_requests/([0-9]+)/discussions", self.discussions),
            "events": ("events", self.events),
            "commits": ("repository/commits", lambda _: [{"id": one} for one in self.commits]),
            "comments": (
                "repository/commits/([0-9a-f]+)/comments",
                lambda asked: self.comments.get(asked.parts[0], []),
            ),
        }
        for name, (path, items) in lists.items():
            self.replay.route(
                name, f"{project}/{path}", self.guarded(lambda asked, items=items: self.page(asked, items))
            )
        self.replay.route("project", f"/{UNDER}/api/v4/projects/([^/]+)", self.guarded(self.project))
        self.replay.route("approvals", f"{project}/merge_requests/([0-9]+)/approvals", self.guarded(self.approvals))
        self.replay.route("compare", f"{project}/repository/compare", self.guarded(self.compare))
        base = f"/{UNDER}/api/v4"
        singles = {
            "user": {"name": "Reader", "username": "reader"},
            "version": {"version": "17.5.0"},
            "personal_access_tokens/self": {"scopes": ["read_api", "api"], "expires_at": "2030-01-01"},
        }
        for name, content in singles.items():
            self.replay.route(name, f"{base}/{name}", self.guarded(lambda _, content=content: json_answer(content)))
        self.replay.route(
            "keys", f"{base}/user/keys", self.guarded(lambda asked: self.page(asked, lambda _: self.keys))
        )
        self.replay.route("add key", f"{base}/user/keys", self.guarded(self.add_key), "POST")
        self.replay.route("remove key", f"{base}/user/keys/([0-9]+)", self.guarded(self.remove_key), "DELETE")
        for kind in ("groups", "users"):
            self.replay.route(kind, f"{base}/{kind}/([^/]+)/projects", self.guarded(self.listed))
        self.replay.unknown = lambda _path: json_answer({"error": "404 Not Found"}, 404)

    @property
    def url(self) -> str:
        """The web address of the project."""
        return f"{self.replay.url}/{UNDER}/{PATH}"

    def guarded(self, handler: Any) -> Any:
        def answer(asked: Asked) -> Answer:
            is_open = self.public and asked.route not in FOR_USERS
            if asked.headers.get("PRIVATE-TOKEN") != TOKEN and not is_open:
                return json_answer({"message": "401 Unauthorized"}, 401)
            code, headers, content = handler(asked)
            limits = {
                "RateLimit-Limit": "2000",
                "RateLimit-Remaining": "1999",
                "RateLimit-Reset": str(int(time.time()) + 60),
            }
            return code, headers | limits, content

        return answer

    def page(self, asked: Asked, items: Any) -> Answer:
        return paged(asked, list(items(asked)), self.replay.url)

    def project(self, asked: Asked) -> Answer:
        if asked.parts[0] != PATH:
            return json_answer({"message": "404 Project Not Found"}, 404)
        return json_answer(self.data["project"])

    def requests(self, asked: Asked) -> list[Item]:
        after = asked.query.get("updated_after", "")
        found = [one for one in self.data["merge_requests"] if one["updated_at"][:19] >= after[:19]]
        assert asked.query["order_by"] == "updated_at"
        return sorted(found, key=lambda one: (one["updated_at"], one["id"]), reverse=asked.query["sort"] == "desc")

    def notes_of(self, iid: int) -> list[Item]:
        return [one for one in self.data["notes"] if one["noteable_iid"] == iid]

    def discussions(self, asked: Asked) -> list[Item]:
        """Notes of one discussion where they name it, each for itself else."""
        found: dict[object, list[Item]] = {}
        for note in self.notes_of(int(asked.parts[0])):
            found.setdefault(note.get("discussion", note["id"]), []).append(note)
        return [
            {"id": f"{key:0>40}", "individual_note": len(notes) == 1, "notes": notes} for key, notes in found.items()
        ]

    def approvals(self, asked: Asked) -> Answer:
        if not self.has_approvals:
            return json_answer({"message": "404 Not Found"}, 404)
        given: dict[str, Item] = {}
        for note in sorted(self.notes_of(int(asked.parts[0])), key=lambda one: str(one["created_at"])):
            if note["body"] == "approved this merge request":
                given[note["author"]["username"]] = {"user": note["author"]}
            elif note["body"] == "unapproved this merge request":
                given.pop(note["author"]["username"], None)
        return json_answer({"approved_by": list(given.values())})

    def events(self, asked: Asked) -> list[Item]:
        found = [one for one in self.data["events"] if one["created_at"][:10] > asked.query.get("after", "")]
        if asked.query.get("action") == "pushed":
            found = [one for one in found if "push_data" in one]
        return sorted(found, key=lambda one: str(one["created_at"]), reverse=True)

    def compare(self, asked: Asked) -> Answer:
        first, last = asked.query["from"], asked.query["to"]
        if first not in self.commits or last not in self.commits:
            return json_answer({"message": "404 Ref Not Found"}, 404)
        between = self.commits[self.commits.index(first) + 1 : self.commits.index(last) + 1]
        return json_answer({"commits": [{"id": one} for one in between]})

    def listed(self, asked: Asked) -> Answer:
        if asked.route == "groups" and not self.has_group:
            return json_answer({"message": "404 Group Not Found"}, 404)
        wanted = [one for one in self.projects if asked.query.get("archived") != "false" or not one["archived"]]
        return paged(asked, wanted, self.replay.url)

    def add_key(self, asked: Asked) -> Answer:
        sent = asked.json
        if any(key["key"] == sent["key"] for key in self.keys):
            return json_answer({"message": {"fingerprint": ["has already been taken"]}}, 400)
        self.keys.append({"id": len(self.replay.asked), **sent})
        return json_answer(self.keys[-1], 201)

    def remove_key(self, asked: Asked) -> Answer:
        self.keys[:] = [key for key in self.keys if key["id"] != int(asked.parts[0])]
        return 204, {}, b""

    # what people do

    def touch(self, iid: int, moment: str) -> Item:
        found: Item = next(one for one in self.data["merge_requests"] if one["iid"] == iid)
        found["updated_at"] = moment
        return found

    def say(self, iid: int, moment: str, body: str | None = "more", **more: Any) -> Item:
        """Write a note."""
        request = self.touch(iid, moment)
        note = {
            "id": 10_000_000_000 + len(self.data["notes"]),
            "type": None,
            "body": body,
            "system": False,
            "noteable_id": request["id"],
            "noteable_iid": iid,
            "created_at": moment,
            "updated_at": moment,
            "author": {"id": 1, "name": "Some Body", "username": "somebody"},
            **more,
        }
        self.data["notes"].append(note)
        return note

    def push_many(self, moment: str, count: int) -> None:
        """Push more branches at once than are noted one by one: the event has their number alone.

        See https://docs.gitlab.com/administration/settings/push_event_activities_limit/.
        """
        author = {"id": 1, "name": "Some Body", "username": "somebody"}
        pushed = {"commit_count": 0, "action": "pushed", "ref_type": "branch", "ref_count": count}
        unknown = dict.fromkeys(("commit_from", "commit_to", "ref", "commit_title"))
        event = {"id": 9, "action_name": "pushed to", "created_at": moment, "author": author}
        self.data["events"].append({**event, "push_data": pushed | unknown, "author_username": "somebody"})

    def push(self, moment: str, count: int, *, known: bool = True) -> None:
        """Push some commits to main."""
        before = len(self.commits)
        self.commits += [f"{before + number:040x}" for number in range(count + 1)]
        author = {"id": 1, "name": "Some Body", "username": "somebody"}
        pushed = {
            "commit_count": count,
            "action": "pushed",
            "ref_type": "branch",
            "commit_from": self.commits[before] if known else "f" * 40,
            "commit_to": self.commits[-1],
            "ref": "main",
        }
        event = {"id": 100 + before, "action_name": "pushed to", "created_at": moment, "author": author}
        self.data["events"].append({**event, "push_data": pushed, "author_username": "somebody"})
