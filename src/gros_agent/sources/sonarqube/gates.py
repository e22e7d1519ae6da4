"""Targets: the conditions of the quality gate that a project has.

The server tells gates as they are now, and nothing of what they were or who changed them; a version of the targets is
what a collection found changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gros_agent import parallel
from gros_agent.sources.quality import Targets, iso, number
from gros_agent.sources.sonarqube.access import Reached
from gros_agent.sources.sonarqube.metrics import Kind, name_of
from gros_agent.sources.sonarqube.shapes import Component, Condition, Conditions, GateOfProject
from gros_agent.tables.schema import MetricTarget

NO_TARGET, PERFECT, GOOD, BAD = "grey", "perfect", "green", "red"
"""Categories of measurements, as existing installations name them."""


@dataclass(frozen=True)
class _Gate:
    """A gate, known by its name and by the organization of its projects, where there are any."""

    name: str
    organization: str | None
    is_default: bool


class Gates:
    """The gates of some projects, each asked for once. Raises :class:`SourceError`."""

    def __init__(self, server: Reached, components: Sequence[Component]) -> None:
        self._server = server
        keys = [one.key for one in components]
        self._gates: Mapping[str, _Gate | None] = dict(
            zip(keys, parallel.mapped(self._of_project, components), strict=True)
        )
        gates = list({gate for gate in self._gates.values() if gate})
        self._conditions: Mapping[_Gate, Mapping[str, Condition]] = dict(
            zip(gates, parallel.mapped(self._shown, gates), strict=True)
        )

    def _query(self, organization: str | None) -> Mapping[str, str]:
        return {"organization": organization} if organization else self._server.organization

    def _of_project(self, component: Component) -> "_Gate | None":
        query = {"project": component.key, **self._query(component.organization)}
        gate = self._server.ask("qualitygates/get_by_project", GateOfProject, query).value.quality_gate
        return _Gate(gate.name, component.organization, gate.default) if gate else None

    def _shown(self, gate: "_Gate") -> Mapping[str, Condition]:
        query = {"name": gate.name, **self._query(gate.organization)}
        found = self._server.ask("qualitygates/show", Conditions, query).value.conditions
        return {one.metric: one for one in found if number(one.error) is not None}

    def condition(self, component: str, metric: str) -> Condition | None:
        """What is wanted of a metric of a project, or None."""
        gate = self._gates[component]
        return self._conditions[gate].get(metric) if gate else None

    def targets(self, component: str, kinds: Sequence[Kind], moment: datetime) -> Targets:
        """Name of each metric of a project → its target. Those of the server's own gate are the defaults."""
        gate = self._gates[component]
        return {
            name_of(kind.key, component): _target(
                kind, component, self.condition(component, kind.key), moment, is_default=gate is None or gate.is_default
            )
            for kind in kinds
        }


def _target(
    kind: Kind, component: str, condition: Condition | None, moment: datetime, *, is_default: bool
) -> MetricTarget:
    row = MetricTarget(
        name=name_of(kind.key, component),
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
    """How a value compares with what is wanted now."""
    if condition is None or condition.error is None:
        return NO_TARGET
    measured, limit = Decimal(value), Decimal(condition.error)
    if measured < limit if condition.op == "LT" else measured > limit:
        return BAD
    return PERFECT if kind.perfect is not None and measured == Decimal(kind.perfect) else GOOD
