"""What every source must do, whatever it collects from: each is tried with the sample that is in its folder."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from gros_agent.collect.part import drain
from gros_agent.errors import SourceError
from gros_agent.rows import TABLES, Row, VcsVersion, key_of
from gros_agent.sources import known_types, sources
from gros_agent.sources.base import Collected, Context, Located, Source, Versioned
from gros_agent.tables import trackers
from gros_agent.tables.writer import Writer, join
from support import importer
from support.sources import SAFE, Sample, asks_an_api, module_of, under_test


@pytest.fixture(params=sorted(sources()))
def source(request: pytest.FixtureRequest) -> Source:
    return sources()[request.param]


@pytest.fixture
def sample(source: Source, tmp_path: Path) -> Iterator[Sample]:
    with ExitStack() as stack:
        yield under_test()[source.kind].sample(tmp_path, stack)


def test_environment(source: Source, sample: Sample) -> None:
    """Where a source lies is known without asking, and its version is short enough for its column."""
    if isinstance(source, Located):
        environment = source.environment(sample.context)
        assert environment.type == (source.sent_as or source.kind)
        assert json.dumps(environment.identity)
        assert environment == source.environment(sample.context)
        assert isinstance(source, Versioned)
        assert len(source.version(sample.context)) <= 32
    else:
        assert not asks_an_api(source.kind)


def collect(source: Source, context: Context, since: str | None = None) -> tuple[dict[type[Row], list[Row]], Collected]:
    rows: dict[type[Row], list[Row]] = {table: [] for table in source.tables}

    def take(block: Sequence[Row]) -> None:
        assert len({type(row) for row in block}) <= 1
        if block:
            rows[type(block[0])].extend(block)

    return rows, drain(source.collect(context, since), take)


def test_every_source_has_a_sample() -> None:
    """In the folder of tests that has the name of its module."""
    folders = {kind: one.sample.__module__.split(".")[1] for kind, one in under_test().items()}
    assert folders == {kind: module_of(kind) for kind in sources()}


def test_declaration(source: Source) -> None:
    assert source.kind in known_types()
    assert source.title
    assert set(source.tables) <= set(TABLES)
    assert source.items in source.tables
    assert source.tracker.endswith(".json") or not source.tracker or source.tracker in trackers.LINES
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
        keys = {key_of(table)(row) for row in found} if table.key_fields else found
        twice = ("repo_name" in table.key_fields or not table.key_fields) and not table.is_single
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
