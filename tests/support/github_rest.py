"""What other tools ask of GitHub, over REST: the same data as GraphQL has."""

from collections.abc import Callable, Iterable
from functools import partial

from support.github import NAME, OWNER, GitHub, Item, position
from support.replay import Asked, paged
from support.web import Answer, json_answer

RATES = {"resources": {"core": {"limit": 10**6, "remaining": 10**6, "reset": 2**31}}, "rate": {"remaining": 10**6}}
NUMBER = "([0-9]+)"
NO_REVIEWERS: Item = {"users": [], "teams": []}
_IN = f"repos/{OWNER}/{NAME}"
EMPTY = {
    "pulls/N/commits": f"{_IN}/pulls/{NUMBER}/commits",
    "reactions to issues": f"{_IN}/issues/{NUMBER}/reactions",
    "reactions to comments": f"{_IN}/issues/comments/{NUMBER}/reactions",
    "reactions to line comments": f"{_IN}/pulls/comments/{NUMBER}/reactions",
    "organizations": "users/([^/]+)/orgs",
}
"""Lists that have nothing here: name → path."""
_DESCRIBED = "description: github/rest-api-description, descriptions/api.github.com, paths"
ORIGINS = {
    "repository": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}",
    "issues/N/comments": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/issues/{{issue_number}}/comments",
    "pulls/N/comments": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/{{pull_number}}/comments",
    "pulls/N/reviews": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/{{pull_number}}/reviews",
    "pulls/N": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/{{pull_number}}",
    "pulls": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls",
    "issues/N": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/issues/{{issue_number}}",
    "issues": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/issues",
    "limits": f"{_DESCRIBED}./rate_limit",
    "account": f"{_DESCRIBED}./users/{{username}}",
    "reviewers": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/{{pull_number}}/requested_reviewers",
    "pulls/N/commits": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/{{pull_number}}/commits",
    "reactions to issues": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/issues/{{issue_number}}/reactions",
    "reactions to comments": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/issues/comments/{{comment_id}}/reactions",
    "reactions to line comments": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/pulls/comments/{{comment_id}}/reactions",
    "organizations": f"{_DESCRIBED}./users/{{username}}/orgs",
}
"""Where each route comes from."""


def serve_rest(github: GitHub) -> None:
    """Serve lists and items of pull requests, which are all issues that there are, and their comments."""
    base, data, replay = f"/api/v3/repos/{OWNER}/{NAME}", github.data, github.replay
    known = {
        **data["repository"],
        "full_name": f"{OWNER}/{NAME}",
        "private": False,
        "fork": False,
        "stargazers_count": 1,
        "watchers_count": 1,
        "url": f"{replay.url}{base}",
        "pulls_url": f"{replay.url}{base}/pulls{{/number}}",
        "clone_url": f"https://github.example/{OWNER}/{NAME}.git",
    }
    replay.route("repository", base, lambda _: json_answer(known))
    lists: dict[str, Callable[[int], Iterable[Item]]] = {
        "issues/N/comments": lambda number: [one for one in data["issue_comments"] if one["issue"] == number],
        "pulls/N/comments": lambda number: [one for one in data["review_comments"] if one["pull"] == number],
        "pulls/N/reviews": lambda number: [one for one in data["reviews"] if one["pull"] == number],
    }
    for path, found in lists.items():
        replay.route(path, f"{base}/{path.replace('N', NUMBER)}", partial(_listed, github, found))
    pulls = {one["number"]: _pull(one, f"{replay.url}{base}") for one in data["pulls"]}
    newest = sorted(pulls.values(), key=position("updated_at"), reverse=True)
    for kind in ("pulls", "issues"):
        replay.route(f"{kind}/N", f"{base}/{kind}/{NUMBER}", lambda asked: json_answer(pulls[int(asked.parts[0])]))
        replay.route(kind, f"{base}/{kind}", lambda asked: paged(asked, newest, replay.url, 30))
    replay.route("limits", "/api/v3/rate_limit", lambda _: json_answer(RATES))
    replay.route("account", "/api/v3/users/([^/]+)", lambda asked: json_answer({"login": asked.parts[0], "id": 1}))
    replay.route("reviewers", f"{base}/pulls/{NUMBER}/requested_reviewers", lambda _: json_answer(NO_REVIEWERS))
    for name, path in EMPTY.items():
        replay.route(name, f"/api/v3/{path}", lambda asked: paged(asked, [], replay.url))


def _listed(github: GitHub, found: Callable[[int], Iterable[Item]], asked: Asked) -> Answer:
    items = [{**one, "reactions": {"total_count": 0}} for one in found(int(asked.parts[0]))]
    return paged(asked, items, github.replay.url, 30)


def _pull(item: Item, base: str) -> Item:
    url, issue = f"{base}/pulls/{item['number']}", f"{base}/issues/{item['number']}"
    return {
        **item,
        "id": item["number"],
        "url": url,
        "issue_url": issue,
        "comments_url": f"{issue}/comments",
        "review_comments_url": f"{url}/comments",
        "labels": [{"name": "one"}] * item["labels"],
        "pull_request": {"url": url},
        "head": {"ref": item["head"]},
        "base": {"ref": item["base"]},
        "assignees": [],
        "requested_reviewers": [],
        "merged_by": None,
        "reactions": {"total_count": 0},
        "comments": 1,
        "commits": 0,
        "review_comments": 1,
        "changed_files": 0,
        "locked": False,
        "merged": bool(item["merged_at"]),
    }
