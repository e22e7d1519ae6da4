"""Every fault at every endpoint of every system with an API: tried again, or an outcome with a hint; no row is lost."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gros_agent.collect.engine import drain
from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.options.values import Value
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.rows import Row, VcsVersion
from gros_agent.sources import sources
from gros_agent.sources.azure_devops import access, boards
from gros_agent.sources.base import Context, Definer, SourceEntry
from gros_agent.sources.common.measuring import MEASUREMENTS
from gros_agent.sources.github import queries
from gros_agent.sources.gitlab import access as gitlab_access
from gros_agent.sources.gitlab import collect as gitlab_collect
from gros_agent.sources.gitlab import events as gitlab_events
from gros_agent.sources.sonarqube import history
from gros_agent.tables.writer import Writer, join
from support import azure_devops, github, gitlab, importer, jenkins, quality_time, sonarqube
from support.faults import DATES, IN_CONTENT, LIMITS, NESTED, too_large
from support.hosts import host_with
from support.replay import LASTING, TRANSIENT, Replay, Strike, serving, silence
from support.sample import Sample

FAULTS = {**TRANSIENT, **LASTING, **LIMITS, **NESTED, **DATES}
PAGES = "502 until the page is small"
SAFE = Pseudonymiser(Secrets(Salts("some salt", "some pepper")))


@dataclass
class System:
    """A replay of a system, the context of a source on it, and what is asked of it."""

    kind: str
    replay: Replay
    context: Context
    ask: "Callable[[System], Whole]"


def github_system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = github.GitHub()
    for number in range(3):
        one.say_on_commit(f"2023-01-01T01:01:0{number}Z")
    patch.setattr(queries, "PAGE", 20)
    for name in ("FIRST", "PULLS"):
        text = re.sub(r"(s\(first: )(20|50)", r"\g<1>2", getattr(queries, name))
        patch.setattr(queries, name, text)
    options = {"github_token": github.TOKEN, "github_api_url": "{url}/api/v3"}
    url = f"https://system.example/{github.OWNER}/{github.NAME}"
    return System("github", one.replay, made(folder, "github", url, options), rows)


def made(folder: Path, kind: str, url: str, options: dict[str, str]) -> Context:
    host = host_with("system.example", {name: Value(text, "test") for name, text in options.items()})
    entry = SourceEntry(kind, "sample", url)
    return Context(entry=entry, host=host, folder=folder / "work", known_hosts=folder / "known", silence=20)


def azure_system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = azure_devops.AzureDevOps()
    patch.setattr(access, "PAGE", 2)
    patch.setattr(boards, "BATCH", 5)
    known = one.data["repository"]
    url = f"{{url}}/{one.collection}/{known['project']['name']}/_git/{known['name']}"
    return System("tfs", one.replay, made(folder, "tfs", url, {"password": azure_devops.TOKEN}), rows)


def gitlab_system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = gitlab.GitLab()
    one.push("2023-01-01T01:01:01Z", 3)
    one.push("2023-01-01T01:01:02Z", 2)
    for number in range(3):
        one.comments[one.commits[number]] = [one.data["commit_comments"]]
    for module in (gitlab_collect, gitlab_events, gitlab_access):
        patch.setattr(module, "PAGE", "5")
    options = {"gitlab_token": gitlab.TOKEN, "strip": gitlab.UNDER, "has_commit_comments": "true"}
    url = f"{{url}}/{gitlab.UNDER}/{gitlab.PATH}"
    return System("gitlab", one.replay, made(folder, "gitlab", url, options), rows)


def quality_time_system(folder: Path, _patch: pytest.MonkeyPatch) -> System:
    one = quality_time.QualityTime("5.9.0")
    return System("quality-time", one.replay, made(folder, "quality-time", "{url}", {}), rows)


def sonar_system(folder: Path, patch: pytest.MonkeyPatch) -> System:
    one = sonarqube.SonarQube()
    one.projects[0].alm = {"key": "github", "url": "https://code.example/one"}
    one.projects[1].links = [{"type": "scm", "url": "https://code.example/two"}]
    patch.setattr(history, "PAGE", 2)
    patch.setattr(history, "LIMIT", 6)
    return System("sonar", one.replay, made(folder, "sonar", "{url}/sonar", {"password": sonarqube.TOKEN}), rows)


def jenkins_system(folder: Path, _patch: pytest.MonkeyPatch) -> System:
    one = jenkins.Jenkins()
    return System("jenkins", one.replay, made(folder, "jenkins", "{url}", {}), rows)


def defining(
    make: Callable[[Path, pytest.MonkeyPatch], System],
) -> Callable[[Path, pytest.MonkeyPatch], System]:
    """A system that is asked what a project consists of."""
    return lambda folder, patch: replace(make(folder, patch), ask=defined)


SYSTEMS: dict[str, Callable[[Path, pytest.MonkeyPatch], System]] = {
    "github": github_system,
    "gitlab": gitlab_system,
    "tfs": azure_system,
    "quality-time": quality_time_system,
    "sonar": sonar_system,
    "jenkins": jenkins_system,
    "quality-time, definition": defining(quality_time_system),
    "sonar, definition": defining(sonar_system),
}
ENDPOINTS = {
    "github": (
        *("First", "Pulls", "Issues", "PullComments", "IssueComments", "Reviews", "ReviewComments"),
        "commit comments",
    ),
    "gitlab": ("project", "merge requests", "discussions", "approvals", "events", "compare", "commits", "comments"),
    "tfs": ("repository", "pulls", "threads", "pushes", "teams", "members", "sprints", "work items"),
    "quality-time": ("report", "datamodel", "measurements", "changelog"),
    "sonar": ("status", "projects", "metrics", "gate of project", "gate", "history"),
    "jenkins": ("jobs", "nodes"),
    "quality-time, definition": ("report",),
    "sonar, definition": ("status", "projects", "navigation", "links"),
}
"""What the collection of a sample asks: routes of its replay."""

CASES = [(kind, endpoint) for kind, endpoints in ENDPOINTS.items() for endpoint in endpoints]


@pytest.fixture
def system(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    monkeypatch.setattr("gros_agent.sources.common.api.TRIES", 3)
    one = SYSTEMS[kind](tmp_path, monkeypatch)
    with ExitStack() as stack:
        stack.enter_context(serving(one.replay))
        options = {
            name: Value(value.text.replace("{url}", one.replay.url), "test")
            for name, value in one.context.host.options.items()
        }
        host = replace(one.context.host, options=options)
        entry = replace(one.context.entry, url=one.context.entry.url.replace("{url}", one.replay.url))
        one.context = replace(one.context, host=host, entry=entry)
        yield one


@dataclass
class Whole:
    """What a collection brought; ``notes`` is what its outcome names, ``missing`` what it says was not collected.

    ``parts`` are those that have positions of their own: the projects of a SonarQube.
    """

    found: Counter[str]
    position: str | None
    notes: tuple[str, ...]
    missing: tuple[str, ...] = ()
    parts: frozenset[str] = frozenset()


def rows(one: System) -> Whole:
    """Collect all, and write it as a scrape does: the importer must take what is there."""
    found: Counter[str] = Counter()
    source = sources()[one.kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "part").mkdir()
        with Writer(folder / "part", source.tables) as writer:

            def take(block: Sequence[Row]) -> None:
                found.update(map(repr, block))
                writer.write(SAFE.rows(block))

            collected = drain(source.collect(one.context, None), take)
            writer.close()
        join(folder, dict.fromkeys((VcsVersion, *source.tables)), [writer])
        assert not importer.problems(folder)
    known = collected.documents.get(MEASUREMENTS, {}).get("components", {}).get(one.context.entry.url, {})
    return Whole(found, collected.position, collected.notes, collected.missing, frozenset(known))


def defined(one: System) -> Whole:
    source = sources()[one.kind]
    assert isinstance(source, Definer)
    said = source.definition(one.context)
    return Whole(Counter(map(repr, (*said.sources, *said.identifiers))), said.title, said.notes)


def test_every_source_with_an_api_is_here() -> None:
    asking = {kind for kind in sources() if kind not in {"git", "subversion"}}
    definers = {f"{kind}, definition" for kind, source in sources().items() if isinstance(source, Definer)}
    assert set(SYSTEMS) == set(ENDPOINTS) == asking | definers


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "endpoint"), CASES, ids=["-".join(case) for case in CASES])
def test_every_fault(
    system: System, kind: str, endpoint: str, draw: Sample, record_property: Callable[[str, object], None]
) -> None:
    """A fault that strikes once costs another try, or is an outcome with a hint; so is one that stays.

    A sample has some faults at each endpoint, and each fault at some endpoint of each system.
    """
    whole = system.ask(system)
    after = system.replay.counts()[endpoint] // 2  # in the middle of its pages
    hints: dict[str, list[str]] = {}
    dealt = draw.deal(kind, (*FAULTS, *IN_CONTENT, PAGES), ENDPOINTS[kind], least=8)[endpoint]
    for name, fault in ((name, FAULTS[name]) for name in dealt if name in FAULTS):
        system.context = replace(system.context, silence=silence(name))
        system.replay.strikes = {endpoint: Strike(fault, times=1, after=after)}
        once = outcome(system)
        assert system.replay.strikes[endpoint].struck == 1, "the collection does not ask this"
        assert once == whole if name in TRANSIENT else is_fair(once, whole), name
        system.replay.strikes = {endpoint: Strike(fault, after=after)}
        always = outcome(system)
        assert is_fair(always, whole), name
        told = ", then ".join(dict.fromkeys(words(one, whole) for one in (once, always)))
        hints.setdefault(told, []).append(name)
    for name, fault in ((name, IN_CONTENT[name]) for name in dealt if name in IN_CONTENT):
        system.replay.strikes = {endpoint: Strike(fault)}
        odd = outcome(system)
        assert isinstance(odd, Whole), name
        assert odd.found.total() == whole.found.total(), name
        hints.setdefault("all rows, what can't be read replaced", []).append(name)
    if PAGES in dealt:
        system.replay.strikes = {endpoint: Strike(too_large())}
        assert outcome(system) == whole, PAGES
        hints.setdefault("all rows", []).append(PAGES)
    for told, names in hints.items():
        record_property("measured", f"{kind}, {endpoint}: {', '.join(names)} → {told}")


def is_fair(one: Whole | str, whole: Whole) -> bool:
    """Whether nothing is lost in silence: all is there, or there is an error, or something names what is missing.

    Where a part is missing, the next collection goes on from where this one did, or the part has no position of its
    own: which of several projects a fault strikes, one that was never analysed perhaps, is a matter of their threads.
    """
    if isinstance(one, str):
        return True
    if one.missing:
        return one.position is None or not any(f"of {part}," in said for said in one.missing for part in one.parts)
    return one.found.total() >= whole.found.total() or bool(set(one.notes) - set(whole.notes))


def words(one: Whole | str, whole: Whole) -> str:
    if isinstance(one, str):
        return one
    notes = sorted(set(one.notes) - set(whole.notes))
    return "; ".join((*(f"without {missing.partition(',')[0]}" for missing in one.missing), *notes)) or "all rows"


def outcome(system: System) -> Whole | str:
    """What was collected, or the hint of the error."""
    try:
        return system.ask(system)
    except SourceError as error:
        return error.hint or pytest.fail(f"{error.message}: there is no hint")
