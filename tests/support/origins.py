"""Where the routes of each server come from, as their modules declare it; ``README.md`` beside this has the list.

``python tests/support/origins.py`` writes the list anew. :mod:`test_origins` holds it, and that nothing else is
answered.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from support import bigboat, github, github_rest
from support.replay import Replay, Served
from support.sources import module_of, under_test

LIST = Path(__file__).with_name("README.md")
KINDS = ("description", "recording", "source")
"""What a route may come from: a published description, a recording, or the source of the system or of its client."""
_HEAD = """# Servers of the tests, and where their routes come from

Each server of a system in this folder answers what the real system answers, and to everything else what the real
system answers to a path that it has not. Each route has an origin: a *recording* in `tests/recordings`, the *source* of
the vendor (repository, version, file), or a published *description*. This list is made by
`python tests/support/origins.py` of the declarations beside the routes, and a test holds it. Patterns are regular
expressions.

What is served here and can't be told by an origin: the limit of 10,000 results of a SonarQube history, which its
source has for lists alone; tests let a server have one, since the agent goes on where answers end.

Servers of other kinds are no replays: Git, Subversion and SSH are the real programs; `existing.py` and `controller.py`
are controllers, whose protocol is described where they are; `web.py` answers what a test chooses.

Which of the servers the suites use that try every source stands in `tests/sources/NAME/sample.py`, one for each source;
`sources.py` has what these declare.
"""


def _github_rest() -> Served:
    one, own = github.GitHub(), github.GitHub()
    github_rest.serve_rest(one)
    known = {route.name for route in own.replay.routes}
    added = Replay(routes=[route for route in one.replay.routes if route.name not in known])
    added.unknown = one.replay.unknown
    return Served("GitHub's REST API, for benchmarks", (added,), github_rest.ORIGINS, "/api/v3/no/such/path")


def _bigboat() -> Served:
    return Served("BigBoat", (bigboat.Board().replay,), bigboat.ORIGINS, "/api/v2/nothing")


_OF_SOURCES = {module_of(kind): one.served for kind, one in under_test().items() if one.served is not None}
SERVED: Mapping[str, Callable[[], Served]] = dict(
    sorted({**_OF_SOURCES, "bigboat": _bigboat, "github_rest": _github_rest}.items())
)
"""The servers by name: those that the sources bring (:mod:`support.sources`), and others."""


def listed() -> str:
    """The list in Markdown."""
    parts = [_HEAD]
    for served in (make() for make in SERVED.values()):
        rows = {(route.method, route.pattern.pattern, route.name) for one in served.replays for route in one.routes}
        lines = [
            f"| {method} | `{pattern.replace('|', chr(92) + '|')}` | {name} | {served.origins.get(name, '')} |"
            for method, pattern, name in sorted(rows)
        ]
        heading = "| method | path | route | origin |\n| --- | --- | --- | --- |"
        parts.append("\n".join((f"## {served.title}\n", heading, *lines, "")))
    return "\n".join(parts)


if __name__ == "__main__":
    LIST.write_text(listed())
