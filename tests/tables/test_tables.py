"""The writer, the row types, trackers and moments."""

import json
import re
import tempfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.rows import (
    TABLES,
    ChangePath,
    JiraStatus,
    JiraStatusCategory,
    MergeRequestNote,
    MergeRequestReview,
    Metric,
    MetricVersion,
    Row,
    Tag,
    TfsDeveloper,
    VcsVersion,
    json_schema,
    length_limits,
    numbers,
)
from gros_agent.rows.moments import local_time
from gros_agent.tables import trackers
from gros_agent.tables.duplicates import Keys
from gros_agent.tables.writer import Repeated, Writer, join
from support import importer, schemas

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SAFE = Pseudonymiser(Secrets(Salts("s", "p")))


def change(file: str = "f", size: str = "1", version: str = "ab") -> ChangePath:
    return ChangePath(
        repo_name="r", version_id=version, file=file, change_type="M", insertions="1", deletions="0", size=size
    )


def written(
    folder: Path, blocks: list[list[ChangePath]], *, whole_numbers: bool = False
) -> tuple[list[dict[str, Any]], Writer]:
    with Writer(folder, TABLES, whole_numbers=whole_numbers) as writer:
        for block in blocks:
            writer.write(SAFE.rows(block))
        writer.close()
    content: list[dict[str, Any]] = json.loads((folder / "data_change_path.json").read_bytes())
    return content, writer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXT, max_size=5), max_size=5))
def test_any_text_comes_back_once(tmp_path: Path, texts: list[list[str]]) -> None:
    """But for NUL, which no database takes."""
    rows, writer = written(tmp_path, [[change(text) for text in block] for block in texts])
    everything = [text.replace("\0", "\N{REPLACEMENT CHARACTER}") for block in texts for text in block]
    assert [row["file"] for row in rows] == list(dict.fromkeys(everything))
    assert writer.tables["data_change_path"].count == len(rows)
    assert writer.tables["data_change_path"].repeated.same == len(everything) - len(rows)
    assert not importer.problems(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec=None), max_size=50))
def test_text_that_is_no_valid_unicode_is_replaced(tmp_path: Path, text: str) -> None:
    rows, _ = written(tmp_path, [[change("a" + text)]])
    assert [row["file"] for row in rows] == ["a" + re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)]
    assert (tmp_path / "data_change_path.json").read_bytes().isascii()


def test_one_row_a_line(tmp_path: Path) -> None:
    written(tmp_path, [[change("}\n{"), change("a")], [change()]])
    lines = (tmp_path / "data_change_path.json").read_text().splitlines()
    assert [lines[0], lines[-1], len(lines)] == ["[", "]", 5]


def test_empty_tables_are_empty_arrays(tmp_path: Path) -> None:
    written(tmp_path, [])
    for row in TABLES:
        assert json.loads((tmp_path / f"{row.table}.json").read_text()) == []


def test_long_texts_are_shortened_and_counted(tmp_path: Path) -> None:
    """A character beyond 16 bits takes two places in the importer's columns, and is never cut in half."""
    smile = "\U0001f600"
    long = [smile * 501, "x" + smile * 500, "x" * 1001, "\u00e9" * 1000]
    rows, writer = written(tmp_path, [[change(text) for text in long]])
    assert [row["file"] for row in rows] == [smile * 500, "x" + smile * 499, "x" * 1000, "\u00e9" * 1000]
    assert writer.tables["data_change_path"].changed.shortened == {"file": 3}
    assert not importer.problems(tmp_path)


def test_an_address_is_none_any_more_when_it_was_cut(tmp_path: Path) -> None:
    """Plain names alone can be so long; a row that is refused would stop the whole scrape."""
    domain = "@example.com"
    addresses = [f"{'x' * 200}{domain}", f"x@{'y' * 98}", f"x@{'y' * 99}", "0"]
    tags = [tag(str(number), address) for number, address in enumerate(addresses)]
    with Writer(tmp_path, TABLES) as writer:
        writer.write(Pseudonymiser(None, plain=True).rows(tags))
        writer.close()
    rows = json.loads((tmp_path / "data_tag.json").read_text())
    assert [row["tagger_email"] for row in rows] == ["0", addresses[1], addresses[2][:100], "0"]
    assert writer.tables["data_tag"].changed.shortened == {"tagger_email": 2}
    assert not importer.problems(tmp_path)


def tag(name: str, address: str) -> Tag:
    one = {"version_id": "ab", "message": "m", "tagged_date": "0", "tagger": "t", "tagger_email": address}
    return Tag(repo_name="r", tag_name=name, **one)


def test_names_have_no_blanks_around_them(tmp_path: Path) -> None:
    """Also where they have some since they were cut."""
    measured = [Metric(name=name, value="1", category="c", date="2024-01-01 00:00:00") for name in (" a b\t", "c")]
    with Writer(tmp_path, TABLES) as writer:
        writer.write(SAFE.rows(measured))
        long = Tag(**(msgspec.structs.asdict(tag("t", "0")) | {"tagger": f"{'x' * 63} y"}))
        writer.write(Pseudonymiser(None, plain=True).rows([long]))
        writer.close()
    assert [row["name"] for row in json.loads((tmp_path / "data_metrics.json").read_text())] == ["a b", "c"]
    assert [row["tagger"] for row in json.loads((tmp_path / "data_tag.json").read_text())] == ["x" * 63]
    assert not importer.problems(tmp_path)


def test_what_a_shortened_text_makes_equal_is_written_once(tmp_path: Path) -> None:
    rows, writer = written(tmp_path, [[change("x" * 1000 + "a"), change("x" * 1000 + "b", size="2")]])
    assert [row["size"] for row in rows] == ["1"]
    assert writer.tables["data_change_path"].repeated == Repeated(others=1)


SIZES = [str(2**31 - 1), str(2**31), "9" * 12, "0"]


def test_counts_beyond_31_bits_are_the_largest_number(tmp_path: Path) -> None:
    rows, writer = written(tmp_path, [[change(size, size) for size in SIZES]])
    assert [row["size"] for row in rows] == [SIZES[0], SIZES[0], SIZES[0], "0"]
    assert writer.tables["data_change_path"].changed.capped == {"size": 2}
    assert not importer.problems(tmp_path)


def test_numbers_stay_whole_for_a_controller_that_takes_them(tmp_path: Path) -> None:
    rows, _ = written(tmp_path, [[change(size, size) for size in SIZES]], whole_numbers=True)
    assert [row["size"] for row in rows] == SIZES


def note(identifier: int, request: int = 1, comment: str = "c", updated: str = "2020-01-01 00:00:00") -> Row:
    return MergeRequestNote(
        repo_name="r",
        merge_request_id=str(request),
        thread_id="0",
        note_id=str(identifier),
        parent_id=str(identifier),
        author="a",
        author_username="a",
        comment=comment,
        created_at="2020-01-01 00:00:00",
        updated_at=updated,
    )


@given(st.integers(0, 2**63))
def test_identifiers_are_the_same_31_bits_everywhere(identifier: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Writer(Path(folder), TABLES) as writer:
            writer.write(SAFE.rows([note(identifier, request=identifier)]))
            writer.close()
        (row,) = json.loads((Path(folder) / "data_merge_request_note.json").read_bytes())
        wanted = str(identifier & (2**31 - 1))
        assert [row[name] for name in ("merge_request_id", "note_id", "parent_id")] == [wanted] * 3
        assert writer.tables["data_merge_request_note"].changed.narrowed.total() == 3 * (identifier >= 2**31)


@given(st.integers(0, 2**63))
def test_identifiers_that_are_json_numbers_have_31_bits_too(identifier: int) -> None:
    status = JiraStatus(id=str(identifier), name="a", statusCategory=identifier)
    category = JiraStatusCategory(id=identifier, key="new", name="To do", color="blue-gray")
    with tempfile.TemporaryDirectory() as folder:
        with Writer(Path(folder), TABLES) as writer:
            writer.write(SAFE.rows([status]))
            writer.write(SAFE.rows([category]))
            writer.close()
        (written_status,) = json.loads((Path(folder) / "data_status.json").read_bytes())
        (written_category,) = json.loads((Path(folder) / "data_status_category.json").read_bytes())
        wanted = identifier & (2**31 - 1)
        assert (written_status["id"], written_status["statusCategory"]) == (str(wanted), wanted)
        assert written_category["id"] == wanted
        assert not importer.problems(Path(folder))


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
    everything = [text.replace("\0", "\N{REPLACEMENT CHARACTER}") for texts in sources for text in texts]
    assert [row["file"] for row in rows] == list(dict.fromkeys(everything))
    assert joined["data_change_path.json"].count == len(rows)
    assert joined["data_change_path.json"].repeated.same == len(everything) - len(rows)


def test_what_was_changed_is_counted_over_all_sources(tmp_path: Path) -> None:
    writers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        writers.append(written(tmp_path / name, [[change(name + "x" * 1001), change(name, size=str(2**31))]])[1])
    (joined,) = join(tmp_path, [ChangePath], writers)
    assert joined.changed.shortened == {"file": 2}
    assert joined.changed.capped == {"size": 2}


def review(reviewer: str, vote: int, request: int = 1, repository: str = "r") -> MergeRequestReview:
    return MergeRequestReview(
        repo_name=repository,
        merge_request_id=str(request),
        reviewer=reviewer,
        reviewer_username=f"{reviewer}.{vote}",
        vote=str(vote),
    )


def version(developer: str) -> MetricVersion:
    moment = "2020-01-01 00:00:00"
    return MetricVersion(version_id="2020-01-01T00:00:00", commit_date=moment, developer=developer, message="")


def developer(email: str) -> TfsDeveloper:
    return TfsDeveloper(display_name="Ann", email=email)


RULES: list[tuple[list[Row], list[int]]] = [
    ([review("a", 1), review("a", -1), review("a", 0), review("b", 0)], [1, 3]),
    ([review("a", 0), review("a", 1, 2), review("A ", 1, repository="R")], [2, 1]),
    ([version("0"), version("ann"), version("bob")], [1]),
    ([developer("0"), developer("a@x"), developer("b@x")], [1]),
    ([note(1, comment="old"), note(1, comment="new", updated="2021-01-01 00:00:00"), note(1, comment="old")], [1]),
    ([note(1), note(2**31 + 1, comment="lower bits are the same"), note(2)], [1, 2]),
    ([note(1), note(1, request=2)], [0, 1]),
]


@pytest.mark.parametrize(("rows", "left"), RULES)
@pytest.mark.parametrize("together", [True, False])
def test_one_row_for_each_key_by_a_rule(tmp_path: Path, rows: list[Row], left: list[int], together: bool) -> None:
    """Whether they come from one source or from several; the plain names are folded as pseudonyms are not."""
    writers, table = [], type(rows[0])
    plain = Pseudonymiser(None, plain=True)
    for number, block in enumerate([rows] if together else [[row] for row in rows]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Writer(folder, [table]) as writer:
            writer.write(plain.rows(block))
            writer.close()
        writers.append(writer)
    (joined,) = join(tmp_path, [table], writers)
    content = msgspec.json.decode(joined.path.read_bytes(), type=list[table])  # type: ignore[valid-type]
    changed = [msgspec.structs.replace(rows[number], **_narrowed(rows[number])) for number in left]
    assert content == [row for block in changed for row in plain.rows([block]).rows]
    assert joined.count == len(left)
    assert joined.repeated.same + joined.repeated.others == len(rows) - len(left)
    (tmp_path / importer.REQUIRED).write_text("[]\n")
    assert not importer.problems(tmp_path)


def _narrowed(row: Row) -> dict[str, str]:
    return {name: str(int(getattr(row, name)) & (2**31 - 1)) for name in numbers(type(row)) if name != "vote"}


def test_keys_of_a_long_history_take_little_memory() -> None:
    """Eight bytes a commit, and nothing for its files."""
    keys = {table: Keys(table) for table in (VcsVersion, ChangePath)}
    tracemalloc.start()
    for number in range(20_000):
        keys[ChangePath].add([change(str(file), version=f"{number:040x}") for file in range(3)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000 * 16
    assert not keys[ChangePath].repeated()
    keys[ChangePath].add([change("x", version=f"{7:040x}")])
    assert len(keys[ChangePath].repeated()) == 1


@pytest.mark.parametrize("name", importer.FILES)
def test_keys_and_widths_are_those_of_the_importer(name: str) -> None:
    """What is declared, against facts on its tables: each key field, each width, each kind of number."""
    declared = {f"{row.table}.json": row for row in TABLES}.get(name)
    if declared is None:
        assert name in {"data_environments.json", "data_sources.json"}
        return
    table, columns = importer.FILES[name]
    assert set(columns) <= set(declared.__struct_fields__)
    keys = importer.key_fields(name)
    assert not keys or set(declared.key_fields) == set(keys) or declared.is_single
    for field, column in columns.items():
        other, _, inner = column.rpartition(".")
        if inner.endswith("_id") and inner not in importer.TABLES[other or table]["columns"]:
            continue
        kind = importer.TABLES[other or table]["columns"][inner]["type"]
        if width := re.fullmatch(r"varchar\((\d+)\)", kind):
            listed = json_schema(declared)["properties"][field]
            limits = [one.get("maxLength") for one in listed.get("anyOf", (listed,))]
            fixed = any(re.match(r"\^[(\[].*[)\]]\$", one.get("pattern", "")) for one in listed.get("anyOf", (listed,)))
            assert fixed or any(limit is not None and limit <= int(width[1]) for limit in limits), field
        if kind == "integer" and inner not in {"repo_id", "reviewer_id", "team_id"} and not declared.is_single:
            assert field in numbers(declared), field


BEYOND = {
    "data_metrics": {"base_name", "domain_name"},
    "data_metric_targets": {"base_name", "domain_name", "domain_type", "scale", "number_of_sources"},
    "data_metric_versions": {"encrypted"},
    **{table: {"encrypted"} for table in ("data", "data_comments", "data_developer")},
}
"""Fields that the schemas permit and do not name: those that the existing agent writes, and the mark of a pseudonym."""
UNLIMITED = {
    *("base_name", "domain_name", "domain_type", "revision", "scale", "status", "source_type"),
    *("environment", "epic"),
}
"""Fields whose length the schemas leave open, or put into another form; ours is that of the importer's column."""


UNWRITTEN = {"data": {"encryption"}}
"""Fields of the schemas that no agent writes: the mark of a pseudonym in ``data.json`` is ``encrypted``."""


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
    assert theirs - ours <= UNWRITTEN.get(row.table, set())
    limits = {}
    for name, field in published["properties"].items():
        reference = shared[field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
        limits[name] = field.get("maxLength", reference.get("maxLength"))
    if row is MergeRequestReview:
        limits["reviewer"] = 100  # the importer takes it for an address, too
    limits["version_id"] = None  # 100 digits: no hash is as long, and a shortened one would be another
    own = {name: limit for name, limit in length_limits(row).items() if limits.get(name) or name not in UNLIMITED}
    assert own == {name: limit for name, limit in limits.items() if limit}
    optional = {name for name in row.__struct_fields__ if name not in row.__struct_defaults__}
    assert set(published["required"]) <= optional | set(row.__struct_fields__)


def test_declarations() -> None:
    for row in TABLES:
        assert row.key_fields or row is Metric
        for names in (row.key_fields, row.personal, row.free_text):
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

    def test_a_line(self, tmp_path: Path) -> None:
        """The position of all sources of a project, in the form of existing installations."""
        name = "jira-updated.txt"
        key = trackers.key(name, "tracker", "https://jira.example")
        assert key == trackers.key(name, "other", "https://other.example")
        content = trackers.encode(name, {key: "2026-01-05 10:00"})
        assert content == b"2026-01-05 10:00"
        (tmp_path / name).write_bytes(content + b"\n")
        assert trackers.position(trackers.read(tmp_path / name), key) == "2026-01-05 10:00"
        (tmp_path / name).write_bytes(b"\n")
        assert trackers.read(tmp_path / name) == {}

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
