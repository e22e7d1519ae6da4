"""Metrics against their targets, and the size of build servers."""

from gros_agent.reporting.asking import Questions, known_day, total
from gros_agent.reporting.contents import Figure, Form, Headline, Section
from gros_agent.reporting.phrases import counted, number, share

_TARGETS = "gros.targets_met"
_KNOWN = ("is_met", "NOT is_met", "is_met IS NULL")
_COUNTS = ", ".join(f"count(*) FILTER (WHERE {one})" for one in _KNOWN)
_MOST_DOMAINS, _MOST_MISSED, _MOST_SERVERS = 15, 20, 50
_DOMAINS = f"""
SELECT COALESCE(domain_name, base_name, name), {_COUNTS}
FROM {_TARGETS}
WHERE project = ANY($1)
GROUP BY COALESCE(domain_name, base_name, name)
ORDER BY count(*) DESC, COALESCE(domain_name, base_name, name)
LIMIT {_MOST_DOMAINS}
"""
_MISSED = f"""
SELECT project, COALESCE(base_name, name), domain_name, CAST(value AS DOUBLE PRECISION),
    CAST(target AS DOUBLE PRECISION), {known_day("measured_at")}
FROM {_TARGETS}
WHERE project = ANY($1) AND NOT is_met
ORDER BY project, COALESCE(base_name, name), domain_name, name
LIMIT {_MOST_MISSED}
"""
_SERVERS = f"""
SELECT project, host, jobs, views, nodes FROM gros.builds WHERE project = ANY($1)
ORDER BY jobs DESC, project, host LIMIT {_MOST_SERVERS}
"""


def quality(ask: Questions) -> Section | None:
    """How metrics meet their targets; None if there are no measurements."""
    ((metrics, met, missed, unknown),) = ask.ask(f"SELECT count(*), {_COUNTS} FROM {_TARGETS} WHERE project = ANY($1)")
    if not metrics:
        return None
    figures = [_domains(ask, metrics, (met, missed, unknown)), _missed(ask, missed)]
    headlines = [Headline(share(met, met + missed), f"of {number(met + missed)} targets met")] if met + missed else []
    return Section("quality", "Metrics", tuple(one for one in figures if one is not None), tuple(headlines))


def _domains(ask: Questions, metrics: int, counts: tuple[int, int, int]) -> Figure:
    met, missed, unknown = counts
    rows = tuple(ask.ask(_DOMAINS))
    most = f" The {_MOST_DOMAINS} parts with the most metrics are drawn." if len(rows) == _MOST_DOMAINS else ""
    return Figure(
        name="targets",
        title="Metrics against their targets",
        sentence=f"By their newest measurement, {number(met)} of {counted(metrics, 'metric')} meet their target,"
        f" {number(missed)} miss it, and of {number(unknown)} it is not known: they could not be measured, or have no"
        f" target.{most}",
        form=Form.NAMES,
        headings=("part", "met", "missed", "not known"),
        rows=rows,
        series=3,
        colours=("good", "bad", "s6"),
    )


def _missed(ask: Questions, missed: int) -> Figure | None:
    rows = tuple(ask.ask(_MISSED))
    if not rows:
        return None
    more = f" The first {_MOST_MISSED} are listed." if missed > _MOST_MISSED else ""
    return Figure(
        name="missed",
        title="Targets that are missed",
        sentence=f"{counted(missed, 'metric')} {'misses its' if missed == 1 else 'miss their'} target.{more}",
        form=Form.TABLE,
        headings=("project", "metric", "part", "value", "target", "measured"),
        rows=rows,
    )


def builds(ask: Questions) -> Section | None:
    """How large build servers are; None if there are none."""
    rows = tuple(ask.ask(_SERVERS))
    if not rows:
        return None
    ((servers, jobs),) = ask.ask(f"SELECT count(*), {total('jobs')} FROM gros.builds WHERE project = ANY($1)")
    more = f" The {_MOST_SERVERS} with the most jobs are listed." if servers > len(rows) else ""
    figure = Figure(
        name="builds",
        title="Build servers",
        sentence=f"{counted(servers, 'build server')} with {counted(jobs, 'job')}, when last collected.{more}",
        form=Form.TABLE,
        headings=("project", "server", "jobs", "views", "nodes"),
        rows=rows,
        is_wide=True,
    )
    return Section("builds", "Builds", (figure,))
