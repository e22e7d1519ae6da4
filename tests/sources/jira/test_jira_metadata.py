"""What a project has besides issues: complete where lists have pages, and noted where something is refused."""

from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from gros_agent.sources.jira import metadata
from gros_agent.sources.jira.gathering import Gathering
from gros_agent.sources.jira.metadata import Metadata
from sources.jira.asking import context, expected, gather
from sources.jira.cloud import JiraCloud
from sources.jira.replay import Jira, refused
from sources.jira.server import JiraServer
from support.replay import Asked, Strike
from support.web import Answer, json_answer


@pytest.fixture(params=["server", "cloud"])
def jira(request: pytest.FixtureRequest) -> Jira:
    found: Jira = request.getfixturevalue(request.param)
    return found


def of(jira: Jira, folder: Path) -> Metadata:
    return Gathering(context(jira, folder), None).metadata


def strike(one: Jira, route: str, answer: Answer) -> None:
    one.replay.strikes[route] = Strike(lambda _asked, _honest: answer)


def test_all(jira: Jira, tmp_path: Path) -> None:
    found = of(jira, tmp_path)
    assert found.project.name == jira.project["name"]
    assert found.project.versions == jira.project.get("versions", [])
    assert found.fields == jira.fields
    assert found.users == jira.users
    assert found.link_types == jira.link_types
    assert found.projects == {one["id"]: one["key"] for one in jira.projects}
    assert {one["id"] for one in found.sprints} == {one["id"] for each in jira.sprints.values() for one in each}
    assert not found.notes


def test_pages_of_boards_and_sprints(jira: Jira, tmp_path: Path) -> None:
    """A sprint that several boards show comes once; boards of team-managed projects have some, too."""
    jira.page_of_boards = 3
    kinds = ["scrum", "kanban", "simple", None]
    jira.boards = [{"id": number, "type": kinds[number % 4]} for number in range(17)]
    jira.sprints = {number: [{"id": one} for one in range(number, number + 7)] for number in range(17)}
    found = of(jira, tmp_path)
    assert len(found.boards) == 17
    wanted = {one["id"] for number, each in jira.sprints.items() if number % 4 != 1 for one in each}
    assert sorted(one["id"] for one in found.sprints) == sorted(wanted)
    assert {one["boardId"] for one in found.sprints if one["id"] in {0, 1}} == {0}
    assert not found.notes


def test_a_board_that_is_closed(jira: Jira, tmp_path: Path) -> None:
    jira.boards = [{"id": 1, "type": "scrum", "name": "one"}, {"id": 2, "type": "scrum", "name": "two"}]
    jira.sprints = {1: [{"id": 10}], 2: [{"id": 20}]}

    def closed(asked: Asked, honest: Answer) -> Answer:
        return refused(403, "You may not see it.") if asked.parts[0] == "1" else honest

    jira.replay.strikes["sprints"] = Strike(closed)
    found = of(jira, tmp_path)
    assert [one["id"] for one in found.sprints] == [20]
    assert found.notes[0].startswith("sprints of board 1 are refused")


def test_a_board_without_sprints(jira: Jira, tmp_path: Path) -> None:
    strike(jira, "sprints", refused(400, "The board does not support sprints"))
    found = of(jira, tmp_path)
    assert not found.sprints
    assert not found.notes


@pytest.mark.parametrize("code", [400, 401, 403, 404])
@pytest.mark.parametrize(
    ("route", "what"),
    [
        ("field", "fields"),
        ("links", "types of links"),
        ("assignable", "assignable users"),
        ("boards", "boards and sprints"),
        ("projects", "other projects"),
    ],
)
def test_what_is_refused(jira: Jira, tmp_path: Path, route: str, what: str, code: int) -> None:
    """It is noted, and the rest is collected."""
    strike(jira, route, refused(code, "Not for you."))
    found = gather(context(jira, tmp_path))
    _ = found.gathering.metadata.projects
    end = found.gathering.collected()
    assert any(note.startswith(f"{what} are refused or switched off there") for note in end.notes)
    assert found.histories == expected(jira)
    assert end.position
    assert not end.missing


@pytest.mark.parametrize("route", ["server", "myself", "project", "search"])
def test_what_is_not_optional(jira: Jira, tmp_path: Path, route: str) -> None:
    strike(jira, route, refused(403, "Not for you."))
    with pytest.raises(SourceError):
        gather(context(jira, tmp_path))


class TestUsers:
    def people(self, count: int) -> list[dict[str, Any]]:
        return [{"name": f"user{one}", "key": f"JIRAUSER{one}", "accountId": str(one)} for one in range(count)]

    @pytest.mark.parametrize("count", [0, 3, 50, 1000, 1001, 2345])
    def test_all_of_a_server(self, server: JiraServer, tmp_path: Path, count: int) -> None:
        server.users = self.people(count)
        assert len(of(server, tmp_path).users) == count

    def test_a_release_that_gives_no_more_than_a_thousand(self, server: JiraServer, tmp_path: Path) -> None:
        server.users = self.people(2345)

        def none_later(asked: Asked, honest: Answer) -> Answer:
            return honest if asked.query["startAt"] == "0" else json_answer([])

        server.replay.strikes["assignable"] = Strike(none_later)
        found = of(server, tmp_path)
        assert len(found.users) == 1000
        assert "lists 1000 assignable users and no more" in found.notes[0]

    def test_a_server_with_smaller_pages(self, server: JiraServer, tmp_path: Path) -> None:
        server.users = self.people(230)

        def smaller(asked: Asked, _honest: Answer) -> Answer:
            begin = int(asked.query["startAt"])
            return json_answer(server.users[begin : begin + 100])

        server.replay.strikes["assignable"] = Strike(smaller)
        assert len(of(server, tmp_path).users) == 230

    def test_a_server_that_repeats(self, server: JiraServer, tmp_path: Path) -> None:
        server.users = self.people(100)
        strike(server, "assignable", json_answer(server.users))
        assert len(of(server, tmp_path).users) == 100
        assert server.replay.counts()["assignable"] == 2

    def test_cloud_asks_once(self, cloud: JiraCloud, tmp_path: Path) -> None:
        """It looks at the first thousand people of the site alone, and says so if all of them may be assigned."""
        cloud.users = self.people(1200)
        found = of(cloud, tmp_path)
        assert len(found.users) == 1000
        assert found.notes
        assert cloud.replay.counts()["assignable"] == 1

    def test_by_key(self, server: JiraServer, tmp_path: Path) -> None:
        found = of(server, tmp_path)
        for _ in range(2):
            assert found.user("JIRAUSER10000") == server.account
            assert found.user("JIRAUSER9") is None
        assert server.replay.counts()["user"] == 2

    def test_cloud_has_no_keys(self, cloud: JiraCloud, tmp_path: Path) -> None:
        assert of(cloud, tmp_path).user("JIRAUSER1") is None


def test_projects_of_cloud(cloud: JiraCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "PROJECTS_PAGE", 5)
    assert of(cloud, tmp_path).projects == {one["id"]: one["key"] for one in cloud.projects}
    assert cloud.replay.counts()["projects"] == -(-len(cloud.projects) // 5)


def test_a_list_that_repeats(server: JiraServer, tmp_path: Path) -> None:
    strike(server, "boards", json_answer({"values": [{"id": 1}], "maxResults": 1, "startAt": 0, "isLast": False}))
    with pytest.raises(SourceError, match="repeat in a loop"):
        _ = of(server, tmp_path).boards


def test_a_project_that_is_archived(server: JiraServer, tmp_path: Path) -> None:
    server.project["archived"] = True
    server.issues.clear()
    found = gather(context(server, tmp_path))
    assert "project TST is archived: its issues are hidden" in found.end.notes
