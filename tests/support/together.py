"""One project with a source of every kind, behind real servers on loopback, and what happens there between two scrapes.

Everything that the importer's database is particular about is in it: names that differ in case alone, identifiers and
counts beyond 31 bits, reviewers who vote several times, a request system with two repositories of one project, moments
that two quality systems share, paths that are equal for as long as their column is, and texts beyond ASCII.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from support.agent import Agent
from support.azure_devops import AzureDevOps
from support.github import GitHub
from support.repository import Repository, linear_history
from support.servers import git_http
from support.sources import under_test
from support.subversion import SubversionRepository

LATER = "2024-05-05T05:05:{:02}Z"
CHANGED = datetime(2024, 2, 12, 10, 0, 1, tzinfo=UTC)
"""When the last target in Quality-time changed: SonarQube is asked in that second."""
BEYOND = 2**33
LONG = "/".join(["p" * 249] * 4)
"""A path of 999 characters: what comes after the next one is cut off."""
Entry = dict[str, str]


@dataclass
class Together:
    """The servers that are looked at, the entries of the list of sources, and the sections that they need.

    ``later`` is what is done before the second scrape.
    """

    folder: Path
    github: GitHub = field(default_factory=GitHub)
    azure: AzureDevOps = field(default_factory=AzureDevOps)
    code: tuple[Repository, ...] = ()
    subversion: SubversionRepository | None = None
    entries: list[Entry] = field(default_factory=list)
    sections: dict[int, dict[str, str]] = field(default_factory=dict)
    later: list[Callable[[], object]] = field(default_factory=list)

    def write(self, agent: Agent) -> None:
        """Give an agent the list and the credentials."""
        agent.export().mkdir(parents=True, exist_ok=True)
        (agent.export() / "data_sources.json").write_text(json.dumps(self.entries))
        sections = (
            "\n".join((f"[127.0.0.1:{port}]", *(f"{name} = {value}" for name, value in options.items())))
            for port, options in self.sections.items()
        )
        (agent.home / "credentials.cfg").write_text("\n".join(sections) + "\n")

    def add(self, kind: str, name: str, url: str) -> None:
        """Put an entry on the list."""
        self.entries.append({"type": kind, "name": name, "url": url})

    def serve_git(self, stack: ExitStack, where: str, paths: Mapping[str, str], word: str, **options: str) -> None:
        """Serve repositories over HTTP, with options for their host, and list them."""
        served = self.folder / f"served-{where}"
        for path in paths.values():
            (served / path).parent.mkdir(parents=True, exist_ok=True)
            linear_history(served / path, 5)
        server = stack.enter_context(git_http(served, "reader", word))
        self.sections[server.port] = {"username": "reader", "password": word, **options}
        for name, path in paths.items():
            self.add("git", name, f"http://127.0.0.1:{server.port}/{path}")

    def happen(self) -> None:
        """What is done everywhere before the second scrape."""
        for one in self.later:
            one()


@contextmanager
def together(folder: Path, *kinds: str) -> Iterator[Together]:
    """Serve what sources of these kinds need, and make their entries, as their samples say."""
    one = Together(folder)
    with ExitStack() as stack:
        for kind in kinds:
            under_test()[kind].join(stack, one)
        yield one
