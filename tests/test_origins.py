"""The servers of the tests answer what the real systems answer, and each route says where that is known from."""

import re
from pathlib import Path

import pytest

from gros_agent.sources import sources
from support import origins
from support.origins import KINDS, SERVED
from support.replay import Served
from support.sources import FOLDER, asks_an_api, module_of

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest) -> Served:
    return SERVED[request.param]()


def test_every_route_has_an_origin(served: Served) -> None:
    names = {route.name for one in served.replays for route in one.routes}
    assert names == set(served.origins), "routes without an origin, or origins without a route"


def test_origins_can_be_looked_up(served: Served) -> None:
    """A recording is one of ours, which has its own origin and licence; a source or description has a file."""
    for origin in served.origins.values():
        for part in origin.split("; "):
            kind, _, where = part.partition(": ")
            if kind not in KINDS:
                continue  # more of the same
            if kind == "recording":
                name = where.split(",")[0]
                assert name.endswith("run") or (RECORDINGS / name).is_file() or re.match(r"v[0-9]", name), where
            else:
                assert "/" in where or "." in where, where
        assert origin.partition(": ")[0] in KINDS


def test_an_unknown_path_is_not_there(served: Served) -> None:
    for one in served.replays:
        for method in ("GET", "DELETE"):
            answer = one.answer(method, served.unknown, {}, b"")
            assert answer is not None
            assert answer[0] == 404


def test_no_route_takes_every_path(served: Served) -> None:
    for one in served.replays:
        for route in one.routes:
            assert not route.pattern.fullmatch("/a/b/c/d/e/f/g"), route.name
            assert ".*" not in route.pattern.pattern, route.name


def test_the_list(served: Served) -> None:
    """It is made of the declarations: write it anew with ``python tests/support/origins.py``."""
    assert f"## {served.title}\n" in origins.listed()
    assert origins.LIST.read_text() == origins.listed()


def test_every_server_is_here() -> None:
    """A module with routes is listed, whether it lies in this folder or in that of a source; so is each API."""
    own = {path.stem for path in origins.LIST.parent.glob("*.py") if "replay.route(" in path.read_text()} - {"replay"}
    of_sources = {path.parent.name for path in FOLDER.glob("*/*.py") if "replay.route(" in path.read_text()}
    apis = {module_of(kind) for kind in sources() if asks_an_api(kind)}
    assert own | of_sources | apis == set(SERVED)
