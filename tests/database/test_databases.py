"""Databases that are away, full, read-only, of another version or busy; and passwords, which nobody gets to see."""

import json
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gros_agent import __version__
from gros_agent.database import definitions, loading, views
from gros_agent.database import postgresql as on_server
from gros_agent.errors import AgentError, BusyError, ConfigurationError, ExitStatus
from support.agent import Agent
from support.inbox import Inbox, asked, dump
from support.postgresql import PASSWORD, Server
from support.rows import change, commit, measurement, tag
from support.sample import Sample

QUOTED = PASSWORD.replace("/", "%2F").replace("@", "%40").replace(" ", "%20").replace(":", "%3A")


class TestVersions:
    def test_first(self, inbox: Inbox, url: str) -> None:
        inbox.load(url)
        assert dump(url) == {"version": [(definitions.FORMAT, __version__, views.digest())]}

    def test_a_later_one(self, inbox: Inbox, url: str) -> None:
        inbox.load(url)
        run(url, "UPDATE gros.version SET format = 77, program = '9.9.9'")
        inbox.add([change()])
        words = f"has tables of version 77, made by gros-agent 9.9.9: this gros-agent {__version__} knows version"
        with pytest.raises(ConfigurationError, match=words):
            inbox.load(url)
        assert dump(url) == {"version": [(77, "9.9.9", views.digest())]}

    def test_an_earlier_one(self, inbox: Inbox, url: str) -> None:
        """What it lacks is added, and its rows stay."""
        inbox.add([change()], [tag("a")], [commit()])
        inbox.load(url)
        whole = columns(url)
        run(
            url,
            *("DROP TABLE gros.tag CASCADE", "ALTER TABLE gros.change_path DROP COLUMN size"),
            *("ALTER TABLE gros.vcs_versions DROP COLUMN branch", "UPDATE gros.version SET format = 0"),
        )
        inbox.add([change("b")], [tag("b")], [commit("abd", branch="main")])
        inbox.add([tag("c")])
        assert inbox.load(url).status is ExitStatus.DONE
        assert columns(url) == whole
        assert asked(url, "SELECT file, size FROM gros.change_path ORDER BY 1") == [("a.py", None), ("b", 5)]
        assert asked(url, "SELECT tag_name FROM gros.tag") == [("c",)]
        assert asked(url, "SELECT version_id, branch FROM gros.vcs_versions ORDER BY 1") == [
            ("abc", None),
            ("abd", "main"),
        ]
        assert asked(url, "SELECT format FROM gros.version") == [(definitions.FORMAT,)]

    def test_not_ours(self, inbox: Inbox, url: str) -> None:
        run(url, "CREATE SCHEMA gros", "CREATE TABLE gros.tag (name TEXT)")
        with pytest.raises(ConfigurationError, match="has tables that gros-agent did not make"):
            inbox.load(url)
        assert dump(url) == {}

    def test_every_column_says_what_it_is(self, inbox: Inbox, url: str) -> None:
        inbox.load(url)
        if url.startswith("duckdb:"):
            query = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'gros'"
        else:
            query = (
                "SELECT table_name, column_name, col_description(('gros.' || table_name)::regclass, ordinal_position)"
                " FROM information_schema.columns WHERE table_schema = 'gros'"
            )
        shown = {view.name for view in views.views()}
        found = {(table, column): text for table, column, text in asked(url, query) if table not in shown}
        assert [place for place, comment in found.items() if not comment] == []
        assert found["merge_request", "author"] == "Who made the request. Pseudonym, if the row is encrypted."


def run(url: str, *statements: str) -> None:
    with loading.opened(url) as target, target.transaction():
        for statement in statements:
            target.run(statement)


def columns(url: str) -> set[tuple[str, ...]]:
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'gros'"
    return set(asked(url, query))


class TestFiles:
    """Files of DuckDB."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "data.duckdb"

    def test_for_its_owner_alone(self, inbox: Inbox, path: Path) -> None:
        inbox.load(f"duckdb:{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("nowhere/data.duckdb", "can't be used"),
            ("garbage", "not a valid DuckDB database file"),
            ("folder", "can't be used"),
            ("gros.duckdb", "does not know the schema gros"),
            ("GROS", "does not know the schema gros"),
        ],
    )
    def test_no_such_file(self, inbox: Inbox, tmp_path: Path, name: str, words: str) -> None:
        (tmp_path / "garbage").write_bytes(b"nothing " * 10_000)
        (tmp_path / "folder").mkdir()
        with pytest.raises(ConfigurationError, match=words):
            inbox.load(f"duckdb:{tmp_path / name}")
        assert not (tmp_path / name).exists() or name in {"garbage", "folder"}

    def test_names_that_mean_something_elsewhere(
        self, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in (":memory:", "md:data"):
            inbox.load(f"duckdb:{name}")
            assert (tmp_path / name).is_file()

    def test_inbox_with_a_pattern_in_its_name(self, tmp_path: Path, path: Path) -> None:
        inbox = Inbox(tmp_path / "in[bo]x *'\\")
        inbox.add([change()])
        assert inbox.load(f"duckdb:{path}").batches[0].rows == 1

    def test_open_elsewhere(self, inbox: Inbox, path: Path) -> None:
        code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
        arguments = [sys.executable, "-c", code, str(path)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout
            assert other.stdout.readline()
            with pytest.raises(BusyError, match="is open in another process"):
                inbox.load(f"duckdb:{path}")
            other.communicate()
        assert inbox.load(f"duckdb:{path}").status is ExitStatus.DONE

    def test_full(self, inbox: Inbox, path: Path) -> None:
        """A disk that takes no more: what was loaded before is there, and the rest comes later."""
        url = f"duckdb:{path}"
        inbox.add([change()])
        inbox.load(url)
        before = dump(url)
        inbox.add([commit(f"{number:040x}", message=f"{number:x}" * 400) for number in range(30_000)])
        with limited(path.stat().st_size + 100_000), pytest.raises(AgentError, match="can't") as caught:
            inbox.load(url)
        assert "nothing is half done" in caught.value.hint
        assert dump(url) == before
        assert [one.rows for one in inbox.load(url).batches] == [30_000]


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.integration
class TestServers:
    """Servers of PostgreSQL."""

    @pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
    def test_other_encodings(self, inbox: Inbox, postgresql: Server, encoding: str) -> None:
        """What a database can't hold is refused."""
        name = f"of_{encoding.lower()}"
        with postgresql.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        url = postgresql.url(name)
        inbox.add([commit(message="ä")])
        inbox.add([commit("abd", message="日本")])
        states = [one.state for one in inbox.load(url).batches]
        assert states == ["loaded", "loaded" if encoding == "SQL_ASCII" else "refused"]
        assert asked(url, "SELECT message FROM gros.vcs_versions WHERE version_id = 'abc'") == [("ä",)]

    def test_away(self, inbox: Inbox) -> None:
        with pytest.raises(AgentError, match=r"can't be used.*refused") as caught:
            inbox.load("postgresql://owner@127.0.0.1:1/data")
        assert caught.value.status is ExitStatus.UNEXPECTED

    def test_too_old(self, inbox: Inbox, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(on_server, "_OLDEST", 990000)
        with pytest.raises(ConfigurationError, match="is PostgreSQL 1"):
            inbox.load(postgresql.new())

    def test_no_such_database(self, inbox: Inbox, postgresql: Server) -> None:
        with pytest.raises(AgentError, match='database "nowhere" does not exist'):
            inbox.load(postgresql.url("nowhere"))

    def test_read_only(self, inbox: Inbox, postgresql: Server) -> None:
        url = postgresql.new()
        inbox.load(url)
        inbox.add([change()])
        before = dump(url)
        with pytest.raises(ConfigurationError, match=r"can't be changed: .*read-only"):
            inbox.load(f"{url}&options=-c%20default_transaction_read_only%3Don")
        assert dump(url) == before

    def test_without_rights(self, inbox: Inbox, postgresql: Server) -> None:
        url = postgresql.new()
        run(url, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
        with pytest.raises(ConfigurationError, match="can't be changed: permission denied"):
            inbox.load(url.replace("owner@", "reader@"))

    def test_full(self, inbox: Inbox, postgresql: Server) -> None:
        """The server says that its disk is full, in the middle of a batch."""
        url = postgresql.new()
        inbox.load(url)
        body = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"
        run(
            url,
            f"CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON gros.tag EXECUTE FUNCTION no_space()",
        )
        before = dump(url)
        inbox.add([change()], [tag("a")])
        with pytest.raises(AgentError, match="is full: could not extend file"):
            inbox.load(url)
        assert dump(url) == before
        run(url, "DROP TRIGGER full_disk ON gros.tag")
        assert [one.rows for one in inbox.load(url).batches] == [2]

    def test_loaded_by_another(self, inbox: Inbox, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(on_server, "_WAIT_SECONDS", 0.2)
        url = postgresql.new()
        inbox.add([change()])
        with loading.opened(url) as other, other.transaction(), pytest.raises(BusyError, match="by another process"):
            inbox.load(url)
        assert inbox.load(url).status is ExitStatus.DONE

    def test_two_at_once(self, agent: Agent, inbox: Inbox, postgresql: Server) -> None:
        """Both end well, and each batch is there once."""
        url = postgresql.new()
        for number in range(10):
            inbox.add([change(f"{number}.{row}") for row in range(1000)])
        arguments = ("controller", "load", "--to", url, "--inbox", inbox.folder)
        processes = [agent.start(*arguments) for _ in range(2)]
        told = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], told
        assert asked(url, "SELECT count(*), count(DISTINCT batch), sum(rows) FROM gros.batches") == [(10, 10, 10_000)]
        assert asked(url, "SELECT count(*) FROM gros.change_path") == [(10_000,)]

    def test_lost_on_the_way(self, inbox: Inbox, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server ends the connection while rows are copied."""
        url = postgresql.new()
        inbox.add([change()])
        inbox.load(url)
        before = dump(url)
        inbox.add([change("b")])
        put = on_server.PostgreSQL.put

        def cut(target: on_server.PostgreSQL, *arguments: object) -> None:
            with postgresql.connect("postgres") as other:
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gros-agent'"
                other.execute(end)
            put(target, *arguments)  # type: ignore[arg-type] # passed on

        with monkeypatch.context() as patch:
            patch.setattr(on_server.PostgreSQL, "put", cut)
            with pytest.raises(AgentError, match=r"can't be used: .*terminat"):
                inbox.load(url)
        assert dump(url) == before
        assert [one.number for one in inbox.load(url).batches] == [2]


@pytest.mark.integration
class TestPasswords:
    """Each way of libpq works, and no password is shown."""

    def load(self, agent: Agent, inbox: Inbox, url: str, **variables: str) -> tuple[int, str]:
        arguments = ("controller", "load", "--inbox", inbox.folder, "--log", "DEBUG")
        done = agent(*arguments, "--to", url, variables=variables)
        told = done.output + done.errors
        for word in (PASSWORD, QUOTED, "wrong-word", "pass/word"):
            assert word not in told
        return done.status, told

    @pytest.mark.parametrize("way", ["url", "query", "variable", "file", "option's variable"])
    def test_right(self, agent: Agent, inbox: Inbox, postgresql: Server, tmp_path: Path, way: str) -> None:
        plain = postgresql.new()
        inbox.add([commit(message=PASSWORD)])
        inbox.add_files({"data_tag.json": json.dumps([{PASSWORD: "1"}]).encode()})
        name = plain.partition("@/")[2].partition("?")[0]
        url = f"postgresql://owner@127.0.0.1:{postgresql.port}/{name}"
        variables = {}
        if way == "url":
            url = postgresql.url(name, QUOTED)
        elif way == "query":
            url += f"?password={QUOTED}"
        elif way == "variable":
            variables = {"PGPASSWORD": PASSWORD}
        elif way == "file":
            file = tmp_path / "passwords"
            file.write_text(f"*:*:*:owner:{PASSWORD.replace(':', chr(92) + ':')}\n")
            file.chmod(0o600)
            variables = {"PGPASSFILE": str(file)}
        else:
            done = agent(
                *("controller", "load", "--inbox", inbox.folder),
                variables={"GROS_AGENT_CONTROLLER_LOAD_TO": postgresql.url(name, QUOTED)},
            )
            assert done.status == 3, done
            assert PASSWORD not in done.output + done.errors
            return
        status, told = self.load(agent, inbox, url, **variables)
        assert (status, "unknown field `********`" in told) == (3, True)
        assert asked(plain, "SELECT message FROM gros.vcs_versions") == [(PASSWORD,)]

    @pytest.mark.parametrize(
        ("url", "status", "words"),
        [
            ("postgresql://owner:wrong-word@127.0.0.1:{port}/postgres", 1, "password authentication failed"),
            ("postgresql://owner:wrong-word@127.0.0.1:{port}/postgres?sslmode=verify-full", 1, "can't be used"),
            ("postgresql://owner:pass/word@127.0.0.1:{port}/postgres", 7, "could not be parsed"),
            ("postgresql://owner:pass@wrong-word@127.0.0.1:{port}/postgres", 7, "could not be parsed"),
            ("postgresql://owner:wrong-word?x@127.0.0.1:{port}/postgres", 1, "authentication failed"),
            ("postgresql://owner:wrong-word#x@127.0.0.1:{port}/postgres", 1, "authentication failed"),
            ("postgresql://owner:wrong-word%zz@127.0.0.1:{port}/postgres", 7, "could not be parsed"),
            ("postgresql://owner:wrong-word@127.0.0.1:1/x?no_such_option=wrong-word", 7, "could not be parsed"),
            ("mysql://owner:wrong-word@127.0.0.1/x", 7, "'mysql' is no kind of database"),
            ("wrong:wrong-word", 7, "'wrong' is no kind of database"),
            ("duckdb:", 7, "is no kind of database"),
        ],
    )
    def test_wrong(self, agent: Agent, inbox: Inbox, postgresql: Server, url: str, status: int, words: str) -> None:
        found, told = self.load(agent, inbox, url.format(port=postgresql.port))
        assert (found, words in told) == (status, True), told


def test_without_the_extra(tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url, extra in (
        ("duckdb", f"duckdb:{tmp_path / 'data.duckdb'}", "database"),
        ("psycopg", "postgresql://127.0.0.1/x", "postgresql"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            for module in ("duckdb_file", "postgresql"):
                patch.delitem(sys.modules, f"gros_agent.database.{module}", raising=False)
            with pytest.raises(ConfigurationError, match=f"needs {name}, which is not installed") as caught:
                inbox.load(url)
        assert caught.value.hint == f"install gros-agent[{extra}]"


class TestKills:
    """Killed at any moment, each batch is loaded once."""

    def test_at_random(self, agent: Agent, inbox: Inbox, url: str, tmp_path: Path, draw: Sample) -> None:
        for number in range(6):
            rows = [change(f"{number}.{row}") for row in range(3000)]
            inbox.add(rows, [tag(f"v{number}"), tag("v")], [measurement(str(number))])
        whole = f"duckdb:{tmp_path / 'whole.duckdb'}"
        inbox.load(whole)
        arguments = ("controller", "load", "--to", url, "--inbox", inbox.folder, "--quiet")
        chance = draw.chance(f"kills of {url.partition(':')[0]}")
        for _ in range(draw.times(4, 30)):
            with agent.start(*arguments) as process:
                time.sleep(chance.uniform(0.2, 1.8))
                process.kill()
        done = agent(*arguments)
        assert done.status == 0, done
        assert dump(url) == dump(whole)
        if url.startswith("duckdb:"):
            assert asked(url, "SELECT count(*) FROM duckdb_tables() WHERE temporary") == [(0,)]
