"""Histories of every kind: what is made of an issue's changes is what the issue was, however the changes are given."""

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from gros_agent.rows import JiraIssue
from gros_agent.sources.jira.replay import Replay, Replayed
from gros_agent.sources.jira.seen import Seen
from sources.jira.happenings import Happened, happened, set_title
from sources.jira.history import Story
from sources.jira.slow_tables import as_json, counted, tables
from sources.jira.slow_values import Given
from sources.jira.state import KINDS, LISTED, PROJECT, START, State, account, fields, link, person, seen, text

BEGINNINGS = st.sampled_from(
    (
        State(),
        State(key="AB_1-5", project="1", description="d", assignee=1, duedate="2024-01-01", story=1.0, epic=1),
        State(sprints=[3, 4], labels=["a"], fixed=[1, 2], files=[1], components=[1], links=[(1, "10001", "-1")]),
    )
)
CHANGES = st.lists(happened, max_size=8)


def replayed(story: Story, since: int | None = None, *, order: str = "oldest", among: Seen | None = None) -> Replayed:
    histories = list(story.histories)
    if order == "newest":
        histories.reverse()
    elif order == "mixed":
        histories = histories[::2] + histories[1::2]
    found = Replay(fields(is_cloud=story.is_cloud), among or seen(is_cloud=story.is_cloud), since)
    return found.issue(story.issue(), histories)


def columns(row: JiraIssue) -> dict[str, str]:
    return {name: value for name, value in structs.asdict(row).items() if value is not UNSET and name != "encrypted"}


def seconds_of(story: Story) -> list[int]:
    """The seconds in which something changed."""
    return list(dict.fromkeys(second for second, _, one in story.states if one is not None))


def expected(story: Story) -> dict[int, tuple[int, dict[str, str]]]:
    """For each version its second, and its columns."""
    created = {"issue_id": "77", "created": text(START)}
    first = created | {"changelog_id": "0", "updated": text(START), "updated_by": account(3, is_cloud=story.is_cloud)}
    found = {0: (START, first | story.states[0][1].columns(is_cloud=story.is_cloud))}
    for number, second in enumerate(seconds_of(story), 1):
        within = [(state, one) for other, state, one in story.states if one is not None and other == second]
        state, last = within[-1]
        row = created | {"changelog_id": str(number), "updated": text(second)}
        if last is not None and last.author is not None:
            row["updated_by"] = account(last.author, is_cloud=story.is_cloud)
        directions = [{"Ranked higher": "1", "Ranked lower": "-1"}.get(one.rank or "") for _, one in within if one]
        if ranks := [direction for direction in directions if direction is not None]:
            row["rank_change"] = ranks[-1]
        found[number] = second, row | state.columns(is_cloud=story.is_cloud)
    if len(found) > 1:
        found[len(found) - 1][1]["updated"] = text(story.states[-1][0] + 7200)
    return found


@given(BEGINNINGS, CHANGES, st.booleans(), st.booleans(), st.sampled_from(("oldest", "newest", "mixed")))
def test_versions_are_what_the_issue_was(
    beginning: State, changes: list[Any], is_cloud: bool, in_milliseconds: bool, order: str
) -> None:
    story = Story(is_cloud)
    story.tell(beginning, changes, in_milliseconds=in_milliseconds)
    found = replayed(story, order=order).versions
    assert [columns(row) for row in reversed(found)] == [row for _, row in expected(story).values()]


def slowly(story: Story, since: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """All tables, made the slow way."""
    known = {} if story.is_cloud else {f"JIRAUSER{one}": person(one, is_cloud=False) for one in (1, 2, 3)}
    return tables(
        Given(
            key=PROJECT,
            is_cloud=story.is_cloud,
            issues=[story.issue() | {"changelog": {"histories": story.histories}}],
            fields=LISTED,
            link_types=[link(1, kind, "1")["type"] for kind in KINDS],
            projects={"1": PROJECT, "2": "OTHER"},
            by_key=known,
            since=None if since is None else datetime.fromtimestamp(since, UTC),
        )
    )


@given(
    BEGINNINGS,
    CHANGES,
    st.booleans(),
    st.sampled_from(("oldest", "newest", "mixed")),
    st.none() | st.tuples(st.integers(0, 8), st.sampled_from((-1, 0, 1))),
)
def test_all_tables_are_what_they_are_the_slow_way(
    beginning: State, changes: list[Any], is_cloud: bool, order: str, after: tuple[int, int] | None
) -> None:
    """Collected whole, or around the second of a change. What the slow way makes of it all is what the issue was."""
    story = Story(is_cloud)
    story.tell(beginning, changes)
    since = None
    if after is not None:
        seconds = [START, *seconds_of(story)]
        since = seconds[after[0] % len(seconds)] + after[1]
    wanted = slowly(story, since)
    if since is None:
        assert wanted["data"] == [row for _, row in expected(story).values()]
    seen_by = seen(is_cloud=is_cloud)
    found = replayed(story, since, order=order, among=seen_by)
    rows = [*found.versions, *found.links, *found.components, *found.subtasks, *chain.from_iterable(seen_by.rows())]
    assert as_json(rows) == {name: counted(some) for name, some in wanted.items() if some}


@given(BEGINNINGS, CHANGES, st.booleans(), st.integers(-1, 20_000))
def test_numbers_are_those_of_the_whole_history(
    beginning: State, changes: list[Any], is_cloud: bool, since: int
) -> None:
    """Whatever was collected before: old versions are left out, unless the issue is new in this project."""
    story = Story(is_cloud)
    story.tell(beginning, changes)
    limit = START + since
    moved = any(
        second >= limit and state.key != before.key
        for (second, state, _), (_, before, _) in zip(story.states[1:], story.states[:-1], strict=True)
    )
    wanted = [row for second, row in expected(story).values() if moved or second >= limit]
    assert [columns(row) for row in reversed(replayed(story, limit).versions)] == wanted


@given(BEGINNINGS, CHANGES, st.booleans(), st.sampled_from(("oldest", "newest")), st.none() | st.integers(0, 9000))
def test_components_and_links_have_their_first_and_last_moment(
    beginning: State, changes: list[Any], is_cloud: bool, order: str, since: int | None
) -> None:
    """For everything that ever was there, whatever was collected before."""
    story = Story(is_cloud)
    story.tell(beginning, changes)
    found = replayed(story, None if since is None else START + since, order=order)
    components = {(row.component_id,): (row.start_date, row.end_date) for row in found.components}
    assert components == periods(story, lambda state: [(str(one),) for one in state.components])
    links = {(row.to_key, row.relationshiptype, row.outward): (row.start_date, row.end_date) for row in found.links}
    assert {row.from_key for row in found.links} <= {story.now.key}
    same = [key for key in links if key[1] == "10001"]
    wanted = periods(story, lambda state: [(f"XY-{number}", *rest) for number, *rest in state.links])
    assert {key: one for key, one in links.items() if key not in same} == {
        key: one for key, one in wanted.items() if key[1] != "10001"
    }
    assert {key[0] for key in same} == {key[0] for key in wanted if key[1] == "10001"}


def periods(story: Story, listed: Any) -> dict[tuple[str, ...], tuple[str, str]]:
    """When each thing came first, and went last, as the states tell. Within a second each change counts."""
    came: dict[tuple[str, ...], int] = {}
    went: dict[tuple[str, ...], int] = {}
    known = list(listed(story.states[0][1]))
    before = set(known)
    for second, state, _ in story.states[1:]:
        now = set(listed(state))
        for key in now - before:
            came[key] = min(came.get(key, second), second)
        for key in before - now:
            went[key] = second
        known += now - before
        before = now
    return {
        key: (text(came[key]) if key in came else "0", text(went[key]) if key in went else "0")
        for key in dict.fromkeys(known)
    }


@pytest.mark.parametrize("count", [40, 100, 10_000])
def test_long_histories(count: int) -> None:
    story = Story(is_cloud=False)
    story.tell(State(), [Happened(1, 1, {"title": set_title(f"t{number}")}) for number in range(count)])
    rows = replayed(story, order="newest").versions
    assert [row.changelog_id for row in rows] == [str(number) for number in range(count, -1, -1)]
    assert [row.title for row in rows] == [*(f"t{number}" for number in range(count - 1, -1, -1)), "title"]
