"""People, as numbers alone: no pseudonym gets into a report."""

from gros_agent.reporting.asking import Questions, definition
from gros_agent.reporting.contents import Cell, Figure, Form, Headline, Section, Unit
from gros_agent.reporting.phrases import counted, number, words

_NOTE = (
    "A contributor is an address that wrote a commit; somebody with two addresses is two, and so is somebody who works"
    " in two projects."
)
_NEW = "gros.new_contributors"
_OCCASIONAL, _ABSENT = "gros.occasional_contributors", "gros.contributor_absence_factor"
_KINDS = ("count(*) FILTER (WHERE NOT is_occasional)", "count(*) FILTER (WHERE is_occasional)")
_NEWEST = f"""
SELECT absent.project, absent.people, absent.contributors, CAST(absent.year AS DATE)
FROM {_ABSENT} AS absent
JOIN (SELECT project, max(year) AS year FROM {_ABSENT} WHERE year < $2 GROUP BY project) AS newest
    ON newest.project = absent.project AND newest.year = absent.year
WHERE absent.project = ANY($1)
ORDER BY absent.project
"""


def section(ask: Questions) -> Section | None:
    """How many people contribute; None if nobody is known."""
    people = ask.number(f"SELECT count(*) FROM {_NEW} WHERE project = ANY($1)")
    if not people:
        return None
    return Section(
        "people",
        "People",
        (_new(ask, people), _years(ask), _absence(ask)),
        (Headline(number(people), words(people, "contributor")),),
        (_NOTE,),
    )


def _new(ask: Questions, people: int) -> Figure:
    series = ask.over_time(_NEW, "first_contribution", {"count(*)": 0})
    return Figure(
        name="new-contributors",
        title="New contributors",
        sentence=f"{counted(people, 'contributor')} in all, by the {series.unit.value} of the first commit.",
        form=Form.PERIODS,
        headings=(f"{series.unit.value} from", "new contributors"),
        rows=series.rows(),
        unit=series.unit,
        colours=("s5",),
        definitions=(definition("new_contributors"),),
        is_wide=True,
    )


def _years(ask: Questions) -> Figure:
    series = ask.over_time(_OCCASIONAL, "year", dict.fromkeys(_KINDS, 0), Unit.YEAR)
    return Figure(
        name="contributors",
        title="Contributors of each year",
        sentence="Who made fewer than five commits in a year counts as occasional in that year.",
        form=Form.PERIODS,
        headings=("year", "regular", "occasional"),
        rows=series.rows(),
        series=2,
        unit=Unit.YEAR,
        colours=("s5", "s6"),
        definitions=(definition("occasional_contributors"),),
    )


def _absence(ask: Questions) -> Figure:
    what = "The fewest people who together made half of the commits of a year"
    found = (definition("contributor_absence_factor"),)
    if len(ask.projects) == 1:
        series = ask.over_time(_ABSENT, "year", {"max(people)": 0, "max(contributors)": 0}, Unit.YEAR)
        return Figure(
            name="absence",
            title="Contributor absence factor",
            sentence=f"{what}: if they left, so would half of the work.",
            form=Form.PERIODS,
            headings=("year", "people who made half", "contributors"),
            rows=series.rows(),
            unit=Unit.YEAR,
            colours=("s4",),
            definitions=found,
        )
    rows: tuple[tuple[Cell, ...], ...] = tuple(ask.ask(_NEWEST, ask.span[1]))
    return Figure(
        name="absence",
        title="Contributor absence factor",
        sentence=f"{what}, in the newest year of each project: if they left, so would half of the work.",
        form=Form.NAMES,
        headings=("project", "people who made half", "contributors", "year from"),
        rows=rows,
        colours=("s4",),
        definitions=found,
    )
