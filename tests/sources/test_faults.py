"""Every fault at every endpoint of every system with an API: tried again, or an outcome with a hint; no row is lost."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.sources import sources
from gros_agent.sources.base import Definer
from support.faults import DATES, IN_CONTENT, LIMITS, NESTED, too_large
from support.replay import LASTING, TRANSIENT, Strike, serving, silence
from support.sample import Sample
from support.sources import System, Whole, asks_an_api, served, under_test

FAULTS = {**TRANSIENT, **LASTING, **LIMITS, **NESTED, **DATES}
PAGES = "502 until the page is small"
APIS = {api.name: api for one in under_test().values() for api in one.apis}
CASES = [(name, endpoint) for name, api in APIS.items() for endpoint in api.endpoints]


@pytest.fixture
def system(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    monkeypatch.setattr("gros_agent.sources.common.api.TRIES", 3)
    one = APIS[kind].make(tmp_path, monkeypatch)
    with serving(one.replay):
        one.context = served(one.context, one.replay.url)
        yield one


def test_every_source_with_an_api_is_here() -> None:
    """By its code a source asks an API; how its system is made and what is asked of it stands in its sample."""
    asking = {kind for kind in sources() if asks_an_api(kind)}
    definers = {f"{kind}, definition" for kind, source in sources().items() if isinstance(source, Definer)}
    assert set(APIS) == asking | definers


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "endpoint"), CASES, ids=["-".join(case) for case in CASES])
def test_every_fault(
    system: System, kind: str, endpoint: str, draw: Sample, record_property: Callable[[str, object], None]
) -> None:
    """A fault that strikes once costs another try, or is an outcome with a hint; so is one that stays.

    A sample has some faults at each endpoint, and each fault at some endpoint of each system.
    """
    whole = system.ask(system)
    after = system.replay.counts()[endpoint] // 2  # in the middle of its pages
    hints: dict[str, list[str]] = {}
    dealt = draw.deal(kind, (*FAULTS, *IN_CONTENT, PAGES), APIS[kind].endpoints, least=8)[endpoint]
    for name, fault in ((name, FAULTS[name]) for name in dealt if name in FAULTS):
        system.context = replace(system.context, silence=silence(name))
        system.replay.strikes = {endpoint: Strike(fault, times=1, after=after)}
        once = outcome(system)
        assert system.replay.strikes[endpoint].struck == 1, "the collection does not ask this"
        assert once == whole if name in TRANSIENT else is_fair(once, whole), name
        system.replay.strikes = {endpoint: Strike(fault, after=after)}
        always = outcome(system)
        assert is_fair(always, whole), name
        told = ", then ".join(dict.fromkeys(words(one, whole) for one in (once, always)))
        hints.setdefault(told, []).append(name)
    for name, fault in ((name, IN_CONTENT[name]) for name in dealt if name in IN_CONTENT):
        system.replay.strikes = {endpoint: Strike(fault)}
        odd = outcome(system)
        assert isinstance(odd, Whole), name
        assert odd.found.total() == whole.found.total(), name
        hints.setdefault("all rows, what can't be read replaced", []).append(name)
    if PAGES in dealt:
        system.replay.strikes = {endpoint: Strike(too_large())}
        assert outcome(system) == whole, PAGES
        hints.setdefault("all rows", []).append(PAGES)
    for told, names in hints.items():
        record_property("measured", f"{kind}, {endpoint}: {', '.join(names)} → {told}")


def is_fair(one: Whole | str, whole: Whole) -> bool:
    """Whether nothing is lost in silence: all is there, or there is an error, or something names what is missing.

    Where a part is missing, the next collection goes on from where this one did, or the part has no position of its
    own: which of several projects a fault strikes, one that was never analysed perhaps, is a matter of their threads.
    """
    if isinstance(one, str):
        return True
    if one.missing:
        return one.position is None or not any(f"of {part}," in said for said in one.missing for part in one.parts)
    return one.found.total() >= whole.found.total() or bool(set(one.notes) - set(whole.notes))


def words(one: Whole | str, whole: Whole) -> str:
    if isinstance(one, str):
        return one
    notes = sorted(set(one.notes) - set(whole.notes))
    return "; ".join((*(f"without {missing.partition(',')[0]}" for missing in one.missing), *notes)) or "all rows"


def outcome(system: System) -> Whole | str:
    """What was collected, or the hint of the error."""
    try:
        return system.ask(system)
    except SourceError as error:
        return error.hint or pytest.fail(f"{error.message}: there is no hint")
