"""What was collected: batches, rows of each source, and gaps in time."""

from datetime import UTC, datetime

from gros_agent.database.definitions import definitions
from gros_agent.reporting.asking import OTHERS, Questions, known_day, total
from gros_agent.reporting.contents import MOST_ROWS, Cell, Figure, Form, Headline, Section
from gros_agent.reporting.phrases import counted, listed

_MOST_REFUSED = 20
_MOST_SOURCES = 14
_LONG_GAP = 30
_BATCHES = """
SELECT project, count(*) FILTER (WHERE state = 'loaded'), count(*) FILTER (WHERE state = 'refused'),
    sum(rows), CAST(EXTRACT(EPOCH FROM min(moment)) AS BIGINT), CAST(EXTRACT(EPOCH FROM max(moment)) AS BIGINT)
FROM gros.batches
WHERE project = ANY($1)
GROUP BY project
ORDER BY project
"""
_REFUSED = f"""
SELECT project, number, CAST(EXTRACT(EPOCH FROM moment) AS BIGINT), reason
FROM gros.batches
WHERE project = ANY($1) AND state = 'refused'
ORDER BY moment DESC, number DESC
LIMIT {_MOST_REFUSED}
"""
_COMPLETE = f"""
WITH told AS (
    SELECT told.*, row_number() OVER (
        PARTITION BY told.project, told.source, told.kind ORDER BY batch.number DESC, batch.id DESC
    ) AS place
    FROM gros.collected AS told
    JOIN gros.batches AS batch ON batch.id = told.batch
    WHERE told.project = ANY($1)
)
SELECT project, source, kind, {total("items")},
    CASE WHEN count(expected) = count(*) THEN {total("expected")} END, count(*),
    count(*) FILTER (WHERE state <> 'whole'), max(CASE WHEN place = 1 THEN state END)
FROM told
GROUP BY project, source, kind
ORDER BY project, source, kind
"""
_MOMENTS = """(
    SELECT project, repo_name AS source, 'commits' AS what, COALESCE(author_date, commit_date) AS moment
    FROM gros.vcs_versions
    UNION ALL
    SELECT project, repo_name, 'releases', released_at FROM gros.release_frequency
    UNION ALL
    SELECT project, repo_name, 'change requests', created_at FROM gros.merge_request
    UNION ALL
    SELECT project, repo_name, 'comments on requests', created_at FROM gros.merge_request_note
    UNION ALL
    SELECT project, repo_name, 'comments on code', created_date FROM gros.commit_comment
    UNION ALL
    SELECT project, repo_name, 'pushes', date FROM gros.vcs_event
    UNION ALL
    SELECT project, repo_name, 'issues', created_at FROM gros.github_issue WHERE pull_request_id IS NULL
    UNION ALL
    SELECT project, repo_name, 'comments on issues', created_at FROM gros.github_issue_note
    UNION ALL
    SELECT project, 'Jira', 'versions of issues', updated FROM gros.jira_issue
    UNION ALL
    SELECT project, 'Jira', 'comments on issues', created_at FROM gros.jira_comments
    UNION ALL
    SELECT project, 'Azure Boards', 'versions of work items', updated FROM gros.tfs_work_item
    UNION ALL
    SELECT project, 'quality systems', 'measurements', date FROM gros.metrics
) AS moments"""
_SOURCES = f"""
WITH days AS (
    SELECT project, source, what, {known_day("moment")} AS day, count(*) AS rows
    FROM {_MOMENTS}
    WHERE project = ANY($1)
    GROUP BY project, source, what, {known_day("moment")}
), gaps AS (
    SELECT *, lag(day) OVER (PARTITION BY project, source, what ORDER BY day) AS former FROM days
), ranked AS (
    SELECT *,
        row_number() OVER (PARTITION BY project, source, what ORDER BY COALESCE(day - former, 0) DESC, day) AS place
    FROM gaps
)
SELECT project, source, what, CAST(sum(rows) AS BIGINT), min(day), max(day),
    max(day - former), max(CASE WHEN place = 1 THEN former END)
FROM ranked
GROUP BY project, source, what
ORDER BY project, source, what
"""


def section(ask: Questions) -> Section:
    """What was collected."""
    batches = ask.ask(_BATCHES)
    loaded, rows = sum(one[1] for one in batches), sum(int(one[3]) for one in batches)
    found = ask.ask(_SOURCES)
    figures = [_complete(ask), _presence(ask), _sources(found), _batches(batches), _refused(ask), _tables(ask)]
    return Section(
        "collected",
        "What was collected",
        tuple(one for one in figures if one is not None),
        (Headline(f"{rows:,}", f"rows in {counted(loaded, 'batch', 'batches')}"),),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _complete(ask: Questions) -> Figure | None:
    rows = sorted(ask.ask(_COMPLETE), key=lambda row: bool(row[-1] == "whole"))  # those to look at first
    if not rows:
        return None
    lacking = [f"{source} ({kind})" for _, source, kind, *_, state in rows if state != "whole"]
    few = f"{listed(lacking)} {'was' if len(lacking) == 1 else 'were'} not collected whole" if lacking else ""
    return Figure(
        name="completeness",
        title="How complete it is",
        sentence=f"In the newest batch of each, {few or 'every source was collected whole'}. What a system"
        " announced is what it said that it has of new items.",
        form=Form.TABLE,
        headings=("project", "source", "type", "items", "announced", "batches", "not whole", "newest batch"),
        rows=tuple(rows),
        is_wide=True,
    )


def _presence(ask: Questions) -> Figure | None:
    name = "project || ' ' || source || ': ' || what" if len(ask.projects) > 1 else "source || ': ' || what"
    names, series = ask.by_name(_MOMENTS, "moment", name, _MOST_SOURCES)
    if not names:
        return None
    places = sorted(range(len(names)), key=lambda place: (names[place] == OTHERS, names[place]))
    return Figure(
        name="presence",
        title="When there is data",
        sentence=f"Each row is what a source has; a mark is a {series.unit.value} with at least one row of it."
        " A gap may be a pause of the team, or data that was not collected.",
        form=Form.PRESENCE,
        headings=("from", *(names[place] for place in places)),
        rows=tuple((day, *(values[place] for place in places)) for day, values in series.values.items()),
        series=len(names),
        unit=series.unit,
        is_wide=True,
    )


def _sources(found: list[tuple[Cell, ...]]) -> Figure | None:
    if not found:
        return None
    gaps = [one for one in found if _longest_gap(one) > _LONG_GAP]
    if len(found) > MOST_ROWS:
        found = sorted(found, key=_longest_gap, reverse=True)
    several = f"{len(gaps)} of {counted(len(found), 'kind')} of rows have" if len(gaps) > 1 else "One kind of row has"
    return Figure(
        name="sources",
        title="Rows of each source",
        sentence=f"{several if gaps else 'No kind of row has'} a gap of more than {_LONG_GAP} days.",
        form=Form.TABLE,
        headings=("project", "source", "what", "rows", "oldest", "newest", "longest gap in days", "gap from"),
        rows=tuple(found),
        is_wide=True,
    )


def _longest_gap(row: tuple[Cell, ...]) -> int:
    return _whole(row[6]) or 0


def _tables(ask: Questions) -> Figure | None:
    counts = " UNION ALL ".join(
        f"SELECT '{one.name}', count(*), count(DISTINCT batch) FROM {one.full_name} WHERE project = ANY($1)"
        for one in definitions()
    )
    rows = sorted(one for one in ask.ask(counts) if one[1])
    if not rows:
        return None
    return Figure(
        name="tables",
        title="Rows of each table",
        sentence=f"{counted(len(rows), 'table')} of {len(definitions())} have rows; the last column counts the batches"
        " that these rows came with, or that changed them last.",
        form=Form.TABLE,
        headings=("table", "rows", "batches"),
        rows=tuple(rows),
        is_wide=True,
        is_folded=True,
    )


def _batches(batches: list[tuple[Cell, ...]]) -> Figure:
    rows = tuple(
        (project, loaded, refused, int(str(rows)), _moment(_whole(first)), _moment(_whole(last)))
        for project, loaded, refused, rows, first, last in batches
    )
    newest = max((one[5] for one in rows if one[5] is not None), default=None)
    told = f"; the newest batch was announced on {newest.day} {newest:%B %Y at %H:%M} UTC" if newest else ""
    return Figure(
        name="batches",
        title="Batches of each project",
        sentence=f"Batches of {listed([str(one[0]) for one in rows])}{told}.",
        form=Form.TABLE,
        headings=("project", "loaded", "refused", "rows", "first batch", "newest batch"),
        rows=rows,
        is_wide=True,
    )


def _whole(value: Cell) -> int | None:
    return value if isinstance(value, int) else None


def _refused(ask: Questions) -> Figure | None:
    rows = tuple((project, number, _moment(seconds), reason) for project, number, seconds, reason in ask.ask(_REFUSED))
    if not rows:
        return None
    return Figure(
        name="refused",
        title="Batches that were refused",
        sentence="No row of these is in this report: they did not fit the tables.",
        form=Form.TABLE,
        headings=("project", "number", "announced", "reason"),
        rows=rows,
        is_wide=True,
    )
