"""The branch of each commit: linear in the product, against a slow and obviously right version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.sources.git.order import Order, assign, merged_branch


@st.composite
def histories(draw: st.DrawFn) -> dict[int, list[int]]:
    """Commit → parents; a commit's parents have smaller numbers, the last commit is the head."""
    count = draw(st.integers(1, 25))
    parents: dict[int, list[int]] = {}
    for number in range(count):
        older = list(range(number))
        size = draw(st.integers(0, min(3, number)))
        parents[number] = draw(st.permutations(older))[:size] if older else []
    return parents


def reachable(parents: dict[int, list[int]], start: int) -> set[int]:
    found: set[int] = set()
    todo = [start]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += parents[one]
    return found


def slow(parents: dict[int, list[int]], head: int) -> dict[int, int | None]:
    """The first commit of the default branch that leads to each commit, None for those of the default branch itself."""
    mainline = [head]
    while parents[mainline[-1]]:
        mainline.append(parents[mainline[-1]][0])
    found: dict[int, int | None] = dict.fromkeys(mainline)
    for commit in reversed(mainline):
        for one in reachable(parents, commit):
            found.setdefault(one, commit)
    return found


def name(number: int) -> str:
    return f"{number:040x}"


@given(histories(), st.none() | st.integers(0, 12))
def test_first_merge_that_brought_it(parents: dict[int, list[int]], oldest: int | None) -> None:
    head = max(parents)
    wanted = slow(parents, head)
    newest_first = sorted(wanted, reverse=True)  # parents have smaller numbers, so children come first
    lines = [" ".join((str(commit), *map(name, (commit, *parents[commit])))) for commit in newest_first]
    branches = {name(commit): f"branch-of-{commit}" for commit in parents if len(parents[commit]) > 1}
    order = Order(width=20)
    assign(order, lines, name(head), branches, oldest)
    found = {}
    for hashes, names in order.oldest_first(4):
        found.update(dict(zip(hashes, names, strict=True)))
    kept = {commit: merge for commit, merge in wanted.items() if oldest is None or commit >= oldest}
    assert list(found) == [name(commit) for commit in sorted(kept)]
    expected = {
        name(commit): "0" if merge is None else branches.get(name(merge), "0") for commit, merge in kept.items()
    }
    assert found == expected


@pytest.mark.parametrize(
    ("subject", "branch"),
    [
        ("Merge branch 'topic/x'", "topic/x"),
        ("Merge branch 'x' of https://git.example/y into main", "x"),
        ("Merge branch 'x' into 'main'", "x"),
        ("Merge pull request #12 from someone/patch-1", "someone/patch-1"),
        ("Merge pull request #12 in PRJ/repo from feature/y to main", "feature/y"),
        ("Merge remote-tracking branch 'origin/release/1.x'", "release/1.x"),
        ("Merge remote-tracking branch 'someone/x'", "0"),
        ("Merged in feature-z (pull request #7)", "feature-z"),
        ("Merge branches 'a' and 'b'", "0"),
        ("Merge tag 'v1'", "0"),
        ("Do not Merge branch 'x'", "0"),
        ("", "0"),
    ],
)
def test_subjects(subject: str, branch: str) -> None:
    assert merged_branch(subject) == branch
