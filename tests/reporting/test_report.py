"""The command: where its data come from, what it says of what is missing, and how it ends if it can't be made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gros_agent.cli import execute
from gros_agent.database import loading
from gros_agent.rows import Jenkins, JiraStatus, MetricTarget, Tag
from support.agent import Agent
from support.controller import controller
from support.inbox import Inbox, dump
from support.postgresql import Server
from support.report import Reading, read
from support.repository import linear_history
from support.rows import AUTHOR, OTHER, commit, issue, measurement, request, tag


def report(agent: Agent, *arguments: str | Path) -> Reading:
    done = agent("report", "--output", "report.html", *arguments)
    assert done.status == 0, done
    return read(agent.home / "report.html")


class TestAgent:
    """What lies at an agent."""

    def test_batches_of_an_outbox(self, agent: Agent, tmp_path: Path) -> None:
        """Without a controller, earlier batches wait there; all of them are in the report."""
        repository = linear_history(tmp_path / "code", 5)
        repository.git("reset", "--quiet", "--hard")
        for number in range(3):
            assert agent("scrape", "--project", "TEST", "--source", f"git:code={repository.path}").status == 0
            repository.commit(f"more {number}", {"more": str(number)})
        reading = report(agent)
        assert sum(int(row[1]) for row in reading.rows("commits")) == 7
        assert reading.rows("batches")[0][:2] == ["3", "0"]
        assert "From this agent, as of" in reading.text
        assert str(agent.home) not in reading.text
        export = report(agent, "--from", agent.home / "export")
        assert sum(int(row[1]) for row in export.rows("commits")) == 1
        assert report(agent, "--from", agent.export()).rows("commits") == export.rows("commits")

    def test_delivered_batches(self, agent: Agent, tmp_path: Path) -> None:
        """The report says that there were more, and the inbox of the controller has all."""
        repository = linear_history(tmp_path / "code", 5)
        repository.git("reset", "--quiet", "--hard")
        with controller(tmp_path / "controller") as running:
            given = running.variables(agent.home)
            for number in range(3):
                for call in (("register",), ("scrape", "--source", f"git:code={repository.path}"), ("export",)):
                    assert agent(*call, variables=given).status == 0
                repository.commit(f"more {number}", {"more": str(number)})
            inbox = running.folder / "inbox"
        reading = report(agent)
        assert sum(int(row[1]) for row in reading.rows("commits")) == 1
        assert "2 earlier batches of TEST went to the controller and are not in this report" in reading.text
        arrived = report(agent, "--from", inbox)
        assert sum(int(row[1]) for row in arrived.rows("commits")) == 7
        assert "went to the controller" not in arrived.text

    def test_completeness(self, agent: Agent, tmp_path: Path) -> None:
        """What came of each source against what its system announced, in all batches."""
        repository = linear_history(tmp_path / "code", 5)
        repository.git("reset", "--quiet", "--hard")
        source = ("scrape", "--project", "TEST", "--source", f"git:code={repository.path}")
        assert agent(*source).status == 0
        assert "In the newest batch of each, every source was collected whole." in report(agent).text
        repository.commit("more", {"more": "x"})
        assert agent(*source, "--source", f"git:gone={tmp_path / 'gone'}").status == 3
        reading = report(agent)
        assert reading.rows("completeness") == [
            ["gone", "git", "0", "\N{EN DASH}", "1", "1", "failed"],
            ["code", "git", "6", "6", "2", "0", "whole"],
        ]
        assert "In the newest batch of each, gone (git) was not collected whole." in reading.text

    def test_nothing_yet(self, agent: Agent) -> None:
        done = agent("report", "--output", "report.html")
        assert done.status == 7
        assert "nothing was collected yet" in done.errors
        assert not (agent.home / "report.html").exists()

    def test_json(self, agent: Agent, inbox: Inbox) -> None:
        inbox.add([commit()])
        done = agent("report", "--from", inbox.folder, "--output", "report.html", "--json")
        (written,) = json.loads(done.output)
        size = (agent.home / "report.html").stat().st_size
        assert written == {"path": "report.html", "bytes": size, "projects": ["ABC"], "origin": str(inbox.folder)}


class TestContent:
    def test_without_commits(self, agent: Agent, inbox: Inbox) -> None:
        """Parts without data have one sentence together with the systems that would fill them."""
        inbox.add([request()], [tag("v1")])
        reading = report(agent, "--from", inbox.folder)
        sections = [given["id"] for name, given in reading.elements if name == "section"]
        assert sections == ["requests", "reviews", "collected", "missing"]
        assert "Commits, releases and contributors: nothing of that was collected. Git or Subversion would" in (
            reading.text
        )
        assert "Build servers: nothing of that was collected. Jenkins would fill it." in reading.text
        assert "None of 1 change request has a response." in reading.text

    def test_nothing_but_a_batch(self, agent: Agent, inbox: Inbox) -> None:
        inbox.add(Tag)
        reading = report(agent, "--from", inbox.folder)
        assert [given["id"] for name, given in reading.elements if name == "section"] == ["collected", "missing"]

    def test_a_single_day(self, agent: Agent, inbox: Inbox) -> None:
        inbox.add([commit(f"{number:040x}") for number in range(3)])
        reading = report(agent, "--from", inbox.folder)
        assert reading.rows("commits") == [["2024-05-01", "3"]]

    @pytest.mark.parametrize(("years", "unit"), [(10, "month"), (20, "quarter"), (50, "year")])
    def test_long_histories(self, agent: Agent, inbox: Inbox, years: int, unit: str) -> None:
        """In one batch: the periods get longer, and the page stays small."""
        days = range(0, years * 365, 5)
        moments = [f"{1974 + (day // 365):04}-{day % 365 // 31 + 1:02}-{day % 28 + 1:02} 10:00:00" for day in days]
        rows = [commit(f"{number:040x}", commit_date=moment) for number, moment in enumerate(moments)]
        inbox.add(rows)
        reading = report(agent, "--from", inbox.folder)
        assert reading.tables["commits"][0] == [f"{unit} from", "code"]
        assert sum(int(row[1].replace(",", "")) for row in reading.rows("commits")) == len(rows)
        assert len(reading.rows("commits")) < 140
        assert (agent.home / "report.html").stat().st_size < 500_000

    def test_clocks_that_were_wrong(self, agent: Agent, inbox: Inbox) -> None:
        """Commits of former and future centuries count, and don't stretch the chart."""
        moments = ("1902-01-01 00:00:00", "2154-12-31 23:59:59", "2024-05-01 10:00:00", "2024-05-02 10:00:00")
        inbox.add([commit(f"{number:040x}", commit_date=moment) for number, moment in enumerate(moments)], zone="UTC")
        reading = report(agent, "--from", inbox.folder)
        assert reading.rows("commits") == [["2024-05-01", "1"], ["2024-05-02", "1"]]
        assert "4 commits, merges and empty ones included" in reading.text
        assert "2 commits with a date that can't be right are not drawn" in reading.text

    def test_the_last_moment_that_tables_hold(self, agent: Agent, inbox: Inbox, url: str) -> None:
        """West of Greenwich it is in the year 10000 of UTC, which Python does not have."""
        last = "9999-12-31 23:59:59"
        target = {"domain_type": "t", "scale": "count", "default": "1", "target": "5", "direction": "1"}
        inbox.add(
            [commit("a"), commit("b", author_date=last)],
            [request(1, last, created_at=last, status="merged")],
            [measurement(moment=last)],
            [MetricTarget(name="coverage", base_name="n", domain_name="d", revision="1", **target)],
            zone="America/New_York",
        )
        inbox.load(url)
        reading = report(agent, "--from", url)
        assert reading.rows("commits") == [["2024-05-01", "1"]]
        assert [row[2:4] for row in reading.rows("sources") if row[1] == "commits"] == [["2", "2024-05-01"]]
        assert reading.rows("missed")[0][-1].startswith("9999-12-31")

    def test_numbers_as_large_as_they_can_be(self, agent: Agent, inbox: Inbox, url: str) -> None:
        """A sum of two of them is none that the databases have."""
        largest = 2**63 - 1
        for number, project in enumerate(("ABC", "DEF")):
            lines = {"insertions": str(largest), "deletions": str(largest)}
            folder = inbox.add([commit(f"a{number}", **lines), commit(f"b{number}", **lines)], project=project)
            receipt = json.loads((folder / "receipt.json").read_text())
            told = {"name": "code", "kind": "git", "items": largest, "expected": largest, "state": "whole"}
            receipt["sources"] = [told, told]
            (folder / "receipt.json").write_text(json.dumps(receipt))
        inbox.load(url)
        reading = report(agent, "--from", url)
        assert reading.rows("lines") == [["2024-05-01", f"{largest:,}", f"{largest:,}"]]
        assert [row[3:5] for row in reading.rows("completeness")] == [[f"{largest:,}", f"{largest:,}"]] * 2

    def test_what_is_beyond_the_rows(self, agent: Agent, inbox: Inbox) -> None:
        """A sentence about all build servers, or about the longest status, is not one about the first rows."""
        for number in range(52):
            server = Jenkins(host=f"h{number:02}", jobs=100 - number, views=1, nodes=1)
            inbox.add([server], project=f"{chr(65 + number // 26)}{chr(65 + number % 26)}")
        rows = []
        for number in range(13):  # twelve statuses with two long stays, and one with a single stay that is longer
            for stay in range(1 if number == 12 else 2):
                key, hours = 100 * number + stay, 20 if number == 12 else 12
                rows.append(issue(key, status=str(number), updated="2024-05-01 00:00:00"))
                left = {"changelog_id": "1", "status": "99", "updated": f"2024-05-01 {hours:02}:00:00"}
                rows.append(issue(key, **left))
        inbox.add([JiraStatus(id=str(number), name=f"s{number:02}") for number in range(13)], rows, project="XX")
        reading = report(agent, "--from", inbox.folder)
        assert len(reading.rows("builds")) == 50
        assert f"52 build servers with {sum(100 - number for number in range(52)):,} jobs" in reading.text
        assert "The 50 with the most jobs are listed." in reading.text
        assert len(reading.rows("statuses")) == 12
        assert "The 12 with the most time in all are drawn; of these it is longest in s00: 12 hours." in reading.text

    def test_projects(self, agent: Agent, inbox: Inbox) -> None:
        for project, count in (("ABC", 2), ("DEF", 3)):
            inbox.add([commit(f"{number:040x}") for number in range(count)], project=project)
        source = ("--from", inbox.folder)
        both = report(agent, *source)
        assert both.rows("commits") == [["2024-05-01", "5"]]
        assert [row[:2] for row in both.rows("batches")] == [["ABC", "1"], ["DEF", "1"]]
        assert report(agent, *source, "--project", "DEF").rows("commits") == [["2024-05-01", "3"]]
        assert report(agent, *source, "--project", "DEF", "--project", "ABC").rows("commits") == both.rows("commits")
        done = agent("report", *source, "--output", "other.html", "--project", "GHI")
        assert done.status == 7
        assert "has nothing of GHI" in done.errors
        assert "name one of ABC, DEF" in done.errors

    def test_many_sources_and_projects(self, agent: Agent, inbox: Inbox) -> None:
        """Only the first are told one by one, and none is left out of the sums."""
        for number in range(12):
            project = f"P{chr(65 + number)}"
            inbox.add([commit(f"{one:040x}", repo_name=f"{'long ' * 40}{one}") for one in range(40)], project=project)
        reading = report(agent, "--from", inbox.folder)
        assert len(reading.rows("sources")) == 200
        assert "The first 200 of 480 rows." in reading.text
        assert reading.rows("commits")[0][-1] == "420"  # others, beside the five of 40 that are drawn by themselves
        assert "PA, PB, PC, PD, PE, PF and 6 more" in reading.text
        assert (agent.home / "report.html").stat().st_size < 500_000

    def test_erased_people(self, agent: Agent, inbox: Inbox) -> None:
        """They are counted no more, and neither is who comes later with a batch."""
        for version, person in (("a", AUTHOR), ("b", OTHER)):
            inbox.add([commit(version, developer=person, developer_email=person)])
        source = ("--from", inbox.folder)
        assert [row[1:] for row in report(agent, *source).rows("contributors")] == [["0", "2"]]
        done = agent("controller", "erase", OTHER, "--inbox", inbox.folder)
        assert done.status == 0, done
        inbox.add([commit("c", developer=OTHER, developer_email=OTHER)])
        reading = report(agent, *source)
        assert [row[1:] for row in reading.rows("contributors")] == [["0", "1"]]
        assert reading.rows("commits") == [["2024-05-01", "3"]]

    def test_refused_batches(self, agent: Agent, inbox: Inbox) -> None:
        """The report is made without them, and says why."""
        inbox.add([commit()])
        inbox.add_files({"data_tag.json": b"[{]"})
        done = agent("report", "--from", inbox.folder, "--output", "report.html")
        assert done.status == 3
        ((number, _, reason),) = read(agent.home / "report.html").rows("refused")
        assert (number, reason.partition(":")[0]) == ("2", "data_tag.json")


class TestWhatIsWrong:
    def test_a_later_version(self, agent: Agent, inbox: Inbox, url: str) -> None:
        inbox.add([commit()])
        inbox.load(url)
        self.change(url, "UPDATE gros.version SET format = 77, program = '9.9.9'")
        self.check(agent, url, 7, "has tables of version 77, made by gros-agent 9.9.9")

    def test_another_version_of_the_views(self, agent: Agent, inbox: Inbox, url: str) -> None:
        """A report changes nothing, whatever would be needed."""
        inbox.add([commit()])
        inbox.load(url)
        self.change(url, "UPDATE gros.version SET views = 'others'")
        before = dump(url)
        self.check(agent, url, 7, "has tables or views of another version")
        assert dump(url) == before

    def test_no_batches(self, agent: Agent, inbox: Inbox, url: str) -> None:
        inbox.load(url)
        self.check(agent, url, 7, "there are no batches in")

    def test_no_tables(self, agent: Agent, url: str) -> None:
        with loading.opened(url):  # makes the file
            pass
        self.check(agent, url, 7, "has no tables of gros-agent")

    def test_a_user_who_may_not_read(self, agent: Agent, inbox: Inbox, postgresql: Server) -> None:
        url = postgresql.new()
        inbox.add([commit()])
        inbox.load(url)
        with loading.opened(url) as target, target.transaction():
            target.run("DROP ROLE IF EXISTS looker")
            target.run("CREATE ROLE looker LOGIN")
        looking = url.replace("owner@", "looker@")
        self.check(agent, looking, 7, "has no tables of gros-agent that this user may read")
        self.change(url, "GRANT USAGE ON SCHEMA gros TO looker", "GRANT SELECT ON gros.version TO looker")
        self.check(agent, looking, 7, "can't be read: permission denied")
        self.change(url, "GRANT SELECT ON ALL TABLES IN SCHEMA gros TO looker")
        assert agent("report", "--from", looking, "--output", "report.html").status == 0

    def test_away(self, agent: Agent) -> None:
        self.check(agent, "postgresql://owner@127.0.0.1:9/data", 1, "can't be used")
        self.check(agent, "duckdb:nowhere.duckdb", 7, "can't be used")
        assert not (agent.home / "nowhere.duckdb").exists()
        self.check(agent, "mysql://host/data", 7, "is no kind of database")
        self.check(agent, "nowhere", 7, "there is neither an inbox of a controller nor an export of an agent")

    def test_open_elsewhere(self, agent: Agent, inbox: Inbox) -> None:
        path = agent.home / "data.duckdb"
        inbox.add([commit()])
        inbox.load(f"duckdb:{path}")
        code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout
            assert other.stdout.readline()
            self.check(agent, f"duckdb:{path}", 5, "is open in another process")
            other.communicate()
        assert agent("report", "--from", f"duckdb:{path}", "--output", "report.html").status == 0

    def test_output(self, agent: Agent, inbox: Inbox) -> None:
        inbox.add([commit()])
        done = agent("report", "--from", inbox.folder, "--output", "nowhere/report.html")
        assert done.status == 7
        assert "the folder for it does not exist" in done.errors
        assert agent("report", "--from", inbox.folder).status == 2

    def test_without_the_extra(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        monkeypatch.setattr("gros_agent.reporting.needs.find_spec", lambda name: None if name == "vl_convert" else name)
        assert execute(["report", "--output", str(tmp_path / "report.html")]) == 7
        assert capsys.readouterr().err.splitlines() == [
            "error: a report needs vl_convert, which is not installed",
            "  what to do: install gros-agent[report]",
        ]

    @staticmethod
    def change(url: str, *statements: str) -> None:
        with loading.opened(url) as target, target.transaction():
            for statement in statements:
                target.run(statement)

    @staticmethod
    def check(agent: Agent, source: str, status: int, words: str) -> None:
        done = agent("report", "--from", source, "--output", "report.html")
        assert done.status == status, done
        assert words in done.errors
        assert "what to do" in done.errors
        assert not (agent.home / "report.html").exists()
