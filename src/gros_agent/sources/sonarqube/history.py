"""Reads the history of a project's metrics, of any length.

An answer has the analyses of a period, oldest first, on pages of at most 1,000. A server only returns the first 10,000
of a period. The rest is requested as another period that starts where the last one ended.
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
"""Analyses per page: the maximum of the API."""
LONGEST_QUERY = 1800
"""The limit for the names of metrics in one request, in characters. Some servers and proxies limit a URL to 2,000."""
_AHEAD = timedelta(days=1)
"""How far an analysis may be ahead of its answer: a day, for wrong clocks and time zones."""
_CAPPED = re.compile(r"first (\d+) results")
_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


@dataclass(frozen=True)
class Measured:
    """A value of a metric at a moment, as the server returns it."""

    metric: str
    moment: datetime
    value: str | int | float


@dataclass(frozen=True)
class _Page:
    """The measurements of a page, the moment of its last analysis, and the number of measurements in the future."""

    measured: Sequence[Measured]
    newest: datetime | None
    ahead: int


def batches(metrics: Sequence[str]) -> Iterator[str]:
    """Join names of metrics with commas, as many as fit into a request."""
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

    ``newest`` is the moment of the last analysis that was seen. If a server returns no more of a period and no new one
    can be started, ``capped`` is the moment up to which it answered. ``ahead`` counts measurements that were left out
    since they are more than a day ahead of the server's clock; they are collected later.
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
        """Yield measurements page by page. Raises :class:`SourceError`."""
        begin = self._since
        # measurements of the newest moment, which a period that starts there returns again
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
        """Yield the pages from a moment on, and None at the end if the server cut the list."""
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
    """The content of a page, without anything later than ``latest``, which would spoil the position."""
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
    """Parse a moment of the API, as ``2024-05-06T07:08:09+0000``. Raises :class:`SourceError`."""
    try:
        return whole(datetime.fromisoformat(text))
    except ValueError:
        raise SourceError(
            f"{text!r} is not a moment", "check the system's version, and report what it answers"
        ) from None
