"""The history of runs: what is written comes back, numbers only grow, and nothing that happens to the file is fatal."""

import logging
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gros_agent.errors import AgentError, ExitStatus
from gros_agent.project.report import Outcome
from gros_agent.run import history as module
from gros_agent.run.history import KEPT_DAYS, Ended, History
from gros_agent.runtime.masking import shown

DAY = 86400.0
TEXTS = st.text(max_size=30) | st.just("\0<script>\udcff")
OUTCOMES = st.builds(
    Outcome,
    source=TEXTS,
    kind=st.sampled_from(["git", "jira"]),
    items=st.integers(0, 10**12),
    expected=st.none() | st.integers(0, 10**12),
    seconds=st.floats(0, 1e6),
    notes=st.lists(TEXTS, max_size=3).map(tuple),
    error=TEXTS,
    hint=TEXTS,
    status=st.sampled_from([ExitStatus.DONE, ExitStatus.PARTLY]),
)
ENDS = st.builds(
    Ended,
    status=st.sampled_from(ExitStatus),
    error=TEXTS,
    hint=TEXTS,
    notes=st.lists(TEXTS, max_size=3).map(tuple),
    outcomes=st.lists(OUTCOMES, max_size=3).map(tuple),
    tables=st.dictionaries(st.sampled_from(["data_tag", "data_vcs_versions"]), st.integers(0, 10**9)),
    delivered_rows=st.integers(0, 10**12),
    delivered_bytes=st.integers(0, 10**15),
    retries=st.integers(0, 100),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.db"


@pytest.fixture
def history(path: Path) -> History:
    return History(path)


def run(history: History, project: str = "ABC", status: ExitStatus = ExitStatus.DONE, **more: Any) -> int:
    number = history.begin(project, "schedule")
    history.end(number, Ended(status=status, **more))
    return number


def totals(history: History) -> Counter[tuple[str, str, str]]:
    return Counter({(one.project, one.name, one.label): one.value for one in history.totals()})


def encodable(text: str) -> str:
    return shown(text).encode(errors="replace").decode()


def test_nothing_yet(history: History) -> None:
    assert history.runs() == []
    assert history.run(1) is None
    assert history.current() is None
    assert history.last_started() is None
    assert history.last_runs() == {}
    assert history.last_successes() == {}
    assert history.totals() == []
    assert [rows for _, rows in history.rows_per_day(7)] == [0] * 7


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(ended=ENDS)
def test_what_is_told_comes_back(history: History, ended: Ended) -> None:
    number = history.begin("ABC", "request")
    history.end(number, ended)
    found = history.run(number)
    assert found
    assert (found.project, found.trigger, found.status) == ("ABC", "request", ended.status)
    assert found.error == encodable(ended.error)
    assert found.notes == tuple(map(encodable, ended.notes))
    assert found.tables == ended.tables
    assert found.rows == sum(ended.tables.values())
    assert (found.delivered_rows, found.delivered_bytes) == (ended.delivered_rows, ended.delivered_bytes)
    assert [one.name for one in found.sources] == [encodable(one.source) for one in ended.outcomes]
    assert [one.expected for one in found.sources] == [one.expected for one in ended.outcomes]
    assert [one.seconds for one in found.sources] == [one.seconds for one in ended.outcomes]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("ABC"), st.none() | ENDS, st.floats(-DAY, 500 * DAY)), max_size=8))
def test_totals_and_numbers_only_grow(history: History, steps: list[tuple[str, Ended | None, float]]) -> None:
    """Whatever happens: runs that are killed, forgotten or repeated, and clocks that are set back."""
    before, newest = totals(history), 0
    with pytest.MonkeyPatch.context() as patch:
        now = [time.time()]
        patch.setattr(time, "time", lambda: now[0])
        for project, ended, seconds in steps:
            number = history.begin(project, "schedule")
            assert number > newest
            newest = number
            now[0] += seconds
            if ended:
                history.end(number, ended)
            after = totals(history)
            assert all(after[key] >= value for key, value in before.items())
            before = after
    history.close_killed()
    assert sum(value for (_, name, _), value in totals(history).items() if name == "runs") >= len(steps)


def test_totals_by_label(history: History) -> None:
    failed = Outcome(source="a", kind="git", status=ExitStatus.PARTLY)
    for _ in range(2):
        run(
            history,
            status=ExitStatus.PARTLY,
            outcomes=(failed, failed, Outcome(source="b", kind="jira")),
            tables={"data_tag": 3},
            delivered_rows=3,
            delivered_bytes=100,
            retries=1,
        )
    run(history, "XYZ")
    found = totals(history)
    assert found["ABC", "runs", "partly"] == 2
    assert found["XYZ", "runs", "done"] == 1
    assert found["ABC", "rows", "data_tag"] == 6
    assert found["ABC", "source_failures", "git"] == 4
    assert ("ABC", "source_failures", "jira") not in found
    assert (found["ABC", "delivered_rows", ""], found["ABC", "delivered_bytes", ""]) == (6, 200)
    assert found["ABC", "retries", ""] == 2


def test_run_that_goes_on(history: History, path: Path) -> None:
    number = history.begin("ABC", "schedule")
    history.stage(number, "scrape")
    history.progress(number, "git:one", 5, 10)
    history.progress(number, "git:one", 6, 10)  # too soon to be told
    found = History(path).current()
    assert found
    assert (found.stage, found.what, found.done, found.total) == ("scrape", "git:one", 5, 10)
    assert (found.ended, found.status) == (None, None)
    history.stage(number, "export")
    history.progress(number, "upload", 1, None)
    found = history.current()
    assert found
    assert (found.stage, found.what, found.done, found.total) == ("export", "upload", 1, None)
    history.end(number, Ended(status=ExitStatus.DONE))
    assert history.current() is None


def test_killed_run_ended_when_it_was_last_heard_of(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.time()
    killed = history.begin("ABC", "schedule")
    monkeypatch.setattr(time, "time", lambda: begun + 60)
    history.stage(killed, "scrape")
    monkeypatch.setattr(time, "time", lambda: begun + 3 * DAY)
    history.close_killed()
    following = history.begin("ABC", "schedule")
    found = history.run(killed)
    assert found
    assert found.ended
    assert found.status is ExitStatus.UNEXPECTED
    assert "killed" in found.error
    assert (found.ended - found.started).total_seconds() == pytest.approx(60, abs=5)
    assert totals(history)["ABC", "runs", "unexpected"] == 1
    current = history.current()
    assert current
    assert current.identifier == following


def test_run_ends_once(history: History) -> None:
    number = run(history)
    for wrong in (number, number + 1):
        with pytest.raises(AgentError, match="not going on"):
            history.end(wrong, Ended(status=ExitStatus.DONE))
    assert totals(history)["ABC", "runs", "done"] == 1


def test_pages(history: History) -> None:
    numbers = [run(history, "XYZ" if index % 3 == 0 else "ABC") for index in range(10)]
    assert [one.identifier for one in history.runs()] == numbers[::-1]
    assert [one.identifier for one in history.runs(limit=3, before=numbers[5])] == numbers[4:1:-1]
    assert [one.identifier for one in history.runs(project="XYZ")] == [numbers[9], numbers[6], numbers[3], numbers[0]]
    assert history.runs(project="NONE") == []


def test_repeated_refusals_are_one(history: History) -> None:
    done = run(history)
    for _ in range(5):
        last = run(history, status=ExitStatus.NOT_DUE)
    other = run(history, "XYZ", ExitStatus.NOT_DUE)
    assert [one.identifier for one in history.runs()] == [other, last, done]
    assert totals(history)["ABC", "runs", "not_due"] == 5


def test_last_runs_and_successes(history: History) -> None:
    first = run(history)
    succeeded = history.last_successes()["ABC"]
    failed = run(history, status=ExitStatus.POSTPONED)
    run(history, status=ExitStatus.NOT_DUE)
    run(history, "XYZ", ExitStatus.NOT_DUE)
    history.begin("ABC", "schedule")
    last = history.last_runs()
    assert {project: one.identifier for project, one in last.items()} == {"ABC": failed}
    assert history.last_successes() == {"ABC": succeeded}
    assert first < failed
    assert abs(datetime.now(UTC) - succeeded) < timedelta(minutes=1)


def test_last_started(history: History) -> None:
    run(history)
    before = history.last_started()
    run(history, status=ExitStatus.NOT_DUE)
    assert history.last_started() == before
    history.begin("ABC", "request")
    after = history.last_started()
    assert before
    assert after
    assert after > before


def test_old_runs_are_forgotten(history: History, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - (KEPT_DAYS + 1) * DAY)
    old = run(history, outcomes=(Outcome(source="a", kind="git"),), tables={"data_tag": 1})
    monkeypatch.setattr(time, "time", lambda: now - (KEPT_DAYS - 1) * DAY)
    kept = run(history, tables={"data_tag": 1})
    monkeypatch.setattr(time, "time", lambda: now)
    newest = run(history, tables={"data_tag": 1})
    assert [one.identifier for one in history.runs()] == [newest, kept]
    assert history.run(old) is None
    assert totals(history)["ABC", "rows", "data_tag"] == 3
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from sources").fetchall() == [(0,)]
        assert connection.execute("select count(*) from tables").fetchall() == [(2,)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_rows_per_day(history: History, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        noon = datetime.now().astimezone().replace(hour=12).timestamp()
        for ago, rows in ((0, 5), (0, 6), (2, 7), (29, 8), (30, 9)):
            monkeypatch.setattr(time, "time", lambda ago=ago: noon - ago * DAY)
            run(history, tables={"data_tag": rows, "other": 1})
        monkeypatch.undo()
        monkeypatch.setenv("TZ", zone)
        days = history.rows_per_day(30)
        assert len(days) == 30
        assert days[-1] == (datetime.now().astimezone().date().isoformat(), 13)
        assert (days[-3][1], days[0][1]) == (8, 9)
        assert sum(rows for _, rows in days) == 30
    finally:
        monkeypatch.undo()
        time.tzset()


WRITER = """
import sys
from pathlib import Path
from gros_agent.errors import ExitStatus
from gros_agent.run.history import Ended, History

history, project = History(Path(sys.argv[1])), sys.argv[2]
history.close_killed = lambda: None  # each of them believes that it is the only one
for _ in range(10):
    number = history.begin(project, "schedule")
    history.stage(number, "scrape")
    history.end(number, Ended(status=ExitStatus.DONE, tables={"data_tag": 2}))
    history.runs(limit=5)
"""


def test_concurrent_writers_and_readers(history: History, path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, project]) for project in ("A", "B", "C")]
    while any(writer.poll() is None for writer in writers):
        history.totals()
        history.runs()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    found = totals(history)
    assert [found[project, "rows", "data_tag"] for project in "ABC"] == [20, 20, 20]
    assert len(history.runs()) == 30


# what can happen to the file


def test_file_that_is_none_is_set_aside(history: History, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and never was one " * 100)
    path.with_name("history.db-journal").write_bytes(b"a journal of it")
    with caplog.at_level(logging.WARNING):
        number = run(history)
    assert [one.identifier for one in history.runs()] == [number]
    assert "history.damaged" in caplog.text
    assert path.with_name("history.damaged").read_bytes().startswith(b"this is no database")
    assert not path.with_name("history.db-journal").exists()


def test_damage_deep_inside_is_told_once_and_set_aside(history: History, path: Path) -> None:
    for _ in range(30):
        run(history, error="x" * 4000, tables={"data_tag": 1})
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(AgentError, match="damaged"):
        history.runs()
    assert history.runs() == []
    run(history)
    assert len(history.runs()) == 1
    assert path.with_name("history.damaged").exists()


def test_file_set_aside_during_a_run(history: History, path: Path) -> None:
    number = history.begin("ABC", "schedule")
    path.write_bytes(b"rubbish" * 1000)
    history.stage(number, "scrape")
    with pytest.raises(AgentError, match="not going on"):
        history.end(number, Ended(status=ExitStatus.DONE))
    assert history.begin("ABC", "schedule")


def test_what_is_missing_stands_where_errors_do(history: History) -> None:
    """Whoever looks at a run sees what a source did not give, though the rest of it was collected."""
    run(history, outcomes=(Outcome(source="a", kind="gitlab", missing=("pushes", "notes"), status=ExitStatus.PARTLY),))
    ((source,),) = (one.sources for one in history.runs())
    assert source.error == "not collected: pushes; not collected: notes"


def test_folder_is_private(history: History, path: Path) -> None:
    assert history.runs() == []
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_empty_file_is_a_beginning(history: History, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    run(history)
    assert len(history.runs()) == 1


def test_content_that_no_run_has(history: History, path: Path) -> None:
    run(history)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update runs set status = 99")
    with pytest.raises(AgentError, match="no run has"):
        history.runs()


def test_file_of_a_newer_version(history: History, path: Path) -> None:
    run(history)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("pragma user_version = 99")
    with pytest.raises(AgentError, match="newer version"):
        history.runs()
    assert not path.with_name("history.damaged").exists()


def test_folder_in_its_place(history: History, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(AgentError, match="can't be used"):
        history.runs()


def test_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(AgentError):
        History(tmp_path / "state" / "history.db").runs()


def test_locked_for_too_long(history: History, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(history)
    monkeypatch.setattr("gros_agent.runtime.sqlite._BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert len(history.runs()) == 1  # readers do not wait
        with pytest.raises(AgentError, match="locked"):
            history.begin("ABC", "schedule")


def test_history_of_an_older_version(tmp_path: Path) -> None:
    """Its file has no column for workers: it is added, and what is in the file stays."""
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(module._SCHEMA.replace(",\n    worker text not null default ''", ""))
        connection.execute("insert into runs (project, trigger, started, seen) values ('ABC', 'x', 1.0, 1.0)")
        connection.execute("insert into sources values (1, 'code', 'git', 1, 1, 1.0, 0, '', '', '[]')")
        connection.execute("pragma user_version = 1")
    found = History(path)
    found.end(1, Ended(status=ExitStatus.DONE))
    (run,) = History(path).runs()
    assert [(one.name, one.worker) for one in run.sources] == [("code", "")]
