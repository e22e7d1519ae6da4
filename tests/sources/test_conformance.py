"""What every source must do, whatever it collects from. A new source adds a sample here, and nothing else."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from gros_agent.collect.engine import drain
from gros_agent.errors import SourceError
from gros_agent.options.values import Value
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.rows import TABLES, Row, VcsVersion, key_of
from gros_agent.sources import known_types, sources
from gros_agent.sources.base import Collected, Context, Located, Source, SourceEntry, Versioned
from gros_agent.tables.writer import Writer, join
from support import azure_devops, importer
from support.exotic import exotic
from support.github import NAME, OWNER, TOKEN, GitHub
from support.gitlab import TOKEN as GITLAB_TOKEN
from support.gitlab import UNDER, GitLab
from support.hosts import host_with
from support.jenkins import Jenkins
from support.quality_time import QualityTime
from support.replay import serving
from support.sonarqube import SonarQube
from support.subversion import layout

SAFE = Pseudonymiser(Secrets(Salts("some salt", "some pepper")))


@dataclass
class Sample:
    """A real counterpart: its context, how to add one item, and the context of one that is not there."""

    context: Context
    grow: Callable[[], object]
    missing: Context


def git(folder: Path, _stack: ExitStack) -> Sample:
    repository = exotic(folder / "sample")
    entry = SourceEntry("git", "sample", repository.url)
    context = Context(entry=entry, host=host_with(), folder=folder / "clone", known_hosts=folder / "known", silence=20)
    missing = replace(context, entry=replace(entry, url="file:///nowhere/at/all"), folder=folder / "other")
    return Sample(context, lambda: repository.commit("more", {"more": "x"}), missing)


def subversion(folder: Path, _stack: ExitStack) -> Sample:
    repository = layout(folder / "sample")
    entry = SourceEntry("subversion", "sample", repository.url)
    context = Context(entry=entry, host=host_with(), folder=folder / "mirror", known_hosts=folder / "known", silence=20)
    missing = replace(context, entry=replace(entry, url="file:///nowhere/at/all"), folder=folder / "other")
    return Sample(context, lambda: repository.commit(repository.put("trunk/more", "x")), missing)


def github(folder: Path, stack: ExitStack) -> Sample:
    one = GitHub()
    stack.enter_context(serving(one.replay))
    options = {"github_token": Value(TOKEN, "test"), "github_api_url": Value(one.api, "test")}
    entry = SourceEntry("github", "sample", f"https://github.example/{OWNER}/{NAME}")
    host = host_with("github.example", options)
    context = Context(entry=entry, host=host, folder=folder / "github", known_hosts=folder / "known", silence=20)
    missing = replace(context, entry=replace(entry, url="https://github.example/nobody/nothing"))
    return Sample(context, lambda: one.say(one.data["pulls"][0]["number"], "2024-01-01T01:01:01Z"), missing)


def azure(folder: Path, stack: ExitStack) -> Sample:
    one = azure_devops.AzureDevOps()
    stack.enter_context(serving(one.replay))
    entry = SourceEntry("tfs", "sample", one.url)
    host = host_with("127.0.0.1", {"password": Value(azure_devops.TOKEN, "test")})
    context = Context(entry=entry, host=host, folder=folder / "tfs", known_hosts=folder / "known", silence=20)
    missing = replace(context, entry=replace(entry, url=f"{one.url}-nothing"))
    return Sample(context, lambda: one.say(22, "2024-01-01T01:01:01Z"), missing)


def gitlab(folder: Path, stack: ExitStack) -> Sample:
    one = GitLab()
    stack.enter_context(serving(one.replay))
    one.say(1, "2023-01-01T01:01:01Z", position=one.data["diff_discussion"][0]["notes"][0]["position"])
    options = {"gitlab_token": Value(GITLAB_TOKEN, "test"), "strip": Value(UNDER, "test")}
    entry = SourceEntry("gitlab", "sample", one.url)
    host = host_with("gitlab.example", options)
    context = Context(entry=entry, host=host, folder=folder / "gitlab", known_hosts=folder / "known", silence=20)
    missing = replace(context, entry=replace(entry, url=f"{one.replay.url}/{UNDER}/nobody/nothing"))
    return Sample(context, lambda: one.touch(3, "2024-01-01T01:01:01Z"), missing)


def quality_time(folder: Path, stack: ExitStack) -> Sample:
    one = QualityTime()
    stack.enter_context(serving(one.replay))
    entry = SourceEntry("quality-time", "sample", one.replay.url)
    context = Context(
        entry=entry, host=host_with(), folder=folder / "quality", known_hosts=folder / "known", silence=20
    )

    def grow() -> None:
        one.now += timedelta(days=2)
        begun, ended = (f"{one.now - timedelta(days=1):%Y-%m-%dT%H:%M:%S+00:00}" for _ in range(2))
        one.data["measurements"].append({**one.data["measurements"][0], "start": begun, "end": ended})

    missing = replace(context, entry=replace(entry, url=f"{one.replay.url}/00000000-0000-4000-8000-000000000000"))
    return Sample(context, grow, missing)


def sonar(folder: Path, stack: ExitStack) -> Sample:
    one = SonarQube()
    stack.enter_context(serving(one.replay))
    entry = SourceEntry("sonar", "sample", one.url)
    context = Context(entry=entry, host=host_with(), folder=folder / "sonar", known_hosts=folder / "known", silence=20)

    def grow() -> None:
        one.now += timedelta(days=2)
        one.projects[0].analyses[one.now - timedelta(days=1)] = {"coverage": "50.5"}

    missing = replace(context, entry=replace(entry, url=f"{one.url}/dashboard?id=nothing"))
    return Sample(context, grow, missing)


def jenkins(folder: Path, stack: ExitStack) -> Sample:
    one = Jenkins()
    stack.enter_context(serving(one.replay))
    entry = SourceEntry("jenkins", "sample", one.replay.url)
    context = Context(
        entry=entry, host=host_with(), folder=folder / "jenkins", known_hosts=folder / "known", silence=20
    )
    missing = replace(context, entry=replace(entry, url=f"{one.replay.url}/nothing"))
    return Sample(context, lambda: one.jobs.append({"_class": "job", "name": "more"}), missing)


SAMPLES: dict[str, Callable[[Path, ExitStack], Sample]] = {
    "git": git,
    "subversion": subversion,
    "github": github,
    "gitlab": gitlab,
    "quality-time": quality_time,
    "sonar": sonar,
    "jenkins": jenkins,
    "tfs": azure,
}


@pytest.fixture(params=sorted(sources()))
def source(request: pytest.FixtureRequest) -> Source:
    return sources()[request.param]


@pytest.fixture
def sample(source: Source, tmp_path: Path) -> Iterator[Sample]:
    with ExitStack() as stack:
        yield SAMPLES[source.kind](tmp_path, stack)


def test_environment(source: Source, sample: Sample) -> None:
    """Where a source lies is known without asking, and its version is short enough for its column."""
    if isinstance(source, Located):
        environment = source.environment(sample.context)
        assert environment.type == source.kind
        assert json.dumps(environment.identity)
        assert environment == source.environment(sample.context)
        assert isinstance(source, Versioned)
        assert len(source.version(sample.context)) <= 32
    else:
        assert source.kind in {"git", "subversion"}


def collect(source: Source, context: Context, since: str | None = None) -> tuple[dict[type[Row], list[Row]], Collected]:
    rows: dict[type[Row], list[Row]] = {table: [] for table in source.tables}

    def take(block: Sequence[Row]) -> None:
        assert len({type(row) for row in block}) <= 1
        if block:
            rows[type(block[0])].extend(block)

    return rows, drain(source.collect(context, since), take)


def test_every_source_has_a_sample() -> None:
    assert set(SAMPLES) == set(sources())


def test_declaration(source: Source) -> None:
    assert source.kind in known_types()
    assert source.title
    assert set(source.tables) <= set(TABLES)
    assert source.items in source.tables
    assert source.tracker.endswith(".json") or not source.tracker
    assert source.tracker or all(table.snapshot for table in source.tables)


def test_check(source: Source, sample: Sample) -> None:
    assert source.check(sample.context)
    with pytest.raises(SourceError) as error:
        source.check(sample.missing)
    assert error.value.hint


def test_rows(source: Source, sample: Sample) -> None:
    rows, collected = collect(source, sample.context)
    assert bool(collected.position) == bool(source.tracker)
    assert collected.expected == len(rows[source.items])
    for table, found in rows.items():
        assert found, f"the sample has nothing for {table.table}"
        for row in found:
            assert getattr(row, "repo_name", sample.context.entry.name) == sample.context.entry.name
            assert all(getattr(row, name) != "" for name in table.personal)


def test_the_importer_takes_two_of_the_kind(source: Source, sample: Sample, tmp_path: Path) -> None:
    """As in a project where two sources are of one system, one with another name."""
    rows, _ = collect(source, sample.context)
    writers = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        with Writer(folder, source.tables) as writer:
            for found in rows.values():
                named = [replaced(row, repo_name=name) if hasattr(row, "repo_name") else row for row in found]
                writer.write(SAFE.rows(named))
            writer.close()
        writers.append(writer)
    joined = {one.row: one for one in join(tmp_path, dict.fromkeys((VcsVersion, *source.tables)), writers)}
    assert not importer.problems(tmp_path)
    for table, found in rows.items():
        keys = {key_of(table)(row) for row in found} if table.key else found
        twice = ("repo_name" in table.key or not table.key) and not table.is_single
        assert joined[table].count == len(keys) * (2 if twice else 1), table


def test_nothing_new_and_one_new(source: Source, sample: Sample) -> None:
    _, first = collect(source, sample.context)
    context = replace(sample.context, documents=first.documents)
    rows, second = collect(source, context, first.position)
    assert second.position == first.position
    assert all(not found for table, found in rows.items() if not table.snapshot)
    sample.grow()
    rows, third = collect(source, context, second.position)
    assert third.position != second.position or not source.tracker
    assert len(rows[source.items]) == 1


def test_twice_is_the_same(source: Source, sample: Sample) -> None:
    first, second = (collect(source, sample.context)[0] for _ in range(2))
    for table in source.tables:  # in any order, since several lists of a system may be read at once
        assert sorted(map(repr, first[table])) == sorted(map(repr, second[table]))


def test_missing(source: Source, sample: Sample) -> None:
    with pytest.raises(SourceError) as error:
        collect(source, sample.missing)
    assert error.value.hint


def test_an_abandoned_collection_leaves_no_process(source: Source, sample: Sample) -> None:
    collection = source.collect(sample.context, None)
    next(collection)
    collection.close()
    children = ""
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            children += path.read_text()
    assert not children.strip()
