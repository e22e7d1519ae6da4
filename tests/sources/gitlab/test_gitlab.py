"""GitLab: rows against the recorded answers, what is new, and what its API does to those who ask."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.http.traffic import AT_ONCE
from gros_agent.options.values import Value
from gros_agent.rows import CommitComment, GitLabRepo, MergeRequest, MergeRequestNote, MergeRequestReview, VcsEvent
from gros_agent.sources import sources
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.gitlab import access, discovery, events
from gros_agent.sources.gitlab import collect as gitlab_collect
from support import schemas
from support.agent import Agent
from support.collecting import collect, columns, local
from support.gitlab import PATH, TOKEN, UNDER, GitLab
from support.hosts import host_with
from support.replay import Strike, serving
from support.repository import linear_history
from support.servers import git_http

LATER = "2023-05-05T05:05:0{}.123Z"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    one = GitLab()
    with serving(one.replay):
        yield one


def context(gitlab: GitLab, folder: Path, **options: str) -> Context:
    given = {"gitlab_token": TOKEN, "strip": UNDER, **options}
    host = host_with("gitlab.example", {name: Value(text, "test") for name, text in given.items()})
    entry = SourceEntry("gitlab", "spend", f"{gitlab.url}.git")
    return Context(entry=entry, host=host, folder=folder / "gitlab", known_hosts=folder / "known", silence=2)


class TestRows:
    """Each table against the recorded answers, of which it is computed anew."""

    def test_project(self, gitlab: GitLab, tmp_path: Path) -> None:
        (row,) = collect(context(gitlab, tmp_path))[0][GitLabRepo]
        known = gitlab.data["project"]
        assert (row.gitlab_id, row.description, row.create_time) == (str(known["id"]), "0", local(known["created_at"]))
        assert (row.archived, row.has_avatar, row.star_count) == ("0", "0", "2")

    def test_merge_requests(self, gitlab: GitLab, tmp_path: Path) -> None:
        rows, collected = collect(context(gitlab, tmp_path))

        def row(one: dict[str, Any]) -> tuple[str, ...]:
            people = [
                *(one["author"]["name"], one["author"]["username"]),
                *((one["assignee"]["name"], one["assignee"]["username"]) if one["assignee"] else ("0", "0")),
            ]
            texts = (str(one["id"]), one["title"], one["description"] or "", one["state"])
            branches = (one["source_branch"], one["target_branch"])
            numbers = (str(one["upvotes"]), str(one["downvotes"]))
            return (*texts, *branches, *people, *numbers, local(one["created_at"]), local(one["updated_at"]))

        names = ("id", "title", "description", "status", "source_branch", "target_branch", "author", "author_username")
        more = ("assignee", "assignee_username", "upvotes", "downvotes", "created_at", "updated_at")
        expected = Counter(map(row, gitlab.data["merge_requests"]))
        assert columns(rows[MergeRequest], *names, *more) == expected
        assert collected.expected == len(gitlab.data["merge_requests"])

    def test_notes(self, gitlab: GitLab, tmp_path: Path) -> None:
        iids = {one["iid"]: one["id"] for one in gitlab.data["merge_requests"]}
        expected = Counter(
            (
                *(str(iids[one["noteable_iid"]]), "0", str(one["id"]), "0"),
                *(one["author"]["name"], one["author"]["username"], one["body"]),
                *(local(one["created_at"]), local(one["updated_at"])),
            )
            for one in gitlab.data["notes"]
        )
        rows, _ = collect(context(gitlab, tmp_path))
        names = ("merge_request_id", "thread_id", "note_id", "parent_id", "author", "author_username", "comment")
        assert columns(rows[MergeRequestNote], *names, "created_at", "updated_at") == expected

    def test_approvals(self, gitlab: GitLab, tmp_path: Path) -> None:
        """Those that were withdrawn are none; without the endpoint the notes tell the same."""
        rows, _ = collect(context(gitlab, tmp_path))
        found = columns(rows[MergeRequestReview], "merge_request_id", "reviewer_username", "vote")
        assert found
        assert {vote for _, _, vote in found} == {"1"}
        asked = {one.parts[0] for one in gitlab.replay.asked if one.route == "approvals"}
        told = {str(one["noteable_iid"]) for one in gitlab.data["notes"] if one["body"] == gitlab_collect.APPROVED}
        assert asked <= told
        gitlab.has_approvals = False
        rows, _ = collect(context(gitlab, tmp_path))
        assert columns(rows[MergeRequestReview], "merge_request_id", "reviewer_username", "vote") == found

    def test_recorded_pushes(self, gitlab: GitLab, tmp_path: Path) -> None:
        rows, collected = collect(context(gitlab, tmp_path))
        commit = "87b4484e307fa2b6df839d8864f2eb7e79b70dd1"
        person = ("John Doe", "jdoe", "0")
        names = ("version_id", "action", "kind", "ref", "user", "username", "email", "date")
        assert columns(rows[VcsEvent], *names) == Counter(
            [
                (commit, "deleted", "branch", "feature/protect_branch", *person, local("2018-04-24T02:04:21Z")),
                (commit, "pushed new", "branch", "0", *person, local("2018-04-24T02:04:20Z")),
            ]
        )
        assert events.KEPT in collected.notes


def test_pushes_of_several_commits(gitlab: GitLab, tmp_path: Path) -> None:
    gitlab.data["events"] = []
    gitlab.push(LATER.format(1), 1)
    gitlab.push(LATER.format(2), 3)
    gitlab.push(LATER.format(3), 2, known=False)
    rows, collected = collect(context(gitlab, tmp_path))
    found = [row.version_id for row in rows[VcsEvent]]
    assert found == [gitlab.commits[8], *reversed(gitlab.commits[3:6]), gitlab.commits[1]]
    assert "of 1 pushes only the last commit is known: the others are gone" in collected.notes
    assert gitlab.replay.counts()["compare"] == 2


def test_lines_and_threads(gitlab: GitLab, tmp_path: Path) -> None:
    (recorded,) = gitlab.data["diff_discussion"]
    position = recorded["notes"][0]["position"]
    first = gitlab.say(1, LATER.format(1), "on lines", position=position, discussion="d")
    reply = gitlab.say(1, LATER.format(2), "so it is", position=position, discussion="d")
    gitlab.say(1, LATER.format(3), "old", position={**position, "new_line": None, "line_range": None})
    gitlab.say(1, LATER.format(4), "new", position={**position, "old_line": None, "line_range": None, "new_line": 9})
    thread = gitlab.say(1, LATER.format(5), "a thread", discussion="t")
    answer = gitlab.say(1, LATER.format(6), "its answer", discussion="t")
    rows, _ = collect(context(gitlab, tmp_path))
    lines = {row.comment: row for row in rows[CommitComment]}
    one = lines["on lines"]
    assert (one.commit_id, one.file) == (position["head_sha"], "package.json")
    assert (one.line, one.end_line, one.line_type, one.parent_id) == ("10", "27", "context", "0")
    assert lines["so it is"].parent_id == str(first["id"])
    assert (lines["old"].line, lines["old"].end_line, lines["old"].line_type) == ("27", "27", "old")
    assert (lines["new"].line, lines["new"].line_type) == ("9", "new")
    notes = {row.note_id: row for row in rows[MergeRequestNote]}
    assert str(reply["id"]) not in notes, "a note on lines is no note on the whole"
    assert notes[str(answer["id"])].parent_id == str(thread["id"])
    assert notes[str(thread["id"])].parent_id == "0"


def test_comments_on_commits(gitlab: GitLab, tmp_path: Path) -> None:
    """They cost a request a commit, and are asked for only where the host says so."""
    gitlab.commits = [f"{number:040x}" for number in range(30)]
    gitlab.comments[gitlab.commits[3]] = [gitlab.data["commit_comments"]]
    rows, _ = collect(context(gitlab, tmp_path))
    assert not rows[CommitComment]
    rows, _ = collect(context(gitlab, tmp_path, has_commit_comments="true"))
    (row,) = rows[CommitComment]
    assert (row.commit_id, row.line, row.line_type, row.file) == (gitlab.commits[3], "11", "new", "dudeism.md")
    assert row.comment == "Nice picture man!"


class TestIncremental:
    def test_nothing_new(self, gitlab: GitLab, tmp_path: Path) -> None:
        _, first = collect(context(gitlab, tmp_path))
        gitlab.replay.asked.clear()
        rows, second = collect(context(gitlab, tmp_path), first.position)
        assert {table.__name__ for table, found in rows.items() if found} == {"GitLabRepo"}
        assert second.position == first.position
        assert set(gitlab.replay.counts().values()) == {1}

    def test_three_changes(self, gitlab: GitLab, tmp_path: Path) -> None:
        _, first = collect(context(gitlab, tmp_path))
        gitlab.say(1, LATER.format(1))
        gitlab.touch(3, LATER.format(2))
        gitlab.say(5, LATER.format(3), gitlab_collect.APPROVED, system=True)
        rows, second = collect(context(gitlab, tmp_path), first.position)
        counts = {table.__name__: len(found) for table, found in rows.items() if found}
        assert counts == {"GitLabRepo": 1, "MergeRequest": 3, "MergeRequestNote": 2, "MergeRequestReview": 1}
        assert second.position == local(LATER.format(3))

    @pytest.mark.parametrize("size", ["1", "5", "7"])
    def test_many_pages(self, gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
        whole, _ = collect(context(gitlab, tmp_path))
        for module in (gitlab_collect, events, access):
            monkeypatch.setattr(module, "PAGE", size)
        rows, _ = collect(context(gitlab, tmp_path))
        assert {table: Counter(map(repr, found)) for table, found in rows.items()} == {
            table: Counter(map(repr, found)) for table, found in whole.items()
        }

    def test_what_changes_while_paging_is_not_missed(
        self, gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It moves to the front and pushes others on: those come once, and it comes next time."""
        monkeypatch.setattr(gitlab_collect, "PAGE", "5")
        oldest = min(gitlab.data["merge_requests"], key=lambda one: str(one["updated_at"]))

        def change(_asked: object, honest: Any) -> Any:
            gitlab.touch(oldest["iid"], LATER.format(1))
            return honest

        gitlab.replay.strikes["merge requests"] = Strike(change, times=1)
        rows, first = collect(context(gitlab, tmp_path))
        ids = [row.id for row in rows[MergeRequest]]
        assert len(ids) == len(set(ids)) == len(gitlab.data["merge_requests"]) - 1
        assert any("23 of 24 merge requests" in note for note in first.notes)
        rows, _ = collect(context(gitlab, tmp_path), first.position)
        assert [row.id for row in rows[MergeRequest]] == [str(oldest["id"])]


def test_an_empty_page_in_the_middle(gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no end: what follows it comes, too."""
    monkeypatch.setattr(gitlab_collect, "PAGE", "5")

    def empty(asked: Any, honest: Any) -> Any:
        link = honest[1]["Link"].replace(
            f"page={int(asked.query['page']) + 1}>", f"page={asked.query['page']}&again=1>"
        )
        return honest[0], {**honest[1], "Link": link}, b"[]"

    gitlab.replay.strikes["merge requests"] = Strike(empty, times=1, after=2)
    rows, _ = collect(context(gitlab, tmp_path))
    assert len(rows[MergeRequest]) == len(gitlab.data["merge_requests"])


def test_a_circle_of_pages(gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitlab_collect, "PAGE", "5")

    def circle(asked: Any, honest: Any) -> Any:
        link = honest[1].get("Link", "").replace(f"page={int(asked.query['page']) + 1}>", "page=2>")
        return honest[0], {**honest[1], "Link": link}, honest[2]

    gitlab.replay.strikes["merge requests"] = Strike(circle, after=2)
    with pytest.raises(SourceError, match="in a loop"):
        collect(context(gitlab, tmp_path))


def test_a_total_that_shrinks(gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge request that is deleted meanwhile is named, and leaves no gap in what is told."""
    monkeypatch.setattr(gitlab_collect, "PAGE", "5")
    oldest = min(gitlab.data["merge_requests"], key=lambda one: str(one["updated_at"]))

    def remove(_asked: object, honest: Any) -> Any:
        gitlab.data["merge_requests"].remove(oldest)
        return honest

    gitlab.replay.strikes["merge requests"] = Strike(remove, times=1, after=2)
    rows, collected = collect(context(gitlab, tmp_path))
    assert len(rows[MergeRequest]) == 23
    assert any("23 of 24 merge requests" in note for note in collected.notes)


def test_odd_values(gitlab: GitLab, tmp_path: Path) -> None:
    request = gitlab.data["merge_requests"][0]
    request["author"], request["description"] = None, None
    long = "עברית 👩‍👩‍👧 \u202e" + "x" * 100_000
    gitlab.say(request["iid"], LATER.format(1), long, author=None)
    gitlab.say(request["iid"], LATER.format(2), body=None)
    rows, _ = collect(context(gitlab, tmp_path))
    found = next(row for row in rows[MergeRequest] if row.id == str(request["id"]))
    assert (found.author, found.author_username, found.description) == ("0", "0", "")
    notes = {row.comment: row for row in rows[MergeRequestNote]}
    assert notes[long].author == "0"
    assert "" in notes


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "check gitlab_token"), (403, "it needs the scope read_api"), (404, "hidden from this token")],
)
def test_refusals(gitlab: GitLab, tmp_path: Path, code: int, words: str) -> None:
    gitlab.replay.strikes["project"] = Strike(lambda _asked, _honest: (code, {}, b"{}"))
    with pytest.raises(SourceError) as caught:
        collect(context(gitlab, tmp_path))
    assert words in caught.value.hint
    assert gitlab.replay.counts()["project"] == 1


FEATURE_OFF = [
    {"merge_requests_enabled": False, "merge_requests_access_level": "disabled"},
    {"merge_requests_access_level": "disabled"},
    {"merge_requests_enabled": False},
]


@pytest.mark.parametrize("told", [*FEATURE_OFF, {}])
@pytest.mark.parametrize("code", [403, 404])
def test_merge_requests_that_are_switched_off(gitlab: GitLab, tmp_path: Path, told: Any, code: int) -> None:
    """The rest is collected. Where the project does not say that they are off, some may be missing."""
    gitlab.data["project"] |= told
    gitlab.replay.strikes["merge requests"] = Strike(lambda _asked, _honest: (code, {}, b"{}"))
    rows, collected = collect(context(gitlab, tmp_path))
    assert len(rows[GitLabRepo]) == 1
    assert rows[VcsEvent]
    assert not rows[MergeRequest]
    if told:
        assert "merge requests are switched off there" in collected.notes
        assert collected.position
        assert not collected.missing
    else:
        assert [one.partition(",")[0] for one in collected.missing] == ["merge requests"]
        assert collected.position is None, "the next collection asks for all of them again"


def test_a_dry_run_shows_numbers_as_they_are_written(gitlab: GitLab, agent: Agent) -> None:
    for number, one in enumerate(gitlab.data["merge_requests"]):
        one["id"] = 2**31 + 5 + number
    section = f"[127.0.0.1:{gitlab.replay.port}]\ngitlab_token = {TOKEN}\nstrip = {UNDER}\n"
    (agent.home / "credentials.cfg").write_text(section)
    source = f"gitlab:code={gitlab.replay.url}/{UNDER}/{PATH}"
    shown = json.loads(agent.scrape("--source", source, "--dry-run", "--json").output)
    (table,) = (one for one in shown[0]["tables"] if one["table"] == "data_merge_request")
    field = table["fields"]["id"]
    assert int(field["before"]) - 2**31 == int(field["after"])


def test_discussions_that_are_refused(gitlab: GitLab, tmp_path: Path) -> None:
    """Merge requests are collected without them, and they are asked for again from there."""
    whole, _ = collect(context(gitlab, tmp_path))
    gitlab.replay.strikes["discussions"] = Strike(lambda _asked, _honest: (403, {}, b"{}"))
    rows, collected = collect(context(gitlab, tmp_path))
    assert len(rows[MergeRequest]) == len(whole[MergeRequest])
    assert not rows[MergeRequestNote]
    assert [words.partition(",")[0] for words in collected.missing] == ["comments on merge requests"]
    assert collected.position is None
    gitlab.replay.strikes["discussions"] = Strike(lambda _asked, _honest: (401, {}, b"{}"))
    with pytest.raises(SourceError):
        collect(context(gitlab, tmp_path))


def test_without_a_token(gitlab: GitLab, tmp_path: Path) -> None:
    """GitLab tells the discussions of public projects to nobody, which asking again does not change."""
    one = context(gitlab, tmp_path)
    options = {name: value for name, value in one.host.options.items() if name != "gitlab_token"}
    one = replace(one, host=replace(one.host, options=options))
    gitlab.public = True
    rows, collected = collect(one)
    assert rows[MergeRequest]
    assert not rows[MergeRequestNote]
    assert not collected.missing
    assert "comments on merge requests are only available with gitlab_token: set it, and use --full" in collected.notes
    assert gitlab.replay.counts()["discussions"] <= AT_ONCE
    again, _ = collect(one, collected.position)
    assert not again.get(MergeRequest)


def test_escapes_in_the_address(gitlab: GitLab, tmp_path: Path) -> None:
    """Git takes them off; so does whoever asks the API."""
    one = context(gitlab, tmp_path)
    group, _, name = PATH.partition("/")
    url = one.entry.url.replace(PATH, f"{group}/{name[:-1]}%{ord(name[-1]):02X}")
    rows, _ = collect(replace(one, entry=replace(one.entry, url=url)))
    assert len(rows[GitLabRepo]) == 1


def test_a_push_of_many_branches(gitlab: GitLab, tmp_path: Path) -> None:
    """GitLab notes the branches of a push one by one up to three, by default; of others it knows the number."""
    gitlab.push_many("2023-01-01T01:01:01Z", 7)
    rows, collected = collect(context(gitlab, tmp_path))
    assert not [row for row in rows[VcsEvent] if row.date.startswith("2023")]
    assert any(note.startswith("1 pushes of 7 branches and tags have no rows") for note in collected.notes)


def test_check(gitlab: GitLab, tmp_path: Path) -> None:
    source = sources()["gitlab"]
    assert source.check(context(gitlab, tmp_path)) == (
        "answers reader; version 17.5.0; scopes read_api, api: api is more than needed, read_api is enough; "
        "the token expires 2030-01-01"
    )
    gitlab.public = True
    assert "no token is configured" in source.check(context(gitlab, tmp_path, gitlab_token=""))


@pytest.mark.parametrize("url", ["git@127.0.0.1:{path}.git", "ssh://git@127.0.0.1:2222/{path}.git"])
def test_ssh_urls(gitlab: GitLab, tmp_path: Path, url: str) -> None:
    one = context(gitlab, tmp_path, protocol="http", web_port=str(gitlab.replay.port))
    entry = SourceEntry("gitlab", "spend", url.format(path=PATH))
    assert access.resolve(type(one)(**{**vars(one), "entry": entry})).url.startswith(f"{gitlab.replay.url}/{UNDER}/api")


def test_group(gitlab: GitLab, tmp_path: Path) -> None:
    base = f"{gitlab.replay.url}/{UNDER}/gitlab-data"
    gitlab.projects = [
        {"name": f"p{number}", "http_url_to_repo": f"{base}/p{number}.git", "archived": number % 2 == 1}
        for number in range(230)
    ]
    one = context(gitlab, tmp_path)
    assert len(list(discovery.repositories(one))) == 230
    found = list(discovery.repositories(context(gitlab, tmp_path, skip_archived="true", group="some/group")))
    assert len(found) == 115
    assert found[1].url == f"{base}/p2"
    assert gitlab.replay.asked[-1].parts == ("some/group",)
    gitlab.has_group = False
    assert len(list(discovery.repositories(one))) == 230
    web = f"{gitlab.replay.url}/{UNDER}"
    assert discovery.environment(one).identity == (web, None, "gitlab-data")


def test_key(gitlab: GitLab, tmp_path: Path) -> None:
    source, one = sources()["gitlab"], context(gitlab, tmp_path)
    publish = getattr(source, "publish_key")  # noqa: B009 (sources need not have it)
    assert publish(one, "title", "ssh-ed25519 AAAAone me", dry_run=True) == "would be added"
    assert publish(one, "title", "ssh-ed25519 AAAAone me", dry_run=False) == "added"
    assert publish(one, "title", "ssh-ed25519 AAAAone", dry_run=False) == "there already"
    assert publish(one, "title", "ssh-ed25519 AAAAtwo", dry_run=False) == "replaced"
    assert [key["key"] for key in gitlab.keys] == ["ssh-ed25519 AAAAtwo"]


def test_scrape(agent: Agent, gitlab: GitLab, tmp_path: Path) -> None:
    """The whole way: Git and the API of one entry, files that are valid, and no person in them outside free text."""
    served = tmp_path / "served"
    (served / PATH).parent.mkdir(parents=True)
    linear_history(served / f"{PATH}.git", 5)
    gitlab.say(1, LATER.format(1), position=gitlab.data["diff_discussion"][0]["notes"][0]["position"])
    with git_http(served, "reader", "word") as server:
        entry = {"type": "git", "name": "spend", "url": f"http://127.0.0.1:{server.port}/{PATH}.git"}
        agent.export().mkdir(parents=True)
        (agent.export() / "data_sources.json").write_text(json.dumps([entry]))
        (agent.home / "credentials.cfg").write_text(
            f"[127.0.0.1]\nusername = reader\npassword = word\ngitlab_token = {TOKEN}\n"
            f"web_port = {gitlab.replay.port}\nstrip = {UNDER}\n"
        )
        done = agent.scrape("--make-secrets", "--log", "DEBUG")
        assert done.status == 0, done
    assert not schemas.errors(agent.export())
    assert TOKEN not in done.output + done.errors
    people = {one[key] for one in gitlab.data["members"] for key in ("name", "username")}
    people |= {one["author"][key] for one in gitlab.data["notes"] for key in ("name", "username")}
    seen = 0
    for table in sources()["gitlab"].tables:
        for row in json.loads((agent.export() / f"{table.table}.json").read_text()):
            seen += 1
            assert not [name for name, value in row.items() if name not in table.free_text and value in people]
    assert seen > 50
