"""What each view says of a small history, whose numbers were worked out by hand."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gros_agent.database.views import statements, views
from gros_agent.rows import (
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    Jenkins,
    JiraComment,
    JiraIssue,
    JiraSprint,
    JiraStatus,
    JiraStatusCategory,
    MergeRequest,
    MergeRequestNote,
    Metric,
    MetricTarget,
    Row,
    Tag,
    TfsWorkItem,
    VcsVersion,
)
from support.inbox import Inbox, asked

Ask = Callable[[str], list[tuple[Any, ...]]]
ANN, BEA, CLEO, DAN = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def at(day: str, hour: str = "00:00:00") -> str:
    return f"2024-{day} {hour}"


def utc(day: str, hour: str = "00:00:00") -> datetime:
    return datetime.fromisoformat(f"2024-{day}T{hour}+00:00")


@pytest.fixture
def ask(inbox: Inbox, url: str) -> Callable[..., Ask]:
    """Load rows, and return a function that asks the database."""

    def loaded(*rows: Sequence[Row]) -> Ask:
        inbox.add(*rows, zone="UTC")
        result = inbox.load(url)
        assert [one.reason for one in result.batches if one.state == "refused"] == []
        return lambda query: asked(url, query)

    return loaded


def request(number: int, status: str, made: str, changed: str, author: str = ANN) -> MergeRequest:
    people = {"author": author, "author_username": author, "assignee": "0", "assignee_username": "0"}
    texts = {"repo_name": "code", "title": "t", "description": "", "source_branch": "b", "target_branch": "main"}
    return MergeRequest(
        id=str(number),
        status=status,
        created_at=made,
        updated_at=changed,
        upvotes="1",
        downvotes="0",
        **people,
        **texts,
    )


def note(number: int, of: int, author: str, when: str) -> MergeRequestNote:
    names = {"repo_name": "code", "merge_request_id": str(of), "thread_id": "0", "note_id": str(number)}
    return MergeRequestNote(
        **names, parent_id="0", author=author, author_username=author, comment="c", created_at=when, updated_at=when
    )


def line(of: int, author: str, when: str) -> CommitComment:
    numbers = {"merge_request_id": str(of), "thread_id": "1", "note_id": "99", "parent_id": "0"}
    place = {"file": "f", "line": "1", "end_line": "1", "line_type": "new", "repo_name": "code", "commit_id": "abc"}
    return CommitComment(
        **numbers, **place, author=author, author_username=author, comment="l", created_date=when, updated_date=when
    )


REQUESTS = [
    request(1, "merged", at("01-01"), at("01-03")),
    request(2, "closed", at("01-02"), at("01-02", "12:00:00")),
    request(3, "open", at("01-05"), at("01-09")),
    request(4, "completed", at("02-01"), at("02-02"), author=BEA),
    request(5, "abandoned", at("02-01"), at("02-11"), author=BEA),
    request(6, "locked", at("02-01"), at("02-11"), author=BEA),
]
COMMENTS = [
    note(1, 1, ANN, at("01-01", "01:00:00")),  # of the author: no response
    note(2, 1, BEA, at("01-01", "06:00:00")),  # the first response, and the end of the first cycle
    note(3, 1, BEA, at("01-01", "07:00:00")),
    note(4, 1, ANN, at("01-02", "00:00:00")),  # a second cycle begins
    note(5, 3, "0", at("01-06")),  # of nobody
]


def test_change_requests(ask: Callable[..., Ask]) -> None:
    one = ask(REQUESTS)
    states: dict[int, str] = dict(one("SELECT id, state FROM gros.change_requests"))
    assert states == {1: "accepted", 2: "declined", 3: "open", 4: "accepted", 5: "declined", 6: "open"}
    assert one("SELECT id FROM gros.change_requests_accepted ORDER BY id") == [(1,), (4,)]
    assert one("SELECT id FROM gros.change_requests_declined ORDER BY id") == [(2,), (5,)]
    assert hours(one("SELECT id, hours FROM gros.change_requests_duration")) == {1: 48, 4: 24}


def hours(rows: list[tuple[Any, ...]]) -> dict[Any, float | None]:
    return {key: None if found is None else round(float(found), 6) for key, found in rows}


def test_responses(ask: Callable[..., Ask]) -> None:
    """Comments on lines count; those of the author and of nobody do not."""
    one = ask(REQUESTS, COMMENTS, [line(2, BEA, at("01-02", "03:00:00"))])
    found = hours(one("SELECT id, hours FROM gros.time_to_first_response"))
    assert found == {1: 6, 2: 3, 3: None, 4: None, 5: None, 6: None}


def test_review_cycles(ask: Callable[..., Ask]) -> None:
    """From the request to the first answer; from the author's answer to the end of the request."""
    one = ask(REQUESTS, COMMENTS)
    cycles = one("SELECT cycle, began_at, ended_at, hours FROM gros.review_cycle_duration WHERE id = 1 ORDER BY cycle")
    assert [(number, begun, ended, float(length)) for number, begun, ended, length in cycles] == [
        (1, utc("01-01"), utc("01-01", "06:00:00"), 6),
        (2, utc("01-02"), utc("01-03"), 24),
    ]
    assert one("SELECT cycle, hours FROM gros.review_cycle_duration WHERE id = 3") == [(1, None)]


def github(number: int, made: str, closed: str = "0", pull: str = "0") -> GitHubIssue:
    people = {"author": ANN, "author_username": ANN, "assignee": "0", "assignee_username": "0", "closed_by": "0"}
    texts = {"repo_name": "code", "title": "t", "description": "", "status": "open", "labels": "0"}
    moments = {"created_at": made, "updated_at": made, "closed_at": closed}
    return GitHubIssue(id=str(number), pull_request_id=pull, **people, **texts, **moments)


def github_note(of: int, author: str, when: str) -> GitHubIssueNote:
    names = {"repo_name": "code", "issue_id": str(of), "note_id": f"{of}1", "comment": "c"}
    return GitHubIssueNote(**names, author=author, author_username=author, created_at=when, updated_at=when)


def jira(number: int, version: int, when: str, status: str, **more: str) -> JiraIssue:
    texts = {"key": f"ABC-{number}", "title": "t", "created": at("01-01"), "reporter": ANN}
    counts = {"watchers": "0", "attachment": "0", "labels": "0", "flagged": "0"}
    names = {"issue_id": str(number), "changelog_id": str(version), "updated": when, "status": status}
    return JiraIssue(**{**texts, **counts, **names, **more})


CATEGORIES = [
    JiraStatusCategory(id=2, key="new", name="To Do"),
    JiraStatusCategory(id=3, key="done", name="Done"),
]
STATUSES = [JiraStatus(id="1", name="Open", statusCategory=2), JiraStatus(id="5", name="Closed", statusCategory=3)]
ISSUES = [
    jira(7, 0, at("01-01"), "1"),
    jira(7, 1, at("01-11"), "5"),  # closed, and opened again
    jira(7, 2, at("01-21"), "1"),
    jira(7, 3, at("02-10"), "5"),  # closed for good
    jira(7, 4, at("03-01"), "5", assignee=BEA),
    jira(8, 0, at("01-01"), "1"),
]


def item(number: int, version: int, when: str, status: str) -> TfsWorkItem:
    names = {"issue_id": str(number), "changelog_id": str(version), "updated": when, "status": status}
    return TfsWorkItem(**names, created_date=at("03-01"), title="t", attachments="0", reporter=CLEO)


def test_issues(ask: Callable[..., Ask]) -> None:
    """Of three trackers. An issue that was opened again is closed when it was closed last; pull requests are none."""
    one = ask(
        [github(1, at("01-05"), at("02-05")), github(2, at("02-05")), github(3, at("02-05"), pull="3")],
        *(CATEGORIES, STATUSES, ISSUES),
        [item(9, 1, at("03-01"), "Active"), item(9, 2, at("03-04"), "Closed")],
    )
    found = one("SELECT tracker, source, name, created_at, closed_at FROM gros.issues ORDER BY tracker, name")
    assert found == [
        ("azure", None, "9", utc("03-01"), utc("03-04")),
        ("github", "code", "1", utc("01-05"), utc("02-05")),
        ("github", "code", "2", utc("02-05"), None),
        ("jira", None, "ABC-7", utc("01-01"), utc("02-10")),
        ("jira", None, "ABC-8", utc("01-01"), None),
    ]
    new = one("SELECT tracker, month, issues FROM gros.issues_new ORDER BY tracker, month")
    assert new == [
        ("azure", utc("03-01"), 1),
        ("github", utc("01-01"), 1),
        ("github", utc("02-01"), 1),
        ("jira", utc("01-01"), 2),
    ]
    closed = one("SELECT tracker, month, issues FROM gros.issues_closed ORDER BY tracker")
    assert closed == [("azure", utc("03-01"), 1), ("github", utc("02-01"), 1), ("jira", utc("02-01"), 1)]


def test_activity_and_responses(ask: Callable[..., Ask]) -> None:
    comments = [
        *(JiraComment(**_said("1", ANN, at("01-02"))), JiraComment(**_said("2", BEA, at("01-03")))),
        JiraComment(**_said("3", CLEO, at("01-04"))),
    ]
    one = ask([github(1, at("01-05"))], [github_note(1, BEA, at("01-06"))], CATEGORIES, STATUSES, ISSUES, comments)
    active = one("SELECT tracker, month, issues FROM gros.issues_active ORDER BY tracker, month")
    assert active == [
        ("github", utc("01-01"), 1),
        ("jira", utc("01-01"), 1),  # comments, closed and opened again
        ("jira", utc("02-01"), 1),  # closed
        ("jira", utc("03-01"), 1),  # assigned
    ]
    found = hours(one("SELECT issue, hours FROM gros.issue_response_time"))
    assert found == {"1": 24, "7": 48, "8": None}


def _said(number: str, author: str, when: str) -> dict[str, str]:
    names = {"id": number, "issue_id": "7", "comment": "c", "author": author, "updater": author}
    return names | {"created_at": when, "updated_at": when}


def commit(number: int, author: str, when: str, lines: tuple[int, int] = (1, 0), **more: str) -> VcsVersion:
    people = {"developer": author, "developer_username": "0", "developer_email": "0"}
    added, removed = map(str, lines)
    counts = {"insertions": added, "deletions": removed, "number_of_files": "1"}
    names = {"repo_name": "code", "version_id": f"{number:040x}", "sprint_id": "0", "message": "m", "type": "commit"}
    return VcsVersion(**{**names, **people, **counts, "commit_date": when, "author_date": when, **more})


def commits() -> list[VcsVersion]:
    """In January six commits of one person and two of another; in February one each of three."""
    found = [commit(number, ANN, at("01-10"), (10, 2)) for number in range(6)]
    found += [commit(10 + number, BEA, at("01-11")) for number in range(2)]
    found += [commit(20 + number, one, at("02-01")) for number, one in enumerate((ANN, BEA, CLEO))]
    return [*found, commit(30, DAN, "2023-12-31 23:59:59"), commit(31, "0", at("03-01"), author_date="0")]


def test_code_changes(ask: Callable[..., Ask]) -> None:
    one = ask(commits())
    counted = one("SELECT month, commits FROM gros.code_changes_commits ORDER BY month")
    december = datetime(2023, 12, 1, tzinfo=UTC)
    assert counted == [(december, 1), (utc("01-01"), 8), (utc("02-01"), 3), (utc("03-01"), 1)]
    lines = one("SELECT month, added, removed, touched FROM gros.code_changes_lines WHERE added > 5")
    assert [(month, *map(int, rest)) for month, *rest in lines] == [(utc("01-01"), 62, 12, 74)]


def test_contributors(ask: Callable[..., Ask]) -> None:
    """Commits of nobody count as commits, and nobody as no contributor."""
    one = ask(commits())
    new: dict[str, datetime] = dict(one("SELECT contributor, first_contribution FROM gros.new_contributors"))
    assert new == {
        ANN: utc("01-10"),
        BEA: utc("01-11"),
        CLEO: utc("02-01"),
        DAN: datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC),
    }
    found = one(
        "SELECT contributor, commits, is_occasional FROM gros.occasional_contributors WHERE year > '2024-01-01'"
    )
    assert found == []
    year = one("SELECT contributor, commits, is_occasional FROM gros.occasional_contributors ORDER BY contributor")
    assert year == [(ANN, 7, False), (BEA, 3, True), (CLEO, 1, True), (DAN, 1, True)]
    absent = one("SELECT year, people, contributors FROM gros.contributor_absence_factor ORDER BY year")
    assert absent == [(datetime(2023, 1, 1, tzinfo=UTC), 1, 1), (utc("01-01"), 1, 3)]


@pytest.mark.parametrize(
    ("counts", "people"), [((1, 1), 1), ((1, 1, 1), 2), ((5, 1, 1, 1, 1, 1), 1), ((4, 1, 1, 1, 1, 1), 2), ((1,), 1)]
)
def test_absence_factor(ask: Callable[..., Ask], counts: tuple[int, ...], people: int) -> None:
    """The fewest who made half of all commits."""
    made = [(str(person) * 64, number) for person, count in enumerate(counts) for number in range(count)]
    one = ask([commit(number, person, at("01-10")) for number, (person, _) in enumerate(made)])
    assert one("SELECT people, contributors FROM gros.contributor_absence_factor") == [(people, len(counts))]


def test_releases(ask: Callable[..., Ask]) -> None:
    """A tag without a moment has that of its commit."""
    names = {"repo_name": "code", "message": "", "tagger": "0", "tagger_email": "0"}
    tags = [
        Tag(**names, tag_name="v1", version_id=f"{1:040x}", tagged_date="0"),
        Tag(**names, tag_name="v2", version_id=f"{1:040x}", tagged_date=at("01-20")),
        Tag(**names, tag_name="lost", version_id=f"{77:040x}", tagged_date="0"),
    ]
    one = ask(commits(), tags)
    found = one("SELECT tag_name, released_at, days_since_last FROM gros.release_frequency ORDER BY released_at")
    assert [(name, when, days and float(days)) for name, when, days in found] == [
        ("v1", utc("01-10"), None),
        ("v2", utc("01-20"), 10),
    ]


def test_time_in_status(ask: Callable[..., Ask]) -> None:
    one = ask(CATEGORIES, STATUSES, ISSUES)
    found = one("SELECT name, began_at, ended_at, hours FROM gros.time_in_status WHERE issue_id = 7 ORDER BY began_at")
    assert [(name, begun, ended, length and float(length)) for name, begun, ended, length in found] == [
        ("Open", utc("01-01"), utc("01-11"), 240),
        ("Closed", utc("01-11"), utc("01-21"), 240),
        ("Open", utc("01-21"), utc("02-10"), 480),
        ("Closed", utc("02-10"), None, None),
    ]


def test_sprint_scope(ask: Callable[..., Ask]) -> None:
    """What was planned before a sprint began is no change of its scope."""
    sprint = JiraSprint(id="4", name="S", start_date=at("01-10"), end_date=at("01-20"), complete_date=at("01-22"))
    later = JiraSprint(id="5", name="T", start_date=at("02-10"))
    versions = [
        jira(1, 0, at("01-01"), "1", sprint="4"),
        jira(1, 1, at("01-15"), "1", sprint="5"),
        jira(2, 0, at("01-01"), "1"),
        jira(2, 1, at("01-21"), "1", sprint="4"),
        jira(2, 2, at("01-22"), "5", sprint="4"),
        jira(3, 0, at("01-01"), "1"),
        jira(3, 1, at("01-23"), "1", sprint="4"),
    ]
    one = ask([sprint, later], versions)
    found = one("SELECT name, key, change, moment FROM gros.sprint_scope_changes ORDER BY moment")
    assert found == [("S", "ABC-1", "removed", utc("01-15")), ("S", "ABC-2", "added", utc("01-21"))]


def test_targets_and_builds(ask: Callable[..., Ask]) -> None:
    values = (("up", "70"), ("up", "80"), ("down", "5"), ("down", "3"), ("none", "1"), ("lost", "-1"))
    measured = [
        Metric(name=name, value=value, category="c", date=at(f"01-{day:02}"))
        for day, (name, value) in enumerate(values, 1)
    ]
    about = {"base_name": "b", "domain_name": "d", "domain_type": "t", "scale": "count", "default": "0"}
    targets = [
        MetricTarget(name=name, revision=revision, target=target, direction=direction, **about)
        for name, revision, target, direction in (
            ("up", "2024-01-01T00:00:00Z", "90", "1"),
            ("up", "2024-01-02T00:00:00Z", "80", "1"),
            ("down", "2024-01-01T00:00:00Z", "2", "-1"),
            ("lost", "2024-01-01T00:00:00Z", "2", "-1"),
        )
    ]
    one = ask(measured, targets, [Jenkins(host="https://x/", jobs=3, views=2, nodes=1)])
    found = one("SELECT name, value, target, is_met FROM gros.targets_met")
    assert {name: rest for name, *rest in found} == {
        "up": [Decimal(80), Decimal(80), True],
        "down": [Decimal(3), Decimal(2), False],
        "none": [Decimal(1), None, None],
        "lost": [None, Decimal(2), None],
    }
    assert one("SELECT host, jobs, views, nodes FROM gros.builds") == [("https://x/", 3, 2, 1)]


def test_a_metric_that_was_measured_again(inbox: Inbox, url: str) -> None:
    """Of measurements of one moment, those of the last batch count, and of these the largest."""
    measured = [
        Metric(name="size", value=value, category="red", date=at("05-01")) for value in ("5", "7", "6", "1", "-1")
    ]
    inbox.add(measured[:1])
    inbox.add(measured[1:3])
    inbox.load(url)
    assert asked(url, "SELECT value FROM gros.targets_met") == [(7,)]
    inbox.add(measured[3:])
    inbox.load(url)
    assert asked(url, "SELECT value FROM gros.targets_met") == [(1,)]


def test_every_view_is_tried_here() -> None:
    tried = set(re.findall(r"gros\.(\w+)", Path(__file__).read_text(encoding="utf-8")))
    inner = {"change_request_comments", "contributions", "issue_activity"}
    assert {one.name for one in views()} - tried == inner
    assert len({one.name for one in views()}) == len(views())
    assert all(one.title for one in views())
    assert len(list(statements())) == 3 * len(views())


def history() -> tuple[Sequence[Row], ...]:
    """Rows from which every view has an answer."""
    tags = [
        Tag(
            repo_name="code",
            message="",
            tagger="0",
            tagger_email="0",
            tag_name="v",
            version_id="1",
            tagged_date=at("01-01"),
        )
    ]
    sprint = JiraSprint(id="4", name="S", start_date=at("01-02"), end_date=at("01-20"))
    moved = [jira(9, 0, at("01-01"), "1"), jira(9, 1, at("01-15"), "1", sprint="4")]
    about = {"base_name": "b", "domain_name": "d", "domain_type": "t", "scale": "count", "default": "0"}
    target = MetricTarget(name="up", revision="2024-01-01T00:00:00Z", target="90", direction="1", **about)
    return (
        *([*REQUESTS, request(7, "merged", at("03-01"), at("03-02"))], COMMENTS, commits(), tags),
        *([github(1, at("01-05"), at("02-05"))], [github_note(1, BEA, at("01-06"))], CATEGORIES, STATUSES),
        *([*ISSUES, *moved], [sprint], [Metric(name="up", value="70", category="c", date=at("01-01"))], [target]),
        [Jenkins(host="https://x/", jobs=3, views=2, nodes=1)],
    )


ANSWERS = Path(__file__).parents[2] / "docs" / "answers.md"


def test_every_query_of_the_documentation(ask: Callable[..., Ask]) -> None:
    """They run, and each but one has an answer: nothing was refused here."""
    text = ANSWERS.read_text(encoding="utf-8")
    one = ask(*history())
    queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert len(queries) > 15
    empty = [query for query in queries if not one(query)]
    assert [query for query in empty if "refused" not in query] == []
    assert {view.name for view in views()} <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert {view.name for view in views()} <= set(re.findall(r"gros\.(\w+)", text))
    assert all(view.source in text for view in views())
