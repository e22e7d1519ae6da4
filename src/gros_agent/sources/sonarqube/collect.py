"""Collects measurements of analyses since the last collection, and the current targets of metrics.

The position of each project is the moment of its last analysis that was seen, since an analysis may appear some time
after it was made. If a project was not analysed since then, its history is not requested.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from gros_agent.errors import SourceError
from gros_agent.http.faults import HttpError
from gros_agent.http.traffic import server_time
from gros_agent.rows import NOBODY, Metric, MetricDefault, MetricTarget, MetricVersion, Row
from gros_agent.runtime import parallel
from gros_agent.runtime.decoding import decoder
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.common.api import Refused, text, whole
from gros_agent.sources.common.measuring import (
    DEFAULTS,
    MEASUREMENTS,
    NAMES,
    OPTIONS,
    Targets,
    is_same,
    iso,
    kept,
    number,
    parsed,
    remembered,
    update,
    version,
)
from gros_agent.sources.sonarqube import access
from gros_agent.sources.sonarqube.access import Reached
from gros_agent.sources.sonarqube.gates import Gates, category
from gros_agent.sources.sonarqube.history import Analyses, Measured, batches, moment_of
from gros_agent.sources.sonarqube.metrics import Kind, kinds
from gros_agent.sources.sonarqube.shapes import Component

_AT_ONCE = 8
"""Projects whose histories are read at the same time."""
_POSITIONS = "components"
"""The key for the positions of projects in the tracker of measurements: URL of the source → project → moment."""
_DIGESTS = "digests"
"""The key for digests of defaults in their tracker: URL of the source → digest."""


def collect(context: Context, position: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield what is new since a position. Raises :class:`SourceError`."""
    server = access.resolve(context).knowing_the_main_branch()
    now = whole(server_time(server.headers))
    notes: list[str] = []
    missing: list[str] = []
    components = _components(server, missing)
    found, strange = kinds(server.definitions())
    if strange:
        notes.append(f"left out: metrics of an unknown type ({', '.join(strange)})")
    gates = Gates(server, components)
    notes.extend(gates.notes())
    measurements = _Measurements(context, server, gates, found, position)
    yield from measurements.read(components)
    targets = {name: row for one in components for name, row in gates.targets(one.key, found, now).items()}
    last = yield from _versions(context, targets, now)
    defaults = [_default(kind, now) for kind in found]
    digest, before = _digest(found), context.documents.get(DEFAULTS, {}).get(_DIGESTS, {}).get(context.entry.url)
    if digest != before:
        yield defaults
    stamp = now if digest != before else version(context, DEFAULTS)
    documents: dict[str, Mapping[str, Any]] = {
        MEASUREMENTS: {_POSITIONS: {context.entry.url: measurements.positions()}},
        OPTIONS: update(context, last) | {"targets": remembered(targets)},
        DEFAULTS: update(context, stamp) | {_DIGESTS: {context.entry.url: digest}},
        NAMES: {
            server.place.name_of(kind.key, one.key): {
                "base_name": kind.key,
                "domain_name": one.key,
                "domain_type": "",
                "scale": kind.scale,
            }
            for one in components
            for kind in found
        },
    }
    notes.extend(measurements.notes())
    missing.extend(measurements.missing())
    return Collected(
        position=iso(now),
        notes=tuple(notes),
        missing=tuple(missing),
        expected=measurements.total,
        documents=documents,
    )


def _components(server: Reached, missing: list[str]) -> Sequence[Component]:
    if server.place.component:
        return [server.component()]
    pages = list(server.components())
    total = pages[0].paging.total
    found = list({one.key: one for page in pages for one in page.components}.values())
    if total > len(found):
        missing.append(
            f"of {total} projects the server lists only the first {len(found)}; name an organization or project"
        )
    return found


class _Measurements:
    """The measurements of projects since their positions."""

    def __init__(
        self, context: Context, server: Reached, gates: Gates, found: Sequence[Kind], position: str | None
    ) -> None:
        self._server, self._gates = server, gates
        self._kinds = {kind.key: kind for kind in found if kind.has_history}
        self._position = parsed(position) if position else None
        known = context.documents.get(MEASUREMENTS, {}).get(_POSITIONS, {}).get(context.entry.url)
        self._known: Mapping[str, str] | None = known if isinstance(known, dict) else None
        self._newest: dict[str, datetime] = {}
        self._capped: list[str] = []
        self._refused = Refused()
        self._strange: list[Measured] = []
        self._ahead = 0
        self.total = 0

    def read(self, components: Sequence[Component]) -> Iterator[Sequence[Row]]:
        """Yield rows of several projects at the same time. Raises :class:`SourceError`."""
        for first in range(0, len(components), _AT_ONCE):
            streams = [
                self._refused.unless(f"measurements of {one.key}", _all_or_none(self._of_project(one)))
                for one in components[first : first + _AT_ONCE]
            ]
            yield from map(self._counted, parallel.merged(streams))

    def positions(self) -> dict[str, str]:
        """The position of each project that has one. Projects that were not read or listed keep theirs."""
        return {**(self._known or {}), **{name: iso(moment) for name, moment in self._newest.items()}}

    def notes(self) -> Iterator[str]:
        """Remarks for readers of the tables."""
        if self._strange:
            yield f"left out: measurements whose value is not a number ({len(self._strange)})"
        if self._ahead:
            yield f"left out: measurements more than a day ahead of the server's clock ({self._ahead})"

    def missing(self) -> Iterator[str]:
        """Measurements that the server has and did not return. The positions of these projects stay the same."""
        yield from self._refused.missing
        yield from self._capped

    def _counted(self, block: Sequence[Row]) -> Sequence[Row]:
        self.total += len(block)
        return block

    def _since(self, component: str) -> datetime | None:
        """The position of a project. None, for the whole history, if the project is new."""
        if self._known is None:
            return self._position
        position = self._known.get(component)
        return parsed(position) if position else None

    def _of_project(self, component: Component) -> Iterator[Sequence[Row]]:
        since = self._since(component.key)
        newest: datetime | None = since
        if since is not None:
            self._newest[component.key] = since
        if _was_analysed(component, since):
            for number, batch in enumerate(batches(list(self._kinds))):
                analyses = Analyses(self._server, component, batch, since)
                for page in analyses.read():
                    # later analyses are left to the next collection, which requests all their metrics
                    here = (one for one in page if number == 0 or (newest is not None and one.moment <= newest))
                    yield [row for one in here if (row := self._row(component.key, one)) is not None]
                self._ahead += analyses.ahead
                if number == 0:
                    newest = analyses.newest
                    self._note(component, analyses.capped)
        if newest is not None:
            self._newest[component.key] = newest

    def _note(self, component: Component, capped: datetime | None) -> None:
        if capped is not None:
            words = f"{component.key}: the server returns measurements only up to {text(capped)}"
            self._capped.append(f"{words}; later ones are missing")

    def _row(self, component: str, one: Measured) -> Metric | None:
        """The row for a measurement, or None if its value is not a number."""
        value, kind = number(one.value), self._kinds.get(one.metric)
        if kind is None:
            return None
        if value is None:
            self._strange.append(one)
            return None
        return Metric(
            name=self._server.place.name_of(one.metric, component),
            value=value,
            category=category(kind, self._gates.condition(component, one.metric), value),
            date=text(one.moment),
            base_name=one.metric,
            domain_name=component,
        )


def _all_or_none(blocks: Iterator[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """A project's measurements.

    A refusal after the first of them fails the source, since they would be collected twice.
    """
    begun = False
    try:
        for block in blocks:
            begun = begun or bool(block)
            yield block
    except HttpError as error:
        if not begun:
            raise
        raise SourceError(error.message, error.hint) from None


def _was_analysed(component: Component, since: datetime | None) -> bool:
    """Whether a project may have been analysed since a moment."""
    return since is None or component.analysis_date is None or moment_of(component.analysis_date) > since


def _versions(context: Context, targets: Targets, now: datetime) -> Generator[Sequence[Row], None, datetime | None]:
    """Yield a version with the targets that changed, and return the moment of the last version."""
    told = context.documents.get(OPTIONS, {}).get("targets", {})
    known = told if isinstance(told, dict) else {}
    before = {name: _remembered(name, known[name]) for name in targets if name in known}
    new = [row for name, row in targets.items() if not is_same(before.get(name), row)]
    targets.update({name: kept(before.get(name), row) for name, row in targets.items()})
    if not new:
        return version(context, OPTIONS)
    yield [MetricVersion(version_id=iso(now), commit_date=text(now), developer=NOBODY, message="")]
    yield new
    return now


def _remembered(name: str, told: Any) -> MetricTarget | None:  # noqa: ANN401 (of a tracker)
    """A target from the tracker, also in the format of other agents. None if it can't be parsed."""
    if not isinstance(told, dict):
        return None
    fields = {field: value for field, value in told.items() if field in MetricTarget.__struct_fields__}
    others = {"name": name, "revision": told.get("version_id"), "domain_type": "", "default": "0"}
    try:
        return decoder(MetricTarget).decode(msgspec.json.encode(others | fields))
    except msgspec.ValidationError:
        return None


def _default(kind: Kind, now: datetime) -> MetricDefault:
    return MetricDefault(
        base_name=kind.key,
        version_id=iso(now),
        commit_date=text(now),
        direction=kind.direction,
        perfect_value=UNSET if kind.perfect is None else kind.perfect,
        scale=kind.scale,
    )


def _digest(found: Sequence[Kind]) -> str:
    return hashlib.sha256(repr(sorted(map(repr, found))).encode()).hexdigest()
