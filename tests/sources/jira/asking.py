"""Asks a Jira as a scrape does, and keeps what came."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gros_agent.options.hosts import by_name
from gros_agent.options.values import Secret, Value
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, SourceEntry
from gros_agent.sources.jira.gathering import Gathering
from gros_agent.sources.jira.search import Issue
from sources.jira.cloud import ADDRESS, JiraCloud
from sources.jira.replay import PASSWORD, TOKEN, USER, Jira
from support.hosts import host_with

FIELDS = ("summary", "created", "updated", "comment", "status", "issuetype", "creator")


def context(one: Jira, folder: Path, *, path: str = "", **more: Any) -> Context:
    """The context of a source on a server; ``user`` and ``password`` are those of its account, unless given."""
    known = (ADDRESS, TOKEN) if isinstance(one, JiraCloud) else (USER, PASSWORD)
    user, password = more.pop("user", known[0]), more.pop("password", known[1])
    options = {name: Value(text, "test") for name, text in more.pop("options", {}).items()}
    entry = SourceEntry("jira", "sample", f"{one.url}{path}", user, Secret(password) if password else None)
    host = host_with("jira.example", options).limited_to(by_name(sources()["jira"].host_options))
    made = Context(entry=entry, host=host, folder=folder, known_hosts=folder / "known", silence=20, project=one.key)
    return replace(made, **more)


@dataclass
class Gathered:
    """What came, and how it ended."""

    issues: dict[str, Issue]
    end: Collected
    gathering: Gathering

    @property
    def histories(self) -> dict[str, list[str]]:
        """The identifiers of each issue's histories."""
        return {key: [str(one["id"]) for one in issue.histories] for key, issue in self.issues.items()}


def gather(asked: Context, position: str | None = None, *, whole: bool = True) -> Gathered:
    """Gather a project; ``whole`` with all metadata that rows need."""
    one = Gathering(asked, position)
    if whole:
        _ = one.metadata.sprints
        if one.has_news:
            _ = (one.metadata.fields, one.metadata.link_types, one.metadata.users)
    found: dict[str, Issue] = {}
    for issue in one.issues(FIELDS):
        assert issue.key not in found, f"{issue.key} came twice"
        found[issue.key] = issue
    return Gathered(found, one.collected(), one)


def expected(one: Jira) -> dict[str, list[str]]:
    """The identifiers of the histories of each issue of the project."""
    issues = [issue for issue in one.issues if issue["key"].startswith(f"{one.key}-")]
    return {issue["key"]: [str(history["id"]) for history in issue["changelog"]["histories"]] for issue in issues}
