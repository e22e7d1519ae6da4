"""Batches that wait: nothing that was collected is replaced, and all of it arrives in order, once."""

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from gros_agent.deliver import contact, outbox
from gros_agent.settings.load import load
from gros_agent.settings.model import Settings
from gros_agent.tables.batch import Manifest, ProjectFolder, write_manifest
from support.agent import Agent, Finished, give_secrets, table
from support.controller import Controller, client_key, controller, start
from support.existing import existing_controller
from support.jenkins import Jenkins
from support.replay import serving
from support.repository import Repository
from support.sample import Sample
from support.zones import needs_time_zones

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
CALLS = ("agent.py", "status.py", "export.py", "version.py", "log.py")


@dataclass
class Work:
    """A project with a repository that grows, and a Jenkins with one job more at each run."""

    agent: Agent
    repository: Repository
    jenkins: Jenkins
    variables: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def happen(self) -> None:
        number = str(len(self.made))
        self.made.append(self.repository.commit(number, {"a": number}))
        self.jenkins.jobs.append({"_class": "hudson.model.FreeStyleProject", "name": f"job-{number}"})

    def list_sources(self) -> None:
        self.agent.export().mkdir(parents=True, exist_ok=True)
        listed = [
            {"type": "git", "name": "code", "url": self.repository.url},
            {"type": "jenkins", "name": "builds", "url": self.jenkins.replay.url},
        ]
        (self.agent.export() / "data_sources.json").write_text(json.dumps(listed))

    def run(self, *arguments: str, **variables: str) -> Finished:
        return self.agent(*(arguments or ("run",)), variables=self.variables | variables)

    def settings(self, **variables: str) -> Settings:
        return load(self.agent.home, self.agent.environment(self.variables | variables))

    def waits(self) -> int:
        return len(outbox.waiting(self.settings().project("TEST")))


@pytest.fixture
def work(agent: Agent, tmp_path: Path) -> Iterator[Work]:
    jenkins = Jenkins()
    with serving(jenkins.replay):
        one = Work(agent, Repository.make(tmp_path / "repository"), jenkins)
        one.list_sources()
        yield one


def content(folder: Path, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((folder / f"{name}.json").read_text())
    return found


def check_in_order(batches: list[Path], made: list[str], moments: int = 0) -> None:
    """Each commit came once, in the order in which they were made; and so did what Jenkins was at each moment."""
    commits = [row["version_id"] for batch in batches for row in content(batch, "data_vcs_versions")]
    assert Counter(commits) == Counter(made)
    assert [commits.index(commit) for commit in made] == sorted(range(len(made)))
    jobs = [int(json.loads((batch / "data_jenkins.json").read_text())["jobs"]) for batch in batches]
    assert jobs == sorted(jobs)
    if moments:
        assert jobs == list(range(jobs[0], jobs[0] + moments))


class TestAway:
    """The controller is away for five runs of eight, or for as long as kills go on."""

    def test_everything_of_every_run_arrives(self, work: Work, tmp_path: Path) -> None:
        dates = []
        with controller(tmp_path / "controller") as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
        for number in range(5):
            work.happen()
            done = work.run()
            assert done.status == 6, done
            assert f"{number + 1} batch{'es wait' if number else ' waits'}" in done.output
            dates.append((work.agent.export() / "preflight_date.txt").read_text())
            assert work.waits() == number + 1
        ports = ("--https-port", str(running.https), "--ssh-port", str(running.ssh))
        with controller(tmp_path / "controller", *ports) as again:
            for _ in range(2):
                work.happen()
                done = work.run()
                assert done.status == 0, done
            inbox = again.inbox("TEST")
            assert work.waits() == 0
        assert len(inbox) == 8
        check_in_order(inbox, work.made, moments=8)
        assert [(batch / "preflight_date.txt").read_text() for batch in inbox[1:6]] == dates
        assert all(path.stat().st_mode & 0o077 == 0 for path in (work.agent.home / "state" / "outbox").rglob("*/"))

    @pytest.mark.integration
    def test_at_an_existing_controller(self, work: Work, tmp_path: Path) -> None:
        """There the next batch comes when the import of the one before has ended."""
        with existing_controller(tmp_path / "controller", "scp") as running:
            work.variables = running.variables(JIRA_KEY="TEST", GROS_AGENT_WAIT="20")
            running.imports.seconds = 0.2
            work.happen()
            assert work.run().status == 0
            running.misbehave |= dict.fromkeys(CALLS, lambda _handler: None)
            for number in range(5):
                work.happen()
                done = work.run()
                assert done.status == 6, done
                assert work.waits() == number + 1
            running.misbehave.clear()
            for _ in range(2):
                work.happen()
                done = work.run()
                assert done.status == 0, done
            assert len(running.announced) == 8
            check_in_order(sorted(running.inbox.iterdir()), work.made, moments=8)

    @pytest.mark.slow
    @pytest.mark.integration
    @pytest.mark.parametrize("kind", ["reference", "existing"])
    def test_with_kills(self, work: Work, tmp_path: Path, draw: Sample, kind: str) -> None:
        """The agent is killed at any moment, also while the controller is away, or comes and goes."""
        chance = draw.chance(f"outbox {kind}")
        with ExitStack() as stack:
            counterpart = (AtReference if kind == "reference" else AtExisting)(stack, work, tmp_path)
            work.happen()
            assert work.run().status == 0
            for _ in range(draw.times(8, 50)):
                work.happen()
                if chance.random() < 0.3:
                    counterpart.toggle()
                process = work.agent.start("run", variables=work.variables)
                try:
                    process.wait(chance.uniform(0.2, 2.0))
                except subprocess.TimeoutExpired:
                    process.kill()
                process.communicate()
            work.happen()
            if counterpart.is_away:
                counterpart.toggle()
            for _ in range(4):  # what was announced when it was killed may be imported meanwhile
                done = work.run()
                if done.status == 0:
                    break
            assert done.status == 0, done
            check_in_order(counterpart.batches(), work.made)
            assert work.waits() == 0
            assert not list(work.agent.home.rglob(".*.new"))

    def test_never_registered(self, work: Work) -> None:
        """There is nobody whose schedule could be followed, and no secrets."""
        work.variables = {"SSH_HOST": "127.0.0.1", "SSH_HTTPS_PORT": "9", "JIRA_KEY": "TEST"}
        work.happen()
        done = work.run()
        assert done.status == 4
        assert "can't be reached" in done.output
        assert not work.waits()

    def test_let_in_too_long_ago(self, work: Work, tmp_path: Path) -> None:
        with controller(tmp_path / "controller") as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
        done = work.run(OUTBOX_MAX_AGE="0.001")
        assert done.status == 4, done
        assert not work.waits()

    def test_preflight_says_so(self, work: Work, tmp_path: Path) -> None:
        with controller(tmp_path / "controller") as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
        work.happen()
        assert work.run().status == 6
        done = work.run("preflight", "--json")
        assert done.status == 6, done
        found = [one for one in json.loads(done.output) if one["status"] == "away"]
        assert "TEST: controller" in [one["name"] for one in found]
        assert "the controller is away since" in found[0]["detail"]
        assert "collecting into the outbox, 1 batch waits" in found[0]["detail"]
        assert not [one for one in json.loads(done.output) if one["status"] == "failed"]

    @needs_time_zones
    def test_moments_are_those_of_our_clock(self, work: Work, tmp_path: Path) -> None:
        with controller(tmp_path / "controller") as running:
            work.variables = running.variables(work.agent.home) | {"TZ": "Asia/Tokyo"}
            work.happen()
            assert work.run().status == 0
        begun = datetime.now(timezone(timedelta(hours=9))).replace(microsecond=0, tzinfo=None)
        for _ in range(2):
            work.happen()
            done = work.run()
            assert done.status == 6
        listed = work.run("outbox", "list", "--project", "TEST").output
        words = rf"away since ({MOMENT}): |the batch of ({MOMENT}) waits|^ *(?:\d+|newest) .*?({MOMENT})"
        found = re.findall(words, done.output + done.errors + listed, re.MULTILINE)
        assert all(any(one[place] for one in found) for place in range(3)), (found, done, listed)
        for moment in (datetime.strptime("".join(one), "%Y-%m-%d %H:%M:%S") for one in found):  # noqa: DTZ007
            assert begun <= moment < begun + timedelta(minutes=10)


class AtReference:
    """The reference controller, which is away when it is stopped."""

    is_away = False

    def __init__(self, stack: ExitStack, work: Work, folder: Path) -> None:
        self.folder = folder / "controller"
        self.running = start(self.folder)
        self.ports = ("--https-port", str(self.running.https), "--ssh-port", str(self.running.ssh))
        stack.callback(self.end)
        work.variables = self.running.variables(work.agent.home)

    def toggle(self) -> None:
        if self.is_away:
            self.running = start(self.folder, *self.ports)
        else:
            self.running.stop()
            assert self.running.process.stdout
            self.running.process.stdout.close()
        self.is_away = not self.is_away

    def end(self) -> None:
        if not self.is_away:
            self.toggle()

    def batches(self) -> list[Path]:
        return self.running.inbox("TEST")


class AtExisting:
    """An existing controller, which is away when it breaks all connections."""

    def __init__(self, stack: ExitStack, work: Work, folder: Path) -> None:
        self.running = stack.enter_context(existing_controller(folder / "controller", "scp"))
        self.running.imports.seconds = 0.1
        work.variables = self.running.variables(JIRA_KEY="TEST", GROS_AGENT_WAIT="20")

    @property
    def is_away(self) -> bool:
        return bool(self.running.misbehave)

    def toggle(self) -> None:
        if self.is_away:
            self.running.misbehave.clear()
        else:
            self.running.misbehave |= dict.fromkeys(CALLS, lambda _handler: None)

    def batches(self) -> list[Path]:
        return sorted(self.running.inbox.iterdir())


class TestSchedule:
    """When it is time to collect while the controller is away."""

    @pytest.mark.parametrize(
        ("interval", "message", "period", "ago", "due"),
        [
            (None, "", "", 1, True),  # whoever starts a run decides
            (0.0, "", "15min", 1, True),  # the controller has no schedule
            (7200.0, "", "15min", 3600, False),
            (7200.0, "", "15min", 7200, True),
            (None, "Next scheduled gather moment is in 1:00:00", "15min", 1800, False),
            (None, "Next scheduled gather moment is in 2 days, 1:00:00.5", "", 1800, False),
            (None, "", "15min", 900, False),  # not known: at most once an hour
            (None, "", "15min", 3600, True),
            (None, "", "daily", 3600, False),
            (None, "", "daily", 86400, True),
        ],
    )
    def test_is_due(self, work: Work, interval: float | None, message: str, period: str, ago: float, due: bool) -> None:
        work.variables = {"SSH_HOST": "127.0.0.1", "JIRA_KEY": "TEST", "CRON_PERIOD": period}
        settings = work.settings()
        made = datetime.now(UTC) - timedelta(seconds=ago)
        batch = Manifest(identifier="b", made=made, delivered=made, tables={}, trackers={})
        write_manifest(work.agent.export() / ".batch.json", batch)
        contact.note_answer(settings.project("TEST"), interval, message)
        assert contact.is_due(settings.project("TEST")) is due

    @pytest.mark.parametrize("interval", [float("nan"), float("inf"), -1.0, 1e300])
    def test_a_schedule_that_is_none(self, work: Work, interval: float) -> None:
        work.variables = {"SSH_HOST": "127.0.0.1", "JIRA_KEY": "TEST"}
        contact.note_answer(work.settings().project("TEST"), interval, f"in {'9' * 5000} days, 1:00:00")
        assert contact.read(work.settings().project("TEST")).interval is None

    def test_the_last_known_one_is_followed(self, work: Work, tmp_path: Path) -> None:
        with controller(tmp_path / "controller", "--days", "1") as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
        assert work.run().status == 5
        assert not work.waits()
        assert work.run("run", "--skip-preflight").status == 6
        assert work.waits() == 1


class TestWithoutController:
    @pytest.fixture(autouse=True)
    def secrets(self, agent: Agent) -> None:
        give_secrets(agent)

    def test_a_batch_is_kept(self, work: Work) -> None:
        for _ in range(3):
            work.happen()
            assert work.run("scrape", "--project", "TEST").status == 0
        kept = outbox.waiting(work.settings().project("TEST"))
        assert [one.number for one in kept] == [1, 2, None]
        commits = [row["version_id"] for one in kept for row in content(one.folder, "data_vcs_versions")]
        assert commits == work.made

    def test_nothing_new_leaves_what_lies_there(self, work: Work) -> None:
        """Also where tables are whole each time, and the same."""
        work.happen()
        work.repository.git("tag", "v1")
        assert work.run("scrape", "--project", "TEST").status == 0
        before = table(work.agent, "data_vcs_versions")
        done = work.run("scrape", "--project", "TEST")
        assert done.status == 0
        assert "nothing is new: the batch of" in done.output
        assert "6 rows in 6 tables" in done.output
        assert table(work.agent, "data_vcs_versions") == before
        assert work.waits() == 1
        work.happen()
        assert work.run("scrape", "--project", "TEST").status == 0
        assert [row["version_id"] for row in table(work.agent, "data_vcs_versions")] == work.made[-1:]
        assert work.waits() == 2

    def test_commands(self, work: Work) -> None:
        for _ in range(3):
            work.happen()
            assert work.run("scrape", "--project", "TEST").status == 0
        listed = json.loads(work.run("outbox", "list", "--project", "TEST", "--json").output)
        assert [one["number"] for one in listed] == [1, 2, None]
        assert "newest" in work.run("outbox", "list", "--project", "TEST").output
        shown = json.loads(work.run("outbox", "show", "--project", "TEST", "2", "--json").output)[0]
        assert {one["name"] for one in shown["files"]} >= {"data_vcs_versions.json", "latest_vcs_versions.json"}
        assert "data_jenkins.json" in work.run("outbox", "show", "--project", "TEST", "newest").output
        for arguments, words in {
            ("show", "7"): "no batch 7 waits",
            ("drop", "7"): "no batch 7 waits",
            ("drop",): "which batches?",
            ("drop", "1", "--all"): "which batches?",
        }.items():
            done = work.run("outbox", arguments[0], "--project", "TEST", *arguments[1:])
            assert done.status == 7
            assert words in done.errors
        assert work.waits() == 3

    @pytest.mark.parametrize(
        ("dropped", "collected"), [(["newest"], [2]), (["2", "newest"], [1, 2]), (["--all"], [0, 1, 2]), (["1"], [2])]
    )
    def test_what_was_dropped_is_collected_again(self, work: Work, dropped: list[str], collected: list[int]) -> None:
        """Unless something newer waits, whose positions are past it: then nothing is new, and that one stays."""
        for _ in range(3):
            work.happen()
            assert work.run("scrape", "--project", "TEST").status == 0
        assert work.run("outbox", "drop", "--project", "TEST", *dropped).status == 0
        assert work.waits() == 3 - (len(dropped) if dropped != ["--all"] else 3)
        assert work.run("scrape", "--project", "TEST").status == 0
        found = [row["version_id"] for row in table(work.agent, "data_vcs_versions")]
        assert sorted(found) == sorted(work.made[number] for number in collected)

    def test_fetched_is_not_collected_again(self, work: Work) -> None:
        for _ in range(2):
            work.happen()
            assert work.run("scrape", "--project", "TEST").status == 0
        assert work.run("outbox", "drop", "--project", "TEST", "--all", "--fetched").status == 0
        assert not work.waits()
        work.happen()
        assert work.run("scrape", "--project", "TEST").status == 0
        assert [row["version_id"] for row in table(work.agent, "data_vcs_versions")] == work.made[-1:]
        assert work.waits() == 1

    def test_limits(self, work: Work) -> None:
        """What is reached stops the collecting; nothing is dropped."""
        work.happen()
        assert work.run("scrape", "--project", "TEST", OUTBOX_MAX_BYTES="1k").status == 0
        work.happen()
        done = work.run("scrape", "--project", "TEST", OUTBOX_MAX_BYTES="0.1k")
        assert done.status == 6
        assert "the outbox of TEST is full: 1 batches" in done.output
        assert work.waits() == 1
        assert work.run("scrape", "--project", "TEST", OUTBOX_MAX_AGE="0.001s").status == 0  # nobody fetches it
        done = work.run("scrape", "--project", "TEST", OUTBOX_MAX_BYTES="much")
        assert done.status == 7
        assert "OUTBOX_MAX_BYTES" in done.errors


def test_too_old(work: Work, tmp_path: Path) -> None:
    with controller(tmp_path / "controller") as running:
        work.variables = running.variables(work.agent.home)
        work.happen()
        assert work.run().status == 0
        assert work.run("scrape", "--project", "TEST").status == 0
        work.happen()
        done = work.run("scrape", "--project", "TEST", OUTBOX_MAX_AGE="0.001")
        assert done.status == 6
        assert "waits for 0.0 hours: nothing more is collected" in done.output
        assert work.run().status == 0
        check_in_order(running.inbox("TEST"), work.made)


class TestKilledInBetween:
    """Every state that a kill can leave between the steps of keeping and forgetting counts as one of its two ends."""

    @pytest.fixture(autouse=True)
    def kept(self, agent: Agent, work: Work) -> None:
        give_secrets(agent)
        work.happen()
        assert work.run("scrape", "--project", "TEST").status == 0

    def test_copied_and_not_replaced(self, work: Work) -> None:
        settings = work.settings()
        outbox.set_aside(settings.project("TEST"))
        outbox.set_aside(settings.project("TEST"))
        (one,) = outbox.waiting(settings.project("TEST"))
        assert one.number == 1
        work.happen()
        assert work.run("scrape", "--project", "TEST").status == 0
        assert [one.number for one in outbox.waiting(settings.project("TEST"))] == [1, None]

    def test_half_a_copy(self, work: Work) -> None:
        settings = work.settings()
        folder = settings.home.state / "outbox" / "TEST"
        (folder / ".new-half").mkdir(parents=True)
        (folder / ".new-half" / "data_vcs_versions.json").write_text("[")
        outbox.tidy(settings.project("TEST"))
        assert not list(folder.iterdir())
        assert len(outbox.waiting(settings.project("TEST"))) == 1

    def test_delivered_and_not_forgotten(self, work: Work) -> None:
        settings = work.settings()
        outbox.set_aside(settings.project("TEST"))
        ProjectFolder(work.agent.export()).mark_delivered(datetime.now(UTC))
        assert not outbox.waiting(settings.project("TEST"))
        outbox.tidy(settings.project("TEST"))
        assert not list((settings.home.state / "outbox" / "TEST").iterdir())

    def test_removed_by_half(self, work: Work) -> None:
        settings = work.settings()
        outbox.set_aside(settings.project("TEST"))
        folder = settings.home.state / "outbox" / "TEST"
        (folder / "000001").rename(folder / ".gone-000001")
        ProjectFolder(work.agent.export()).mark_delivered(datetime.now(UTC))
        outbox.tidy(settings.project("TEST"))
        assert not list(folder.iterdir())

    def test_on_another_disk(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        """The state may lie in another volume than the tables: then they are copied."""

        def refuse(*_arguments: Any) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        outbox.set_aside(work.settings().project("TEST"))
        (one,) = outbox.waiting(work.settings().project("TEST"))
        assert content(one.folder, "data_vcs_versions") == table(work.agent, "data_vcs_versions")


@contextmanager
def _restarted(folder: Path, running: Controller) -> Iterator[Controller]:
    ports = ("--https-port", str(running.https), "--ssh-port", str(running.ssh))
    with controller(folder, *ports) as again:
        yield again


class TestNoDeadlock:
    """Whatever became of the controller while a delivery is open: the next run gets out by itself."""

    @pytest.mark.parametrize("stage", ["uploading", "announcing", "announced"])
    def test_it_lost_its_database(self, work: Work, tmp_path: Path, stage: str) -> None:
        folder = tmp_path / "controller"
        with controller(folder) as running:
            self.open_delivery(work, running, stage)
        for path in folder.glob("controller.db*"):
            path.unlink()
        with _restarted(folder, running) as again:
            work.happen()
            done = work.run()
            assert done.status == 0, done
            assert "has other secrets for TEST than before" in done.errors
            check_in_order(again.inbox("TEST"), work.made)
            assert work.run().status == 0

    @pytest.mark.parametrize("stage", ["uploading", "announcing", "announced"])
    def test_it_has_another_key_in_our_name(self, work: Work, tmp_path: Path, stage: str) -> None:
        with controller(tmp_path / "controller") as running:
            self.open_delivery(work, running, stage)
            assert running.register(client_key(tmp_path, "other"), "TEST", "TEST").status_code == 200
            work.happen()
            done = work.run()
            assert done.status == 0, done
            check_in_order(running.inbox("TEST"), work.made)

    def test_it_took_the_batch_before(self, work: Work, tmp_path: Path) -> None:
        """The inbox tells, where the database was lost: a batch is not taken twice."""
        folder = tmp_path / "controller"
        with controller(folder) as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
        manifest = work.agent.export() / ".batch.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"delivered": None}))
        for path in folder.glob("controller.db*"):
            path.unlink()
        with _restarted(folder, running) as again:
            done = work.run()
            assert done.status == 0, done
            assert len(again.inbox("TEST")) == 2
            check_in_order(again.inbox("TEST"), work.made)

    def open_delivery(self, work: Work, running: Controller, stage: str) -> None:
        work.variables = running.variables(work.agent.home)
        work.happen()
        assert work.run().status == 0
        work.happen()
        assert work.run("scrape", "--project", "TEST").status == 0
        batch = json.loads((work.agent.export() / ".batch.json").read_text())["identifier"]
        record = work.agent.home / "state" / "deliveries" / "TEST.json"
        record.parent.mkdir(exist_ok=True)
        now = datetime.now(UTC).isoformat()
        record.write_text(json.dumps({"batch": batch, "stage": stage, "since": now, "noted": now}))

    def test_force_and_abandon(self, work: Work, tmp_path: Path) -> None:
        """What an operator can do about a batch that was announced, and that an existing controller never takes."""
        with existing_controller(tmp_path / "controller", "scp") as running:
            work.variables = running.variables(JIRA_KEY="TEST", GROS_AGENT_WAIT="0.3")
            running.imports.ignored.add("TEST")
            work.happen()
            assert work.run().status == 6
            registered = len(running.registered)
            assert work.run("register", "--project", "TEST").status == 6
            assert len(running.registered) == registered
            done = work.run("register", "--project", "TEST", "--force")
            assert done.status == 0, done
            assert len(running.registered) == registered + 1
            assert work.waits() == 1
            assert work.run("export", "--project", "TEST").status == 6
            running.imports.ignored.clear()
            done = work.run("export", "--project", "TEST", "--abandon", GROS_AGENT_WAIT="20")
            assert done.status == 0, done
            check_in_order(sorted(running.inbox.iterdir()), work.made)

    def test_announced_is_not_dropped(self, work: Work, tmp_path: Path) -> None:
        with existing_controller(tmp_path / "controller", "scp") as running:
            work.variables = running.variables(JIRA_KEY="TEST", GROS_AGENT_WAIT="0.3")
            running.imports.ignored.add("TEST")
            work.happen()
            assert work.run().status == 6
            done = work.run("outbox", "drop", "--project", "TEST", "newest")
            assert done.status == 6
            assert "the controller may have it" in done.errors
            assert work.waits() == 1


class TestNoFalseReceipt:
    """That files are gone is no proof: a registration by anybody removes them as well."""

    def test_the_controller_is_asked(self, work: Work, tmp_path: Path) -> None:
        with controller(tmp_path / "controller") as running:
            work.variables = running.variables(work.agent.home)
            work.happen()
            assert work.run().status == 0
            work.happen()
            assert work.run("scrape", "--project", "TEST").status == 0
            key = next(line for line in _public_keys(work.agent.home))
            stop = time.monotonic() + 5
            process = work.agent.start("export", "--project", "TEST", "--wait", "2", variables=work.variables)
            while process.poll() is None and time.monotonic() < stop:
                requests.post(
                    f"{running.url}agent.py",
                    params={"project": "TEST", "agent": "TEST"},
                    data={"public_key": key},
                    verify=str(running.certificate),
                    timeout=10,
                )
            process.communicate()
            receipts = {path.stem for path in (work.agent.home / "state" / "receipts" / "TEST").iterdir()}
            taken = {batch.name.partition("-")[2] for batch in running.inbox("TEST")}
            assert receipts <= taken
            assert work.run().status == 0
            check_in_order(running.inbox("TEST"), work.made)

    @pytest.mark.integration
    @pytest.mark.parametrize("imported", [True, False])
    def test_wiped_at_an_existing_controller(self, work: Work, tmp_path: Path, imported: bool) -> None:
        """Somebody registers in the agent's name: what the database has after our next registration tells."""
        with existing_controller(tmp_path / "controller", "scp") as running:
            work.variables = running.variables(JIRA_KEY="TEST", GROS_AGENT_WAIT="0.5")
            running.status = {"importer": {"ok": True}, "total": {"ok": True}}
            work.happen()
            assert work.run(GROS_AGENT_WAIT="20").status == 0
            work.happen()

            def wiped(_handler: Any) -> tuple[int, str]:
                if imported:
                    running.announced.append({"project": "TEST"})
                    running.take("TEST", "TEST")
                running.register("TEST", "TEST", "the same key")
                (running.home / "update" / "TEST" / "preflight_date.txt").write_text("2020-01-01T00:00:00.000000+00:00")
                if imported:
                    (running.home / "update" / "TEST" / "latest_vcs_versions.json").write_text("{}")
                return 202, ""

            running.misbehave["export.py"] = wiped
            done = work.run()
            assert done.status == 0, done
            (receipt,) = (path for path in self.receipts(work) if path["imported"] is None)
            assert receipt["known_by"] == "presumption"
            running.misbehave.clear()
            work.happen()
            done = work.run(GROS_AGENT_WAIT="20")
            assert done.status == 0, done
            check_in_order(sorted(running.inbox.iterdir()), work.made)
            assert {one["known_by"] for one in self.receipts(work)} == {"import"}

    def receipts(self, work: Work) -> list[dict[str, Any]]:
        folder = work.agent.home / "state" / "receipts" / "TEST"
        return [json.loads(path.read_text()) for path in folder.iterdir()]


def _public_keys(home: Path) -> Iterator[str]:
    for path in (*home.glob("*.pub"), *home.glob(".ssh/*.pub")):
        yield path.read_text().strip()


def test_leftovers_of_killed_processes(work: Work, tmp_path: Path) -> None:
    """What was to take the place of a file goes at the next start, unless its process lives."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    with controller(tmp_path / "controller") as running, subprocess.Popen(["sleep", "60"]) as alive:
        work.variables = running.variables(work.agent.home)
        work.happen()
        assert work.run().status == 0
        folders = [
            work.agent.export(),
            *(work.agent.home / name for name in ("state", "state/receipts/TEST", "secrets")),
        ]
        left = [folder / f".x.json.{dead.pid}.new" for folder in folders]
        old, used = work.agent.export() / f".old.{alive.pid}.new", work.agent.export() / f".used.{alive.pid}.new"
        for path in (*left, old, used):
            path.write_text("half")
        os.utime(old, (0, 0))
        assert work.run().status == 0
        assert [path for path in (*left, old, used) if path.exists()] == [used]
        alive.terminate()
