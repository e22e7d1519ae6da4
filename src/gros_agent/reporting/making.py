"""Makes a report of an open database: asks, draws and writes the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gros_agent.database.target import Target
from gros_agent.errors import ConfigurationError
from gros_agent.reporting import change_requests, code_changes, collected, issue_flow, people, quality_and_builds
from gros_agent.reporting.asking import Questions
from gros_agent.reporting.basis import Basis
from gros_agent.reporting.contents import Content, Missing, Section
from gros_agent.reporting.page import rendered
from gros_agent.reporting.svg import drawn
from gros_agent.rows import GitHubIssue, Jenkins, JiraIssue, MergeRequest, Metric, Row, TfsWorkItem, VcsVersion
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.sources import sources

_SECTIONS: tuple[Callable[[Questions], Section | None], ...] = (
    collected.section,
    code_changes.section,
    change_requests.section,
    change_requests.reviews,
    issue_flow.section,
    quality_and_builds.quality,
    quality_and_builds.builds,
    people.section,
)
_FILLED_BY: Mapping[str, tuple[str, tuple[type[Row], ...]]] = {
    "code": ("Commits, releases and contributors", (VcsVersion,)),
    "requests": ("Change requests and their reviews", (MergeRequest,)),
    "issues": ("Issues", (GitHubIssue, JiraIssue, TfsWorkItem)),
    "quality": ("Metrics and their targets", (Metric,)),
    "builds": ("Build servers", (Jenkins,)),
}
"""What a section that has no data would show, and the tables that it needs."""


@dataclass(frozen=True)
class Written:
    """A report that was written."""

    path: str
    bytes: int
    projects: tuple[str, ...]
    origin: str


def write(found: Content, path: Path) -> Written:
    """Write the page, and return what was written. Raises :class:`ConfigurationError` if there is no folder for it."""
    page = rendered(found, drawn).encode()
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path}: the folder for it does not exist", "make it, or name another file")
    with storage_errors(path.absolute().parent):
        replace_file(path, page)
    return Written(str(path), len(page), found.projects, found.origin)


def content(basis: Basis, named: Sequence[str]) -> Content:
    """What a report shows, of the named projects or of all.

    Raises :class:`ConfigurationError` if a project is unknown, or if there are none.
    """
    moment, target, origin = datetime.now(UTC), basis.target, basis.origin
    with target.reading():
        target.check()
        ask = Questions(target, _projects(target, named, origin), moment)
        found = [made for one in _SECTIONS if (made := one(ask)) is not None]
    there = {one.name for one in found}
    return Content(
        projects=ask.projects,
        origin=origin,
        made=moment,
        sections=(*found[1:], found[0]),
        missing=tuple(
            Missing(what, _systems(tables)) for name, (what, tables) in _FILLED_BY.items() if name not in there
        ),
        notes=basis.notes,
    )


def _systems(tables: tuple[type[Row], ...]) -> tuple[str, ...]:
    """The kinds of sources that have any of these tables."""
    return tuple(one.title for one in sources().values() if set(tables) & set(one.tables))


def _projects(target: Target, named: Sequence[str], origin: str) -> tuple[str, ...]:
    known = [project for (project,) in target.run("SELECT DISTINCT project FROM gros.batches ORDER BY project")]
    if not known:
        raise ConfigurationError(f"there are no batches in {origin}", "collect or load some first")
    unknown = [one for one in dict.fromkeys(named) if one not in known]
    if unknown:
        raise ConfigurationError(
            f"{origin} has nothing of {', '.join(unknown)}", f"name one of {', '.join(known)} with --project"
        )
    return tuple(dict.fromkeys(named)) or tuple(known)
