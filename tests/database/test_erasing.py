"""People who are erased are in no table any more, and no later batch brings them back, in both databases alike."""

from pathlib import Path

import pytest

from gros_agent.database import erasure
from gros_agent.database.definitions import by_row, definitions
from gros_agent.database.erased import Erased, check_pseudonyms, digest
from gros_agent.database.without import is_of_a_person
from gros_agent.errors import ConfigurationError, ExitStatus
from gros_agent.rows import JiraDeveloper, MetricVersion, TfsDeveloper, TfsTeamMember
from support.inbox import Dump, Inbox, asked, dump
from support.people import row_of, tables_with_people
from support.rows import AUTHOR, OTHER, change, comment, review

THIRD = "c" * 64
PEOPLE = (AUTHOR, OTHER, THIRD)


def add_everything(inbox: Inbox, *people: str, project: str = "ABC") -> None:
    """Add a batch in which each person stands in each table."""
    rows = {row: [row_of(row, 10 + PEOPLE.index(one), one) for one in people] for row in tables_with_people()}
    inbox.add(*(several[:1] if row.is_single else several for row, several in rows.items()), project=project)


def without_batches(found: Dump) -> Dump:
    return {table: rows for table, rows in found.items() if table not in {"batches", "collected", "erased", "version"}}


def erase(url: str, *people: str, inbox: Path | None = None) -> erasure.Erasure:
    return erasure.erase(people, url, inbox)


class TestEveryTable:
    def test_others_stay_as_they_are(self, inbox: Inbox, url: str) -> None:
        """A database in which somebody was erased has the other people's rows, and nothing else of the person."""
        add_everything(inbox, AUTHOR, OTHER)
        assert inbox.load(url).status is ExitStatus.DONE
        before = without_batches(dump(url))
        result = erase(url, AUTHOR)
        assert result.status is ExitStatus.DONE
        after = without_batches(dump(url))
        assert AUTHOR not in str(dump(url))
        for table in map(by_row, tables_with_people()):
            if table.row.is_single:
                continue
            assert [row for row in before[table.name] if OTHER in str(row)] == [
                row for row in after[table.name] if OTHER in str(row)
            ]
            gone = int(is_of_a_person(table.row))
            assert len(after[table.name]) == len(before[table.name]) - gone, table.name
        assert asked(url, "SELECT digest FROM gros.erased") == [(digest(AUTHOR),)]

    def test_says_where(self, inbox: Inbox, url: str) -> None:
        add_everything(inbox, AUTHOR, OTHER)
        inbox.load(url)
        found = {(one.table, one.column): (one.change, one.rows) for one in erase(url, AUTHOR).places}
        for table in map(by_row, tables_with_people()):
            for name in (*table.personal, *table.free_text):
                if is_of_a_person(table.row):
                    continue
                change = "nulled" if name in table.personal else "replaced"
                assert found[table.name, name] == (change, 1), (table.name, name)
        assert found["jira_developer", "name"] == ("removed", 1)
        assert ("jira_developer", "display_name") not in found
        assert erase(url, AUTHOR).places == []

    def test_later_batches_do_not_bring_them_back(self, inbox: Inbox, url: str) -> None:
        add_everything(inbox, AUTHOR, OTHER)
        inbox.load(url)
        erase(url, AUTHOR)
        once, counts = without_batches(dump(url)), counted(url)
        inbox.load(url, again=True)
        assert without_batches(dump(url)) == once
        add_everything(inbox, AUTHOR, OTHER)
        add_everything(inbox, AUTHOR, project="DEF")
        assert inbox.load(url).status is ExitStatus.DONE
        assert AUTHOR not in str(dump(url))
        assert counted(url) == counts

    def test_erased_before_they_come(self, inbox: Inbox, url: str, tmp_path: Path) -> None:
        """A batch of an erased person gives the rows that erasing gives afterwards."""
        inbox.load(url)
        erase(url, AUTHOR, THIRD)
        add_everything(inbox, *PEOPLE)
        assert inbox.load(url).status is ExitStatus.DONE
        afterwards = f"duckdb:{tmp_path / 'afterwards.duckdb'}"
        Inbox(inbox.folder).load(afterwards)
        erase(afterwards, AUTHOR, THIRD)
        assert without_batches(dump(url)) == without_batches(dump(afterwards))


def counted(url: str) -> dict[str, int]:
    """The numbers of rows of the project ABC, in the tables in which a key is there once."""
    return {
        table.name: asked(url, f"SELECT count(*) FROM {table.full_name} WHERE project = 'ABC'")[0][0]
        for table in definitions()
        if table.key
    }


class TestKeys:
    """Rows with a person in their key."""

    def test_two_who_would_be_alike(self, inbox: Inbox, url: str) -> None:
        """One row of those with the same key stays, as it does if they come later."""
        rows = [review("1", AUTHOR), review("-1", OTHER), review("2", THIRD), review("3", "0")]
        inbox.add(rows[:3])
        inbox.load(url)
        found = {(one.column, one.change): one.rows for one in erase(url, AUTHOR, OTHER).places}
        assert found == {("reviewer", "nulled"): 1, ("reviewer", "removed"): 1}
        query = "SELECT reviewer, vote FROM gros.merge_request_review ORDER BY vote"
        assert asked(url, query) == [(None, 1), (THIRD, 2)]
        inbox.add(rows[:3])
        assert [one.rows for one in inbox.load(url).batches] == [2]
        assert asked(url, query) == [(None, 1), (THIRD, 2)]
        inbox.add(rows)
        assert [one.rows for one in inbox.load(url).batches] == [2]

    def test_beside_somebody_unknown(self, inbox: Inbox, url: str) -> None:
        inbox.add([review("3", "0"), review("1", AUTHOR)])
        inbox.load(url)
        erase(url, AUTHOR)
        assert asked(url, "SELECT reviewer, vote FROM gros.merge_request_review") == [(None, 3)]

    def test_several_sources_and_projects(self, inbox: Inbox, url: str) -> None:
        for project in ("ABC", "DEF"):
            rows = [
                TfsTeamMember(repo_name="r", team_name=team, user=AUTHOR, username=AUTHOR) for team in ("one", "two")
            ]
            inbox.add(rows, project=project)
        inbox.load(url)
        erase(url, AUTHOR)
        assert asked(url, 'SELECT project, team_name, "user" FROM gros.tfs_team_member ORDER BY 1, 2') == [
            *(("ABC", "one", None), ("ABC", "two", None), ("DEF", "one", None), ("DEF", "two", None)),
        ]

    @pytest.mark.parametrize("texts", [(f"x {AUTHOR}", "x erased"), (f"{AUTHOR} {AUTHOR}", f"{AUTHOR} erased")])
    def test_texts_that_become_alike(self, inbox: Inbox, url: str, texts: tuple[str, str]) -> None:
        inbox.add([change(one, insertions=str(number)) for number, one in enumerate(texts)])
        inbox.add([comment(one) for one in texts])
        inbox.load(url)
        erase(url, AUTHOR)
        word = texts[0].replace(AUTHOR, "erased")
        assert asked(url, "SELECT file FROM gros.change_path") == [(word,)]
        assert asked(url, "SELECT comment FROM gros.commit_comment") == [(word,)]
        inbox.add([change(one) for one in texts], [comment(one) for one in texts])
        assert [one.rows for one in inbox.load(url).batches] == [2]
        assert asked(url, "SELECT file FROM gros.change_path") == [(word,)]

    def test_a_key_has_one_person(self) -> None:
        """Erasing goes through the columns of a key one by one."""
        assert {row for row in tables_with_people() if is_of_a_person(row)} == {JiraDeveloper, TfsDeveloper}
        for table in definitions():
            if not is_of_a_person(table.row):
                assert sum(name in table.personal for name in table.key) <= 1

    def test_address_that_is_left_out(self, inbox: Inbox, url: str) -> None:
        """Where the importer takes no 0, nothing is written."""
        inbox.load(url)
        erase(url, AUTHOR)
        inbox.add(
            [JiraDeveloper(name=OTHER, display_name=AUTHOR, email=AUTHOR)],
            [MetricVersion(version_id="v", commit_date="2024-05-01 12:00:00", message="m", developer=AUTHOR)],
        )
        inbox.load(url)
        erase(url, THIRD, inbox=inbox.folder)
        assert asked(url, "SELECT name, display_name, email FROM gros.jira_developer") == [(OTHER, None, None)]
        assert asked(url, "SELECT developer, message FROM gros.metric_versions") == [(None, "m")]


class TestForms:
    @pytest.mark.parametrize("given", ["", "0", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "some name", "é" * 64])
    def test_what_is_no_pseudonym(self, given: str) -> None:
        """It is not shown: it may be a name."""
        with pytest.raises(ConfigurationError, match="number 2 of the given texts is not a pseudonym") as caught:
            check_pseudonyms([AUTHOR, given])
        assert not given or given not in caught.value.message.replace("0 to f", "")

    def test_none_at_all(self) -> None:
        with pytest.raises(ConfigurationError, match="no pseudonym was given"):
            check_pseudonyms([])

    @pytest.mark.parametrize("before", [b"", b"f", b"00e4", b"x", b"f" * 70, b"g" * ((1 << 20) - 30)])
    def test_found_wherever_it_stands(self, tmp_path: Path, before: bytes) -> None:
        path = tmp_path / "file"
        person = "0123456789abcdef" * 4
        erased = Erased.of([person])
        path.write_bytes(before + person.encode() + b"e")
        assert erased.within(path) == {person}
        path.write_bytes(before + person[:-1].encode() + b"e")
        assert erased.within(path) == frozenset()
        assert Erased().within(path) == frozenset()
