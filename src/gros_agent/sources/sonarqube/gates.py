"""Targets: the conditions of a project's quality gate.

The server only returns current gates, not their history or who changed them. So a version of the targets is a change
that a collection noticed. A server may not return gates at all (SonarQube Cloud marks all of ``api/qualitygates``
deprecated since 16 September 2025), or hide those of some projects. It still has measurements; their targets are
unknown, which is different from having no target.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import TypeVar

from gros_agent.http.faults import HttpError
from gros_agent.http.paging import Query
from gros_agent.rows import MetricTarget
from gros_agent.runtime import parallel
from gros_agent.sources.common.measuring import Targets, iso, number
from gros_agent.sources.sonarqube.access import Reached
from gros_agent.sources.sonarqube.metrics import Kind
from gros_agent.sources.sonarqube.shapes import Component, Condition, Conditions, GateOfProject

NO_TARGET, PERFECT, GOOD, BAD = "grey", "perfect", "green", "red"
"""Categories of measurements, with the names of existing installations."""


_UNTOLD = frozenset(
    (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
        HTTPStatus.NOT_IMPLEMENTED,
    )
)
"""Statuses of a server that does not return gates. It returned projects before, so the credentials are valid."""
_NO_SUCH_CALL = "Unknown url"
"""The error message of the API for a call that does not exist, as opposed to a missing object."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Gate:
    """A gate, identified by its name and the organization of its projects, if they have one."""

    name: str
    organization: str | None
    is_default: bool


@dataclass(frozen=True)
class _Untold:
    """A gate that the server does not return, with the status of the refusal."""

    status: int


class Gates:
    """The gates of some projects. Each is requested once. Raises :class:`SourceError`."""

    def __init__(self, server: Reached, components: Sequence[Component]) -> None:
        self._server = server
        self._gone: _Untold | None = None
        keys = [one.key for one in components]
        self._gates: Mapping[str, _Gate | _Untold | None] = dict(
            zip(keys, parallel.mapped(self._of_project, components), strict=True)
        )
        gates = list({gate for gate in self._gates.values() if isinstance(gate, _Gate)})
        self._conditions: Mapping[_Gate, Mapping[str, Condition] | _Untold] = dict(
            zip(gates, parallel.mapped(self._shown, gates), strict=True)
        )

    def _ask(self, path: str, kind: type[T], query: Query) -> T | _Untold:
        if self._gone is not None:
            return self._gone
        try:
            return self._server.ask(f"qualitygates/{path}", kind, query).value
        except HttpError as error:
            if error.code not in _UNTOLD:
                raise
            untold = _Untold(error.code)
            if error.code == HTTPStatus.GONE or _NO_SUCH_CALL in error.text:
                self._gone = untold
            return untold

    def _query(self, organization: str | None) -> Mapping[str, str]:
        return {"organization": organization} if organization else self._server.organization

    def _of_project(self, component: Component) -> "_Gate | _Untold | None":
        query = {"project": component.key, **self._query(component.organization)}
        found = self._ask("get_by_project", GateOfProject, query)
        if isinstance(found, _Untold):
            return found
        gate = found.quality_gate
        return _Gate(gate.name, component.organization, gate.default) if gate else None

    def _shown(self, gate: "_Gate") -> "Mapping[str, Condition] | _Untold":
        found = self._ask("show", Conditions, {"name": gate.name, **self._query(gate.organization)})
        if isinstance(found, _Untold):
            return found
        return {one.metric: one for one in found.conditions if number(one.error) is not None}

    def _known(self, component: str) -> "Mapping[str, Condition] | _Untold":
        """The conditions for a project's metrics, if the server returns them."""
        gate = self._gates[component]
        return self._conditions[gate] if isinstance(gate, _Gate) else gate or {}

    def condition(self, component: str, metric: str) -> Condition | None:
        """The condition for a metric of a project, or None."""
        found = self._known(component)
        return None if isinstance(found, _Untold) else found.get(metric)

    def targets(self, component: str, kinds: Sequence[Kind], moment: datetime) -> Targets:
        """Map the name of each metric of a project to its target. Those of the server's default gate are the defaults.

        Empty if the server does not return the gate.
        """
        gate = self._gates[component]
        if isinstance(gate, _Untold) or isinstance(self._known(component), _Untold):
            return {}
        is_default = gate is None or gate.is_default
        return {
            self._server.place.name_of(kind.key, component): _target(
                self._server.place.name_of(kind.key, component),
                kind,
                component,
                self.condition(component, kind.key),
                moment,
                is_default=is_default,
            )
            for kind in kinds
        }

    def notes(self) -> Iterator[str]:
        """Say for how many projects the targets are not available, and why."""
        untold = [found for found in map(self._known, self._gates) if isinstance(found, _Untold)]
        for status in sorted({one.status for one in untold}):
            count = sum(one.status == status for one in untold)
            of_all = "" if count == len(self._gates) else f" of {count} of {len(self._gates)} projects"
            yield f"targets{of_all} are not available: the server refuses access to quality gates (status {status})"


def _target(
    name: str, kind: Kind, component: str, condition: Condition | None, moment: datetime, *, is_default: bool
) -> MetricTarget:
    row = MetricTarget(
        name=name,
        revision=iso(moment),
        base_name=kind.key,
        domain_name=component,
        domain_type="",
        scale=kind.scale,
        direction=kind.direction,
        default="1",
    )
    if condition is not None and not is_default:
        row.default, row.target = "0", number(condition.error) or ""
    return row


def category(kind: Kind, condition: Condition | None, value: str) -> str:
    """The result of comparing a value with its current condition."""
    if condition is None or condition.error is None:
        return NO_TARGET
    measured, limit = Decimal(value), Decimal(condition.error)
    if measured < limit if condition.op == "LT" else measured > limit:
        return BAD
    return PERFECT if kind.perfect is not None and measured == Decimal(kind.perfect) else GOOD
