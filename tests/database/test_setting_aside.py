"""A batch that does not fit is set aside whole, says why, and hinders no other."""

import json
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gros_agent.database import checking
from gros_agent.errors import ConfigurationError, ExitStatus
from gros_agent.rows import ChangePath, JiraSubtask, Row, Tag, VcsVersion
from support.inbox import Inbox, asked, dump
from support.rows import change, comment, commit, issue, measurement, request, review, tag

CHANGES = "data_change_path.json"
SOURCE = {"name": "code", "kind": "git", "items": 1, "state": "whole"}


def lines(*rows: Row | dict[str, object]) -> bytes:
    return b"[\n" + b",\n".join(map(msgspec.json.encode, rows)) + b"\n]\n"


def changed(**values: object) -> bytes:
    """A good row, and one with other values; None leaves a field out."""
    row = {**msgspec.to_builtins(change("b")), **values}
    return lines(change(), {name: value for name, value in row.items() if value is not None})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[\n{", "Input data was truncated"),
        (b"", "truncated"),
        (b"{}", "Expected `array`"),
        (b"[\n{}\n]\n", "missing required field"),
        (b"[1]", "Expected `object`"),
        (b"[" * 100_000, "Expected `object`"),
        (changed()[:-3], "malformed|truncated"),
        (changed().replace(b"},\n", b"}\n"), "no array with a row per line|malformed"),
        (changed().replace(b'"b"', b'"\xff"'), "utf-8|UTF-8"),
        (changed().replace(b'"b"', b'"\\ud800"'), "surrogate"),
        (changed().replace(b'"b"', b'"a\\u0000b"'), "file has the character NUL"),
        (changed(insertions="1.5"), "insertions"),
        (changed(insertions="many"), "insertions"),
        (changed(insertions=1), "insertions"),
        (changed(insertions=""), "insertions"),
        (changed(insertions="9" * 19), "range|out of|INT64"),
        (changed(file="x" * 1001), "file"),
        (changed(change_type="X"), "change_type"),
        (changed(surprise="1"), "surprise"),
        (changed(**{"a\0b": "1"}), r"unknown field `a\x00b`"),
        (changed(**{"x" * 100_000: "1"}), "unknown field `xxx"),
        (changed(size=None), "size"),
        (changed(file="a.py"), "two rows have the same repo_name, version_id, file"),
    ],
)
def test_content(inbox: Inbox, url: str, content: bytes, reason: str) -> None:
    inbox.add_files({"data_vcs_versions.json": lines(commit()), CHANGES: content})
    inbox.add([change("good")])
    result = inbox.load(url)
    assert [one.state for one in result.batches] == ["refused", "loaded"]
    assert result.status is ExitStatus.PARTLY
    ((state, words, rows, agent),) = asked(url, "SELECT state, reason, rows, agent FROM gros.batches WHERE id = 1")
    assert (state, rows, agent) == ("refused", 0, "agent-ABC")
    assert any(one in words for one in reason.split("|")), words
    assert words.startswith(f"{CHANGES}")
    assert "\n" not in words
    assert len(words) < 1100
    assert set(dump(url)) == {"version", "batches", "change_path"}
    assert asked(url, "SELECT file, batch FROM gros.change_path") == [("good", 2)]
    assert inbox.load(url).status is ExitStatus.DONE  # it was told once
    assert inbox.load(url).refused_before == 1


def test_keys_are_values(inbox: Inbox, url: str) -> None:
    """In the database a number is a number, and texts are compared exactly."""
    inbox.add([change()], [issue(7), msgspec.structs.replace(issue(7), issue_id="007")])
    inbox.add([change()], [JiraSubtask(from_id="1", to_id="2"), JiraSubtask(from_id="1", to_id="2")])
    inbox.add([change(), change(repo_name="CODE")])
    assert [one.state for one in inbox.load(url).batches] == ["refused", "refused", "loaded"]
    reasons = [words for (words,) in asked(url, "SELECT reason FROM gros.batches WHERE id < 3 ORDER BY id")]
    assert reasons == [
        "data.json: two rows have the same issue_id, changelog_id",
        "data_subtasks.json: two rows have the same from_id, to_id",
    ]
    assert asked(url, "SELECT count(*) FROM gros.change_path") == [(2,)]


@pytest.mark.parametrize("others", [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2"), ("2", "3")])
def test_a_key_that_stands_twice_and_is_known(inbox: Inbox, url: str, others: tuple[str, str]) -> None:
    """Also if none of the rows changes what is there, or one alone does."""
    inbox.add([change(insertions="1"), change("b")])
    inbox.add([*(change(insertions=one) for one in others), change("c")])
    inbox.add([change("b"), change("c")])
    assert [one.state for one in inbox.load(url).batches] == ["loaded", "refused", "loaded"]
    found = asked(url, "SELECT file, insertions, batch FROM gros.change_path ORDER BY file")
    assert found == [("a.py", 1, 1), ("b", 1, 1), ("c", 1, 3)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([commit(commit_date="2024-02-30 12:00:00")], "range|out of|field value"),
        ([issue(1, duedate="2023-02-29")], "range|out of|field value"),
        ([measurement("9" * 30)], "overflow|range|precision|cast|convert"),
    ],
)
def test_values(inbox: Inbox, url: str, rows: list[Row], reason: str) -> None:
    """What looks right, and is refused by the database."""
    inbox.add([change()], rows)
    inbox.add([tag("good")])
    assert [one.state for one in inbox.load(url).batches] == ["refused", "loaded"]
    ((words,),) = asked(url, "SELECT reason FROM gros.batches WHERE id = 1")
    assert any(one in words for one in reason.split("|")), words
    assert set(dump(url)) == {"version", "batches", "tag"}


def test_keys_that_differ(inbox: Inbox, url: str) -> None:
    inbox.add(
        [comment("a"), comment("b"), comment("a", "c" * 64)],
        [review("1", "0"), review("1", "d" * 64)],
        [measurement(), measurement()],
        [request(1), request(2)],
    )
    assert inbox.load(url).status is ExitStatus.DONE


def _cut(folder: Path) -> None:
    path = folder / CHANGES
    path.write_bytes(path.read_bytes()[:-10])


def _as_long(folder: Path) -> None:
    path = folder / CHANGES
    path.write_bytes(path.read_bytes().replace(b"a.py", b"b.py"))


def _receipt(**values: object) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        path = folder / "receipt.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return replace


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, f"{CHANGES} is damaged"),
        (_as_long, f"{CHANGES} is damaged"),
        (lambda folder: (folder / CHANGES).unlink(), f"{CHANGES} can't be read: No such file"),
        (lambda folder: (folder / "receipt.json").unlink(), "receipt.json can't be read"),
        (lambda folder: (folder / "receipt.json").write_text("{"), "receipt.json is damaged"),
        (_receipt(batch="other"), "receipt.json is that of batch other of ABC"),
        (_receipt(moment="yesterday"), "receipt.json is damaged"),
        (_receipt(moment="0001-01-01T00:00:00+14:00"), "receipt.json is damaged"),
        (_receipt(sources=[{**SOURCE, "name": "a\0b"}]), "receipt.json: the name of a source has the character NUL"),
        (_receipt(sources=[{**SOURCE, "kind": "a\0b"}]), "receipt.json: the name of a source has the character NUL"),
        (_receipt(sources=[{**SOURCE, "items": 2**63}]), "receipt.json"),
        (
            _receipt(files=[{"name": "data_new.json", "kind": "export", "bytes": 1, "sha256": ""}]),
            "data_new.json is no table that this version of gros-agent knows",
        ),
        (
            _receipt(files=[{"name": f"../{CHANGES}", "kind": "export", "bytes": 1, "sha256": ""}]),
            "is no table that this version",
        ),
    ],
)
def test_damage(inbox: Inbox, url: str, damage: Callable[[Path], object], reason: str) -> None:
    damage(inbox.add([change()]))
    inbox.add([change("good")])
    assert inbox.load(url).status is ExitStatus.PARTLY
    ((words,),) = asked(url, "SELECT reason FROM gros.batches WHERE state = 'refused' AND batch = 'b1' AND number = 1")
    assert reason in words
    assert asked(url, "SELECT file FROM gros.change_path") == [("good",)]


def test_what_a_receipt_says(inbox: Inbox, url: str) -> None:
    """Of an agent and a zone, in words that no database takes."""
    folder = inbox.add([change()])
    _receipt(agent={"user": "agent\0"}, time_zone="a\0zone")(folder)
    inbox.add([change("good")])
    assert inbox.load(url).status is ExitStatus.DONE
    ((agent, words),) = asked(url, "SELECT agent, reason FROM gros.batches WHERE id = 1")
    assert (agent, r"the time zone a\x00zone is unknown" in words) == (r"agent\x00", True)


def test_a_zone_that_the_database_does_not_know(inbox: Inbox, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's list of zones may be newer than that of the database."""
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: {"Atlantis/Capital"})
    inbox.add([commit()], zone="Atlantis/Capital")
    inbox.add([change("good")], zone="UTC")
    assert [one.state for one in inbox.load(url).batches] == ["refused", "loaded"]
    ((words,),) = asked(url, "SELECT reason FROM gros.batches WHERE id = 1")
    assert "Atlantis/Capital" in words


def test_a_row_that_is_too_long(inbox: Inbox, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LONGEST_ROW", 3 << 20)
    inbox.add([commit(message="x" * (5 << 20))])
    inbox.add([commit(message="x" * (2 << 20))])
    assert inbox.load(url).status is ExitStatus.PARTLY
    assert asked(url, "SELECT state, rows FROM gros.batches ORDER BY id") == [("refused", 0), ("loaded", 1)]


def test_rows_longer_than_usual(inbox: Inbox, url: str) -> None:
    """DuckDB reads objects of 16 MiB at most, unless it is told otherwise."""
    longest = checking.LONGEST_ROW - 1000
    inbox.add([commit(message="x" * longest), commit("abd")])
    assert inbox.load(url).status is ExitStatus.DONE
    assert asked(url, "SELECT max(length(message)) FROM gros.vcs_versions") == [(longest,)]


def test_again(inbox: Inbox, url: str) -> None:
    """A batch that was mended is loaded when asked for, and replaces nothing that came later."""
    first = inbox.add([tag("old"), tag("of another", "other")], [change(insertions="1"), change("b")])
    content = (first / CHANGES).read_bytes()
    (first / CHANGES).write_bytes(b"")
    inbox.add([tag("new")], [change(insertions="2")])
    assert inbox.load(url).status is ExitStatus.PARTLY
    (first / CHANGES).write_bytes(content)
    assert inbox.load(url).batches == []
    (one,) = inbox.load(url, again=True).batches
    assert (one.state, one.number, one.rows) == ("loaded", 1, 4)
    assert asked(url, "SELECT id, batch, state, reason FROM gros.batches ORDER BY id") == [
        (1, "b1", "loaded", None),
        (2, "b2", "loaded", None),
    ]
    assert asked(url, "SELECT tag_name FROM gros.tag ORDER BY 1") == [("new",), ("of another",)]
    assert asked(url, "SELECT file, insertions FROM gros.change_path ORDER BY 1") == [("a.py", 2), ("b", 1)]
    assert inbox.load(url, again=True).batches == []


def test_again_with_a_key_that_stands_twice(inbox: Inbox, url: str) -> None:
    """It is refused once more, although what came later would stay in any case."""
    inbox.add([tag("old"), tag("old")])
    inbox.add([tag("new")])
    inbox.load(url)
    (one,) = inbox.load(url, again=True).batches
    assert (one.state, one.reason) == ("refused", "data_tag.json: two rows have the same repo_name, tag_name")


def test_empty(inbox: Inbox, url: str) -> None:
    assert inbox.load(url).status is ExitStatus.DONE
    inbox.add(VcsVersion, Tag, ChangePath)  # a project without commits
    assert [one.rows for one in inbox.load(url).batches] == [0]


def test_what_is_no_batch(inbox: Inbox, url: str, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("ABC/.000001", "ABC/notes", "lost+found/000001-b", "ABC/000001-b\udcff", "ABC/000001-b (copy)"):
        (inbox.folder / name).mkdir(parents=True)
    inbox.add_files({"data_environments.json": b"[]", "data_sources.json": b"[]"})
    inbox.load(url)
    assert "4 entries of the inbox are no batches" in caplog.text
    assert asked(url, "SELECT batch, state FROM gros.batches") == [("b1", "loaded")]


def test_no_inbox(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such folder"):
        Inbox(tmp_path / "nowhere").load(f"duckdb:{tmp_path / 'x.duckdb'}")
    assert list(tmp_path.iterdir()) == []
