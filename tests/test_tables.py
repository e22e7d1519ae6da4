"""The writer, the row types, trackers and moments."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.moments import local_time
from gros_agent.privacy import Pseudonymiser
from gros_agent.settings.secrets import Salts, Secrets
from gros_agent.tables import trackers
from gros_agent.tables.schema import TABLES, ChangePath, Row, Tag, VcsVersion, length_limits
from gros_agent.tables.writer import Writer, join
from support import schemas

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SAFE = Pseudonymiser(Secrets(Salts("s", "p")))


def change(file: str = "f", size: str = "1") -> ChangePath:
    return ChangePath(
        repo_name="r", version_id="ab", file=file, change_type="M", insertions="1", deletions="0", size=size
    )


def written(folder: Path, blocks: list[list[ChangePath]]) -> tuple[list[dict[str, Any]], Writer]:
    with Writer(folder, TABLES) as writer:
        for block in blocks:
            writer.write(SAFE.rows(block))
        writer.close()
    content: list[dict[str, Any]] = json.loads((folder / "data_change_path.json").read_bytes())
    return content, writer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXT, max_size=5), max_size=5))
def test_any_text_comes_back(tmp_path: Path, texts: list[list[str]]) -> None:
    rows, writer = written(tmp_path, [[change(text) for text in block] for block in texts])
    assert [row["file"] for row in rows] == [text for block in texts for text in block]
    assert writer.tables["data_change_path"].count == len(rows)


def test_one_row_a_line(tmp_path: Path) -> None:
    written(tmp_path, [[change("}\n{"), change()], [change()]])
    lines = (tmp_path / "data_change_path.json").read_text().splitlines()
    assert [lines[0], lines[-1], len(lines)] == ["[", "]", 5]


def test_empty_tables_are_empty_arrays(tmp_path: Path) -> None:
    written(tmp_path, [])
    for row in TABLES:
        assert json.loads((tmp_path / f"{row.table}.json").read_text()) == []


def test_long_texts_are_shortened_and_counted(tmp_path: Path) -> None:
    rows, writer = written(tmp_path, [[change("\U0001f600" * 1001), change("x" * 1000)]])
    assert [len(row["file"]) for row in rows] == [1000, 1000]
    assert writer.tables["data_change_path"].shortened == {"file": 1}


def test_numbers_beyond_the_importer_stay_whole_and_are_counted(tmp_path: Path) -> None:
    sizes = [str(2**31 - 1), str(2**31), "9" * 12]
    rows, writer = written(tmp_path, [[change(size=size) for size in sizes]])
    assert [row["size"] for row in rows] == sizes
    assert writer.tables["data_change_path"].beyond["size"] == 2


@pytest.mark.parametrize("wrong", [change(size="-1"), change(size=1), change(file=None)])  # type: ignore[arg-type]
def test_a_row_of_another_shape_is_refused(tmp_path: Path, wrong: ChangePath) -> None:
    with pytest.raises(AgentError, match="data_change_path is not of its shape"):
        written(tmp_path, [[wrong]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXT, max_size=4), max_size=4))
def test_files_of_several_sources_are_joined_in_order(tmp_path: Path, sources: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        writers = []
        for number, texts in enumerate(sources):
            part = Path(folder) / str(number)
            part.mkdir()
            with Writer(part, [ChangePath, Tag]) as writer:
                for text in texts:
                    writer.write(SAFE.rows([change(text)]))
                writer.close()
            writers.append(writer)
        joined = {one.path.name: one for one in join(Path(folder), [ChangePath, VcsVersion], writers)}
        rows = json.loads((Path(folder) / "data_change_path.json").read_bytes())
        assert json.loads((Path(folder) / "data_vcs_versions.json").read_bytes()) == []
    assert [row["file"] for row in rows] == [text for texts in sources for text in texts]
    assert joined["data_change_path.json"].count == len(rows)


def test_what_was_shortened_is_counted_over_all_sources(tmp_path: Path) -> None:
    writers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        writers.append(written(tmp_path / name, [[change("x" * 1001), change(size=str(2**31))]])[1])
    (joined,) = join(tmp_path, [ChangePath], writers)
    assert joined.shortened == {"file": 2}
    assert joined.beyond["size"] == 2


BEYOND = {
    "data_metrics": {"base_name", "domain_name"},
    "data_metric_targets": {"base_name", "domain_name", "domain_type", "scale", "number_of_sources"},
    "data_metric_versions": {"encrypted"},
}
"""Fields that the schemas permit and do not name: those that the existing agent writes, and the mark of a pseudonym."""
UNLIMITED = {"base_name", "domain_name", "domain_type", "revision", "scale"}
"""Fields of metrics whose length the schemas leave open, or put into another form; ours is that of like fields."""


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.table)
def test_row_types_agree_with_the_published_schemas(row: type[Row]) -> None:
    """Names, what is required and how long a text may be."""
    content = json.loads((schemas.HERE / schemas.FILES[f"{row.table}.json"]).read_text())
    (published,) = [one for one in content["$defs"].values() if "properties" in one]
    shared: dict[str, Any] = {}
    for name in ("utils.json", "quality/metric_names.json", "project/sources.json"):
        shared |= json.loads((schemas.HERE / name).read_text())["$defs"]
    ours, theirs = set(row.__struct_fields__), set(published["properties"])
    assert ours - theirs <= BEYOND.get(row.table, set())
    assert theirs <= ours
    limits = {}
    for name, field in published["properties"].items():
        reference = shared[field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
        limits[name] = field.get("maxLength", reference.get("maxLength"))
    limits["version_id"] = None  # 100 digits: no hash is as long, and a shortened one would be another
    own = {name: limit for name, limit in length_limits(row).items() if limits.get(name) or name not in UNLIMITED}
    assert own == {name: limit for name, limit in limits.items() if limit}
    optional = {name for name in row.__struct_fields__ if name not in row.__struct_defaults__}
    assert set(published["required"]) <= optional | set(row.__struct_fields__)


def test_declarations() -> None:
    for row in TABLES:
        for names in (row.key, row.personal, row.free_text):
            assert set(names) <= set(row.__struct_fields__)
        assert ("encrypted" in row.__struct_fields__) == bool(row.personal)
        assert not set(row.personal) & set(row.free_text)
    assert Tag.snapshot
    assert not VcsVersion.snapshot


class TestTrackers:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.dictionaries(TEXT, TEXT))
    def test_round_trip(self, tmp_path: Path, positions: dict[str, str]) -> None:
        (tmp_path / "tracker.json").write_bytes(trackers.encode("latest_vcs_versions.json", positions))
        assert trackers.read(tmp_path / "tracker.json") == positions

    def test_missing_and_damaged(self, tmp_path: Path) -> None:
        assert trackers.read(tmp_path / "none.json") == {}
        (tmp_path / "bad.json").write_text('{"a": ')
        with pytest.raises(ConfigurationError, match=r"bad.json: the tracker is damaged"):
            trackers.read(tmp_path / "bad.json")

    @pytest.mark.parametrize("text", ["", "main", "-x", "A" * 40, "a" * 41, "a" * 40 + "\n"])
    def test_what_is_no_version(self, text: str) -> None:
        assert not trackers.is_version(text)
        assert trackers.is_version("a" * 40)


class TestMoments:
    @given(st.integers(-30_000_000_000, 250_000_000_000))
    def test_as_the_calendar_says(self, seconds: int) -> None:
        expected = datetime.fromtimestamp(seconds, UTC).strftime("%4Y-%m-%d %H:%M:%S")
        local = datetime.fromtimestamp(seconds).astimezone().isoformat(" ")[:19]
        assert local_time(seconds) == (local, True)
        assert abs(seconds) > 10**11 or len(expected) == 19

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(10**12, "9999-12-31 23:59:59"), (2**64, "9999-12-31 23:59:59"), (-(10**12), "1000-01-01 00:00:00")],
    )
    def test_beyond_the_calendar(self, seconds: int, text: str) -> None:
        assert local_time(seconds) == (text, False)
