"""A Forgejo or a Gitea on loopback, under a path, that answers what was recorded of one.

Lists page as its source has it: none gives more items on a page than the server's largest page has, some name the next
page in ``Link``, the others tell only how many items there are. What the recordings lack is made here, in the form of
the source: replies on lines, pending reviews, comments on pull requests, keys, and the repositories of an owner.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDINGS = Path(__file__).parents[2] / "recordings"
TOKEN, UNDER = "the-token-of-forgejo", "forge"
READER = {"id": 77, "login": "reader", "full_name": "", "email": "reader@noreply.example"}
Item = dict[str, Any]

_GITEA, _FORGEJO = "source: go-gitea/gitea, routers/api/v1", "mirror of Forgejo: creator-signal/fork-forgejo-forgejo"
_RECORDED = "recording: gitea.json; recording: forgejo.json"
ORIGINS = {
    "repository": f"{_GITEA}/repo/repo.go; {_RECORDED}",
    "pulls": f"{_GITEA}/repo/pull.go at 000762f8, and its {_FORGEJO} at 0333cbb9; {_RECORDED}",
    "pull": f"{_GITEA}/repo/pull.go at 000762f8; {_RECORDED}, in a list",
    "reviews": f"{_GITEA}/repo/pull_review.go at 000762f8, and its {_FORGEJO} at 087bb633; {_RECORDED}",
    "review comments": f"{_GITEA}/repo/pull_review.go at 000762f8; {_RECORDED}",
    "issues": f"{_GITEA}/repo/issue.go, and its {_FORGEJO} at 159e8e87; {_RECORDED}",
    "comments": f"{_GITEA}/repo/issue_comment.go at 000d87ef; {_RECORDED}, comments of one issue",
    "user": f"{_GITEA}/user/user.go",
    "version": f"{_GITEA}/misc/version.go; {_RECORDED}",
    "settings": f"{_GITEA}/settings/settings.go; {_RECORDED}",
    "keys": f"{_GITEA}/user/key.go, and its {_FORGEJO} at 2fc08915",
    "add key": f"{_GITEA}/user/key.go; source: go-gitea/gitea, models/asymkey/ssh_key.go at 034996b6",
    "remove key": f"{_GITEA}/user/key.go, and its {_FORGEJO} at 2fc08915",
    "orgs": f"{_GITEA}/user/repo.go at 00d39b64",
    "users": f"{_GITEA}/user/repo.go at 00d39b64",
}
"""Where each route comes from."""
PUBLIC = frozenset({"version", "settings"})
"""Routes that want no token, even on a server whose repositories are private."""
FOR_USERS = frozenset({"user", "keys", "add key", "remove key"})
LINKED = frozenset({"pulls", "issues", "orgs", "users"})
"""Lists that name the next page."""


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return found


def refused(code: int, message: str) -> Answer:
    return json_answer({"message": message, "url": "https://forge.example/api/swagger"}, code)


NOT_FOUND = refused(404, "The target couldn't be found.")


@dataclass
class Forgejo:
    """The data of one repository, in the API's shapes, and what serves it: ``recording`` is forgejo or gitea."""

    recording: str = "gitea"
    data: dict[str, Any] = field(default_factory=dict)
    replay: Replay = field(default_factory=Replay)
    keys: list[Item] = field(default_factory=list)
    repositories: list[Item] = field(default_factory=list)
    is_organisation: bool = True
    has_settings: bool = True
    public: bool = False

    def __post_init__(self) -> None:
        self.data = recorded(self.recording)
        base = f"/{UNDER}/api/v1"
        repository = rf"{base}/repos/([^/]+/[^/]+)"
        routes: dict[str, tuple[str, Callable[[Asked], Answer]]] = {
            "repository": (repository, lambda _: json_answer(self.data["repository"])),
            "pulls": (f"{repository}/pulls", lambda asked: self.page(asked, self.pulls(asked))),
            "pull": (f"{repository}/pulls/([0-9]+)", self.pull),
            "reviews": (f"{repository}/pulls/([0-9]+)/reviews", self.reviews),
            "review comments": (f"{repository}/pulls/([0-9]+)/reviews/([0-9]+)/comments", self.review_comments),
            "issues": (f"{repository}/issues", lambda asked: self.page(asked, self.issues(asked))),
            "comments": (f"{repository}/issues/comments", lambda asked: self.page(asked, self.comments(asked))),
            "user": (f"{base}/user", lambda _: json_answer(READER)),
            "version": (f"{base}/version", lambda _: json_answer(self.data["version"])),
            "settings": (f"{base}/settings/api", self.settings),
            "keys": (f"{base}/user/keys", lambda asked: self.page(asked, self.keys)),
            "orgs": (f"{base}/orgs/([^/]+)/repos", self.of_organisation),
            "users": (f"{base}/users/([^/]+)/repos", lambda asked: self.page(asked, self.repositories)),
        }
        for name, (pattern, handler) in routes.items():
            self.replay.route(name, pattern, self.guarded(handler))
        self.replay.route("add key", f"{base}/user/keys", self.guarded(self.add_key), "POST")
        self.replay.route("remove key", f"{base}/user/keys/([0-9]+)", self.guarded(self.remove_key), "DELETE")
        self.replay.unknown = lambda _path: NOT_FOUND

    @property
    def path(self) -> str:
        """The owner and the name of the repository."""
        return str(self.data["repository"]["full_name"])

    @property
    def url(self) -> str:
        """The web address of the repository."""
        return f"{self.replay.url}/{UNDER}/{self.path}"

    def guarded(self, handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        """Who has no token is told to come with one, or that there is nothing; so is who asks for something else."""

        def answer(asked: Asked) -> Answer:
            token = asked.headers.get("Authorization")
            if token not in {None, f"token {TOKEN}"}:
                return refused(401, "invalid username, password or token")
            if asked.route in PUBLIC:
                return handler(asked)
            if token is None and asked.route in FOR_USERS:
                return refused(401, "token is required")
            in_repository = "/repos/" in asked.path
            if in_repository and (asked.parts[0] != self.path or (token is None and not self.public)):
                return NOT_FOUND
            return handler(asked)

        return answer

    def settings(self, _asked: Asked) -> Answer:
        return json_answer(self.data["settings"]) if self.has_settings else NOT_FOUND

    # lists

    def page(self, asked: Asked, items: list[Any], seen: Callable[[Any], bool] = lambda _: True) -> Answer:
        """A page as the source cuts it, and then without what is not ``seen``."""
        limits = self.data["settings"]
        size = min(int(asked.query.get("limit", 0)) or limits["default_paging_num"], limits["max_response_items"])
        page = max(1, int(asked.query.get("page", 1)))
        last = max(1, -(-len(items) // size))
        headers = {"X-Total-Count": str(len(items))}
        if asked.route in LINKED and last > 1:
            headers["Link"] = ",".join(self._link(asked, number, rel) for rel, number in _linked(page, last))
        code, plain, content = json_answer([one for one in items[(page - 1) * size : page * size] if seen(one)])
        return code, plain | headers, content

    def _link(self, asked: Asked, number: int, rel: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in sorted({**asked.query, "page": str(number)}.items()))
        return f'<https://forge.example{asked.path}?{query}>; rel="{rel}"'

    def pulls(self, asked: Asked) -> list[Item]:
        assert asked.query["state"] == "all"
        found = [one for one in self.data["pulls"] if one is not None]
        order = "updated_at" if asked.query.get("sort") == "recentupdate" else "created_at"
        newest = sorted(found, key=lambda one: (str(one[order] or ""), one["created_at"], one["id"]), reverse=True)
        return [*newest, *(one for one in self.data["pulls"] if one is None)]

    def issues(self, asked: Asked) -> list[Item]:
        """The newest first; the parameter ``sort`` is Forgejo's alone."""
        assert asked.query["state"] == "all"
        since = asked.query.get("since", "")
        found = [one for one in self.data["issues"] if str(one["updated_at"]) >= since]
        is_sorted = self.recording == "forgejo" and asked.query.get("sort") == "recentupdate"
        order = "updated_at" if is_sorted else "created_at"
        return sorted(found, key=lambda one: (one[order], one["id"]), reverse=True)

    def comments(self, asked: Asked) -> list[Item]:
        since = asked.query.get("since", "")
        found = [one for one in self.data["comments"] if str(one["updated_at"]) >= since]
        return sorted(found, key=lambda one: (one["created_at"], one["id"]))

    def pull(self, asked: Asked) -> Answer:
        number = int(asked.parts[1])
        found = next((one for one in self.data["pulls"] if one and one["number"] == number), None)
        return json_answer(found) if found else NOT_FOUND

    def reviews(self, asked: Asked) -> Answer:
        """All are counted; a pending one is shown to its author alone."""
        if self.pull(asked) == NOT_FOUND:
            return NOT_FOUND

        def seen(one: Item) -> bool:
            return bool(one["state"] != "PENDING" or one["user"] == READER)

        return self.page(asked, self.data["reviews"].get(asked.parts[1], []), seen)

    def review_comments(self, asked: Asked) -> Answer:
        known = {str(one["id"]) for one in self.data["reviews"].get(asked.parts[1], [])}
        if asked.parts[2] not in known:
            return NOT_FOUND
        return json_answer(self.data["review_comments"].get(asked.parts[2], []))

    def of_organisation(self, asked: Asked) -> Answer:
        return self.page(asked, self.repositories) if self.is_organisation else NOT_FOUND

    # keys

    def add_key(self, asked: Asked) -> Answer:
        sent = asked.json
        if any(key["key"].split()[:2] == sent["key"].split()[:2] for key in self.keys):
            return refused(422, "Key content has been used as non-deploy key")
        if any(key["title"] == sent["title"] for key in self.keys):
            return refused(422, "Key title has been used")
        self.keys.append({"id": len(self.replay.asked), **sent})
        return json_answer(self.keys[-1], 201)

    def remove_key(self, asked: Asked) -> Answer:
        self.keys[:] = [key for key in self.keys if key["id"] != int(asked.parts[0])]
        return 204, {}, b""

    # what people do

    def touch(self, number: int, moment: str) -> Item:
        """Change a pull request or an issue; whatever somebody adds to one does that."""
        every = [one for one in (*self.data["pulls"], *self.data["issues"]) if one]
        found: Item = next(one for one in every if one["number"] == number)
        found["updated_at"] = moment
        return found

    def say(self, number: int, moment: str, body: str = "more", **more: Any) -> Item:
        """Write a comment on a pull request or an issue as a whole."""
        self.touch(number, moment)
        is_pull = any(one["number"] == number for one in self.data["pulls"] if one)
        url = f"https://forge.example/{UNDER}/{self.path}/{'pulls' if is_pull else 'issues'}/{number}"
        comment = {
            "id": 200_000 + len(self.data["comments"]),
            "pull_request_url": url if is_pull else "",
            "issue_url": "" if is_pull else url,
            "user": READER,
            "original_author": "",
            "body": body,
            "created_at": moment,
            "updated_at": moment,
            **more,
        }
        self.data["comments"].append(comment)
        return comment

    def review(self, number: int, moment: str, state: str = "COMMENT", **more: Any) -> Item:
        """Give a review."""
        if state != "PENDING":
            self.touch(number, moment)
        given = self.data["reviews"].setdefault(str(number), [])
        review = {
            "id": 9_000 + number * 100 + len(given),
            "user": READER,
            "team": None,
            "state": state,
            "body": "",
            "dismissed": False,
            "comments_count": 0,
            "submitted_at": moment,
            "updated_at": moment,
            **more,
        }
        given.append(review)
        return review

    def on_line(self, number: int, review: int, moment: str, body: str = "this line", **more: Any) -> Item:
        """Comment on a line, within a review."""
        self.touch(number, moment)
        of_pull = self.data["reviews"][str(number)]
        next(one for one in of_pull if one["id"] == review)["comments_count"] += 1
        comments = self.data["review_comments"].setdefault(str(review), [])
        comment = {
            "id": 300_000 + 1_000 * review + len(comments),
            "body": body,
            "user": READER,
            "resolver": None,
            "pull_request_review_id": review,
            "created_at": moment,
            "updated_at": moment,
            "path": "README.md",
            "commit_id": "187ece0cb6631e2858a6872e5733433bb3ca3b03",
            "original_commit_id": "",
            "diff_hunk": "@@ -1,2 +1,3 @@\n one\n-two\n+three",
            "position": 3,
            "original_position": 0,
            **more,
        }
        comments.append(comment)
        return comment


def _linked(page: int, last: int) -> list[tuple[str, int]]:
    """The pages that ``Link`` names."""
    found = [("next", page + 1), ("last", last)] if page < last else []
    return [*found, *([("first", 1), ("prev", page - 1)] if page > 1 else [])]
