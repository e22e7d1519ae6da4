"""Code: commits and lines over time, and releases."""

from gros_agent.reporting.asking import Questions, definition, total
from gros_agent.reporting.contents import Figure, Form, Headline, Section
from gros_agent.reporting.phrases import counted, number, words

_COMMITS, _RELEASES = "gros.contributions", "gros.release_frequency"
_MOST_REPOSITORIES = 6
_ADDED, _REMOVED = total("insertions"), total("deletions")


def section(ask: Questions) -> Section | None:
    """What became of the code; None if there are no commits."""
    commits = ask.number(f"SELECT count(*) FROM {_COMMITS} WHERE project = ANY($1)")
    if not commits:
        return None
    releases = _releases(ask)
    figures = [_commits(ask, commits), _lines(ask, is_alone=releases is None), releases]
    return Section(
        "code",
        "Code",
        tuple(one for one in figures if one is not None),
        (Headline(number(commits), words(commits, "commit")),),
    )


def _commits(ask: Questions, commits: int) -> Figure:
    names, series = ask.by_name(_COMMITS, "moment", "repo_name", _MOST_REPOSITORIES)
    sums = {day: sum(values) for day, values in series.values.items()}
    busiest = max(sums, key=lambda day: sums[day], default=None)
    most = f", {number(sums[busiest])} of them in the busiest {series.unit.value}" if busiest else ""
    outside = f"; {counted(series.outside, 'commit')} with a date that can't be right are not drawn"
    return Figure(
        name="commits",
        title="Commits",
        sentence=f"{counted(commits, 'commit')}, merges and empty ones included{most}"
        f"{outside if series.outside else ''}.",
        form=Form.PERIODS,
        headings=(f"{series.unit.value} from", *names),
        rows=series.rows(),
        series=len(names),
        unit=series.unit,
        definitions=(definition("code_changes_commits"),),
        is_wide=True,
    )


def _lines(ask: Questions, *, is_alone: bool) -> Figure | None:
    series = ask.over_time(_COMMITS, "moment", {_ADDED: 0, _REMOVED: 0})
    added, removed = (sum(values[place] for values in series.values.values()) for place in (0, 1))
    if not added and not removed:
        return None
    return Figure(
        name="lines",
        title="Lines of code",
        sentence=f"{counted(added, 'line')} were added (upwards) and {number(removed)} removed (downwards).",
        form=Form.BALANCE,
        headings=(f"{series.unit.value} from", "added", "removed"),
        rows=series.rows(),
        series=2,
        unit=series.unit,
        colours=("good", "bad"),
        definitions=(definition("code_changes_lines"),),
        is_wide=is_alone,
    )


def _releases(ask: Questions) -> Figure | None:
    ((count, days),) = ask.ask(
        f"SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY days_since_last) FROM {_RELEASES}"
        " WHERE project = ANY($1)"
    )
    if not count:
        return None
    series = ask.over_time(_RELEASES, "released_at", {"count(*)": 0})
    between = "" if days is None else f", with a median of {counted_days(float(days))} between two of them"
    return Figure(
        name="releases",
        title="Releases",
        sentence=f"{counted(count, 'release')}{between}. A release is a tag.",
        form=Form.PERIODS,
        headings=(f"{series.unit.value} from", "releases"),
        rows=series.rows(),
        unit=series.unit,
        definitions=(definition("release_frequency"),),
    )


def counted_days(days: float) -> str:
    """A number of days."""
    text = number(round(days, 1))
    return f"{text} day{'' if text == '1' else 's'}"
