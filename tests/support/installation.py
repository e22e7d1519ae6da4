"""An agent for several projects, each with a repository that grows, at a controller as installations have it."""

import json
from collections import Counter
from pathlib import Path

from support.agent import Agent, Finished
from support.existing import ExistingController
from support.repository import Repository

SOON = 60.0
"""How long to wait for what comes at once, on a machine that has much to do."""
QUICK = {"GROS_AGENT_WAIT": "1.5", "GROS_AGENT_IMPORT_LIMIT": "1"}
"""Limits that an import which waits to be released passes."""


class Installation:
    """An agent for two projects, each with a repository, at a controller."""

    def __init__(self, agent: Agent, controller: ExistingController, folder: Path, keys: str = "TEST OTHER") -> None:
        self.agent = agent
        self.controller = controller
        self.keys = keys.split()
        self.variables = controller.variables(JIRA_KEY=keys, GROS_AGENT_WAIT="5")
        self.repositories = {key: Repository.make(folder / f"repository-{key}") for key in self.keys}
        self.made: dict[str, list[str]] = {key: [] for key in self.keys}
        for key, repository in self.repositories.items():
            agent.export(key).mkdir(parents=True)
            source = {"type": "git", "name": "code", "url": repository.url}
            (agent.export(key) / "data_sources.json").write_text(json.dumps([source]))

    def commit(self, *keys: str) -> None:
        for key in keys or self.keys:
            number = str(len(self.made[key]))
            self.made[key].append(self.repositories[key].commit(number, {"a": number}))

    def run(self, **variables: str) -> Finished:
        return self.agent("run", variables=self.variables | variables)

    def imported(self, key: str) -> Counter[str]:
        return Counter(row["version_id"] for row in self.controller.rows("data_vcs_versions.json", key))

    def check_all_once(self) -> None:
        for key in self.keys:
            assert self.imported(key) == Counter(self.made[key]), key

    def announced(self, key: str) -> int:
        return sum(one["project"] == key for one in self.controller.announced)
