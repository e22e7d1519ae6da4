"""GitHub on loopback: recorded pull requests and issues of panjf2000/ants behind GraphQL and REST.

Queries are executed against the published schema (``recordings/github/schema.graphql``), lists page by keyset cursors,
and each answer tells the budget that is left, as GitHub's do. What the recordings lack is made here, in the documented
form: who closed what, comments on commits, and the reviews that recorded comments on lines belong to.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from support.replay import Asked, Replay, paged
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "github"
OWNER, NAME, TOKEN = "panjf2000", "ants", "the-token-of-github"
OPERATIONS = (
    *("First", "Pulls", "Issues", "PullComments", "IssueComments", "Reviews", "ReviewComments"),
    *("Check", "Owned", "Team"),
)
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
"""The one that GitHub publishes."""
Item = dict[str, Any]

_DESCRIBED = "description: github/rest-api-description, descriptions/api.github.com, paths"
ORIGINS = {
    **dict.fromkeys(
        OPERATIONS, "description: GitHub's published schema, github/schema.graphql; recording: github/ants.json"
    ),
    "commit comments": f"{_DESCRIBED}./repos/{{owner}}/{{repo}}/comments",
    "keys": f"{_DESCRIBED}./user/keys",
    "add key": f"{_DESCRIBED}./user/keys",
    "remove key": f"{_DESCRIBED}./user/keys/{{key_id}}",
    "meta": f"{_DESCRIBED}./meta; of an Enterprise Server: descriptions/ghes-3.19",
}
"""Where each route comes from; each operation of GraphQL is a route of its own, at one path."""


@cache
def schema() -> GraphQLSchema:
    return build_schema((RECORDED / "schema.graphql").read_text(), assume_valid=True)


@cache
def checked(query: str) -> tuple[DocumentNode, list[GraphQLError]]:
    """A query that parses, and what is wrong with it by the schema."""
    document = parse(query)
    return document, validate(schema(), document)


def executed(query: str, root: Item, variables: Item | None) -> ExecutionResult:
    """What the reference implementation answers; a query is parsed and validated when it comes for the first time."""
    try:
        document, errors = checked(query)
    except GraphQLError as error:
        errors = [error]
    if errors:
        return ExecutionResult(data=None, errors=errors)
    return execute_sync(schema(), document, root, variable_values=variables)


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / "ants.json").read_text())
    return found


def camel(item: Item) -> Item:
    """The moments of a REST object under their GraphQL names."""
    names = {
        "created_at": "createdAt",
        "updated_at": "updatedAt",
        "closed_at": "closedAt",
        "submitted_at": "submittedAt",
    }
    return {names[name]: value for name, value in item.items() if name in names}


def actor(user: Item | None) -> Item | None:
    return user and {"__typename": user["type"], "login": user["login"].removesuffix("[bot]")}


def connection(items: Iterable[Item], make: Callable[[Item], Item], moment: str = "") -> Callable[..., Item]:
    """A list as GraphQL has it; with ``moment`` it can be ordered by that, and its cursors are places in that order."""

    def resolve(_: object, first: int | None = None, after: str | None = None, **given: Any) -> Item:
        found = list(items)
        key = position(moment)
        order = given.get("orderBy")
        if order and moment:
            found.sort(key=key, reverse=order["direction"] == "DESC")
        since = (given.get("filterBy") or {}).get("since")
        if since:
            found = [one for one in found if one["updated_at"] >= since]
        total = len(found)
        if after:
            mark = tuple(json.loads(base64.b64decode(after)))
            descending = (order or {}).get("direction") == "DESC"
            found = [one for one in found if (key(one) < mark if descending else key(one) > mark)]
        last = given.get("last")
        shown = found[-last:] if last else found[:first]
        end = base64.b64encode(json.dumps(key(shown[-1])).encode()).decode() if shown else None
        more = first is not None and len(found) > first
        return {
            "totalCount": total,
            "pageInfo": {"hasNextPage": more, "endCursor": end},
            "nodes": lambda _: nodes(shown, first or last),
        }

    def nodes(shown: list[Item], size: int | None) -> list[Item]:
        if size is None or not 1 <= size <= 100:
            raise GraphQLError("You must provide a `first` or `last` value of 1 to 100 to properly paginate.")
        return [make(one) for one in shown]

    return resolve


def position(moment: str) -> Callable[[Item], tuple[Any, ...]]:
    return lambda one: (one.get(moment) or "", one.get("id", one.get("number", 0)))


@dataclass
class GitHub:
    """The data of one repository, in REST's shapes, and what serves it. Tests change the data as people would."""

    data: dict[str, Any] = field(default_factory=recorded)
    replay: Replay = field(default_factory=Replay)
    commit_comments: list[Item] = field(default_factory=list)
    keys: list[Item] = field(default_factory=list)
    repositories: list[Item] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    remaining: int = 5000
    reset: float = 0.0
    error: Mapping[str, Any] | None = None
    any_repository: bool = False

    def __post_init__(self) -> None:
        for operation in OPERATIONS:
            sent = f"query {operation}(".encode()
            self.replay.route(operation, "/api/graphql", self.graphql, "POST", sent)
        self.replay.route("commit comments", f"/api/v3/repos/{OWNER}/{NAME}/comments", self.comments)
        self.replay.route("keys", "/api/v3/user/keys", lambda asked: paged(asked, self.keys, self.replay.url))
        self.replay.route("add key", "/api/v3/user/keys", self.add_key, "POST")
        self.replay.route("remove key", r"/api/v3/user/keys/(\d+)", self.remove_key, "DELETE")
        self.replay.route(
            "meta", "/api/v3/meta", lambda _: json_answer({"ssh_keys": [HOST_KEY], "installed_version": "3.14.2"})
        )

        self.replay.unknown = lambda _path: json_answer({"message": "Not Found", "status": "404"}, 404)

    @property
    def api(self) -> str:
        return f"{self.replay.url}/api/v3"

    # budgets and credentials

    def limited(self, answer: Answer) -> Answer:
        code, headers, content = answer
        budget = {
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(int(self.reset or time.time() + 3600)),
            "X-OAuth-Scopes": "repo, delete_repo",
            "GitHub-Authentication-Token-Expiration": "2030-01-01 00:00:00 UTC",
        }
        return code, headers | budget | self.headers, content

    def refused(self, asked: Asked) -> Answer | None:
        if asked.headers.get("Authorization") not in {f"Bearer {TOKEN}", f"token {TOKEN}"}:
            return json_answer({"message": "Bad credentials"}, 401)
        if self.reset and time.time() >= self.reset:
            self.remaining, self.reset = 5000, 0.0
        if self.remaining <= 0:
            return self.limited(json_answer({"message": "API rate limit exceeded for user ID 1."}, 403))
        return None

    # GraphQL

    def graphql(self, asked: Asked) -> Answer:
        refusal = self.refused(asked)
        if refusal:
            return refusal
        self.remaining -= 1
        if self.error:
            return self.limited(json_answer({"data": {"repository": None}, "errors": [self.error]}))
        sent = asked.json
        done = executed(sent["query"], self.root(), sent.get("variables"))
        answer: Item = {"data": done.data}
        if done.errors:
            answer["errors"] = [{**error.formatted, **(error.extensions or {})} for error in done.errors]
        return self.limited(json_answer(answer))

    def root(self) -> Item:
        return {
            "repository": self.repository,
            "node": self.node,
            "repositoryOwner": self.owner,
            "organization": self.owner,
            "viewer": {"login": "reader"},
            "rateLimit": {"cost": 1, "remaining": self.remaining, "resetAt": "2030-01-01T00:00:00Z", "limit": 5000},
        }

    def repository(self, _: object, owner: str, name: str, **__: Any) -> Item:
        if (owner, name) != (OWNER, NAME) and not self.any_repository:
            words = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise GraphQLError(words, extensions={"type": "NOT_FOUND"})
        known = self.data["repository"]
        return {
            "databaseId": known["id"],
            "description": known["description"],
            "createdAt": known["created_at"],
            "isPrivate": False,
            "isFork": False,
            "stargazerCount": 12,
            "watchers": {"totalCount": 3},
            "commitComments": connection(self.commit_comments, lambda one: one),
            "pullRequests": connection(self.data["pulls"], self.pull, "updated_at"),
            "issues": connection(self.real_issues(), self.issue, "updated_at"),
        }

    def owner(self, _: object, login: str) -> Item | None:
        if login != OWNER:
            return None
        listed = connection(self.repositories, lambda one: one)
        team = {"repositories": connection(self.repositories[:1], lambda one: one)}
        return {
            "__typename": "Organization",
            "repositories": listed,
            "team": lambda _, slug: team if slug == "the-team" else None,
        }

    def real_issues(self) -> list[Item]:
        return [one for one in self.data["issues"] if not one["is_pull"]]

    def common(self, item: Item) -> Item:
        comments = [one for one in self.data["issue_comments"] if one["issue"] == item["number"]]
        closer = {"actor": actor(item.get("closed_by"))}
        return {
            **camel(item),
            "id": item["node_id"],
            "number": item["number"],
            "title": item["title"],
            "body": item["body"] or "",
            "author": actor(item["user"]),
            "assignees": connection([item["assignee"]] if item["assignee"] else [], lambda one: one),
            "labels": {"totalCount": item["labels"]},
            "state": item["state"].upper(),
            "comments": connection(comments, self.comment, "updated_at"),
            "timelineItems": connection(
                [{"__typename": "ClosedEvent", **closer}] if item["closed_at"] else [], lambda one: one
            ),
        }

    def issue(self, item: Item) -> Item:
        return {"__typename": "Issue", **self.common(item)}

    def pull(self, item: Item) -> Item:
        reviews = [one for one in self.reviews() if one["pull"] == item["number"]]
        return {
            "__typename": "PullRequest",
            **self.common(item),
            "state": "MERGED" if item["merged_at"] else item["state"].upper(),
            "headRefName": item["head"],
            "baseRefName": item["base"],
            "mergedBy": actor(item.get("closed_by")) if item["merged_at"] else None,
            "reviews": connection(reviews, self.review),
        }

    def reviews(self) -> list[Item]:
        """The recorded reviews, and those that only comments tell of."""
        found = {one["id"]: one for one in self.data["reviews"]}
        for comment in self.data["review_comments"]:
            moment = comment["created_at"]
            made = {"state": "COMMENTED", "submitted_at": moment, "pull": comment["pull"], "user": comment["user"]}
            number = comment["pull_request_review_id"]
            found.setdefault(number, {"id": number, "node_id": f"review-{number}", **made})
        return [found[number] for number in sorted(found)]

    def review(self, item: Item) -> Item:
        comments = [one for one in self.data["review_comments"] if one["pull_request_review_id"] == item["id"]]
        return {
            "__typename": "PullRequestReview",
            "id": item["node_id"],
            "state": item["state"],
            "submittedAt": item["submitted_at"],
            "updatedAt": item.get("updated_at") or item["submitted_at"],
            "author": actor(item["user"]),
            "comments": connection(comments, self.line_comment),
        }

    @staticmethod
    def comment(item: Item) -> Item:
        return {
            **camel(item),
            "__typename": "IssueComment",
            "fullDatabaseId": str(item["id"]),
            "databaseId": item["id"],
            "body": item["body"] or "",
            "author": actor(item["user"]),
        }

    def line_comment(self, item: Item) -> Item:
        parent = item["in_reply_to_id"]
        return {
            **self.comment(item),
            "__typename": "PullRequestReviewComment",
            "path": item["path"],
            "diffHunk": item["diff_hunk"],
            "line": item["line"],
            "startLine": item["start_line"],
            "originalLine": item["original_line"],
            "originalStartLine": item["original_start_line"],
            "commit": {"oid": item["commit_id"]},
            "originalCommit": {"oid": item["original_commit_id"]},
            "replyTo": {"fullDatabaseId": str(parent), "databaseId": parent} if parent else None,
        }

    def node(self, _: object, id: str) -> Item:  # noqa: A002 (GraphQL's name)
        for item in self.data["pulls"]:
            if item["node_id"] == id:
                return self.pull(item)
        for item in self.data["issues"]:
            if item["node_id"] == id:
                return self.issue(item)
        return next(self.review(one) for one in self.reviews() if one["node_id"] == id)

    # REST

    def comments(self, asked: Asked) -> Answer:
        refusal = self.refused(asked)
        if refusal:
            return refusal
        code, headers, content = paged(asked, self.commit_comments, self.replay.url, 30)
        tag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        if asked.headers.get("If-None-Match") == tag:
            return self.limited((304, {"ETag": tag}, b""))
        self.remaining -= 1
        return self.limited((code, {**headers, "ETag": tag}, content))

    def add_key(self, asked: Asked) -> Answer:
        refusal = self.refused(asked)
        if refusal:
            return refusal
        sent = asked.json
        if any(key["key"] == sent["key"] for key in self.keys):
            return json_answer({"message": "Validation Failed", "errors": [{"message": "key is already in use"}]}, 422)
        self.keys.append({"id": len(self.replay.asked), "title": sent["title"], "key": sent["key"]})
        return json_answer(self.keys[-1], 201)

    def remove_key(self, asked: Asked) -> Answer:
        self.keys[:] = [key for key in self.keys if key["id"] != int(asked.parts[0])]
        return 204, {}, b""

    # what people do

    def touch(self, number: int, moment: str) -> Item:
        """Change a pull request or issue at some moment."""
        for item in (*self.data["pulls"], *self.data["issues"]):
            if item["number"] == number:
                item["updated_at"] = moment
        return next(one for one in (*self.data["pulls"], *self.data["issues"]) if one["number"] == number)

    def say(self, number: int, moment: str, body: str = "more", user: str = "somebody") -> None:
        """Comment on a pull request or issue."""
        identifier = 5_000_000_000 + len(self.data["issue_comments"])
        made = {"id": identifier, "node_id": f"comment-{identifier}", "issue": number, "body": body}
        author = {"login": user, "type": "User", "id": 1}
        self.data["issue_comments"].append({**made, "created_at": moment, "updated_at": moment, "user": author})
        self.touch(number, moment)

    def judge(self, number: int, moment: str, user: str, state: str) -> None:
        """Review a pull request."""
        identifier = 6_000_000_000 + len(self.data["reviews"])
        made = {"id": identifier, "node_id": f"review-{identifier}", "state": state, "pull": number}
        self.data["reviews"].append({**made, "submitted_at": moment, "user": {"login": user, "type": "User"}})
        self.touch(number, moment)

    def say_on_commit(self, moment: str, line: int | None = 3) -> None:
        """Comment on a commit."""
        number = 100 + len(self.commit_comments)
        self.commit_comments.append(
            {
                "id": number,
                "commit_id": f"{number:040x}",
                "body": "on a commit",
                "created_at": moment,
                "updated_at": moment,
                "user": {"login": "somebody", "type": "User"},
                "path": "pool.go" if line else None,
                "line": line,
            }
        )
