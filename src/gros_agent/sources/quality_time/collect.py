"""Collects measurements since a moment, and the types of the metrics.

One request returns all measurements of a period. Positions are whole seconds of the server's clock, but its moments
have microseconds since 5.55. So moments are compared with their fractions, and the current second is left to the next
collection. Nothing is lost between two collections, and nothing is collected twice.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET

from gros_agent.http.traffic import server_time
from gros_agent.rows import Metric, MetricDefault, Row
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.api import exact, text, whole
from gros_agent.sources.common.measuring import (
    DEFAULTS,
    NAMES,
    OPTIONS,
    START,
    former,
    iso,
    number,
    parsed,
    remembered,
    update,
    version,
)
from gros_agent.sources.quality_time import access
from gros_agent.sources.quality_time.access import Reached
from gros_agent.sources.quality_time.shapes import DataModel, Measurement, Measurements, Report
from gros_agent.sources.quality_time.targets import Versions, direction_of

UNKNOWN = "unknown"
"""The category for measurements without a value."""
NO_VALUE = "-1"
_SECOND = timedelta(seconds=1)
"""How much earlier the requested period starts, since the server may include or exclude its limits."""


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what is new since a position, the moment of the last collection by the server's clock."""
    server = access.resolve(context)
    now = whole(server_time(server.headers))
    since = parsed(position) if position else former(context)
    reports = server.present()
    model = server.model()
    measurements = _Measurements(server, reports, since, now)
    yield from measurements.read()
    options = version(context, OPTIONS)
    versions = Versions(server, model, reports, options, now)
    yield from versions.read()
    stamp = whole(model.timestamp or START)
    known = version(context, DEFAULTS)
    if known is None or stamp > known:
        yield _defaults(model, stamp)

    documents: dict[str, Mapping[str, Any]] = {
        OPTIONS: update(context, versions.last or options) | {"targets": remembered(versions.current)},
        DEFAULTS: update(context, stamp),
        NAMES: _names(reports, model),
    }
    return Collected(
        position=iso(now), notes=tuple(measurements.notes()), expected=measurements.total, documents=documents
    )


class _Measurements:
    def __init__(self, server: Reached, reports: Sequence[Report], since: datetime | None, now: datetime) -> None:
        self._server, self._since, self._now = server, since, now
        self._scales = {
            name: metric.scale or "count"
            for report in reports
            for subject in report.subjects.values()
            for name, metric in subject.metrics.items()
        }
        self.total = 0
        self._strange = 0

    def read(self) -> Iterator[Sequence[Row]]:
        """Yield rows for measurements that ended after the position and before now. Raises :class:`SourceError`."""
        begin = START if self._since is None else self._since - _SECOND
        period = {"min_report_date": iso(begin), "report_date": access.end_of(self._now)}
        found = self._server.get("measurements", Measurements, **period).measurements
        mine = (one for one in found if self._server.report in {None, one.report_uuid})
        rows = [row for one in mine if self._is_new(one.end) and (row := self._row(one)) is not None]
        self.total += len(rows)
        yield rows

    def _is_new(self, end: datetime) -> bool:
        moment = exact(end)
        return moment <= self._now and (self._since is None or moment > self._since)

    def _row(self, one: Measurement) -> Metric | None:
        """A measurement on the metric's scale, or None if its value is not a number, such as a version."""
        measured = getattr(one, self._scales.get(one.metric_uuid, "count"), None)
        value = NO_VALUE if measured is None or measured.value is None else number(measured.value)
        if value is None:
            self._strange += 1
            return None
        status = measured.status if measured else None
        return Metric(
            name=one.metric_uuid,
            value=value,
            category=status or UNKNOWN,
            date=text(one.end),
            since_date=text(one.start),
        )

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self._strange:
            yield f"left out: measurements whose value is not a number ({self._strange})"


def _defaults(model: DataModel, stamp: datetime) -> list[MetricDefault]:
    return [
        MetricDefault(
            base_name=name,
            version_id=iso(stamp),
            commit_date=text(stamp),
            direction=direction_of(kind.direction),
            target_value=UNSET if (target := number(kind.target)) is None else target,
            low_target_value=UNSET if (near := number(kind.near_target)) is None else near,
            scale=kind.default_scale or "count",
        )
        for name, kind in model.metrics.items()
    ]


def _names(reports: Sequence[Report], model: DataModel) -> dict[str, dict[str, str]]:
    """Descriptions of the metrics, by their identifiers."""
    return {
        name: {
            "base_name": metric.type,
            "domain_name": subject.name or identifier,
            "domain_type": subject.type,
            "scale": metric.scale
            or (model.metrics[metric.type].default_scale if metric.type in model.metrics else None)
            or "count",
        }
        for report in reports
        for identifier, subject in report.subjects.items()
        for name, metric in subject.metrics.items()
    }
