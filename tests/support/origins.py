"""Where the routes of each server come from, as the modules declare it; ``README.md`` beside this has the list.

``python tests/support/origins.py`` writes the list anew. :mod:`test_origins` holds it, and that nothing else is
answered.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support import azure_devops, bigboat, github, github_rest, gitlab, jenkins, quality_time, sonarqube
from support.replay import Replay

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


@dataclass(frozen=True)
class Served:
    """A server with all routes that it may have, and what its module says of them."""

    title: str
    replays: tuple[Replay, ...]
    origins: Mapping[str, str]
    unknown: str = "/no/such/path"


def _github() -> Served:
    return Served("GitHub", (github.GitHub().replay,), github.ORIGINS, "/api/v3/no/such/path")


def _github_rest() -> Served:
    one, own = github.GitHub(), github.GitHub()
    github_rest.serve_rest(one)
    known = {route.name for route in own.replay.routes}
    added = Replay(routes=[route for route in one.replay.routes if route.name not in known])
    added.unknown = one.replay.unknown
    return Served("GitHub's REST API, for benchmarks", (added,), github_rest.ORIGINS, "/api/v3/no/such/path")


def _gitlab() -> Served:
    return Served("GitLab", (gitlab.GitLab().replay,), gitlab.ORIGINS, f"/{gitlab.UNDER}/api/v4/no_such_path")


def _azure_devops() -> Served:
    replays = tuple(azure_devops.AzureDevOps(is_first=is_first).replay for is_first in (False, True))
    return Served("Azure DevOps", replays, azure_devops.ORIGINS, "/tfs/Fabrikam/_apis/nothing")


def _quality_time() -> Served:
    replays = tuple(quality_time.QualityTime(version).replay for version in quality_time.RELEASES)
    return Served("Quality-time", replays, quality_time.ORIGINS, "/api/v3/no/such/path")


def _sonarqube() -> Served:
    return Served("SonarQube", (sonarqube.SonarQube().replay,), sonarqube.ORIGINS, "/sonar/api/no/such_path")


def _jenkins() -> Served:
    return Served("Jenkins", (jenkins.Jenkins().replay,), jenkins.ORIGINS)


def _bigboat() -> Served:
    return Served("BigBoat", (bigboat.Board().replay,), bigboat.ORIGINS, "/api/v2/nothing")


SERVED: tuple[Callable[[], Served], ...] = (
    *(_azure_devops, _bigboat, _github, _github_rest, _gitlab, _jenkins, _quality_time, _sonarqube),
)


def listed() -> str:
    """The list in Markdown."""
    parts = [_HEAD]
    for served in (make() for make in SERVED):
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
