"""What other tools ask of GitHub, over REST: the same data as GraphQL has."""

from collections.abc import Callable, Iterable
from functools import partial

from support.github import NAME, OWNER, GitHub, Item, position
from support.replay import Asked, paged
from support.web import Answer, json_answer

RATES = {"resources": {"core": {"limit": 10**6, "remaining": 10**6, "reset": 2**31}}, "rate": {"remaining": 10**6}}
NUMBER = "([0-9]+)"


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
    replay.route("others", "/api/v3/.*", lambda asked: paged(asked, [], replay.url))


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
