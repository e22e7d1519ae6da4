"""Goes through the history of a project's metrics, however long it is.

An answer has the analyses of a period, oldest first, on pages of at most 1,000; a server gives no more than the first
10,000 of a period. What is beyond is asked for as another period, which begins where the last one broke off.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from gros_agent.errors import SourceError
from gros_agent.http.faults import HttpError
from gros_agent.http.traffic import server_time
from gros_agent.sources.common.api import whole
from gros_agent.sources.sonarqube.access import LIMIT, Reached
from gros_agent.sources.sonarqube.shapes import Component, History

PAGE = 1000
"""Analyses of a page: the most that the API gives."""
LONGEST_QUERY = 1800
"""Characters of names of metrics in one request; some servers and proxies take no more than 2,000 of a URL."""
_AHEAD = timedelta(days=1)
"""How far an analysis can be after the moment of the answer: a day, where clocks and time zones are wrong."""
_CAPPED = re.compile(r"first (\d+) results")
_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


@dataclass(frozen=True)
class Measured:
    """A value of a metric at a moment, as the server tells it."""

    metric: str
    moment: datetime
    value: str | int | float


@dataclass(frozen=True)
class _Page:
    """What was measured on a page, when its last analysis was, and how many measurements are of a time to come."""

    measured: Sequence[Measured]
    newest: datetime | None
    ahead: int


def batches(metrics: Sequence[str]) -> Iterator[str]:
    """Names of metrics, separated by commas, as many at once as a request takes."""
    batch: list[str] = []
    for name in metrics:
        if batch and len(quote(",".join((*batch, name)))) > LONGEST_QUERY:
            yield ",".join(batch)
            batch = []
        batch.append(name)
    if batch:
        yield ",".join(batch)


class Analyses:
    """The history of some metrics of one project since a moment (None: from the start).

    ``newest`` is the moment of the last analysis that was seen. Where a server refuses to give more, and another
    period is none, ``capped`` says up to where its answers went. ``ahead`` measurements were left out, since they are
    more than a day ahead of the server's clock: they come when their time does.
    """

    def __init__(self, server: Reached, component: Component, metrics: str, since: datetime | None) -> None:
        self._server, self._component, self._since = server, component, since
        self._query = {"component": component.key, "metrics": metrics, "ps": str(PAGE)}
        if server.place.branch:
            self._query["branch"] = server.place.branch
        self.newest = since
        self.capped: datetime | None = None
        self.ahead = 0

    def read(self) -> Iterator[list[Measured]]:
        """Yield what was measured, page by page. Raises :class:`SourceError`."""
        begin = self._since
        # what was told of the newest moment, which a period that begins there tells again
        told: set[tuple[str, datetime]] = set()
        while True:
            for page in self._period(begin):
                if page is None:
                    break
                self.ahead += page.ahead
                if page.newest is not None and (self.newest is None or page.newest > self.newest):
                    self.newest = page.newest
                new = (one for one in page.measured if self._is_new(one.moment))
                yield [one for one in new if (one.metric, one.moment) not in told]
                told = {one for one in told if one[1] == self.newest}
                told |= {(one.metric, one.moment) for one in page.measured if one.moment == self.newest}
            else:
                return
            if self.newest == begin:
                self.capped = begin
                return
            begin = self.newest

    def _is_new(self, moment: datetime) -> bool:
        return self._since is None or moment > self._since

    def _period(self, begin: datetime | None) -> Iterator[_Page | None]:
        """The pages from a moment on; None at their end where the server gives no more though there may be."""
        newest = begin
        query = {**self._query, "p": "1"} | ({"from": f"{begin:{_FORMAT}}"} if begin else {})
        while True:
            try:
                answer = self._server.ask("measures/search_history", History, query)
            except HttpError as error:
                if query["p"] != "1" and _CAPPED.search(error.text):
                    yield None
                    return
                raise
            page = answer.value
            query = dict(answer.request.query or query)  # a page may have become smaller
            number, size = int(query["p"]), int(query["ps"])
            count = max((len(measure.history) for measure in page.measures), default=0)
            expected = min(size, page.paging.total - (number - 1) * size)
            if page.measures and count < expected:
                raise SourceError(
                    f"the history of {self._component.key} breaks off: {count} analyses where {expected} are announced",
                    "try again later: it may have changed meanwhile",
                )
            found = _page(page, whole(server_time(answer.headers)) + _AHEAD)
            if found.newest is not None and newest is not None and found.newest < newest:
                raise SourceError(
                    f"the history of {self._component.key} is not in the order of its moments",
                    "check the system's version, and report it",
                )
            newest = found.newest or newest
            yield found
            asked = number * size
            if not page.measures or (asked >= page.paging.total and asked < LIMIT):
                return
            if asked >= LIMIT:
                yield None
                return
            query["p"] = str(number + 1)


def _page(page: History, latest: datetime) -> _Page:
    """What a page has, but for what is later than the ``latest`` that can be: there is no going on from there."""
    moments = {point.date: moment_of(point.date) for measure in page.measures for point in measure.history}
    measured = [
        Measured(measure.metric, moments[point.date], point.value)
        for measure in page.measures
        for point in measure.history
        if point.value is not None
    ]
    known = [one for one in measured if one.moment <= latest]
    newest = max((one for one in moments.values() if one <= latest), default=None)
    return _Page(known, newest, len(measured) - len(known))


def moment_of(text: str) -> datetime:
    """A moment of the API, as ``2024-05-06T07:08:09+0000``. Raises :class:`SourceError`."""
    try:
        return whole(datetime.fromisoformat(text))
    except ValueError:
        raise SourceError(f"{text!r} is no moment", "check the system's version, and report what it answers") from None
