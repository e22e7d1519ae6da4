"""Finds the parts of a project in a report: the sources of its metrics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gros_agent.http.traffic import server_time
from gros_agent.rows import SourceId
from gros_agent.sources.base import Context, Definition, Environment
from gros_agent.sources.common.measuring import iso
from gros_agent.sources.common.named_sources import NamedSources
from gros_agent.sources.quality_time import access
from gros_agent.sources.quality_time.shapes import Measurer, Report, Subject

_TYPES = {
    "azure_devops": "tfs",
    "github": "github",
    "gitlab": "gitlab",
    "jenkins": "jenkins",
    "jira": "jira",
    "quality_time": "quality-time",
    "sonarqube": "sonar",
}
"""Types of Quality-time's sources that can be collected from. Other types are files and other tools."""


def definition(context: Context) -> Definition:
    """The sources of all metrics, each once. Raises :class:`SourceError`."""
    server = access.resolve(context)
    reports = server.present()
    named, identifiers = read(reports)
    return Definition(
        title=reports[0].title if reports else "",
        revision=iso(server_time(server.headers)),
        sources=named.sources(),
        identifiers=identifiers,
        notes=tuple(named.notes()),
    )


def read(reports: Sequence[Report]) -> tuple[NamedSources, tuple[SourceId, ...]]:
    """The sources that reports name, and the identifiers of the reports' subjects there."""
    named, identifiers = NamedSources(), dict[tuple[str, ...], SourceId]()
    for name, subject, source in _sources(reports):
        kind = _TYPES[source.type]
        base, place = _text(source.parameters, "url").rstrip("/"), _place(kind, source.parameters)
        if not base or place is None:
            named.leave_out(kind, f"{base} {_text(source.parameters, 'project')}")
            continue
        component = _text(source.parameters, "component") if kind == "sonar" else ""
        if named.add(kind, component or name, base + place) and component:
            row = SourceId(
                domain_name=name, url=base, source_id=component, source_type=kind, domain_type=subject.type[:32]
            )
            identifiers[name, base, component] = row
    return named, tuple(identifiers.values())


def environment(context: Context) -> Environment:
    """The server, or the report, in the form of existing installations."""
    url = context.entry.url
    return Environment("quality-time", url, ("quality-time", url))


def _sources(reports: Sequence[Report]) -> Iterator[tuple[str, Subject, Measurer]]:
    """The name of each subject, the subject, and each source that measures it."""
    for report in reports:
        for identifier, subject in report.subjects.items():
            for metric in subject.metrics.values():
                for source in metric.sources.values():
                    if source.type in _TYPES:
                        yield subject.name or identifier, subject, source


def _place(kind: str, parameters: Mapping[str, Any]) -> str | None:
    """The path after the address of the system, or None if a parameter is missing."""
    if kind == "gitlab":
        project = _text(parameters, "project").strip("/")
        return f"/{quote(project)}" if project and not project.isdecimal() else None
    if kind == "github":
        owner, repository = _text(parameters, "owner"), _text(parameters, "repository")
        return f"/{quote(owner, safe='')}/{quote(repository, safe='')}" if owner and repository else None
    if kind == "tfs":
        # without a name it is the default repository, which has the name of its project
        repository = _text(parameters, "repository") or _text(parameters, "url").rstrip("/").rpartition("/")[2]
        return f"/_git/{quote(repository, safe='%')}"
    if kind == "sonar":
        component, branch = _text(parameters, "component"), _text(parameters, "branch")
        on_branch = f"&branch={quote(branch, safe='')}" if branch else ""
        return f"/dashboard?id={quote(component, safe='')}{on_branch}" if component else None
    return ""


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return value.strip() if isinstance(value, str) else ""
