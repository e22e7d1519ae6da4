"""Many projects with small sources behind servers that take their time: Git over HTTP, and GitHub with its API."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase

from support.agent import Agent, give_secrets
from support.github import OWNER, TOKEN, GitHub, recorded
from support.replay import serving
from support.repository import Repository, linear_history
from support.servers import HttpServer, git_http

WORD = "a-word-for-git"
_PULLS = 3
_MANY_FILES = 2500


@dataclass
class ManyProjects:
    """The sources of each project, as its list has them, and the histories behind them.

    Several sources have the same history, under names of their own.
    """

    histories: Sequence[Repository]
    servers: Sequence[HttpServer]
    hub: GitHub
    entries: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    credentials: list[str] = field(default_factory=list)
    history_of: dict[tuple[str, str], Repository] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        return list(self.entries)

    @property
    def chosen(self) -> list[str]:
        """The arguments that name all projects."""
        return [part for key in self.entries for part in ("--project", key)]

    def write(self, agent: Agent) -> None:
        """Give an agent the lists, the credentials and the secrets of all projects."""
        (agent.home / "credentials.cfg").write_text("\n".join(self.credentials))
        for key, entries in self.entries.items():
            give_secrets(agent, key)
            agent.export(key).mkdir(parents=True, exist_ok=True)
            (agent.export(key) / "data_sources.json").write_text(json.dumps(entries))

    def answer_after(self, seconds: float) -> None:
        """Have every server take its time with each answer."""
        self.hub.replay.latency = seconds
        for server in self.servers:
            server.latency = seconds

    def requests(self) -> int:
        """How many requests came until now."""
        return len(self.hub.replay.asked) + sum(len(server.authorizations) for server in self.servers)

    def commits(self, key: str) -> set[tuple[str, str]]:
        """Every commit of a project, with the name of its source."""
        ids = {id(one): one.git("rev-list", "HEAD").splitlines() for one in self.histories}
        named = ((name, one) for (project, name), one in self.history_of.items() if project == key)
        return {(name, commit) for name, one in named for commit in ids[id(one)]}

    def grow(self, number: int) -> None:
        """Add a commit to every history. That of the first one changes so much that it is sent in pieces."""
        for place, one in enumerate(self.histories):
            files = 1 if place else _MANY_FILES
            one.commit(f"more {number}", {f"more/{file}.txt": str(number) for file in range(files)})


def _small() -> GitHub:
    """A GitHub where every repository has the same few pull requests and issues."""
    data = recorded()
    data["pulls"] = data["pulls"][:_PULLS]
    data["issues"] = data["issues"][:_PULLS]
    return GitHub(data, any_repository=True, remaining=10**9)


@contextmanager
def many_projects(
    folder: Path, projects: int, addresses: Sequence[str], *, git: int = 4, github: int = 1
) -> Iterator[ManyProjects]:
    """Serve so many projects, each with so many sources of Git and GitHub.

    Those of Git are spread over all addresses but the last, which is that of GitHub.
    """
    histories = [linear_history(folder / "histories" / str(number), 3 + 2 * number) for number in range(5)]
    with ExitStack() as stack:
        servers = [stack.enter_context(git_http(folder / "served", "reader", WORD, host=host)) for host in addresses]
        hub = _small()
        hub.replay.host = addresses[-1]
        stack.enter_context(serving(hub.replay))
        one = ManyProjects(histories, servers, hub)
        for host, server in zip(addresses, servers, strict=True):
            one.credentials += [f"[{host}:{server.port}]", "username = reader", f"password = {WORD}"]
        one.credentials += [f"github_token = {TOKEN}", f"github_api_url = {hub.api}"]
        for number in range(projects):
            key = "P" + ascii_uppercase[number // 26] + ascii_uppercase[number % 26]
            one.entries[key] = [_source(one, folder, key, place, servers[:-1], addresses) for place in range(git)]
            for place in range(git, git + github):
                one.entries[key].append(_source(one, folder, key, place, servers[-1:], addresses[-1:]))
        yield one


def _source(
    one: ManyProjects, folder: Path, key: str, place: int, servers: Sequence[HttpServer], addresses: Sequence[str]
) -> dict[str, str]:
    """The entry of a source, and its history under the path of its address."""
    count = len(one.history_of)
    path, name = f"{OWNER}/{key}-{place}", f"code{place}"
    history = one.histories[count % len(one.histories)]
    one.history_of[key, name] = history
    served = folder / "served" / path
    served.parent.mkdir(parents=True, exist_ok=True)
    served.symlink_to(history.path)
    url = f"http://{addresses[count % len(servers)]}:{servers[count % len(servers)].port}/{path}"
    return {"type": "git", "name": name, "url": url}
