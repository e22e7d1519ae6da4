"""What a report consists of: headline numbers, and sections of figures. A figure is a table that can be drawn."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime


class Hours(float):
    """A duration in hours."""


Cell = str | int | float | date | datetime | None
"""A value of a table. A first column of dates has the periods of the figure's unit."""


MOST_ROWS = 200
"""The most rows of a table that is not drawn: there may be thousands of sources."""


class Form(enum.Enum):
    """How the table of a figure is drawn.

    The first column of the table is the place on the axis: the first day of a period, a class, or a name. Each other
    column is a series. Columns after ``series`` are in the table alone.
    """

    PERIODS = "periods"
    """Bars over time, with the series on top of each other."""
    BALANCE = "balance"
    """Bars over time: the first series upwards, the second downwards."""
    LINES = "lines"
    """Lines over time."""
    CLASSES = "classes"
    """Bars of classes in their order, with the number at each."""
    NAMES = "names"
    """Bars of names from the left, with the series one after the other."""
    PRESENCE = "presence"
    """A row for each series, with a mark for each period in which there is anything."""
    TABLE = "table"
    """Only a table."""


class Unit(enum.Enum):
    """The length of the periods of a chart, as SQL calls it."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True)
class ChaossMetric:
    """The definition that a figure's numbers follow: its name, the question that it answers, and its address."""

    name: str
    question: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A table with what it shows in one sentence, and how it is drawn.

    ``name`` identifies it on the page. ``unit`` is that of a chart over time. ``colours`` are those of the series, by
    their names in the style sheet. A table alone may be folded.
    """

    name: str
    title: str
    sentence: str
    form: Form
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    series: int = 1
    unit: Unit | None = None
    colours: tuple[str, ...] = ("s1", "s2", "s3", "s4", "s5", "s6")
    definitions: tuple[ChaossMetric, ...] = ()
    is_wide: bool = False
    is_folded: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series that are drawn."""
        return self.headings[1 : 1 + self.series]


@dataclass(frozen=True)
class Headline:
    """A number that stands at the top of the report."""

    value: str
    label: str


@dataclass(frozen=True)
class Section:
    """A part of the report. ``notes`` say what to know about its numbers."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    headlines: tuple[Headline, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A part that has no data: what it would show, and the systems that would fill it."""

    what: str
    systems: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that a report shows, with where it comes from and when it was asked."""

    projects: tuple[str, ...]
    origin: str
    made: datetime
    sections: tuple[Section, ...]
    missing: tuple[Missing, ...] = field(default=())
    notes: tuple[str, ...] = ()
