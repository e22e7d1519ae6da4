"""Changes of targets: who changed them and when, and the targets since then.

The changelog says when something was changed and by whom. The reports of those moments have the targets. A change that
does not affect targets is not a version of them.

A version is identified by its second, so all changes within one second are one version. Changes in the current second
are left to the next collection, since more may follow.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from gros_agent.rows import NOBODY, MetricTarget, MetricVersion, Row
from gros_agent.sources.common.api import text, whole
from gros_agent.sources.common.measuring import Targets, is_same, iso, kept
from gros_agent.sources.quality_time.access import Reached
from gros_agent.sources.quality_time.shapes import Change, Changelog, DataModel, Defined, Kind, Report

_LONG = 100
_LONGEST = 100_000
"""The number of changes requested for a report at first. It is multiplied by ten while there may be more."""
_WHO = re.compile(
    r"(?P<who>.{1,200}?) (?:changed|added|deleted|copied|moved|imported|created|set|replaced|reset) ", re.DOTALL
)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Versions:
    """The versions of the targets in all reports between two moments.

    ``current`` are the targets after the last version.
    """

    def __init__(
        self, server: Reached, model: DataModel, reports: Sequence[Report], since: datetime | None, now: datetime
    ) -> None:
        self._server, self._model, self._reports, self._since, self._now = server, model, reports, since, now
        self.current: Targets = {}
        self.last: datetime | None = None

    def read(self) -> Iterator[Sequence[Row]]:
        """Yield versions and their changed targets, the oldest first. Raises :class:`SourceError`."""
        changes: dict[datetime, list[Change]] = {}
        for report in self._reports:
            for change in self._changes(report.report_uuid):
                changes.setdefault(whole(change.timestamp), []).append(change)
        if self._since is not None:
            self.current = self._targets(self._server.reports(self._since), self._since)
        for moment in sorted(changes):
            if moment >= self._now or (self._since is not None and moment <= self._since):
                continue
            found = self._targets(self._server.reports(moment), moment)
            new = [row for name, row in found.items() if not is_same(self.current.get(name), row)]
            self.last = moment
            if new or set(self.current) - set(found):
                yield [*_versions(moment, changes[moment])]
                yield new
            self.current = {name: kept(self.current.get(name), row) for name, row in found.items()}

    def _changes(self, report: str) -> list[Change]:
        count = _LONG
        while True:
            found = self._server.get(f"changelog/report/{report}/{count}", Changelog).changelog
            is_enough = self._since is not None and bool(found) and whole(found[-1].timestamp) <= self._since
            if len(found) < count or is_enough or count >= _LONGEST:
                return found
            count *= 10

    def _targets(self, reports: Iterable[Report], moment: datetime) -> Targets:
        return {
            name: _row(name, metric, subject.name or identifier, subject.type, self._kind(metric), moment)
            for report in reports
            for identifier, subject in report.subjects.items()
            for name, metric in subject.metrics.items()
        }

    def _kind(self, metric: Defined) -> Kind:
        return self._model.metrics.get(metric.type, Kind())


def _versions(moment: datetime, changes: Sequence[Change]) -> Iterator[MetricVersion]:
    """A row for each person who changed something at a moment."""
    for who in dict.fromkeys(map(_who, changes)):
        yield MetricVersion(version_id=iso(moment), commit_date=text(moment), developer=who, message="")


def _who(change: Change) -> str:
    match = _WHO.match(change.delta)
    return match["who"] if match else change.email or NOBODY


def _row(name: str, metric: Defined, subject: str, subject_type: str, kind: Kind, moment: datetime) -> MetricTarget:
    target, near = _number(metric.target), _number(metric.near_target)
    row = MetricTarget(
        name=name,
        revision=iso(moment),
        base_name=metric.type,
        domain_name=subject,
        domain_type=subject_type or "software",
        scale=metric.scale or kind.default_scale or "count",
        number_of_sources=str(len(metric.sources)),
        default="1",
    )
    direction = metric.direction or kind.direction
    is_default = (target, near) == (_number(kind.target), _number(kind.near_target)) and direction == kind.direction
    if is_default and metric.debt_target is None and not metric.comment:
        return row
    row.default, row.target, row.low_target = "0", target, near
    row.debt_target = "" if metric.debt_target is None else _number(metric.debt_target)
    row.direction = direction_of(direction)
    row.comment = metric.comment or ""
    return row


def direction_of(text: str | None) -> str:
    """Whether more is better (1) or less (-1)."""
    return "1" if text == ">" else "-1"


def _number(value: str | None) -> str:
    """A target as a number. A missing or invalid target is 0."""
    return value if value and _NUMBER.fullmatch(value) else "0"
