"""Issues as a flow: how many come and go, how soon somebody answers, and in which status they lie."""

from gros_agent.reporting.asking import Durations, Questions, definition
from gros_agent.reporting.contents import Cell, Figure, Form, Headline, Hours, Section
from gros_agent.reporting.phrases import counted, duration, number

_FLOW = """(
    SELECT project, created_at AS moment, 1 AS made, 0 AS closed FROM gros.issues
    UNION ALL
    SELECT project, closed_at, 0, 1 FROM gros.issues WHERE closed_at IS NOT NULL
) AS flow"""
_MOST_STATUSES, _MOST_SPRINTS = 12, 20
_STATUSES = f"""
SELECT COALESCE(name, 'unknown'), percentile_cont(0.5) WITHIN GROUP (ORDER BY hours) AS median, avg(hours), count(hours)
FROM gros.time_in_status
WHERE project = ANY($1) AND hours IS NOT NULL
GROUP BY COALESCE(name, 'unknown')
ORDER BY sum(hours) DESC, COALESCE(name, 'unknown')
LIMIT {_MOST_STATUSES}
"""
_SPRINTS = f"""
SELECT name, count(*) FILTER (WHERE change = 'added'), count(*) FILTER (WHERE change = 'removed')
FROM gros.sprint_scope_changes
WHERE project = ANY($1)
GROUP BY project, sprint, name
ORDER BY max(moment) DESC, name
LIMIT {_MOST_SPRINTS}
"""


def section(ask: Questions) -> Section | None:
    """How issues flow; None if there are none."""
    ((issues, closed),) = ask.ask("SELECT count(*), count(closed_at) FROM gros.issues WHERE project = ANY($1)")
    if not issues:
        return None
    waited = ask.durations("gros.issue_response_time")
    figures = [*_flow(ask, issues, closed), _responses(waited), _statuses(ask), _sprints(ask)]
    return Section(
        "issues",
        "Issues",
        tuple(one for one in figures if one is not None),
        (Headline(number(issues - closed), f"open issues, of {number(issues)}"),),
    )


def _flow(ask: Questions, issues: int, closed: int) -> tuple[Figure, Figure]:
    """What comes and goes in each period, and what is open at its end."""
    series = ask.over_time(_FLOW, "moment", {"sum(made)": 0, "sum(closed)": 0})
    rows: list[tuple[Cell, ...]] = []
    still = 0
    for day, (came, went) in series.values.items():
        still += int(came) - int(went)
        rows.append((day, int(came), int(went), still))
    flow = Figure(
        name="issue-flow",
        title="Issues that come and go",
        sentence=f"{counted(issues, 'issue')} came (upwards), and {number(closed)} were closed and stayed so"
        " (downwards).",
        form=Form.BALANCE,
        headings=(f"{series.unit.value} from", "new", "closed"),
        rows=tuple(row[:3] for row in rows),
        series=2,
        unit=series.unit,
        colours=("s3", "s1"),
        definitions=(definition("issues_new"), definition("issues_closed")),
        is_wide=True,
    )
    backlog = Figure(
        name="backlog",
        title="Issues that are open",
        sentence=f"{counted(issues - closed, 'issue')} are open; the line is how many were at the end of each"
        f" {series.unit.value}.",
        form=Form.LINES,
        headings=(f"{series.unit.value} from", "open at its end"),
        rows=tuple((row[0], row[3]) for row in rows),
        unit=series.unit,
        colours=("s3",),
    )
    return flow, backlog


def _responses(waited: Durations) -> Figure:
    if waited.median is None:
        words = f"None of {counted(waited.without, 'issue')} has a comment of somebody else."
    else:
        words = (
            f"Half of the {counted(waited.count, 'issue')} with a response waited less than"
            f" {duration(waited.median)} for the first comment of somebody else; {number(waited.without)} have none."
        )
    return Figure(
        name="issue-responses",
        title="Until the first response to an issue",
        sentence=words,
        form=Form.CLASSES,
        headings=("the reporter waited", "issues"),
        rows=waited.rows("no response"),
        colours=("s2",),
        definitions=(definition("issue_response_time"),),
    )


def _statuses(ask: Questions) -> Figure | None:
    found = ask.ask(_STATUSES)
    if not found:
        return None
    rows = tuple((name, Hours(median), Hours(mean), count) for name, median, mean, count in found)
    longest = max(found, key=lambda one: float(one[1]))
    most = (
        f"The {_MOST_STATUSES} with the most time in all are drawn; of these it"
        if len(found) == _MOST_STATUSES
        else "It"
    )
    return Figure(
        name="statuses",
        title="Time in each status",
        sentence=f"The median of how long issues of Jira were in a status before they left it. {most} is longest"
        f" in {longest[0]}: {duration(float(longest[1]))}.",
        form=Form.NAMES,
        headings=("status", "median", "mean", "times"),
        rows=rows,
    )


def _sprints(ask: Questions) -> Figure | None:
    found = ask.ask(_SPRINTS)
    if not found:
        return None
    return Figure(
        name="sprints",
        title="Changes of sprints while they ran",
        sentence=f"Issues that were added to the {counted(len(found), 'newest sprint')} with such changes, or removed"
        " from them, after the sprint began.",
        form=Form.NAMES,
        headings=("sprint", "added", "removed"),
        rows=tuple(found),
        series=2,
        colours=("s3", "s1"),
    )
