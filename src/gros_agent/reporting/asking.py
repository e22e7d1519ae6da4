"""Questions to the views of a database, about some of its projects. Both databases get the same statements.

Statements are made of constants of this package alone. ``$1`` is the list of projects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gros_agent.database.target import Target
from gros_agent.database.views import views
from gros_agent.reporting.contents import Cell, ChaossMetric, Hours, Unit
from gros_agent.reporting.periods import EARLIEST, MOST, unit_between, without_gaps

CLASSES: tuple[tuple[str, float], ...] = (
    ("under 1 hour", 1),
    ("1 to 4 hours", 4),
    ("4 to 24 hours", 24),
    ("1 to 3 days", 72),
    ("3 to 7 days", 168),
    ("1 to 2 weeks", 336),
    ("2 to 4 weeks", 672),
    ("1 to 3 months", 2160),
)
"""Classes of durations, each with the hours below which a duration is in it."""
LONGEST_CLASS = "over 3 months"
_SPAN = "{moment} >= $2 AND {moment} < $3"
_LARGEST = 2**63 - 1
_LAST_DAY = "9999-12-31"
OTHERS = "others"
"""The series of all names that have none of their own."""


def total(column: str) -> str:
    """The sum of a column, at most the largest number that both databases have; 0 without rows."""
    return f"CAST(LEAST(COALESCE(sum({column}), 0), {_LARGEST}) AS BIGINT)"


def known_day(moment: str) -> str:
    """The day of a moment. One in the year 10000 of UTC becomes the last day that Python has."""
    is_later = f"{moment} >= TIMESTAMP WITH TIME ZONE '{_LAST_DAY} 00:00:00+00'"
    return f"CASE WHEN {is_later} THEN DATE '{_LAST_DAY}' ELSE CAST({moment} AS DATE) END"


@dataclass(frozen=True)
class Series:
    """Values of each period, and the number of rows whose moments are before or after anything that a chart shows."""

    unit: Unit
    values: dict[date, tuple[Any, ...]]
    outside: int = 0

    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows of a figure's table."""
        return tuple((day, *values) for day, values in self.values.items())


@dataclass(frozen=True)
class Durations:
    """How many durations there are in each class, and the median and the longest of the fastest nine tenths."""

    counts: tuple[int, ...]
    median: float | None
    slow: float | None
    without: int

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    def rows(self, without: str = "") -> tuple[tuple[Cell, ...], ...]:
        """The rows of a figure's table; ``without`` names those that have no duration."""
        names = (*(name for name, _ in CLASSES), LONGEST_CLASS)
        found: list[tuple[Cell, ...]] = list(zip(names, self.counts, strict=True))
        return (*found, (without, self.without)) if without else tuple(found)


@dataclass(frozen=True)
class Questions:
    """Asks an open database about projects, as of a moment."""

    target: Target
    projects: tuple[str, ...]
    now: datetime

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query about the projects."""
        return self.target.run(statement, (list(self.projects), *values))

    def number(self, statement: str) -> int:
        """The number that a query counts."""
        return int(self.ask(statement)[0][0])

    @property
    def span(self) -> tuple[date, date]:
        """The first day that a chart can show, and the first that it can't."""
        return EARLIEST, self.now.astimezone(UTC).date() + timedelta(days=2)

    def over_time(
        self, relation: str, moment: str, measures: Mapping[str, Any], given: Unit | None = None, most: int = MOST
    ) -> Series:
        """Measures of each period: aggregates in SQL, each with its value for periods without rows.

        The unit is the one that is given, or the shortest with which there are at most ``most`` periods.
        """
        unit, outside = self._unit(relation, moment, most)
        unit, nothing = given or unit, tuple(measures.values())
        found = self.ask(
            f"SELECT CAST(date_trunc($4, {moment}) AS DATE), {', '.join(measures)} FROM {relation}"
            f" WHERE project = ANY($1) AND {_SPAN.format(moment=moment)} GROUP BY 1 ORDER BY 1",
            *self.span,
            unit.value,
        )
        return Series(unit, without_gaps({day: tuple(values) for day, *values in found}, unit, nothing), outside)

    def by_name(self, relation: str, moment: str, name: str, most: int) -> tuple[tuple[str, ...], Series]:
        """The rows of each period that have each name, and the names; the rarest share the name *others*."""
        unit, outside = self._unit(relation, moment)
        found = self.ask(
            f"SELECT CAST(date_trunc($4, {moment}) AS DATE), {name}, count(*) FROM {relation}"
            f" WHERE project = ANY($1) AND {_SPAN.format(moment=moment)} GROUP BY 1, 2 ORDER BY 1, 2",
            *self.span,
            unit.value,
        )
        totals: dict[str, int] = {}
        for _, named, count in found:
            totals[named] = totals.get(named, 0) + count
        names = sorted(totals, key=_order(totals))
        names = [*names[: most - 1], OTHERS] if len(names) > most else names
        places = {one: min(place, len(names) - 1) for place, one in enumerate(sorted(totals, key=_order(totals)))}
        values: dict[date, list[int]] = {}
        for day, named, count in found:
            values.setdefault(day, [0] * len(names))[places[named]] += count
        whole = without_gaps({day: tuple(one) for day, one in values.items()}, unit, (0,) * len(names))
        return tuple(names), Series(unit, whole, outside)

    def durations(self, relation: str) -> Durations:
        """The durations in the column ``hours`` of a relation."""
        bounds = [bound for _, bound in CLASSES]
        pairs = zip([None, *bounds], [*bounds, None], strict=True)
        counts = ", ".join(f"count(*) FILTER (WHERE {' AND '.join(_bounded(least, most))})" for least, most in pairs)
        ((*found, median, slow, without),) = self.ask(
            f"SELECT {counts}, percentile_cont(0.5) WITHIN GROUP (ORDER BY hours),"
            " percentile_cont(0.9) WITHIN GROUP (ORDER BY hours), count(*) FILTER (WHERE hours IS NULL)"
            f" FROM {relation} WHERE project = ANY($1)"
        )
        return Durations(tuple(found), _hours(median), _hours(slow), without)

    def _unit(self, relation: str, moment: str, most: int = MOST) -> tuple[Unit, int]:
        inside = _SPAN.format(moment=moment)
        ((first, last, outside),) = self.ask(
            f"SELECT CAST(min({moment}) FILTER (WHERE {inside}) AS DATE),"
            f" CAST(max({moment}) FILTER (WHERE {inside}) AS DATE), count(*) FILTER (WHERE NOT ({inside}))"
            f" FROM {relation} WHERE project = ANY($1)",
            *self.span,
        )
        return (Unit.DAY if first is None else unit_between(first, last, most)), outside


def _order(totals: dict[str, int]) -> Any:  # noqa: ANN401 (a key of several types)
    return lambda one: (-totals[one], one)


def _bounded(least: float | None, most: float | None) -> list[str]:
    return [f"hours >= {least}"] * (least is not None) + [f"hours < {most}"] * (most is not None)


def _hours(value: Any) -> Hours | None:  # noqa: ANN401 (each database has a type of its own)
    return None if value is None else Hours(value)


def definition(view: str) -> ChaossMetric:
    """The metric of CHAOSS that a view follows. The periods and units of a figure are those of the figure."""
    (found,) = (one for one in views() if one.name == view)
    name, _, question = found.title.partition(": ")
    return ChaossMetric(name, question.partition(", by the month")[0].partition(", in hours")[0], found.source)
