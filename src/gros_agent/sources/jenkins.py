"""Jenkins (LTS): the number of its jobs, views and nodes.

Jobs can be in nested folders and in pipelines with several branches. An answer has several levels at once. The API is
described under ``/api`` of each page of a Jenkins. Its answers have the version in the header ``X-Jenkins``.
"""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from gros_agent.errors import SourceError
from gros_agent.rows import Jenkins, Row
from gros_agent.sources.base import Collected, Context, Declared, Environment, Order
from gros_agent.sources.common.lazy import load

if TYPE_CHECKING:
    from gros_agent.http.client import WebClient

LEVELS = 4
"""Levels of folders per request."""
_CONTAINERS = ("Folder", "MultiBranchProject")
"""Suffixes of classes that contain jobs and are not jobs: folders, and pipelines with several branches."""


class _Job(msgspec.Struct):
    name: str
    kind: str = msgspec.field(name="_class", default="")
    jobs: "list[_Job] | None" = None

    @property
    def holds_others(self) -> bool:
        return self.jobs is not None or self.kind.endswith(_CONTAINERS)


class _Jobs(msgspec.Struct):
    jobs: list[_Job]


class _Views(msgspec.Struct):
    views: list[dict[str, Any]]


class _Nodes(msgspec.Struct):
    computer: list[dict[str, Any]]


class JenkinsSource(Declared):
    """A Jenkins instance."""

    kind = "jenkins"
    title = "Jenkins"
    tables: tuple[type[Row], ...] = (Jenkins,)
    items: type[Row] = Jenkins
    tracker = ""
    order = Order.BUILDS

    def check(self, context: Context) -> str:
        """Describe the version of the server, and its number of views."""
        version, views = _asked(context)
        return f"answers as version {version}; {views} views"

    def version(self, context: Context) -> str:
        """The version of the server."""
        return _asked(context)[0]

    def environment(self, context: Context) -> Environment:
        """The instance."""
        return Environment("jenkins", context.entry.url, context.entry.url)

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield the current numbers."""
        del since
        client, base = _client(context), _base(context)
        jobs = _count(client, base)
        views = client.get(f"{base}/api/json", _Views, {"tree": "views[name]"}).views
        nodes = client.get(f"{base}/computer/api/json", _Nodes, {"tree": "computer[displayName]"}).computer
        yield [Jenkins(host=f"{base}/", jobs=jobs, views=len(views), nodes=len(nodes))]
        return Collected(position=None, expected=1)


def _asked(context: Context) -> tuple[str, int]:
    """The version of the server, and its number of views. Raises :class:`SourceError`."""
    client = load("gros_agent.http.client")
    answer = _client(context).ask(client.Request("GET", f"{_base(context)}/api/json", {"tree": "views[name]"}), _Views)
    version = answer.headers.get("X-Jenkins")
    if version is None:
        raise SourceError(f"{_base(context)} is not a Jenkins: it reports no version", "check the address")
    return version, len(answer.value.views)


def _base(context: Context) -> str:
    return context.entry.url.rstrip("/")


def _client(context: Context) -> "WebClient":
    """A client with the user and the password, or API token, of the entry or of its host."""
    api = load("gros_agent.sources.common.api")
    user, password = api.login(context)
    client: WebClient = api.client(context, _base(context), api.basic(user, password) if user and password else {})
    return client


def _count(client: "WebClient", folder: str) -> int:
    """Count the jobs in a folder. Raises :class:`SourceError`."""
    tree = "jobs[name,_class]"
    for _ in range(LEVELS - 1):
        tree = f"jobs[name,_class,{tree}]"
    return sum(_jobs(client, job, folder) for job in client.get(f"{folder}/api/json", _Jobs, {"tree": tree}).jobs)


def _jobs(client: "WebClient", job: _Job, folder: str) -> int:
    place = f"{folder}/job/{quote(job.name, safe='')}"
    if not job.holds_others:
        return 1
    if job.jobs is None:  # the folder is deeper than the answer
        return _count(client, place)
    return sum(_jobs(client, one, place) for one in job.jobs)


SOURCE = JenkinsSource()
