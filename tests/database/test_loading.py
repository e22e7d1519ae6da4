"""Batches become rows with types, each batch once, in both databases alike."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gros_agent.database import checking
from gros_agent.errors import ExitStatus
from gros_agent.rows import (
    Jenkins,
    JiraDeveloper,
    JiraStatus,
    MetricTarget,
    MetricVersion,
    Project,
    SourceId,
    Tag,
    TfsTeamMember,
)
from support.inbox import Inbox, asked, dump
from support.rows import AUTHOR, OTHER, change, comment, commit, issue, measurement, request, review, tag
from support.sample import Sample

ODD = "tab\tnewline\nreturn\rback\\slash \\N \\. 'quoted' \"twice\" {a} %s $1 ä 日本 \U0001f600 \x1f"


class TestValues:
    def test_types(self, inbox: Inbox, url: str) -> None:
        inbox.add(
            [
                issue(
                    7, flagged="1", bugfix="-1", storypoint="2.5", duedate="2024-02-29", project="OTHER", assignee="0"
                ),
                issue(8, updated_by=AUTHOR, watchers="9000000000"),
            ]
        )
        assert inbox.load(url).status is ExitStatus.DONE
        names = "issue_id, flagged, bugfix, storypoint, duedate, jira_issue_project, assignee, updated_by, watchers"
        rows = asked(url, f"SELECT {names}, created, batch, project FROM gros.jira_issue ORDER BY issue_id")
        moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
        assert rows == [
            (7, True, False, Decimal("2.5"), date(2024, 2, 29), "OTHER", None, None, 0, moment, 1, "ABC"),
            (8, False, None, None, None, None, None, AUTHOR, 9_000_000_000, moment, 1, "ABC"),
        ]

    @pytest.mark.parametrize("text", [ODD, "0", "", "\\N", "x" * 3_000_000])
    def test_texts(self, inbox: Inbox, url: str, text: str) -> None:
        inbox.add([commit(message=text), commit("abd", message="another")])
        inbox.load(url)
        rows = asked(url, "SELECT message, developer, developer_email, author_date FROM gros.vcs_versions ORDER BY 1")
        assert (text, AUTHOR, None, None) in rows
        assert len(rows) == 2

    def test_numbers_as_json_and_single_objects(self, inbox: Inbox, url: str) -> None:
        status = JiraStatus(id="1", name="Open", description="0", statusCategory=4)
        inbox.add(
            [status],
            [Jenkins(host="a host", jobs=3, views=2, nodes=1)],
            [Project(jira_key="ABC", jira_name="A", is_support_team=True)],
        )
        inbox.load(url)
        assert asked(url, 'SELECT id, "statusCategory", description FROM gros.jira_status') == [(1, 4, None)]
        assert asked(url, "SELECT host, jobs, nodes FROM gros.jenkins") == [("a host", 3, 1)]
        assert asked(url, "SELECT jira_key, main_project, is_support_team FROM gros.project") == [("ABC", None, True)]

    def test_fields_that_are_left_out(self, inbox: Inbox, url: str) -> None:
        """Their value is that of the row type, whoever reads the file."""
        inbox.add_files(
            {
                "data_fixVersion.json": b'[\n{"id":"1","name":"1.0"}\n]\n',
                "data_tfs_developer.json": b'[{"display_name": "0", "email": "0"}]',
            }
        )
        inbox.load(url)
        assert asked(url, "SELECT id, description, release_date, released FROM gros.jira_fixversion") == [
            (1, "", None, False)
        ]
        assert asked(url, "SELECT display_name, encrypted FROM gros.tfs_developer") == [(None, False)]

    def test_targets(self, inbox: Inbox, url: str) -> None:
        given = {"base_name": "b", "domain_name": "d", "domain_type": "t", "scale": "count", "default": "1"}
        inbox.add([MetricTarget(name="a", revision="r", **given, target="", low_target="-0.25")])
        inbox.load(url)
        assert asked(url, 'SELECT target, low_target, debt_target, "default" FROM gros.metric_targets') == [
            (None, Decimal("-0.25"), None, True)
        ]

    @pytest.mark.parametrize(
        ("zone", "local", "expected"),
        [
            ("Europe/Amsterdam", "2024-01-01 12:00:00", "2024-01-01T11:00:00"),
            ("Europe/Amsterdam", "2024-03-31 02:30:00", "2024-03-31T01:30:00"),
            ("Europe/Amsterdam", "2024-10-27 02:30:00", "2024-10-27T01:30:00"),
            ("America/New_York", "2024-11-03 01:30:00", "2024-11-03T06:30:00"),
            ("Asia/Kathmandu", "2050-07-01 00:00:00", "2050-06-30T18:15:00"),
            ("UTC", "9999-12-31 23:59:59", "9999-12-31T23:59:59"),
            ("UTC", "1000-01-01 00:00:00", "1000-01-01T00:00:00"),
            ("UTC+0530", "2024-01-01 12:00:00", "2024-01-01T06:30:00"),
            ("UTC-0130", "2024-01-01 12:00:00", "2024-01-01T13:30:00"),
            ("", "2024-01-01 12:00:00", "2024-01-01T12:00:00"),
            ("Mars/Olympus", "2024-01-01 12:00:00", "2024-01-01T12:00:00"),
            ("'; DROP SCHEMA gros; --", "2024-01-01 12:00:00", "2024-01-01T12:00:00"),
        ],
    )
    def test_moments(self, inbox: Inbox, url: str, zone: str, local: str, expected: str) -> None:
        inbox.add([commit(commit_date=local)], zone=zone)
        inbox.load(url)
        ((moment,),) = asked(url, "SELECT commit_date FROM gros.vcs_versions")
        assert moment == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        ((stored, reason),) = asked(url, "SELECT time_zone, reason FROM gros.batches")
        is_taken = zone and "/O" not in zone and ";" not in zone
        assert (stored, reason is None) == ((zone, True) if is_taken else ("UTC", False))

    def test_receipt_of_an_earlier_controller(self, inbox: Inbox, url: str) -> None:
        inbox.add([commit()], zone=None)
        assert inbox.load(url).status is ExitStatus.DONE
        rows = asked(url, "SELECT time_zone, state, reason, agent, moment, rows, number, batch FROM gros.batches")
        assert rows == [
            (
                *("UTC", "loaded", "the batch names no time zone: its moments were taken as UTC", "agent-ABC"),
                *(datetime(2024, 6, 1, 12, 0, 1, tzinfo=UTC), 1, 1, "b1"),
            )
        ]

    @pytest.mark.parametrize("block", [1, 60, 200, 1000])
    def test_blocks(self, inbox: Inbox, url: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checking, "BLOCK", block)
        inbox.add([change(f"{number}\n.py") for number in range(20)])
        inbox.load(url)
        files = [name for (name,) in asked(url, "SELECT file FROM gros.change_path")]
        assert sorted(files) == sorted(f"{number}\n.py" for number in range(20))

    @pytest.mark.parametrize("form", [{"indent": 4}, {"indent": 0}, {}, {"separators": (",", ":")}])
    def test_files_of_other_agents(self, inbox: Inbox, url: str, form: dict[str, Any]) -> None:
        rows = msgspec.to_builtins([change("ä"), change("b")])
        for ascii_alone in (True, False):
            content = json.dumps(rows, ensure_ascii=ascii_alone, **form).encode()
            inbox.add_files({"data_change_path.json": content})
        assert inbox.load(url).status is ExitStatus.DONE
        assert asked(url, "SELECT file FROM gros.change_path ORDER BY 1 DESC") == [("ä",), ("b",)]


class TestKeys:
    def test_once(self, inbox: Inbox, url: str) -> None:
        inbox.add([change()], [tag("v1")], [measurement()])
        inbox.load(url)
        before = dump(url)
        result = inbox.load(url)
        assert (result.batches, result.loaded_before, result.status) == ([], 1, ExitStatus.DONE)
        assert dump(url) == before

    def test_the_same_rows_again(self, inbox: Inbox, url: str) -> None:
        """Rows that do not differ keep the batch that they came with."""
        for _ in range(2):
            inbox.add([change(), change("b")], [request()], [comment("a"), comment("a", AUTHOR)], [review("1", "0")])
        inbox.load(url)
        for table, count in (
            ("change_path", 2),
            ("merge_request", 1),
            ("commit_comment", 2),
            ("merge_request_review", 1),
        ):
            assert asked(url, f"SELECT batch FROM gros.{table}") == [(1,)] * count

    def test_another_project_or_source(self, inbox: Inbox, url: str) -> None:
        inbox.add([change()])
        inbox.add([change()], project="DEF")
        inbox.add([change(repo_name="other", insertions="7")])
        inbox.load(url)
        assert asked(url, "SELECT project, repo_name, insertions FROM gros.change_path ORDER BY 1, 2") == [
            ("ABC", "code", 1),
            ("ABC", "other", 7),
            ("DEF", "code", 1),
        ]

    def test_changes(self, inbox: Inbox, url: str) -> None:
        inbox.add([request(1), request(2), request(3)], [change()])
        inbox.add(
            [
                request(1, "2024-05-02 12:00:00", title="newer"),
                request(2, title="of the same moment"),
                request(3, "2024-04-30 12:00:00", title="older"),
            ],
            [change(insertions="2")],
        )
        inbox.load(url)
        assert asked(url, "SELECT id, title, batch FROM gros.merge_request ORDER BY id") == [
            (1, "newer", 2),
            (2, "of the same moment", 2),
            (3, "a title", 1),
        ]
        assert asked(url, "SELECT insertions, batch FROM gros.change_path") == [(2, 2)]

    def test_people_stay_known(self, inbox: Inbox, url: str) -> None:
        """As within a batch: the first known person of a version counts."""
        moment = "2024-05-01 12:00:00"
        version = MetricVersion(version_id="v", commit_date=moment, message="m")
        inbox.add([msgspec.structs.replace(version, developer=AUTHOR)], [review("1", username=OTHER)])
        inbox.add([msgspec.structs.replace(version, message="n")], [review("-1")])
        inbox.load(url)
        assert asked(url, "SELECT developer, message FROM gros.metric_versions") == [(AUTHOR, "n")]
        assert asked(url, "SELECT vote, reviewer_username FROM gros.merge_request_review") == [(-1, OTHER)]

    @pytest.mark.parametrize("length", [4000, 1_000_000])
    def test_long_texts_in_a_key(self, inbox: Inbox, url: str, length: int, draw: Sample) -> None:
        chance = draw.chance("text")
        text = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))
        name = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(1000))
        for _ in range(2):
            inbox.add([comment(text), comment(f"{text}.")], [change(name), change(f"{name[:-1]}.")])
        assert inbox.load(url).status is ExitStatus.DONE
        assert asked(url, "SELECT batch FROM gros.commit_comment") == [(1,)] * 2
        assert asked(url, "SELECT batch FROM gros.change_path") == [(1,)] * 2

    def test_measurements_are_added(self, inbox: Inbox, url: str) -> None:
        inbox.add([measurement(), measurement()])
        inbox.add([measurement("-1")])
        inbox.load(url)
        assert asked(url, "SELECT value, batch FROM gros.metrics ORDER BY batch, value") == [
            (Decimal("1.5"), 1),
            (Decimal("1.5"), 1),
            (None, 2),
        ]


class TestSnapshots:
    def test_replaced_for_their_source(self, inbox: Inbox, url: str) -> None:
        inbox.add([tag("a"), tag("b"), tag("a", "other")])
        inbox.add([tag("b"), tag("c")])
        inbox.load(url)
        assert asked(url, "SELECT repo_name, tag_name, batch FROM gros.tag ORDER BY 1, 2") == [
            ("code", "b", 2),
            ("code", "c", 2),
            ("other", "a", 1),
        ]

    def test_replaced_for_their_project(self, inbox: Inbox, url: str) -> None:
        """Where rows do not name their source."""
        parts = [
            SourceId(domain_name=letter, url="https://x/", source_id="1", source_type="sonar", domain_type="t")
            for letter in "abc"
        ]
        inbox.add(parts[:2])
        inbox.add(parts[:1], project="DEF")
        inbox.add(parts[2:])
        inbox.load(url)
        assert asked(url, "SELECT project, domain_name FROM gros.source_ids ORDER BY 1") == [("ABC", "c"), ("DEF", "a")]

    def test_earlier_rows_of_partial_ones_stay(self, inbox: Inbox, url: str) -> None:
        """A person of old issues is true, although nothing can be assigned to that person any more."""
        people = [JiraDeveloper(name=letter * 64, display_name="0") for letter in "abc"]
        inbox.add(people[:2])
        inbox.add(people[1:])
        inbox.load(url)
        found = asked(url, "SELECT name, batch FROM gros.jira_developer ORDER BY 1")
        assert found == [("a" * 64, 1), ("b" * 64, 1), ("c" * 64, 2)]

    def test_without_rows_nothing_is_removed(self, inbox: Inbox, url: str) -> None:
        inbox.add([tag("a")])
        inbox.add(Tag, JiraDeveloper)
        assert [one.rows for one in inbox.load(url).batches] == [1, 0]
        assert asked(url, "SELECT tag_name, batch FROM gros.tag") == [("a", 1)]

    def test_one_key_in_two_sources(self, inbox: Inbox, url: str) -> None:
        for repository in ("code", "other"):
            inbox.add([TfsTeamMember(repo_name=repository, team_name="team", user="0", username=AUTHOR)])
        assert inbox.load(url).status is ExitStatus.DONE
        assert len(asked(url, "SELECT * FROM gros.tfs_team_member")) == 2
