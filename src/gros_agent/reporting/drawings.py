"""Figures as specifications of Vega-Lite.

Colours are variables of the page's style sheet, so that one drawing serves light and dark screens and paper. The page
has the legends, and texts of data are on axes alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gros_agent.reporting.contents import Cell, Figure, Form, Hours, Unit
from gros_agent.reporting.periods import end
from gros_agent.reporting.phrases import duration, number
from gros_agent.runtime.masking import shown

Spec = dict[str, Any]
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_FONT = "system-ui, sans-serif"
_SIZE = 12
_TIME_HEIGHT, _ROW = 210, 26
_MONTHS: Mapping[Unit, int] = {Unit.DAY: 999, Unit.WEEK: 999, Unit.MONTH: 36, Unit.QUARTER: 12, Unit.YEAR: 0}
"""The most periods with which the labels of the axis have more than the year."""
_LABEL = {"%Y": 60, "%b %Y": 80, "%-d %b %Y": 100}
"""The room for a label, by its format."""
_BAR, _WIDEST = 0.86, 56
"""The part of a period that its bar takes, and the most pixels that it is wide."""
_TICKS = 5
_LETTER = 7.6
"""The width of a letter in a wide font: a page has the fonts of its reader, which can't be measured here."""
_LETTERS, _SOURCE_LETTERS = {True: 15, False: 26}, {True: 20, False: 44}
_ROOM = {True: 1.5, False: 1.3}
"""How much longer than the longest bar the axis is, for the number at its end."""
_QUIET, _LINE = "var(--quiet)", "var(--line)"
_APART = "\x1f"


def spec(figure: Figure, width: int, *, is_narrow: bool) -> Spec:
    """The specification of a figure's drawing, ``width`` pixels wide."""
    drawn, height = _DRAWN[figure.form](figure, width, is_narrow)
    return {
        "$schema": _SCHEMA,
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        "background": None,
        "config": _config(),
        **drawn,
    }


def _config() -> Spec:
    text = {"labelFont": _FONT, "labelFontSize": _SIZE, "labelColor": _QUIET}
    axis = {"domain": False, "ticks": False, "grid": False, "gridColor": _LINE, "title": None, "labelPadding": 6}
    return {
        "aria": False,
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {**text, **axis},
        "text": {"font": _FONT, "fontSize": _SIZE, "color": _QUIET},
    }


def _days(figure: Figure) -> Iterator[tuple[date, tuple[Cell, ...]]]:
    for first, *values in figure.rows:
        if isinstance(first, date):
            yield first, tuple(values)


def _value(cell: Cell) -> float | None:
    """A cell as a number; hours in days."""
    if isinstance(cell, Hours):
        return float(cell) / 24
    return float(cell) if isinstance(cell, int | float) else None


def _colour(figure: Figure, place: int) -> str:
    return f"var(--{figure.colours[place % len(figure.colours)]})"


def _time(figure: Figure, width: int) -> Spec:
    """The axis of time, with labels at the beginning of periods."""
    days = [first for first, _ in _days(figure)]
    unit = figure.unit or Unit.DAY
    form = "%Y" if len(days) > _MONTHS[unit] else "%b %Y" if unit in {Unit.MONTH, Unit.QUARTER} else "%-d %b %Y"
    if form == "%Y" and unit is not Unit.YEAR:  # where a year begins, rather than in the middle of a period
        places = [date(day.year, 1, 1) for day in days if day.month == 1]
        at = [_at(day, 0) for day in dict.fromkeys(places)]
    else:
        at = [_middle(day, unit) for day in days]
    labels: Spec = {
        "title": None,
        "values": at[:: -(-len(at) * _LABEL[form] // width) or 1],
        "format": form,
        "labelOverlap": "greedy",
        "labelFlush": True,
    }
    return {"field": "from", "type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": labels}


def _middle(first: date, unit: Unit) -> str:
    return _at(first, (end(first, unit) - first).total_seconds() / 2)


def _amount(figure: Figure, *, is_signed: bool = False) -> Spec:
    """The axis of amounts, with whole numbers where counts are small."""
    found = [value for _, cells in _days(figure) for cell in cells[: figure.series] if (value := _value(cell))]
    most = 0 if any(isinstance(row[1], Hours) for row in figure.rows) else max(found, default=0)
    shown = "abs(datum.value)" if is_signed else "datum.value"
    axis = {
        "grid": True,
        "title": None,
        "tickCount": int(most) if 0 < most < _TICKS else _TICKS,
        "labelExpr": f"{shown} >= 1000 ? format({shown}, '.3~s') : format({shown}, ',')",
    }
    return {"field": "low", "type": "quantitative", "axis": axis}


def _span(figure: Figure, first: date, width: int) -> dict[str, str]:
    """Where the bar of a period begins and ends."""
    last = end(first, figure.unit or Unit.DAY)
    part = min(_BAR, len(figure.rows) * _WIDEST / width)
    seconds = (last - first).total_seconds() * (1 - part) / 2
    return {"from": _at(first, seconds), "to": _at(last, -seconds)}


def _at(day: date, seconds: float) -> str:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def _bars(figure: Figure, width: int, signs: tuple[int, ...]) -> Spec:
    """Bars over time. Series with the same sign are on top of each other."""
    values = []
    for first, cells in _days(figure):
        tops = {1: 0.0, -1: 0.0}
        for place, sign in enumerate(signs):
            amount = _value(cells[place])
            if amount:
                below = tops[sign]
                tops[sign] += sign * amount
                place_of = {"low": below, "high": tops[sign], "colour": _colour(figure, place)}
                values.append(_span(figure, first, width) | place_of)
    return {
        "data": {"values": values},
        "mark": {"type": "bar"},
        "encoding": {
            "x": _time(figure, width),
            "x2": {"field": "to"},
            "y": _amount(figure, is_signed=-1 in signs),
            "y2": {"field": "high"},
            "color": {"field": "colour", "type": "nominal", "scale": None},
        },
    }


def _whole_time(figure: Figure, width: int, *, is_signed: bool = False) -> Spec:
    """A layer without marks, by which the axis has all periods, and begins at 0."""
    days = [first for first, _ in _days(figure)]
    ends = (days[0], end(days[-1], figure.unit or Unit.DAY)) if days else ()
    return {
        "data": {"values": [{"from": _at(day, 0), "low": 0} for day in ends]},
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": _time(figure, width), "y": _amount(figure, is_signed=is_signed)},
    }


def _periods(figure: Figure, width: int, _is_narrow: bool) -> tuple[Spec, int]:
    return {"layer": [_bars(figure, width, (1,) * figure.series), _whole_time(figure, width)]}, _TIME_HEIGHT


def _balance(figure: Figure, width: int, _is_narrow: bool) -> tuple[Spec, int]:
    return {"layer": [_bars(figure, width, (1, -1)), _whole_time(figure, width, is_signed=True)]}, _TIME_HEIGHT


def _line(figure: Figure, width: int, place: int) -> Spec:
    unit = figure.unit or Unit.DAY
    values = [{"from": _middle(first, unit), "low": _value(cells[place])} for first, cells in _days(figure)]
    return {
        "data": {"values": values},
        "mark": {
            "type": "line",
            "color": _colour(figure, place),
            "strokeWidth": 2,
            "point": {"size": 14, "color": _colour(figure, place)} if len(values) <= width // 8 else False,
        },
        "encoding": {"x": _time(figure, width), "y": _amount(figure)},
    }


def _lines(figure: Figure, width: int, _is_narrow: bool) -> tuple[Spec, int]:
    layers = [_line(figure, width, place) for place in range(figure.series)]
    return {"layer": [*layers, _whole_time(figure, width)]}, _TIME_HEIGHT


def _named(names: Sequence[str], letters: int) -> Spec:
    """The axis of names, which all have the same room."""
    room = _LETTER * min(letters, max((len(one.partition(_APART)[0]) for one in names), default=0))
    axis = {
        "labelExpr": "split(datum.label, '\\u001f')[0]",
        "labelLimit": 0,
        "minExtent": room,
        "maxExtent": room,
        "grid": False,
        "title": None,
    }
    scale = {"paddingInner": 0.25, "paddingOuter": 0.1, "domain": list(names)}
    return {"field": "name", "type": "nominal", "sort": None, "axis": axis, "scale": scale}


def _names(figure: Figure, _width: int, is_narrow: bool) -> tuple[Spec, int]:
    names = [_label(name, place, _LETTERS[is_narrow]) for place, (name, *_) in enumerate(figure.rows)]
    values: list[Spec] = []
    sums: list[Spec] = []
    for name, (_, *cells) in zip(names, figure.rows, strict=True):
        total = 0.0
        for place in range(figure.series):
            amount = _value(cells[place]) or 0.0
            bar = {"name": name, "low": total, "high": total + amount, "colour": _colour(figure, place)}
            total += amount
            values += [bar] * (amount > 0)
        sums.append({"name": name, "low": total, "said": _said(cells[: figure.series])})
    longest = max((one["low"] for one in sums), default=0)
    y = _named(names, _LETTERS[is_narrow])
    x: Spec = {"field": "low", "type": "quantitative", "axis": None}
    x["scale"] = {"domain": [0, (longest or 1) * _ROOM[is_narrow]], "nice": False}
    bars = {
        "data": {"values": values},
        "mark": {"type": "bar", "cornerRadius": 1},
        "encoding": {
            "y": y,
            "x": x,
            "x2": {"field": "high"},
            "color": {"field": "colour", "type": "nominal", "scale": None},
        },
    }
    texts = {
        "data": {"values": sums},
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"y": y, "x": x, "text": {"field": "said", "type": "nominal"}},
    }
    return {"layer": [bars, texts]}, _ROW * max(1, len(figure.rows)) + 8


def _label(name: Cell, place: int, letters: int) -> str:
    """A name that no other row has: what tells it apart is not shown, and in no text that is.

    A name that is too long is cut here, since Vega may cut a character in half.
    """
    text = shown(str(name or ""))
    text = text if len(text) <= letters else f"{text[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
    return f"{text}{_APART}{place}"


def _said(cells: Sequence[Cell]) -> str:
    """What stands at the end of the bars of a row."""
    if isinstance(cells[0], Hours):
        return duration(cells[0])
    return number(sum(cell for cell in cells if isinstance(cell, int)))


def _presence(figure: Figure, width: int, is_narrow: bool) -> tuple[Spec, int]:
    unit, letters = figure.unit or Unit.DAY, _SOURCE_LETTERS[is_narrow]
    names = [_label(name, place, letters) for place, name in enumerate(figure.names)]
    values = [
        {"name": name, "from": _at(first, 0), "to": _at(end(first, unit), 0)}
        for first, cells in _days(figure)
        for name, cell in zip(names, cells, strict=True)
        if cell
    ]
    drawn = {
        "data": {"values": values},
        "mark": {"type": "bar", "color": "var(--s1)", "stroke": "var(--paper)", "strokeWidth": 0.5},
        "encoding": {
            "x": _time(figure, width - int(letters * _LETTER)),
            "x2": {"field": "to"},
            "y": _named(names, letters),
        },
    }
    return drawn, _ROW * max(1, len(names)) + 34


_DRAWN: Mapping[Form, Callable[[Figure, int, bool], tuple[Spec, int]]] = {
    Form.PERIODS: _periods,
    Form.BALANCE: _balance,
    Form.LINES: _lines,
    Form.CLASSES: _names,
    Form.NAMES: _names,
    Form.PRESENCE: _presence,
}
