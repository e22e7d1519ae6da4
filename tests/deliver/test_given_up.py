"""Deliveries that somebody gives up, or that a kill cut short: each row still arrives once, and none is lost."""

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from gros_agent.deliver import open_deliveries, outbox
from gros_agent.runtime.storage import exclusive
from gros_agent.settings.load import load
from support.agent import Agent, give_secrets, table
from support.existing import Answer, ExistingController, existing_controller
from support.installation import QUICK, SOON, Installation
from support.repository import Repository

NO, YES = {"ok": False, "message": "no"}, {"ok": True}
IDLE = {"importer": YES, "total": YES}
BUSY = {"importer": {"ok": False, "message": "an import goes on"}, "total": NO, "database": YES}
LEFT = {"GROS_AGENT_WAIT": "0.3"}
"""How long to wait for a controller that does not take a batch."""


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[ExistingController]:
    with existing_controller(tmp_path / "controller", "scp") as running:
        running.status = IDLE
        yield running


@pytest.fixture
def one(agent: Agent, controller: ExistingController, tmp_path: Path) -> Installation:
    return Installation(agent, controller, tmp_path, "TEST")


def stage(one: Installation) -> str | None:
    delivery = open_deliveries.read(load(one.agent.home, one.agent.environment(one.variables)).project("TEST"))
    return delivery.stage if delivery else None


def kill_while_it_announces(one: Installation, *, taken: bool) -> None:
    """Kill a run that waits for the answer to its announcement, which was carried out or not."""
    told, over = threading.Event(), threading.Event()

    def instead(handler: BaseHTTPRequestHandler) -> Answer | None:
        del handler
        if taken:
            one.controller.announced.append({"project": "TEST"})
            one.controller.take("TEST", "TEST")
        told.set()
        over.wait(SOON)
        return None

    one.controller.misbehave["export.py"] = instead
    with one.agent.start("run", variables=one.variables) as process:
        assert told.wait(SOON)
        process.kill()
        process.communicate()
    over.set()
    one.controller.misbehave.clear()


@pytest.mark.integration
class TestAbandoned:
    @pytest.mark.parametrize("taken", [True, False])
    @pytest.mark.parametrize("way", [("export", "--abandon"), ("register", "--force"), ("run",)])
    def test_killed_while_it_announced(self, one: Installation, way: tuple[str, ...], taken: bool) -> None:
        one.commit()
        assert one.run().status == 0
        one.commit()
        kill_while_it_announces(one, taken=taken)
        done = one.agent(*way, variables=one.variables)
        assert done.status in {0, 6}, done
        done = one.run()
        assert done.status == 0, done
        one.check_all_once()

    @pytest.mark.parametrize("failing", [False, True])
    def test_forced_during_an_import(self, one: Installation, failing: bool) -> None:
        """What may be imported right now is not delivered a second time, however often it is asked for."""
        one.commit()
        one.controller.imports.released.clear()
        assert one.run(**QUICK).status == 0
        if failing:
            one.controller.imports.failing.add("TEST")
        one.controller.status = BUSY
        assert one.agent("register", "--force", variables=one.variables).status == 0
        assert stage(one) == "presumed"
        one.commit()
        done = one.run(**QUICK)
        assert done.status == 6, done
        assert one.announced("TEST") == 1
        one.controller.imports.released.set()
        assert one.controller.imports.ended.acquire(timeout=SOON)
        one.controller.imports.failing.clear()
        one.controller.status = IDLE
        done = one.run()
        assert done.status == 0, done
        one.check_all_once()

    def test_force_waits_for_no_run(self, one: Installation) -> None:
        one.commit()
        assert one.run().status == 0
        home = load(one.agent.home, one.agent.environment(one.variables)).home
        with exclusive(home.run_lock, "a run of this agent"):
            done = one.agent("register", "--force", variables=one.variables)
        assert done.status == 5
        assert "a run of this agent" in done.errors

    @pytest.mark.parametrize("has_tracker", [True, False])
    def test_somebody_registered_meanwhile(self, one: Installation, has_tracker: bool) -> None:
        """The files are gone, which is what a controller that took them leaves, too."""
        if has_tracker:
            one.commit()
            assert one.run().status == 0
        one.commit()
        kill_while_it_announces(one, taken=False)
        one.controller.register("TEST", "TEST", "the key of somebody else")
        for _ in range(3):
            done = one.run()
            if done.status == 0:
                break
        assert done.status == 0, done
        one.check_all_once()

    def test_discard_is_refused(self, one: Installation) -> None:
        one.commit()
        one.controller.imports.released.clear()
        assert one.run(**QUICK).status == 0
        done = one.agent("scrape", "--discard", variables=one.variables)
        assert done.status == 6
        assert "the controller may have it" in done.output + done.errors
        one.controller.imports.released.set()
        assert one.controller.imports.ended.acquire(timeout=SOON)
        assert one.run().status == 0
        one.check_all_once()

    def test_announced_late(self, one: Installation) -> None:
        """A batch may have waited for days: the patience counts from its announcement."""
        settings = load(one.agent.home, one.agent.environment(one.variables))
        open_deliveries.note(settings.project("TEST"), "b", "uploading")
        path = one.agent.home / "state" / "deliveries" / "TEST.json"
        known = json.loads(path.read_text())
        path.write_text(json.dumps(known | {"since": (datetime.now(UTC) - timedelta(days=5)).isoformat()}))
        open_deliveries.note(settings.project("TEST"), "b", "announcing")
        open_deliveries.note(settings.project("TEST"), "b", "announced")
        assert not open_deliveries.is_too_old(settings.project("TEST"))

    def test_not_due_and_not_taken(self, one: Installation) -> None:
        one.commit()
        assert one.run().status == 0
        one.controller.imports.ignored.add("TEST")
        one.commit()
        assert one.run(**LEFT).status == 6
        one.controller.status = {"tracker": NO, "total": NO, "database": YES}
        one.commit()
        done = one.run(**LEFT)
        assert done.status == 6, done
        assert "TEST was not delivered" in done.output
        settings = load(one.agent.home, one.agent.environment(one.variables))
        assert len(outbox.waiting(settings.project("TEST"))) == 1  # nothing was collected
        one.controller.status = IDLE
        one.controller.imports.ignored.clear()
        assert one.run().status == 0
        one.check_all_once()


@pytest.mark.integration
def test_projects_take_turns(agent: Agent, controller: ExistingController, tmp_path: Path) -> None:
    """An import that ends after each run does not keep the other project from its registration for ever."""
    two = Installation(agent, controller, tmp_path)
    two.commit()
    controller.imports.released.clear()
    assert two.run(**QUICK).status == 6
    assert controller.registered == ["TEST"]
    controller.imports.released.set()
    assert controller.imports.ended.acquire(timeout=SOON)
    controller.imports.released.clear()
    two.commit()
    two.run(**QUICK)
    assert controller.registered == ["TEST", "OTHER"]
    controller.imports.released.set()
    assert controller.imports.ended.acquire(timeout=SOON)
    assert two.run().status == 0
    two.check_all_once()


@pytest.mark.integration
class TestDropped:
    def test_after_a_failed_import(self, one: Installation) -> None:
        """Its rows are collected again, from before it."""
        one.commit()
        assert one.run().status == 0
        one.commit()
        one.controller.imports.failing.add("TEST")
        assert one.run().status == 6
        one.controller.imports.failing.clear()
        done = one.agent("outbox", "drop", "--project", "TEST", "--all", "--fetched", variables=one.variables)
        assert done.status == 7
        assert "--fetched is for projects without a controller" in done.errors
        done = one.agent("outbox", "drop", "--project", "TEST", "--all", variables=one.variables)
        assert done.status == 0, done
        one.commit()
        done = one.agent("scrape", variables=one.variables)
        assert done.status == 0, done
        assert [row["version_id"] for row in table(one.agent, "data_vcs_versions")] == one.made["TEST"][1:]
        done = one.run()
        assert done.status == 0, done
        one.check_all_once()

    def test_after_an_import(self, one: Installation) -> None:
        """What the controller has does not come again, since its trackers count there."""
        for _ in range(2):
            one.commit()
            assert one.run().status == 0
        assert one.agent("scrape", variables=one.variables).status == 0
        assert one.agent("outbox", "drop", "--project", "TEST", "--all", variables=one.variables).status == 0
        one.commit()
        assert one.run().status == 0
        one.check_all_once()


@pytest.mark.integration
class TestByHand:
    """What somebody does by hand in between."""

    def away(self, one: Installation) -> None:
        calls = ("agent.py", "status.py", "export.py", "version.py", "log.py")
        one.controller.misbehave |= dict.fromkeys(calls, lambda _handler: None)

    def test_preflight_while_it_is_away(self, one: Installation) -> None:
        """A check collects nothing: the moment of the batch that waits stays, and so does the schedule."""
        one.commit()
        assert one.run().status == 0
        self.away(one)
        one.commit()
        assert one.run().status == 6
        path = one.agent.export() / "preflight_date.txt"
        before = path.read_bytes()
        assert one.agent("preflight", variables=one.variables).status == 6
        assert path.read_bytes() == before
        one.controller.misbehave.clear()
        assert one.agent("preflight", variables=one.variables).status == 0
        assert path.read_bytes() != before
        assert one.run().status == 0
        folders = sorted(one.controller.inbox.iterdir())
        assert (folders[1] / "preflight_date.txt").read_bytes() == before

    def test_a_tracker_was_removed(self, one: Installation) -> None:
        """As one does to have a source collected again. What waits goes without it."""
        one.commit()
        assert one.run().status == 0
        self.away(one)
        one.commit()
        assert one.run().status == 6
        (one.agent.export() / "latest_vcs_versions.json").unlink()
        one.controller.misbehave.clear()
        done = one.run()
        assert done.status == 0, done
        assert set(one.imported("TEST")) == set(one.made["TEST"])


class TestDamaged:
    """Files of the outbox that somebody, or a disk, has damaged."""

    @pytest.fixture
    def folder(self, agent: Agent, tmp_path: Path) -> Path:
        give_secrets(agent)
        repository = Repository.make(tmp_path / "repository")
        agent.export().mkdir(parents=True)
        source = {"type": "git", "name": "code", "url": repository.url}
        (agent.export() / "data_sources.json").write_text(json.dumps([source]))
        for number in "123":
            repository.commit(number, {"a": number})
            assert agent("scrape", "--project", "TEST").status == 0
        return agent.home / "state" / "outbox" / "TEST"

    @pytest.mark.parametrize("what", ["damaged", "no UTF-8", "missing", "table"])
    def test_is_said_with_what_to_do(self, agent: Agent, folder: Path, what: str) -> None:
        path = folder / "000001" / ("data_vcs_versions.json" if what == "table" else "manifest.json")
        content = path.read_bytes()
        if what in {"missing", "table"}:
            path.unlink()
        else:
            path.write_bytes(b"{" if what == "damaged" else b'{"identifier": "\xff"}')
        for arguments in (("scrape",), ("outbox", "list"), ("outbox", "show", "1"), ("outbox", "drop", "2")):
            if what == "table" and "show" not in arguments:
                continue
            done = agent(*arguments, "--project", "TEST")
            said = done.output + done.errors
            assert "unexpected" not in said
            assert done.status not in {0, 70}, done
            assert "000001" in said
            assert "restore it" in said
        path.write_bytes(content)
        assert len(json.loads(agent("outbox", "list", "--project", "TEST", "--json").output)) == 3

    def test_of_the_newest(self, agent: Agent, folder: Path) -> None:
        """Beside it lie the list of sources and the trackers: the advice leaves them where they are."""
        del folder
        path = agent.export() / ".batch.json"
        path.write_text("{")
        done = agent("scrape", "--project", "TEST")
        said = done.output + done.errors
        assert f"or move {path} away" in said
        path.rename(agent.home / "away")
        done = agent("scrape", "--project", "TEST", "--full")
        assert done.status == 0, done
        assert len(table(agent, "data_vcs_versions")) == 3

    def test_of_another_project(self, agent: Agent, folder: Path) -> None:
        """What waits of a project that is no longer configured is shown still."""
        del folder
        found = json.loads(agent("outbox", "list", "--json", variables={"JIRA_KEY": "OTHER"}).output)
        assert [one["project"] for one in found] == ["TEST"] * 3


class TestWithoutController:
    @pytest.fixture(autouse=True)
    def sources(self, agent: Agent, tmp_path: Path) -> Repository:
        give_secrets(agent)
        repository = Repository.make(tmp_path / "repository")
        agent.export().mkdir(parents=True)
        source = {"type": "git", "name": "code", "url": repository.url}
        (agent.export() / "data_sources.json").write_text(json.dumps([source]))
        repository.commit("1", {"a": "1"})
        assert agent("scrape", "--project", "TEST").status == 0
        return repository

    def test_a_batch_keeps_its_log(self, agent: Agent, sources: Repository) -> None:
        before = (agent.export() / "scrape.log").read_bytes()
        sources.commit("2", {"a": "2"})
        assert agent("scrape", "--project", "TEST").status == 0
        kept = agent.home / "state" / "outbox" / "TEST" / "000001" / "scrape.log"
        assert kept.read_bytes() == before
        assert (agent.export() / "scrape.log").read_bytes() != before

    def test_nothing_new_keeps_no_second_copy(self, agent: Agent, sources: Repository) -> None:
        del sources
        assert agent("scrape", "--project", "TEST").status == 0
        assert not list((agent.home / "state" / "outbox" / "TEST").glob("0*"))

    def test_tables_that_were_moved_away_were_fetched(self, agent: Agent, sources: Repository) -> None:
        """Nobody has to say so: what is collected next has what is new since then."""
        for name in ("data_vcs_versions.json", "data_change_path.json"):
            (agent.export() / name).rename(agent.home / name)
        new = sources.commit("2", {"a": "2"})
        done = agent("scrape", "--project", "TEST")
        assert done.status == 0, done
        assert "were taken away: it counts as fetched" in done.errors
        assert [row["version_id"] for row in table(agent, "data_vcs_versions")] == [new]
        assert not list((agent.home / "state" / "outbox" / "TEST").glob("0*"))

    def test_drop_after_a_kill(self, agent: Agent, sources: Repository) -> None:
        """Whatever the moment of a kill, dropping all leaves nothing, and what it had is collected again."""
        for pause in (0.3, 0.45, 0.6, 0.75, 0.9):
            made = sources.commit(str(pause), {"a": str(pause)})
            process = agent.start("scrape", "--project", "TEST")
            with contextlib.suppress(Exception):
                process.wait(pause)
            process.kill()
            process.communicate()
            done = agent("outbox", "drop", "--project", "TEST", "--all")
            assert done.status in {0, 7}, done  # 7: nothing waits
            assert agent("scrape", "--project", "TEST").status == 0
            assert made in [row["version_id"] for row in table(agent, "data_vcs_versions")]


def test_no_space_left(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The free space is watched also where nothing waits yet."""
    del tmp_path
    settings = load(agent.home, agent.environment({}))
    usage: Any = type("Usage", (), {"free": outbox.LEAST_SPACE - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with pytest.raises(Exception, match="MiB of free space"):
        outbox.check_room(settings.project("TEST"))
