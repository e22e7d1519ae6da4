"""Change requests and their reviews: how many, how long they take, and how soon somebody answers."""

from gros_agent.reporting.asking import Durations, Questions, definition
from gros_agent.reporting.contents import Cell, Figure, Form, Headline, Hours, Section
from gros_agent.reporting.phrases import counted, duration, number, share, words

_REQUESTS, _DURATION = "gros.change_requests", "gros.change_requests_duration"
_RESPONSE, _CYCLES = "gros.time_to_first_response", "gros.review_cycle_duration"
_STATES = tuple(f"count(*) FILTER (WHERE state = '{state}')" for state in ("accepted", "declined", "open"))
_MEDIANS = tuple(f"percentile_cont({part}) WITHIN GROUP (ORDER BY hours)" for part in (0.5, 0.9))
_NOTE = (
    "A change request is a pull request or a merge request. Systems tell when one changed last, and not when it ended:"
    " a later comment makes a duration too long."
)
_MOST_CYCLES, _MOST_MEDIANS = 5, 48
_PER_REQUEST = f"""
SELECT LEAST(cycles, {_MOST_CYCLES}), count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY hours)
FROM (
    SELECT max(cycle) AS cycles, avg(hours) AS hours
    FROM {_CYCLES}
    WHERE project = ANY($1)
    GROUP BY project, repo_name, id
) AS request
GROUP BY LEAST(cycles, {_MOST_CYCLES})
ORDER BY LEAST(cycles, {_MOST_CYCLES})
"""


def section(ask: Questions) -> Section | None:
    """How change requests go; None if there are none."""
    ((requests, *states),) = ask.ask(f"SELECT count(*), {', '.join(_STATES)} FROM {_REQUESTS} WHERE project = ANY($1)")
    if not requests:
        return None
    taken = ask.durations(_DURATION)
    headlines = [Headline(number(requests), words(requests, "change request"))]
    if taken.median is not None:
        headlines.append(Headline(duration(taken.median), "median until a request is accepted"))
    figures = [_requests(ask, requests, states), _durations(taken), _trend(ask)]
    return Section(
        "requests",
        "Change requests",
        tuple(one for one in figures if one is not None),
        tuple(headlines),
        (_NOTE,),
    )


def reviews(ask: Questions) -> Section | None:
    """How reviews go; None if there are no change requests."""
    waited = ask.durations(_RESPONSE)
    if not waited.count + waited.without:
        return None
    headlines = []
    if waited.median is not None:
        headlines.append(Headline(duration(waited.median), "median until the first response"))
    return Section("reviews", "Reviews", (_responses(waited), _cycles(ask)), tuple(headlines))


def _requests(ask: Questions, requests: int, states: list[int]) -> Figure:
    accepted, declined, still = states
    series = ask.over_time(_REQUESTS, "created_at", dict.fromkeys(_STATES, 0))
    return Figure(
        name="change-requests",
        title="Change requests by what became of them",
        sentence=f"Of {counted(requests, 'change request')}, {number(accepted)} were accepted"
        f" ({share(accepted, requests)}), {number(declined)} declined, and {number(still)} are open."
        f" Each counts in the {series.unit.value} in which it was made.",
        form=Form.PERIODS,
        headings=(f"{series.unit.value} from", "accepted", "declined", "open"),
        rows=series.rows(),
        series=3,
        unit=series.unit,
        colours=("s1", "s4", "s3"),
        definitions=tuple(map(definition, ("change_requests", "change_requests_accepted", "change_requests_declined"))),
        is_wide=True,
    )


def _durations(taken: Durations) -> Figure | None:
    if not taken.count or taken.median is None or taken.slow is None:
        return None
    return Figure(
        name="request-durations",
        title="Until a request is accepted",
        sentence=f"Half of {counted(taken.count, 'accepted request')} took less than {duration(taken.median)}, and"
        f" nine in ten less than {duration(taken.slow)}.",
        form=Form.CLASSES,
        headings=("it took", "requests"),
        rows=taken.rows(),
        definitions=(definition("change_requests_duration"),),
    )


def _trend(ask: Questions) -> Figure | None:
    series = ask.over_time(_DURATION, "ended_at", {**dict.fromkeys(_MEDIANS), "count(*)": 0}, most=_MOST_MEDIANS)
    if not series.values:
        return None
    rows = tuple(
        (day, *(None if one is None else Hours(one) for one in values[:2]), values[2])
        for day, values in series.values.items()
    )
    return Figure(
        name="request-trend",
        title="How that changes over time",
        sentence=f"The median, and what nine in ten stay below, of the requests that were accepted in"
        f" each {series.unit.value}, in days.",
        form=Form.LINES,
        headings=(f"{series.unit.value} from", "median", "nine in ten below", "requests"),
        rows=rows,
        series=2,
        unit=series.unit,
        colours=("s1", "s3"),
        definitions=(definition("change_requests_duration"),),
    )


def _responses(waited: Durations) -> Figure:
    if waited.median is None:
        words = f"None of {counted(waited.without, 'change request')} has a response."
    else:
        words = (
            f"Half of the {counted(waited.count, 'request')} with a response waited less than"
            f" {duration(waited.median)} for the first comment of somebody else; {number(waited.without)} have none."
        )
    return Figure(
        name="responses",
        title="Until the first response",
        sentence=words,
        form=Form.CLASSES,
        headings=("the author waited", "requests"),
        rows=waited.rows("no response"),
        colours=("s2",),
        definitions=(definition("time_to_first_response"),),
    )


def _cycles(ask: Questions) -> Figure:
    found = {int(cycles): (count, hours) for cycles, count, hours in ask.ask(_PER_REQUEST)}
    rows: list[tuple[Cell, ...]] = []
    for cycles in range(1, _MOST_CYCLES + 1):
        count, hours = found.get(cycles, (0, None))
        name = f"{cycles} or more" if cycles == _MOST_CYCLES else str(cycles)
        rows.append((name, count, None if hours is None else Hours(hours)))
    several = sum(count for cycles, (count, _) in found.items() if cycles > 1)
    whole = sum(count for count, _ in found.values())
    return Figure(
        name="cycles",
        title="Cycles of a review",
        sentence=f"{counted(several, 'request')} of {number(whole)} ({share(several, whole)}) went through more than"
        " one cycle: the author wrote after a response, and waited for the next one.",
        form=Form.CLASSES,
        headings=("cycles", "requests", "median of a cycle"),
        rows=tuple(rows),
        colours=("s2",),
        definitions=(definition("review_cycle_duration"),),
    )
