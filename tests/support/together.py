"""One project with a source of every kind, behind real servers on loopback, and what happens there between two scrapes.

Everything that the importer's database is particular about is in it: names that differ in case alone, identifiers and
counts beyond 31 bits, reviewers who vote several times, a request system with two repositories of one project, moments
that two quality systems share, paths that are equal for as long as their column is, and texts beyond ASCII.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support import azure_devops as azure
from support import github, gitlab
from support.agent import Agent
from support.azure_devops import AzureDevOps
from support.github import GitHub
from support.gitlab import GitLab
from support.jenkins import Jenkins
from support.quality_time import QualityTime
from support.replay import serving
from support.repository import START, Repository, linear_history
from support.servers import git_http
from support.sonarqube import SonarQube, measured
from support.subversion import SubversionRepository, layout, svnserve

KINDS = ("git", "github", "gitlab", "tfs", "quality-time", "sonar", "jenkins")
"""Sources that need no program beyond git. ``subversion`` is another one, where Subversion is there."""
LATER = "2024-05-05T05:05:{:02}Z"
CHANGED = datetime(2024, 2, 12, 10, 0, 1, tzinfo=UTC)
"""When the last target in Quality-time changed: SonarQube is asked in that second."""
BEYOND = 2**33
LONG = "/".join(["p" * 249] * 4)
"""A path of 999 characters: what comes after the next one is cut off."""
Entry = dict[str, str]


@dataclass
class Together:
    """The servers, the entries of the list of sources, and the sections that they need."""

    folder: Path
    github: GitHub = field(default_factory=GitHub)
    gitlab: GitLab = field(default_factory=GitLab)
    azure: AzureDevOps = field(default_factory=AzureDevOps)
    quality_time: QualityTime = field(default_factory=lambda: QualityTime(now=CHANGED + timedelta(hours=1)))
    sonarqube: SonarQube = field(default_factory=lambda: SonarQube(now=CHANGED))
    jenkins: Jenkins = field(default_factory=Jenkins)
    code: tuple[Repository, ...] = ()
    subversion: SubversionRepository | None = None
    entries: list[Entry] = field(default_factory=list)
    sections: dict[int, dict[str, str]] = field(default_factory=dict)

    def write(self, agent: Agent) -> None:
        """Give an agent the list and the credentials."""
        agent.export().mkdir(parents=True, exist_ok=True)
        (agent.export() / "data_sources.json").write_text(json.dumps(self.entries))
        sections = (
            "\n".join((f"[127.0.0.1:{port}]", *(f"{name} = {value}" for name, value in options.items())))
            for port, options in self.sections.items()
        )
        (agent.home / "credentials.cfg").write_text("\n".join(sections) + "\n")

    def happen(self) -> None:
        """What is done everywhere before the second scrape."""
        for number, one in enumerate(self.code):
            one.commit(f"sécond {number} \U0001f600", {"wörk/ü.txt": f"of {number}\n"})
            one.git("tag", f"späť-{number}")
        pull = self.github.data["pulls"][0]["number"]
        self.github.judge(pull, LATER.format(10), "anna", "COMMENTED")
        self.github.judge(pull, LATER.format(11), "bob", "APPROVED")
        self.github.say(pull, LATER.format(12), "nówe")
        self.gitlab.say(1, LATER.format(13))
        self.azure.say(22, LATER.format(14))
        self.azure.change(1, LATER.format(15), **{"System.Title": "chänged"})
        self.azure.push(LATER.format(16))
        self.quality_time.now += timedelta(days=15)
        self.sonarqube.now = self.quality_time.now
        self.sonarqube.projects[0].analyses[self.sonarqube.now - timedelta(hours=1)] = measured(1)
        if self.subversion is not None:
            self.subversion.commit(self.subversion.put("trunk/ünï", "x\n"), message="mör")


@contextmanager
def together(folder: Path, *kinds: str) -> Iterator[Together]:
    """Serve what sources of these kinds need, and make their entries."""
    one = Together(folder)
    with ExitStack() as stack:
        for kind in kinds:
            _MAKERS[kind](stack, one)
        yield one


def _git(_: ExitStack, one: Together) -> None:
    """Two repositories whose names differ in case, and others that are empty, or have nothing but a tag."""
    for number, name in enumerate(("Code", "code")):
        repository = Repository.make(one.folder / str(number) / name)
        repository.commit("fïrst", {"ä/日本.txt": "1\n", "a": "1\n"})
        repository.git("checkout", "--quiet", "-b", "brånch")
        repository.commit("on a branch", {"b": "\0"})
        repository.git("checkout", "--quiet", "main")
        repository.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'brånch'", "brånch")
        repository.git("tag", "-a", "v1-ü", "-m", "vërsion")
        repository.git("fast-import", "--quiet", stdin=_long_paths(repository.head).encode())
        repository.git("reset", "--quiet", "--soft", "main")
        one.code += (repository,)
        one.entries.append({"type": "git", "name": name, "url": repository.url})
    empty = Repository.make(one.folder / "empty")
    tagged = Repository.make(one.folder / "tagged")
    tree = tagged.git("hash-object", "-t", "tree", "-w", "/dev/null")
    tagged.git("tag", "alone", tagged.git("commit-tree", tree, "-m", "alone"))
    for repository in (empty, tagged):
        one.entries.append({"type": "git", "name": f"{repository.path.name} ß", "url": repository.url})


def _long_paths(parent: str) -> str:
    """A commit with two files whose paths are equal in their first 1,000 characters."""
    person = f"Ada Author <ada@author.example> {START} +0000"
    files = "".join(f"M 100644 inline {LONG}/{name}\ndata 2\n1\n\n" for name in ("xa", "xb"))
    return f"commit refs/heads/main\nauthor {person}\ncommitter {person}\ndata 4\nlong\nfrom {parent}\n{files}"


def _serve_git(
    stack: ExitStack, one: Together, where: str, paths: Mapping[str, str], word: str, **options: str
) -> None:
    """Serve repositories over HTTP, with options for their host, and list them."""
    served = one.folder / f"served-{where}"
    for path in paths.values():
        (served / path).parent.mkdir(parents=True, exist_ok=True)
        linear_history(served / path, 5)
    server = stack.enter_context(git_http(served, "reader", word))
    one.sections[server.port] = {"username": "reader", "password": word, **options}
    for name, path in paths.items():
        one.entries.append({"type": "git", "name": name, "url": f"http://127.0.0.1:{server.port}/{path}"})


def _github(stack: ExitStack, one: Together) -> None:
    """A repository with comments beyond 31 bits, and reviewers who vote several times."""
    hub = one.github
    for comment in hub.data["review_comments"]:
        comment["id"] += BEYOND
        comment["in_reply_to_id"] = comment["in_reply_to_id"] and comment["in_reply_to_id"] + BEYOND
    pull = hub.data["pulls"][0]["number"]
    votes = (("anna", "APPROVED"), ("anna", "COMMENTED"), ("bob", "APPROVED"), ("bob", "CHANGES_REQUESTED"))
    for number, (user, state) in enumerate((*votes, ("carl", "COMMENTED"), ("bob", "COMMENTED"))):
        hub.judge(pull, LATER.format(number), user, state)
    hub.say(pull, LATER.format(6), "with \0 and \U0001f600")
    hub.say_on_commit(LATER.format(7))
    hub.say_on_commit(LATER.format(7), line=None)
    stack.enter_context(serving(hub.replay))
    paths = {"ants": f"{github.OWNER}/{github.NAME}.git"}
    _serve_git(stack, one, "github", paths, "word", github_token=github.TOKEN, github_api_url=hub.api)


def _gitlab(stack: ExitStack, one: Together) -> None:
    lab = one.gitlab
    lab.say(1, LATER.format(1), position=lab.data["diff_discussion"][0]["notes"][0]["position"])
    lab.say(1, LATER.format(2), "approved this merge request", system=True)
    lab.push(LATER.format(3), 3)
    lab.push_many(LATER.format(4), 9)
    stack.enter_context(serving(lab.replay))
    options = {"gitlab_token": gitlab.TOKEN, "web_port": str(lab.replay.port), "strip": gitlab.UNDER}
    _serve_git(stack, one, "gitlab", {"spend": f"{gitlab.PATH}.git"}, "word", **options)


def _azure(stack: ExitStack, one: Together) -> None:
    """Two repositories of one project, one of them under the collection's name in small letters."""
    first = one.azure
    first.change(1, LATER.format(1), **{"Microsoft.VSTS.Scheduling.TargetDate": "2024-06-01T12:00:00Z"})
    first.change(2, LATER.format(2), **{"Microsoft.VSTS.Common.Priority": 3_000_000_000})
    first.say(22, LATER.format(3), "zwölf", id=BEYOND + 7)
    stack.enter_context(serving(first.replay))
    other = {**first.data["repository"], "id": "1", "name": "Zweites Lager"}
    second = AzureDevOps(data={**first.data, "repository": other}, replay=first.replay, collection="tfs/fabrikam")
    paths = {
        name: hub.url.removeprefix(f"{first.replay.url}/") for name, hub in (("fabrikam", first), (" Lager ", second))
    }
    options = {"tfs": "tfs/Fabrikam", "web_port": str(first.replay.port)}
    for name, path in paths.items():
        _serve_git(stack, one, name.strip(), {name: path}, azure.TOKEN, **options)


def _subversion(stack: ExitStack, one: Together) -> None:
    one.subversion = layout(one.folder / "served-subversion" / "ümläut")
    one.subversion.commit(("cp", "HEAD", "trunk", "tags/zwölf"), message="tàg")
    port = stack.enter_context(svnserve(one.folder / "served-subversion"))
    one.entries.append(
        {"type": "subversion", "name": "Sübversion", "url": f"svn://127.0.0.1:{port}/{one.subversion.path.name}"}
    )


def _quality_time(stack: ExitStack, one: Together) -> None:
    url = stack.enter_context(serving(one.quality_time.replay)).url
    one.entries.append({"type": "quality-time", "name": "qualität", "url": url})


def _sonarqube(stack: ExitStack, one: Together) -> None:
    stack.enter_context(serving(one.sonarqube.replay))
    one.entries.append({"type": "sonar", "name": "sönar", "url": one.sonarqube.url})


def _jenkins(stack: ExitStack, one: Together) -> None:
    url = stack.enter_context(serving(one.jenkins.replay)).url
    one.entries.append({"type": "jenkins", "name": "jënkins", "url": url})


_MAKERS = {
    "git": _git,
    "github": _github,
    "gitlab": _gitlab,
    "tfs": _azure,
    "subversion": _subversion,
    "quality-time": _quality_time,
    "sonar": _sonarqube,
    "jenkins": _jenkins,
}
