"""People who are erased are in no file of the inbox any more; its receipts stay true, whatever happens meanwhile."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gros_agent.database import erased_inbox, erasure
from gros_agent.database.inbox import CHANGED
from gros_agent.errors import AgentError, BusyError, ConfigurationError, ExitStatus
from gros_agent.rows import JiraDeveloper, Project
from support.agent import Agent
from support.inbox import Inbox, asked, dump
from support.people import row_of
from support.postgresql import Server
from support.rows import AUTHOR, OTHER, change, commit, measurement, review, tag
from support.sample import Sample

THIRD = "c" * 64


def contents(inbox: Inbox) -> dict[str, bytes]:
    return {
        str(path.relative_to(inbox.folder)): path.read_bytes() for path in inbox.folder.rglob("*") if path.is_file()
    }


def check_receipts(inbox: Inbox) -> None:
    """Each receipt says what is there."""
    for path in inbox.folder.glob("*/*/receipt.json"):
        assert not (path.parent / CHANGED).exists()
        for one in json.loads(path.read_text())["files"]:
            content = (path.parent / one["name"]).read_bytes()
            assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
            if isinstance(one["rows"], int):
                assert one["rows"] == len(json.loads(content))


def erase(inbox: Inbox, *people: str) -> erasure.Erasure:
    return erasure.erase(people, None, inbox.folder)


class TestFiles:
    def test_nothing_else_changes(self, inbox: Inbox) -> None:
        """Other rows, and files without the person, stay byte by byte."""
        inbox.add([commit("ab", developer=OTHER), commit("ac"), commit("ad", message=f"@{AUTHOR}")], [change()])
        inbox.add([commit("ae", developer=OTHER)])
        before = contents(inbox)
        result = erase(inbox, AUTHOR)
        assert result.status is ExitStatus.DONE
        (one,) = result.batches
        assert (one.project, one.number, one.batch) == ("ABC", 1, "b1")
        assert one.values == {"data_vcs_versions.json": {"developer": 2, "message": 1}}
        after = contents(inbox)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {f"ABC/000001-b1/{name}" for name in ("data_vcs_versions.json", "receipt.json")}
        assert set(after) - set(before) == {"erased.json"}
        old, new = (one["ABC/000001-b1/data_vcs_versions.json"].splitlines() for one in (before, after))
        assert [line for line in old if OTHER.encode() in line and AUTHOR.encode() not in line] == new[1:2]
        check_receipts(inbox)
        assert erase(inbox, AUTHOR).batches == []
        assert contents(inbox) == after

    def test_receipt_keeps_what_else_it_says(self, inbox: Inbox) -> None:
        folder = inbox.add([commit()])
        path = folder / "receipt.json"
        receipt = json.loads(path.read_text())
        receipt["files"][0]["rows"] = 1
        path.write_text(json.dumps({**receipt, "something": {"else": 1}}))
        erase(inbox, AUTHOR)
        found = json.loads(path.read_text())
        assert found["something"] == {"else": 1}
        assert found["erased"]
        assert {**found, "files": 0} == {**receipt, "files": 0, "something": {"else": 1}, "erased": found["erased"]}
        check_receipts(inbox)

    def test_rows_that_go(self, inbox: Inbox, tmp_path: Path) -> None:
        folder = inbox.add([JiraDeveloper(name=AUTHOR, display_name=AUTHOR)], [review("1"), review("2", OTHER)])
        receipt = json.loads((folder / "receipt.json").read_text())
        for one in receipt["files"]:
            one["rows"] = len(json.loads((folder / one["name"]).read_text()))
        (folder / "receipt.json").write_text(json.dumps(receipt))
        erase(inbox, AUTHOR, OTHER)
        assert json.loads((folder / "data_developer.json").read_text()) == []
        (left,) = json.loads((folder / "data_merge_request_review.json").read_text())
        assert (left["reviewer"], left["vote"]) == ("0", "1")
        check_receipts(inbox)
        assert inbox.load(f"duckdb:{tmp_path / 'data.duckdb'}").batches[0].rows == 1

    def test_single_objects_and_other_agents(self, inbox: Inbox) -> None:
        single = row_of(Project, 1, AUTHOR)
        folder = inbox.add([single])
        rows = [json.loads(line) for line in _lines([commit("ab"), commit("ac", developer=OTHER)])]
        other = inbox.add_files({"data_vcs_versions.json": json.dumps(rows, indent=4).encode()})
        assert erase(inbox, AUTHOR).status is ExitStatus.DONE
        assert json.loads((folder / "data_project.json").read_text())["quality_display_name"] == "1: by erased"
        found = json.loads((other / "data_vcs_versions.json").read_text())
        assert [one["developer"] for one in found] == ["0", OTHER]
        check_receipts(inbox)

    @pytest.mark.parametrize("text", ["by {}.", "ab{}", "{}cd", f"{OTHER}{{}}{OTHER[:5]}", "{}{}0"])
    def test_a_database_that_follows(self, inbox: Inbox, url: str, text: str) -> None:
        """Also where other digits stand around the pseudonym, as in the files."""
        person = hashlib.sha256(b"person").hexdigest()
        inbox.add([commit(message=text.format(person, person))])
        inbox.load(url)
        erase(inbox, person)
        inbox.load(url)
        assert asked(url, "SELECT message FROM gros.vcs_versions") == [(text.format("erased", "erased"),)]

    def test_later_batches(self, inbox: Inbox, url: str) -> None:
        """The inbox remembers the person, for each database that is loaded from it."""
        inbox.add([commit("ab")])
        inbox.load(url)
        erase(inbox, AUTHOR)
        inbox.add([commit("ac"), commit("ad", developer=OTHER, message=f"by {AUTHOR}")])
        inbox.load(url)
        assert AUTHOR not in str(dump(url))
        query = "SELECT version_id, developer, message FROM gros.vcs_versions ORDER BY 1"
        assert asked(url, query) == [
            ("ab", None, "a message"),
            ("ac", None, "a message"),
            ("ad", OTHER, "by erased"),
        ]
        assert [one.number for one in erase(inbox, THIRD).batches] == [2]
        assert AUTHOR.encode() not in b"".join(contents(inbox).values())


def _lines(rows: Any) -> list[str]:
    return [msgspec.json.encode(one).decode() for one in rows]


class TestLeft:
    """Files that can't be changed are named, and a damaged batch does not become a valid one."""

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("data_vcs_versions.json", b'[{"developer": "PERSON"', "data_vcs_versions.json"),
            ("data_vcs_versions.json", b'[\n{"developer":"PERSON"}\n]\n', "missing required field"),
            ("data_of_later.json", b'[{"developer": "PERSON"}]', "no table that this version"),
            ("data_tag.json", b'[\n{"tagger":"0"}\n{"tagger":"PERSON"}\n]\n', "data_tag.json"),
        ],
    )
    def test_what_does_not_fit(self, inbox: Inbox, name: str, content: bytes, words: str) -> None:
        folder = inbox.add_files({name: content.replace(b"PERSON", AUTHOR.encode())})
        inbox.add([commit()])
        before = contents(inbox)
        result = erase(inbox, AUTHOR)
        assert result.status is ExitStatus.PARTLY
        assert list(result.left) == [str(folder / name)]
        assert words in result.left[str(folder / name)]
        assert [one.number for one in result.batches] == [2]
        after = contents(inbox)
        assert {one for one in before if before[one] == after[one]} == {
            f"ABC/000001-b1/{name}",
            "ABC/000001-b1/receipt.json",
        }

    def test_damaged(self, inbox: Inbox, tmp_path: Path) -> None:
        folder = inbox.add([commit()])
        path = folder / "data_vcs_versions.json"
        path.write_bytes(path.read_bytes().replace(b"a message", b"another message"))
        assert "is damaged" in erase(inbox, AUTHOR).left[str(path)]
        (one,) = inbox.load(f"duckdb:{tmp_path / 'data.duckdb'}").batches
        assert (one.state, "is damaged" in one.reason) == ("refused", True)

    def test_receipt_that_is_damaged(self, inbox: Inbox) -> None:
        folder = inbox.add([commit()])
        (folder / "receipt.json").write_text("{")
        assert list(erase(inbox, AUTHOR).left) == [str(folder / "data_vcs_versions.json")]

    def test_files_beside_tables(self, inbox: Inbox) -> None:
        folder = inbox.add([commit()])
        (folder / "scrape.log").write_text(AUTHOR)
        result = erase(inbox, AUTHOR)
        assert (list(result.left), len(result.batches)) == ([str(folder / "scrape.log")], 1)

    def test_list_that_is_damaged(self, inbox: Inbox, tmp_path: Path) -> None:
        """Without it, people would come back: nothing is loaded."""
        inbox.add([commit()])
        (inbox.folder / "erased.json").write_text("[")
        with pytest.raises(ConfigurationError, match="the list of people who were erased is damaged"):
            inbox.load(f"duckdb:{tmp_path / 'data.duckdb'}")
        with pytest.raises(ConfigurationError, match="the list of people who were erased is damaged"):
            erase(inbox, AUTHOR)


class TestInterrupted:
    @pytest.mark.parametrize("moved", [0, 1, 2])
    def test_between_two_files(self, inbox: Inbox, url: str, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
        """Once the new files are published, readers see them, before and while they replace the old ones."""
        folder = inbox.add([commit("ab"), commit("ac", developer=OTHER)], [tag("v", "code")])
        inbox.add([tag("w")])
        replace = Path.replace

        def some(path: Path, target: Path) -> Path:
            if path.parent.name == CHANGED and len(list(path.parent.iterdir())) <= 2 - moved:
                raise OSError(5, "a kill")
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", some)
            with pytest.raises(AgentError) if moved < 2 else contextlib.nullcontext():
                erase(inbox, AUTHOR)
        assert (folder / CHANGED).exists() == (moved < 2)
        mode = folder.stat().st_mode
        folder.chmod(0o555)
        assert inbox.load(url).status is ExitStatus.DONE
        folder.chmod(mode)
        assert asked(url, "SELECT developer FROM gros.vcs_versions ORDER BY version_id") == [(None,), (OTHER,)]
        erase(inbox, AUTHOR)
        check_receipts(inbox)
        assert AUTHOR.encode() not in b"".join(contents(inbox).values())

    def test_killed_at_random(self, agent: Agent, inbox: Inbox, url: str, draw: Sample) -> None:
        """At any moment each batch fits its receipt, and a later call does the rest."""
        for number in range(12):
            rows = [commit(f"{number:02x}{row:04x}", developer=(AUTHOR, OTHER)[row % 2]) for row in range(2000)]
            inbox.add(rows, [measurement(str(number))])
        inbox.load(url)
        arguments = ("controller", "erase", AUTHOR, "--from", url, "--inbox", inbox.folder, "--quiet")
        chance = draw.chance(f"kills of erasing in {url.partition(':')[0]}")
        for _ in range(draw.times(4, 30)):
            with agent.start(*arguments) as process:
                time.sleep(chance.uniform(0.2, 1.5))
                process.kill()
        done = agent(*arguments)
        assert done.status == 0, done
        check_receipts(inbox)
        assert AUTHOR.encode() not in b"".join(contents(inbox).values())
        assert asked(url, "SELECT developer, count(*) FROM gros.vcs_versions GROUP BY 1 ORDER BY 1") == (
            [(OTHER, 12_000), (None, 12_000)]
        )
        assert inbox.load(url).loaded_before == 12

    def test_disk_that_is_full(self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
        inbox.add([commit()])
        before = contents(inbox)

        def full(*_arguments: object) -> None:
            raise OSError(28, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(erased_inbox, "write_synced", full)
            with pytest.raises(AgentError, match="the disk is full"):
                erase(inbox, AUTHOR)
        after = contents(inbox)
        assert {name: after[name] for name in before} == before
        assert erase(inbox, AUTHOR).status is ExitStatus.DONE
        check_receipts(inbox)


class TestTogether:
    def test_readers_are_waited_for(self, agent: Agent, inbox: Inbox) -> None:
        """And a reader waits while a batch is being changed."""
        folder = inbox.add([commit()])
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            with agent.start("controller", "erase", AUTHOR, "--inbox", inbox.folder) as process:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(1.5)
                assert AUTHOR in (folder / "data_vcs_versions.json").read_text()
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                assert process.wait(30) == 0
        finally:
            os.close(descriptor)
        assert AUTHOR not in (folder / "data_vcs_versions.json").read_text()

    def test_two_who_erase_and_one_who_loads(self, agent: Agent, inbox: Inbox, postgresql: Server) -> None:
        url = postgresql.new()
        for number in range(8):
            inbox.add(
                [commit(f"{number:02x}{row:04x}", developer=(AUTHOR, OTHER, THIRD)[row % 3]) for row in range(999)]
            )
        inbox.load(url)
        inbox.add([commit("ffff"), commit("fffe", developer=OTHER)])
        start = ("--inbox", inbox.folder)
        calls = [("erase", one, "--from", url, *start) for one in (AUTHOR, OTHER)] + [("load", "--to", url, *start)]
        processes = [agent.start("controller", *one) for one in calls]
        told = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], told
        assert asked(url, "SELECT developer, count(*) FROM gros.vcs_versions GROUP BY 1 ORDER BY 1") == [
            (THIRD, 8 * 333),
            (None, 8 * 666 + 2),
        ]
        check_receipts(inbox)
        for person in (AUTHOR, OTHER):
            assert person.encode() not in b"".join(contents(inbox).values())

    def test_file_that_is_open_elsewhere(self, inbox: Inbox, tmp_path: Path) -> None:
        url = f"duckdb:{tmp_path / 'data.duckdb'}"
        inbox.add([commit()])
        inbox.load(url)
        code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
        with _holding(code, tmp_path / "data.duckdb"), pytest.raises(BusyError, match="is open in another process"):
            erasure.erase([AUTHOR], url, inbox.folder)
        inbox.load(url)  # the inbox remembers the person already
        assert AUTHOR not in str(dump(url))


@contextlib.contextmanager
def _holding(code: str, path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield
        other.communicate()


class TestDatabases:
    def test_without_tables(self, url: str, tmp_path: Path) -> None:
        """A wrong name does not look as if all were done."""
        words = "there is no such database" if url.startswith("duckdb:") else "has no tables of gros-agent"
        with pytest.raises(ConfigurationError, match=words):
            erasure.erase([AUTHOR], url, None)
        assert not (tmp_path / "data.duckdb").exists()
        with pytest.raises(ConfigurationError, match="there is no such folder"):
            erasure.erase([AUTHOR], None, tmp_path / "nowhere")

    def test_of_a_later_version(self, url: str, inbox: Inbox) -> None:
        inbox.add([commit()])
        inbox.load(url)
        asked(url, "UPDATE gros.version SET format = 77")
        with pytest.raises(ConfigurationError, match="has tables of version 77"):
            erasure.erase([AUTHOR], url, None)
        assert asked(url, "SELECT developer FROM gros.vcs_versions") == [(AUTHOR,)]

    def test_of_an_earlier_version(self, url: str, inbox: Inbox) -> None:
        inbox.add([commit()])
        inbox.load(url)
        for statement in ("DROP TABLE gros.erased", "UPDATE gros.version SET format = 0"):
            asked(url, statement)
        erasure.erase([AUTHOR], url, None)
        assert AUTHOR not in str(dump(url))

    def test_read_only(self, inbox: Inbox, postgresql: Server) -> None:
        url = postgresql.new()
        inbox.add([commit()])
        inbox.load(url)
        name = url.partition("@/")[2].partition("?")[0]
        asked(url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with pytest.raises(ConfigurationError, match="can't be changed"):
            erasure.erase([AUTHOR], url, None)

    def test_away(self, inbox: Inbox) -> None:
        with pytest.raises(AgentError, match="can't be used"):
            erasure.erase([AUTHOR], "postgresql://owner@127.0.0.1:1/x", inbox.folder)


def test_command(agent: Agent, inbox: Inbox, tmp_path: Path) -> None:
    url = f"duckdb:{tmp_path / 'data.duckdb'}"
    inbox.add([commit()], [JiraDeveloper(name=AUTHOR, display_name=OTHER)])
    inbox.load(url)
    done = agent("controller", "erase", AUTHOR, "--from", url)
    assert done.status == 0
    lines = [line.split() for line in done.output.splitlines()]
    assert ["vcs_versions", "developer", "nulled", "1"] in lines
    assert ["jira_developer", "name", "removed", "1"] in lines
    assert "the files of the inbox may still contain the pseudonyms: --inbox DIR changes them" in done.output
    done = agent("controller", "erase", AUTHOR, "--inbox", inbox.folder)
    assert "no database was changed" in done.output
    assert "000001" not in done.output
    assert ["ABC", "1", "b1", "data_vcs_versions.json", "developer", "1"] in [
        one.split() for one in done.output.splitlines()
    ]
    done = agent("controller", "erase", AUTHOR, OTHER, "--from", url, "--inbox", inbox.folder, "--json")
    found = json.loads(done.output)
    assert (done.status, found["places"], found["batches"], found["left"]) == (0, [], [], {})
    variables = {"GROS_AGENT_CONTROLLER_ERASE_FROM": url, "GROS_AGENT_CONTROLLER_ERASE_INBOX": str(inbox.folder)}
    assert agent("controller", "erase", AUTHOR, variables=variables).output == (
        "the database did not contain these pseudonyms\nno file of the inbox had to be changed\n"
    )
    for arguments, words in (
        ((AUTHOR,), "neither a database nor an inbox was named"),
        (("--from", url), "no pseudonym was given"),
        (("a name", "--from", url), "number 1 of the given texts is not a pseudonym"),
    ):
        done = agent("controller", "erase", *arguments)
        assert (done.status, words in done.errors) == (7, True), done
    shutil.rmtree(inbox.folder)
