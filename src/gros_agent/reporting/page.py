"""The report as one HTML page, which loads nothing and runs nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from importlib import resources

from markupsafe import Markup

from gros_agent import __version__
from gros_agent.reporting import phrases
from gros_agent.reporting.contents import MOST_ROWS, Cell, Content, Figure, Form, Hours, Unit
from gros_agent.reporting.drawings import Spec, spec
from gros_agent.runtime.templates import templates

WIDE, HALF, NARROW = 1040, 500, 326
"""The widths of drawings in pixels: over the whole page, over half of it, and on a phone."""


def rendered(content: Content, draw: Callable[[Spec], str]) -> str:
    """The page. ``draw`` makes an SVG of a specification."""
    environment = templates("gros_agent.reporting", phrases.number, phrases.moment, phrases.listed)
    environment.filters |= {"cell": _cell, "kinds": _kinds}
    style = resources.files("gros_agent.reporting").joinpath("templates", "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        content=content,
        style=Markup(style),  # noqa: S704 (our own file)
        drawings={one.name: _drawings(one, draw) for section in content.sections for one in section.figures},
        version=__version__,
        is_plain=lambda figure: figure.form is Form.TABLE,
        told=partial(_told, is_of_one=len(content.projects) == 1),
    )


def _drawings(figure: Figure, draw: Callable[[Spec], str]) -> dict[str, Markup]:
    """The drawings of a figure by the class of screens that they are for."""
    if figure.form is Form.TABLE:
        return {}
    widths = {"on-wide": WIDE if figure.is_wide else HALF, "on-narrow": NARROW}
    return {
        name: Markup(draw(spec(figure, width, is_narrow=width == NARROW)))  # noqa: S704 (escaped where it is drawn)
        for name, width in widths.items()
    }


def _cell(value: Cell, unit: Unit | None) -> str:
    """A value of a table as text."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, Hours):
        return phrases.duration(value)
    if isinstance(value, int | float):
        return phrases.number(value)
    if isinstance(value, datetime):
        return phrases.moment(value)
    if isinstance(value, date):
        return phrases.period(value, unit or Unit.DAY)
    return value


def _kind(value: Cell) -> str:
    """The class of a value in the style sheet."""
    return "number" if isinstance(value, int | float) else "day" if isinstance(value, date) else "text"


def _kinds(figure: Figure) -> list[str]:
    """The class of each column: that of its first value."""
    columns = zip(*figure.rows, strict=True) if figure.rows else [()] * len(figure.headings)
    return [next((_kind(value) for value in column if value is not None), "text") for column in columns]


def _told(figure: Figure, *, is_of_one: bool) -> Figure:
    """A figure as its table tells it: without the names of projects in a report of one, and its first rows alone."""
    if figure.form is not Form.TABLE:
        return figure
    first = int(is_of_one and figure.headings[0] == "project")
    return replace(figure, headings=figure.headings[first:], rows=tuple(row[first:] for row in figure.rows[:MOST_ROWS]))
