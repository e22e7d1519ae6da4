"""Scrapes of a project with a Jira, as users run them: settings, several runs, people, and what is written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gros_agent.sources import sources
from sources.jira.cloud import ADDRESS, JiraCloud
from sources.jira.replay import PASSWORD, TOKEN, USER, Jira
from sources.jira.sample import furnish
from sources.jira.server import UNDER, JiraServer
from support.agent import Agent, Finished, give_secrets, table
from support.replay import Strike, serving, status

SPRINT = "com.pyxis.greenhopper.jira:gh-sprint"
FILES = tuple(row.table for row in sources()["jira"].tables)


def configure(agent: Agent, one: Jira, **options: str) -> None:
    """Name a Jira in the settings, with the log-in of its account unless options say otherwise."""
    is_cloud = isinstance(one, JiraCloud)
    user, password = (ADDRESS, TOKEN) if is_cloud else (USER, PASSWORD)
    content = {"server": one.url, "username": user, "password": password}
    lines = [f"{name} = {value}" for name, value in (content | options).items() if value]
    (agent.home / "settings.cfg").write_text("\n".join(("[jira]", *lines, "[projects]", "TEST = Test Project", "")))


def scrape(agent: Agent, *arguments: str, **variables: str) -> Finished:
    if not (agent.home / "secrets" / "TEST.json").exists():
        give_secrets(agent)
    return agent.scrape(*arguments, variables=variables)


def versions(agent: Agent) -> list[tuple[str, str]]:
    return [(row["key"], row["changelog_id"]) for row in table(agent, "data")]


def position(agent: Agent) -> str:
    return (agent.export() / "jira-updated.txt").read_text()


def test_a_project_of_the_settings(agent: Agent, jira: JiraServer) -> None:
    configure(agent, jira)
    done = agent("preflight", "--project", "TEST", "--no-ssh", "--no-secrets", "--json")
    (check,) = (one for one in json.loads(done.output) if one["name"] == "TEST: Test Project")
    assert check["status"] == "ok"
    assert (
        check["detail"]
        == "answers reader; Jira Server or Data Center 9.12.7; zone Europe/Warsaw; project TEST is visible"
    )
    done = scrape(agent, "--log", "DEBUG")
    assert done.status == 0, done
    assert all((agent.export() / f"{name}.json").exists() for name in FILES)
    assert {key for key, _ in versions(agent)} == {"TEST-1", "TEST-2"}
    assert position(agent) == "2026-03-01 12:00"
    assert json.loads((agent.export() / "data_environments.json").read_text()) == [
        {"type": "jira", "url": jira.url, "environment": jira.url, "version": "9.12.7"}
    ]
    project = json.loads((agent.export() / "data_project.json").read_text())
    assert (project["jira_key"], project["jira_name"]) == ("TEST", "Test Project")
    assert PASSWORD not in done.output + done.errors


@pytest.mark.parametrize("name", ["server.TEST", "server.test"])
def test_another_server_for_one_project(agent: Agent, jira: JiraServer, name: str) -> None:
    configure(agent, jira, **{"server": "https://jira.example", name: jira.url})
    assert scrape(agent).status == 0
    assert versions(agent)


@pytest.mark.parametrize("page", ["", "/", "/projects/TEST", "/browse/TEST-1", "/secure/Dashboard.jspa"])
def test_a_listed_page_with_the_log_in_of_the_settings(agent: Agent, jira: JiraServer, page: str) -> None:
    configure(agent, jira)
    agent.export().mkdir(parents=True)
    entry = {"type": "jira", "name": "Tracker", "url": f"{jira.url}{page}"}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
    done = scrape(agent)
    assert done.status == 0, done
    assert json.loads((agent.export() / "data_project.json").read_text())["jira_name"] == "Tracker"
    assert jira.replay.counts()["server"] == 1, "there is one entry"


def test_several_entries_of_one_project(agent: Agent, jira: JiraServer) -> None:
    """Quality systems name a server, and pages of it, for several parts: it is collected once."""
    configure(agent, jira)
    agent.export().mkdir(parents=True)
    pages = {"one": "", "two": "/projects/TEST/issues", "three": "/browse/TEST"}
    listed = [{"type": "jira", "name": name, "url": f"{jira.url}{page}"} for name, page in pages.items()]
    (agent.export() / "data_sources.json").write_text(json.dumps(listed))
    done = scrape(agent)
    assert done.status == 0, done
    assert jira.replay.counts()["server"] == 1
    assert json.loads((agent.export() / "data_sources.json").read_text()) == listed


def test_a_listed_server_elsewhere_has_no_log_in_of_the_settings(agent: Agent, jira: JiraServer) -> None:
    """It counts alone: identifiers of issues mean nothing on another server."""
    configure(agent, jira, server="https://jira.example")
    agent.export().mkdir(parents=True)
    entry = {"type": "jira", "name": "Tracker", "url": jira.url}
    (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
    done = scrape(agent)
    assert done.status == 3
    assert "set username and password, or a token" in done.output
    assert all("Authorization" not in asked.headers for asked in jira.replay.asked)


def test_a_token(agent: Agent, jira: JiraServer) -> None:
    """By itself, though a user is named."""
    configure(agent, jira, token=TOKEN)
    assert scrape(agent).status == 0
    assert {asked.headers["Authorization"] for asked in jira.replay.asked if "Authorization" in asked.headers} == {
        f"Bearer {TOKEN}"
    }


def test_a_key_of_more_than_letters(agent: Agent) -> None:
    """Collected under another key, since controllers take letters alone; the outcome says so."""
    one = JiraServer(key="T_2")
    with serving(one.replay):
        configure(agent, one, server=f"{one.url}/projects/T_2")
        done = scrape(agent)
    assert done.status == 0, done
    assert {key for key, _ in versions(agent)} == {"T_2-1", "T_2-2"}
    assert done.output.count("the key T_2 has more than letters: existing controllers register no such project") == 1


def test_a_query(agent: Agent, jira: JiraServer) -> None:
    kind = jira.issues[0]["fields"]["issuetype"]["name"]
    jira.issues[1]["fields"]["issuetype"] = {**jira.issues[1]["fields"]["issuetype"], "name": "Other"}
    configure(agent, jira, query=f'issuetype = "{kind}"')
    assert scrape(agent).status == 0
    assert {key for key, _ in versions(agent)} == {"TEST-1"}
    configure(agent, jira, query="what")
    done = scrape(agent, "--full")
    assert done.status == 3
    assert "check the query of the settings" in done.output


class TestRuns:
    def test_nothing_new_and_three_changes_and_another_zone(self, agent: Agent, jira: JiraServer) -> None:
        """Nothing is lost, nothing comes twice, and the tracker is in UTC whatever the agent's zone."""
        del jira.boards[1:]
        for number in range(100, 120):
            jira.add(number, 3, 1)
        jira.now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
        configure(agent, jira)
        assert scrape(agent).status == 0
        first = versions(agent)
        assert len(first) == len(set(first)) == 20 * 4 + sum(key in {"TEST-1", "TEST-2"} for key, _ in first)
        jira.replay.asked.clear()
        jira.now += timedelta(hours=1)
        done = scrape(agent)
        assert (done.status, versions(agent)) == (0, [])
        asked = [one.route for one in jira.replay.asked]
        assert sorted(asked) == sorted(("server", "myself", "project", "boards", "sprints", "search"))
        jira.now += timedelta(hours=1)
        for number in (101, 105, 110):
            jira.change(f"TEST-{number}", jira.now - timedelta(minutes=5))
        jira.say("TEST-102", jira.now - timedelta(minutes=5))
        assert scrape(agent, TZ="Pacific/Auckland").status == 0
        assert versions(agent) == [("TEST-101", "4"), ("TEST-105", "4"), ("TEST-110", "4")]
        (comment,) = table(agent, "data_comments")
        assert (comment["issue_id"], comment["created_at"]) == ("500102", "2026-03-02 02:55:30")
        jira.now += timedelta(minutes=10)
        jira.change("TEST-103", jira.now - timedelta(minutes=5))
        assert scrape(agent, TZ="America/Los_Angeles").status == 0
        assert versions(agent) == [("TEST-103", "4")]
        assert position(agent) == "2026-03-01 14:10"

    def test_nothing_new_while_a_batch_waits(self, agent: Agent, jira: JiraServer) -> None:
        """The waiting batch also has what only issues told: sprints of other boards, people, types of links."""
        jira.sprints = {}
        jira.fields.append({"id": "customfield_77", "name": "Sprint", "schema": {"type": "array", "custom": SPRINT}})
        jira.issues[0]["fields"]["customfield_77"] = [{"id": 5, "name": "elsewhere"}]
        jira.project["versions"] = [{"id": "1", "name": "one"}]
        configure(agent, jira)
        assert scrape(agent).status == 0
        before = versions(agent)
        assert before
        jira.now += timedelta(hours=1)
        done = agent("scrape", "--project", "TEST")
        assert (done.status, versions(agent)) == (0, before)
        assert "nothing is new: the batch of" in done.output
        jira.project["versions"].append({"id": "2", "name": "two"})
        done = agent("scrape", "--project", "TEST")
        assert [row["id"] for row in table(agent, "data_fixVersion")] == ["1", "2"]
        assert versions(agent) == []

    def test_a_position_of_somebody_else(self, agent: Agent, jira: JiraServer) -> None:
        """Nobody knows its zone, nor that of the account that asked: a day and two hours come again, once."""
        for hours in range(1, 60):
            jira.add(200 + hours, at=jira.now - timedelta(hours=hours))
        configure(agent, jira)
        agent.export().mkdir(parents=True)
        (agent.export() / "jira-updated.txt").write_text("2026-03-01 12:00")
        assert scrape(agent).status == 0
        assert {key for key, _ in versions(agent)} == {f"TEST-{200 + hours}" for hours in range(1, 27)}
        assert scrape(agent).status == 0
        assert versions(agent) == []

    def test_an_issue_that_was_moved_here(self, agent: Agent, jira: JiraServer) -> None:
        configure(agent, jira)
        assert scrape(agent).status == 0
        moved = jira.add(300, 4)
        jira.now += timedelta(hours=1)
        jira.change("TEST-300", field="Key", fromString="OTHER-3", toString="TEST-300")
        assert scrape(agent).status == 0
        assert versions(agent) == [
            ("TEST-300", "5"),
            *(("OTHER-3", str(number)) for number in range(4, -1, -1)),
        ]
        assert moved["id"] == table(agent, "data")[0]["issue_id"]

    def test_an_unreadable_issue_holds_the_tracker(self, agent: Agent, jira: JiraServer) -> None:
        jira.add(400, 1)
        bad = jira.add(401, 2, at=datetime(2026, 2, 1, 10, tzinfo=UTC))
        bad["changelog"]["histories"][0]["created"] = "yesterday"
        configure(agent, jira)
        done = scrape(agent)
        assert done.status == 3
        assert "TEST-401" in done.output
        assert position(agent) == "2026-02-01 09:59"
        assert ("TEST-401", "0") not in versions(agent)
        bad["changelog"]["histories"][0]["created"] = "2026-02-01T10:00:00.000+0000"
        assert scrape(agent).status == 0
        assert versions(agent) == [("TEST-401", "2"), ("TEST-401", "1"), ("TEST-401", "0")]


PARKED: dict[str, Any] = {"field": "status", "from": "77", "fromString": "Parked"}


def test_an_earlier_status_is_described(agent: Agent, jira: JiraServer) -> None:
    """Only a change refers to it, and has no description of it."""
    jira.names["status"] = [{"id": "77", "name": "Parked", "description": "Waits."}, {"id": "78", "name": "Unused"}]
    jira.change("TEST-1", **PARKED)
    configure(agent, jira)
    assert scrape(agent).status == 0
    assert {row["id"]: row["description"] for row in table(agent, "data_status")}["77"] == "Waits."
    assert "78" not in {row["id"] for row in table(agent, "data_status")}


def test_names_that_cannot_be_had_at_the_end(agent: Agent, jira: JiraServer) -> None:
    """All issues have come by then: they are kept, and the next scrape asks for all of it again."""
    jira.change("TEST-1", **PARKED)
    jira.replay.strikes["names"] = Strike(status(422))
    configure(agent, jira)
    done = scrape(agent)
    assert done.status == 3
    assert "names for status" in done.output
    found = versions(agent)
    assert found
    assert not (agent.export() / "jira-updated.txt").exists()
    jira.replay.strikes.clear()
    assert scrape(agent).status == 0
    assert versions(agent) == found


def people(one: Jira) -> set[str]:
    """Every name, account and address of a person that the server gives outside of texts."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "displayName" in value:
                told = (value.get(name) for name in ("displayName", "emailAddress", "name", "key", "accountId"))
                found.update(text for text in told if isinstance(text, str) and len(text) > 3)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk([one.issues, one.users, one.account])
    return found


@pytest.mark.parametrize("kind", [JiraServer, JiraCloud])
def test_no_person_is_written(agent: Agent, kind: type[Jira]) -> None:
    one = kind(key="TEST") if kind is JiraServer else kind()
    furnish(one)
    jira_key = one.key
    with serving(one.replay):
        configure(agent, one, server=f"{one.url}/projects/{jira_key}")
        done = scrape(agent)
        assert done.status == 0, done
    assert len(people(one)) > 3
    free = {row.table: row.free_text for row in sources()["jira"].tables}
    for name in FILES:
        for row in table(agent, name):
            fixed = json.dumps({column: value for column, value in row.items() if column not in free[name]})
            found = {text for text in people(one) if f'"{text}"' in fixed}
            assert not found, f"{name} has {found}"


def test_free_text_is_redacted(agent: Agent, jira: JiraServer) -> None:
    jira.issues[0]["fields"] |= {
        "description": "ask [~the.person] or person@example.org",
        "environment": "person@example.org's",
    }
    jira.say("TEST-1", body="see [~the.person], mail person@example.org")
    jira.sprints = {jira.boards[0]["id"]: [{"id": 1, "name": "of person@example.org", "goal": "please [~the.person]"}]}
    configure(agent, jira)
    assert scrape(agent, "--redact-text").status == 0
    written = "".join((agent.export() / f"{name}.json").read_text() for name in FILES)
    assert "person@example.org" not in written
    assert "the.person" not in written
    assert "[~" in written, "a mention stays one, of a pseudonym"


class TestMapping:
    def test_of_the_user(self, agent: Agent, jira: JiraServer) -> None:
        """It replaces the built-in one: columns that it has not are left out."""
        mapping = {
            "updated": {"field": "updated", "type": "date", "changelog_primary": "created"},
            "updated_by": {"type": "developer", "changelog_primary": "author"},
            "title": {"field": "summary", "changelog_name": "summary"},
            "storypoint": {"field": "customfield_10010", "type": "decimal"},
        }
        (agent.home / "mine.json").write_text(json.dumps(mapping))
        configure(agent, jira, fields="mine.json")
        done = scrape(agent)
        assert done.status == 0, done
        rows = table(agent, "data")
        assert {"title", "watchers"} <= set(rows[0])
        assert not any("description" in row or "status" in row for row in rows)
        assert table(agent, "data_comments") == []

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "can't be read"),
            ("{", "is not valid JSON"),
            ('{"updated": {"type": "nonsense"}}', "updated"),
            ("[]", "is not a JSON object"),
        ],
    )
    def test_that_is_wrong(self, agent: Agent, jira: JiraServer, content: str | None, words: str) -> None:
        if content is not None:
            (agent.home / "mine.json").write_text(content)
        configure(agent, jira, fields="mine.json")
        done = scrape(agent)
        assert done.status == 7, done
        assert words in done.errors + done.output
        assert "mine.json" in done.errors + done.output
        assert not (agent.export() / "data.json").exists()


def test_a_server_under_a_path_with_another_scheme_in_the_list(agent: Agent, jira: JiraServer) -> None:
    """The settings say how it is reached."""
    configure(agent, jira)
    agent.export().mkdir(parents=True)
    address = f"https://127.0.0.1:{jira.replay.port}{UNDER}"
    (agent.export() / "data_sources.json").write_text(json.dumps([{"type": "jira", "name": "T", "url": address}]))
    assert scrape(agent).status == 0
    assert versions(agent)
