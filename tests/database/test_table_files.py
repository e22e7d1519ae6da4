"""The files for researchers: the command, what is refused, and that nothing is left half written."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from gros_agent.cli import main
from gros_agent.database import table_files
from gros_agent.database.columns import columns
from gros_agent.database.new_folder import new_folder
from gros_agent.database.snapshot import snapshot
from gros_agent.database.table_files import Format, write_tables
from gros_agent.errors import AgentError, BusyError, ConfigurationError
from gros_agent.rows import ChangePath, Jenkins, Tag
from gros_agent.rows.moments import local_zone
from gros_agent.tables.batch import ProjectFolder
from support.agent import ROOT, Agent
from support.mounts import in_namespace
from support.repository import linear_history
from support.typed import by_duckdb, in_files, make_batch

FORMS = pytest.mark.parametrize("form", list(Format))
DAY = "2024-07-01 12:00:00"
TAG = {"repo_name": "r", "tag_name": "v1", "version_id": "ab", "message": "m", "tagged_date": DAY}
PERSON = {"tagger": "somebody", "tagger_email": "somebody@mail.example"}


def tag(**values: str) -> Tag:
    return Tag(**{**TAG, **PERSON, **values})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export folder with two tags."""
    make_batch(tmp_path / "export" / "TEST", {Tag: [tag(), tag(tag_name="v2")]}, "Europe/Brussels")
    return tmp_path / "export" / "TEST"


@pytest.fixture
def scraped(agent: Agent, tmp_path: Path) -> Agent:
    """An agent that has collected a repository of five commits."""
    repository = linear_history(tmp_path / "code", 5)
    assert agent.scrape("--source", f"git:code={repository.path}").status == 0
    return agent


def change(path: Path, do: Callable[[list[dict[str, Any]]], object]) -> None:
    rows = json.loads(path.read_text())
    do(rows)
    path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


def check_untouched(target: Path) -> None:
    assert not target.exists()
    assert not list(target.parent.glob(".*.new"))


class TestCommand:
    @FORMS
    def test_formats(self, scraped: Agent, form: Format) -> None:
        done = scraped("tables", "--project", "TEST", "--to", "tables", "--format", form)
        assert (done.status, done.errors) == (0, ""), done
        assert re.search(r"vcs_versions +5 +", done.output)
        assert "local times of UTC" in done.output
        file = f"TEST.{form}" if form is Format.DUCKDB else f"vcs_versions.{form}"
        assert (scraped.home / "tables" / file).exists()
        assert "project" in done.output

    def test_json(self, scraped: Agent) -> None:
        done = scraped("tables", "--project", "TEST", "--to", "new/tables", "--json")
        (told,) = json.loads(done.output)
        assert told["tables"][0] == {"table": "vcs_versions", "file": "vcs_versions.parquet", "rows": 5}
        assert (told["project"], told["time_zone"]) == ("TEST", "UTC")
        assert pl.read_parquet(Path(told["folder"], "vcs_versions.parquet")).height == 5

    def test_earlier_batches_are_told(self, agent: Agent, tmp_path: Path) -> None:
        repository = linear_history(tmp_path / "code", 2)
        for number in range(2):
            repository.commit(f"more {number}")
            assert agent("scrape", "--project", "TEST", "--source", f"git:code={repository.path}").status == 0
        done = agent("tables", "--project", "TEST", "--to", "tables")
        assert "1 earlier batch waits in the outbox, and is not in these tables" in done.output

    def test_mistakes(self, scraped: Agent) -> None:
        (scraped.home / "full").mkdir()
        (scraped.home / "full" / "file").touch()
        for arguments, status, text in (
            (("--project", "OTHER", "--to", "new"), 7, "project OTHER: there are no tables in"),
            (("--project", "TEST", "--to", "full"), 7, "full exists already"),
            (("--project", "TEST", "--to", "full/file"), 7, "file exists already"),
            (("--project", "TEST", "--to", "full/file/new"), 7, "this is a file, but must be a folder"),
            (("--to", "new"), 7, "no project is named"),
            (("--project", "TEST", "--project", "OTHER", "--to", "new"), 7, "which of the projects"),
            (("--project", "../TEST", "--to", "new"), 7, "../TEST"),
            (("--project", "TEST"), 2, "--to"),
            (("--project", "TEST", "--to", "new", "--format", "excel"), 2, "excel"),
        ):
            done = scraped("tables", *arguments)
            assert (done.status, done.output) == (status, ""), done
            assert text in done.errors
        assert "there are tables of TEST" in scraped("tables", "--project", "OTHER", "--to", "new").errors
        assert not (scraped.home / "new").exists()
        assert not (scraped.home / "export" / "OTHER").exists()

    @pytest.mark.parametrize("form", ["csv", "parquet", "duckdb"])
    def test_full_disk(self, scraped: Agent, form: str) -> None:
        (scraped.home / "small").mkdir()
        script = "mount -t tmpfs -o size=4k none small"
        done = in_namespace(scraped, script, "tables", "--project", "TEST", "--to", "small/new", "--format", form)
        assert (done.status, done.output) == (1, ""), done
        assert "the disk is full" in done.errors
        assert "free some space" in done.errors

    def test_read_only(self, scraped: Agent) -> None:
        (scraped.home / "shut").mkdir()
        script = "mount --bind shut shut; mount -o remount,ro,bind shut"
        done = in_namespace(scraped, script, "tables", "--project", "TEST", "--to", "shut/new")
        assert done.status == 7, done
        assert "can't be written: Read-only file system" in done.errors

    def test_missing_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.startswith(("gros_agent.database", "duckdb."))]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "duckdb", None)
        arguments = ["--home", str(tmp_path), "tables", "--project", "TEST", "--to", str(tmp_path / "new")]
        with pytest.raises(ConfigurationError) as caught:
            main.main(arguments, standalone_mode=False)
        assert ("duckdb" in caught.value.message, caught.value.hint) == (True, "install gros-agent[database]")


class TestDamage:
    @FORMS
    @pytest.mark.parametrize(
        ("values", "text"),
        [
            (
                {"tagged_date": "2024-02-30 12:00:00"},
                "row 2, field tagged_date: '2024-02-30 12:00:00' is not",
            ),
            ({"tagged_date": "yesterday"}, "row 2, field tagged_date: 'yesterday' is not of its type (moment)"),
            ({"tagged_date": f"{DAY}Z"}, f"field tagged_date: '{DAY}Z' is not"),
            ({"encrypted": "2"}, "field encrypted: '2' is not of its type (boolean)"),
            ({"version_id": "xyz"}, "field version_id: 'xyz' is not"),
            ({"repo_name": None}, "row 2, field repo_name: there is no value, and there must be one"),
            ({"later": "1"}, "this version of the agent does not know the field 'later'"),
        ],
    )
    def test_values(self, folder: Path, tmp_path: Path, form: Format, values: dict[str, Any], text: str) -> None:
        change(folder / "data_tag.json", lambda rows: rows[1].update(values))
        with pytest.raises(AgentError) as caught:
            write_tables(folder, tmp_path / "new", form)
        assert text in caught.value.message
        assert caught.value.message.startswith(f"{folder}/data_tag.json: the table is damaged: ")
        assert "scrape --full" in caught.value.hint
        check_untouched(tmp_path / "new")

    @pytest.mark.parametrize("text", [str(2**63), f"-{2**63}1", "1.5", "1e3", "0x10", "", " 1"])
    def test_numbers(self, tmp_path: Path, text: str) -> None:
        folder = tmp_path / "export" / "TEST"
        row = ChangePath(
            repo_name="r", version_id="a", file="f", change_type="M", insertions="1", deletions="1", size="1"
        )
        make_batch(folder, {ChangePath: [row]}, "UTC")
        change(folder / "data_change_path.json", lambda rows: rows[0].update(size=text))
        with pytest.raises(AgentError, match=re.escape(f"row 1, field size: {text!r} is not of its type (integer)")):
            write_tables(folder, tmp_path / "new", Format.PARQUET)

    def test_json_numbers(self, tmp_path: Path) -> None:
        folder = tmp_path / "export" / "TEST"
        make_batch(folder, {Jenkins: [Jenkins(host="h", jobs=1, views=2, nodes=3)]}, "UTC")
        path = folder / "data_jenkins.json"
        path.write_text(path.read_text().replace(":2", ":2.5"))
        with pytest.raises(AgentError, match=re.escape("field views: '2.5' is not of its type (integer)")):
            write_tables(folder, tmp_path / "new", Format.PARQUET)

    @FORMS
    @pytest.mark.parametrize(
        ("change_to", "text"),
        [
            (lambda content: content[:-20], "Malformed JSON"),
            (lambda content: content + b"more", "Malformed JSON"),
            (lambda content: content.replace(b'"m"', b'"\xff"'), "invalid UTF-8"),
            (lambda content: content.replace(b'"m"', b'"m","message":"m"'), "duplicate key"),
            (lambda _: b"{}", "Expected top-level JSON array"),
            (lambda _: b"[1]", "Expected OBJECT"),
            (lambda _: b"", "it has 0 rows, but had 2 when it was written"),
            (lambda _: b"[]\n", "it has 0 rows, but had 2 when it was written"),
        ],
    )
    def test_files(
        self, folder: Path, tmp_path: Path, form: Format, change_to: Callable[[bytes], bytes], text: str
    ) -> None:
        path = folder / "data_tag.json"
        path.write_bytes(change_to(path.read_bytes()))
        with pytest.raises(AgentError) as caught:
            write_tables(folder, tmp_path / "new", form)
        assert text in caught.value.message
        assert "/proc/" not in caught.value.message
        check_untouched(tmp_path / "new")

    def test_missing(self, folder: Path, tmp_path: Path) -> None:
        (folder / "data_tag.json").unlink()
        with pytest.raises(AgentError, match=r"data_tag\.json is missing"):
            write_tables(folder, tmp_path / "new", Format.CSV)
        check_untouched(tmp_path / "new")

    def test_no_batch(self, tmp_path: Path) -> None:
        (tmp_path / "TEST").mkdir()
        with pytest.raises(ConfigurationError, match="there are no tables") as caught:
            write_tables(tmp_path / "TEST", tmp_path / "new", Format.CSV)
        assert "no project has tables yet" in caught.value.hint


class TestZones:
    def test_of_the_agent(self, folder: Path, tmp_path: Path) -> None:
        """A batch of an earlier version names none."""
        manifest = folder / ".batch.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"time_zone": ""}))
        assert write_tables(folder, tmp_path / "new", Format.PARQUET).time_zone == local_zone()

    def test_unknown(self, folder: Path, tmp_path: Path) -> None:
        manifest = folder / ".batch.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"time_zone": "Europe/Nowhere"}))
        with pytest.raises(ConfigurationError, match="the time zone of the tables, Europe/Nowhere, is unknown"):
            write_tables(folder, tmp_path / "new", Format.PARQUET)
        check_untouched(tmp_path / "new")


class TestMeanings:
    def test_comments(self, folder: Path, tmp_path: Path) -> None:
        written = write_tables(folder, tmp_path / "new", Format.DUCKDB)
        with duckdb.connect(written.folder / "TEST.duckdb", read_only=True) as connection:
            ((comment,),) = connection.execute("SELECT comment FROM duckdb_tables()").fetchall()
            found = connection.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal"
            ).fetchall()
        assert comment.startswith("A tag.")
        assert comment.endswith("Project TEST; moments were local times of Europe/Brussels.")
        assert found == [(one.name, one.words) for one in columns(Tag)]

    def test_metadata(self, folder: Path, tmp_path: Path) -> None:
        written = write_tables(folder, tmp_path / "new", Format.PARQUET)
        with duckdb.connect() as connection:
            query = "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)"
            told = dict(connection.execute(query, [str(written.folder / "tag.parquet")]).fetchall())
        assert (told["project"], told["table"], told["time_zone"]) == ("TEST", "tag", "Europe/Brussels")
        assert json.loads(told["columns"]) == {one.name: one.words for one in columns(Tag)}

    def test_an_old_duckdb_opens_it(self, folder: Path, tmp_path: Path) -> None:
        written = write_tables(folder, tmp_path / "new", Format.DUCKDB)
        with duckdb.connect(written.folder / "TEST.duckdb", read_only=True) as connection:
            tags = connection.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
        assert tags == [({"storage_version": "v1.0.0+"},)]


class TestPage:
    """What docs/tables.md says about opening the files."""

    @pytest.mark.parametrize("tool", ["polars", "DuckDB"])
    def test_lines_work(self, folder: Path, tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
        (line,) = re.findall(rf"^\| {tool} \| (.+) \|$", (ROOT / "docs" / "tables.md").read_text(), re.MULTILINE)
        cells = [cell.strip("`") for cell in line.split(" | ")]
        monkeypatch.chdir(tmp_path)
        for form, cell in zip(Format, cells, strict=True):
            write_tables(folder, tmp_path / "here" / form, form)
            text = cell.replace("abc/ABC", f"here/{form}/TEST").replace("abc/", f"here/{form}/")
            with duckdb.connect() as connection:
                if form is Format.DUCKDB:  # of polars' line, what needs no further package
                    path = re.split("[\"']", text)[1]
                    connection.execute(text if tool == "DuckDB" else f"ATTACH '{path}'")
                    found = connection.sql("FROM TEST.tag").select("tag_name").fetchall()
                elif tool == "DuckDB":
                    found = connection.sql(text).select("tag_name").fetchall()
                else:
                    found = eval(text, {"pl": pl}).select("tag_name").rows()  # noqa: S307 (a line of our own page)
            assert found == [("v1",), ("v2",)]


class TestFolder:
    def test_empty_one_is_taken(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        assert write_tables(folder, tmp_path / "new", Format.CSV).folder == tmp_path / "new"

    def test_awkward_names(self, tmp_path: Path) -> None:
        """Names that DuckDB takes for patterns, for partitions, or for the end of a text."""
        for number, name in enumerate(("a[1]*", "what?", "key=value", 'it\'s; "x"', "ünï ")):
            make_batch(tmp_path / name / "TEST", {Tag: [tag()]}, "UTC")
            for form in Format:
                target = tmp_path / name / f"{number}" / form / name
                if form is Format.DUCKDB and "?" in name:
                    with pytest.raises(ConfigurationError, match="a question mark in its name"):
                        write_tables(tmp_path / name / "TEST", target, form)
                else:
                    written = write_tables(tmp_path / name / "TEST", target, form)
                    assert by_duckdb(written, Tag, form) == in_files(tmp_path / name / "TEST", "UTC")[Tag]

    def test_leftovers_of_a_killed_process(self, tmp_path: Path) -> None:
        (tmp_path / ".new.new").mkdir()
        (tmp_path / ".new.new" / "old").touch()
        with new_folder(tmp_path / "new") as hidden:
            assert not list(hidden.iterdir())
            with pytest.raises(BusyError), new_folder(tmp_path / "new"):
                pass
            assert hidden.exists()
        assert [path.name for path in tmp_path.iterdir()] == ["new"]

    def test_interrupted(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            assert (tmp_path / ".new.new").exists()
            raise KeyboardInterrupt

        monkeypatch.setattr(table_files._Table, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_tables(folder, tmp_path / "new", Format.DUCKDB)
        check_untouched(tmp_path / "new")


class TestWhileScraping:
    def test_files_that_are_replaced(self, folder: Path) -> None:
        """What is read is the batch that lay there, also if the next one comes meanwhile."""
        with snapshot(folder) as batch:
            make_batch(folder, {Tag: [tag(tag_name=f"new {number}") for number in range(9)]}, "UTC")
            (table,) = batch.tables
            assert (table.rows, batch.time_zone) == (2, "Europe/Brussels")
            assert len(json.loads(table.descriptor.read_bytes())) == 2
        with snapshot(folder) as batch:
            assert batch.tables[0].rows == 9

    def test_scrape_that_collects(self, folder: Path, tmp_path: Path) -> None:
        with ProjectFolder(folder).locked():
            assert write_tables(folder, tmp_path / "new", Format.CSV).tables[0].rows == 2

    def test_batch_that_was_not_acknowledged(self, folder: Path, tmp_path: Path) -> None:
        """After a crash its files may not be in their places."""
        (folder / ".publishing").mkdir()
        (folder / "data_tag.json").rename(folder / ".publishing" / "data_tag.json")
        (folder / ".batch.json").rename(folder / ".publishing" / "manifest.json")
        with ProjectFolder(folder).locked(), pytest.raises(BusyError):
            write_tables(folder, tmp_path / "new", Format.CSV)
        assert write_tables(folder, tmp_path / "new", Format.CSV).tables[0].rows == 2
        assert (folder / ".publishing" / "manifest.json").exists(), "its result is still to be reported"


@pytest.mark.slow
class TestSize:
    def test_large_rows(self, tmp_path: Path) -> None:
        """Texts that are far longer than what DuckDB expects."""
        folder = tmp_path / "export" / "TEST"
        rows = [tag(message="x" * (36 << 20)), tag(tag_name="v2", message="\n" * (1 << 20)), tag(tag_name="v3")]
        make_batch(folder, {Tag: rows}, "UTC")
        for form in Format:
            written = write_tables(folder, tmp_path / form, form)
            lengths = [len(row[3]) for row in by_duckdb(written, Tag, form, longest=40 << 20)]
            assert lengths == [len(row.message) for row in rows]

    def test_large_tables(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A table larger than the memory is written as it is read, and in its order."""
        folder = tmp_path / "export" / "TEST"
        rows = [tag(tag_name=str(number), message=f"{number} " * 200) for number in range(150_000)]
        make_batch(folder, {Tag: rows}, "UTC")
        monkeypatch.setattr(table_files, "_MEMORY", 128 << 20)
        assert (folder / "data_tag.json").stat().st_size > 200 << 20
        for form in Format:
            written = write_tables(folder, tmp_path / form, form)
            assert [row[1] for row in by_duckdb(written, Tag, form)] == [row.tag_name for row in rows]

    def test_too_little_memory(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(table_files, "_MEMORY", 1 << 20)
        with pytest.raises(AgentError, match="the tables need more memory") as caught:
            write_tables(folder, tmp_path / "new", Format.PARQUET)
        assert caught.value.hint == "write them on a larger machine"
        check_untouched(tmp_path / "new")
