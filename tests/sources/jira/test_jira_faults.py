"""Every fault at every endpoint of both deployments: tried again, named, or an error with a hint."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gros_agent.errors import SourceError
from sources.jira.asking import context, gather
from sources.jira.cloud import JiraCloud
from sources.jira.replay import Jira
from sources.jira.sample import crowd, small_pages
from sources.jira.server import JiraServer
from support.faults import DATES, IN_CONTENT, LIMITS, NESTED, too_large
from support.replay import LASTING, TRANSIENT, Strike, serving, silence
from support.sample import Sample

FAULTS = {**TRANSIENT, **LASTING, **LIMITS, **NESTED, **DATES}
BEFORE = "2001-01-01 00:00"
_BOTH = ("server", "myself", "field", "project", "projects", "links", "assignable", "boards", "sprints", "search")
CASES = (
    *((JiraServer, route) for route in (*_BOTH, "issue", "user")),
    *((JiraCloud, route) for route in (*_BOTH, "changelogs", "issues", "comments")),
)


@dataclass
class Whole:
    """What came, and how it ended."""

    found: dict[str, Any]
    position: str | None
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def ask(one: Jira, folder: Path, silent: float) -> Whole | str:
    """Gather all that rows need, and more: the hint of the error if it fails."""
    try:
        came = gather(context(one, folder, silence=silent), BEFORE)
        extra = came.gathering.metadata
        others = (extra.projects, extra.user("JIRAUSER10000"), extra.fields, extra.link_types, extra.users)
    except SourceError as error:
        return error.hint or pytest.fail(f"{error.message}: there is no hint")
    end = came.gathering.collected()
    issues = {key: (issue.fields["updated"], len(issue.comments)) for key, issue in came.issues.items()}
    return Whole(
        {"histories": came.histories, "issues": issues, "others": others}, end.position, end.missing, end.notes
    )


@contextmanager
def full(made: type[Jira], patch: pytest.MonkeyPatch) -> Iterator[Jira]:
    """A project whose every list has several pages."""
    small_pages(patch)
    patch.setattr("gros_agent.sources.common.api.TRIES", 3)
    one = made()
    crowd(one)
    with serving(one.replay):
        yield one


@pytest.mark.slow
@pytest.mark.parametrize(("made", "route"), CASES, ids=[f"{made.__name__}-{route}" for made, route in CASES])
def test_every_fault(
    made: type[Jira], route: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Sample
) -> None:
    """A sample has some faults at each endpoint, and each fault at some endpoint of each deployment."""
    routes = [name for each, name in CASES if each is made]
    dealt = draw.deal(made.__name__, FAULTS, routes, least=8)[route]
    with full(made, monkeypatch) as one:
        whole = ask(one, tmp_path, 20)
        assert isinstance(whole, Whole)
        after = one.replay.counts()[route] // 2
        for name, fault in ((name, FAULTS[name]) for name in dealt):
            one.replay.strikes = {route: Strike(fault, times=1, after=after)}
            once = ask(one, tmp_path, silence(name))
            assert one.replay.strikes[route].struck == 1, "this is not asked"
            if name in TRANSIENT:
                assert once == whole, name
            else:
                check(once, whole, name)
            one.replay.strikes = {route: Strike(fault, after=after)}
            check(ask(one, tmp_path, silence(name)), whole, name)
        for name, fault in IN_CONTENT.items():
            one.replay.strikes = {route: Strike(fault)}
            odd = ask(one, tmp_path, 20)
            assert isinstance(odd, Whole), name
            assert odd.found["histories"] == whole.found["histories"], name
        one.replay.strikes = {route: Strike(too_large())}
        assert ask(one, tmp_path, 20) == whole


def check(one: Whole | str, whole: Whole, name: str) -> None:
    """Nothing is lost in silence: all is there, or there is an error, or something names what is missing."""
    if isinstance(one, str):
        return
    lost = set(whole.found["histories"]) - set(one.found["histories"])
    is_told = bool(set(one.notes) - set(whole.notes))
    if lost and name in {"404", "410"} and not one.missing:  # as if it had been deleted
        assert is_told, name
    elif lost:
        assert one.missing, name
        assert one.position is not None
        assert whole.position is not None
        assert one.position < whole.position, name
    elif one.found["others"] != whole.found["others"]:
        assert is_told or name in DATES or name in {"404", "limit in a 200"}, name
