"""Rows of quality systems: measurements of metrics, and their targets."""

from typing import Annotated, ClassVar, Self

from msgspec import UNSET, Meta, UnsetType

from gros_agent.rows.base import NOBODY, Flag, Moment, Number, Row, unit

MetricName = Annotated[str, Meta(max_length=100, description="Identifier of the metric.")]
_ON_SCALE = unit("of the metric's scale")
Value = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A number."), _ON_SCALE]
Target = Annotated[str, Meta(pattern=r"^(-?[0-9]+(\.[0-9]+)?)?$", description="A number, or nothing."), _ON_SCALE]
Sources = Annotated[Number, unit("sources")]
Direction = Annotated[str, Meta(pattern="^-?1$", description="1 if more is better, -1 if less is.")]
Scale = Annotated[str, Meta(max_length=16, description="count, percentage, duration, rating or version_number.")]
Revision = Annotated[str, Meta(max_length=100, description="Version of the definition: its moment, in ISO 8601.")]


class Metric(Row, kw_only=True, forbid_unknown_fields=True):
    """A measurement of a metric."""

    table: ClassVar[str] = "data_metrics"
    key_fields: ClassVar[tuple[str, ...]] = ()
    named: ClassVar[tuple[str, ...]] = ("name",)

    name: MetricName
    value: Annotated[Value, Meta(description="What was measured, or -1 if nothing could be.")]
    category: Annotated[str, Meta(max_length=100, description="How it compares with the target.")]
    date: Annotated[Moment, Meta(description="When it was measured last.")]
    since_date: Annotated[Moment, Meta(description="Since when it has been so.")] | UnsetType = UNSET
    base_name: Annotated[str, Meta(max_length=100, description="Type of the metric.")] | UnsetType = UNSET
    domain_name: Annotated[str, Meta(max_length=100, description="What is measured.")] | UnsetType = UNSET


class MetricTarget(Row, kw_only=True, forbid_unknown_fields=True):
    """The targets of a metric since a version. Targets that are the defaults are left out."""

    table: ClassVar[str] = "data_metric_targets"
    key_fields: ClassVar[tuple[str, ...]] = ("name", "revision")
    named: ClassVar[tuple[str, ...]] = ("name",)
    free_text: ClassVar[tuple[str, ...]] = ("comment", "domain_name")

    name: MetricName
    revision: Revision
    base_name: Annotated[str, Meta(max_length=100, description="Type of the metric.")]
    domain_name: Annotated[str, Meta(max_length=100, description="What is measured.")]
    domain_type: Annotated[str, Meta(max_length=32, description="Type of what is measured.")]
    scale: Scale
    number_of_sources: Annotated[Sources, Meta(description="From how many sources it is measured.")] | UnsetType = UNSET
    default: Annotated[Flag, Meta(description="Whether all targets are the defaults: 1 or 0.")]
    target: Annotated[Target, Meta(description="Where it is good.")] | UnsetType = UNSET
    low_target: Annotated[Target, Meta(description="Where it is still tolerable.")] | UnsetType = UNSET
    debt_target: Annotated[Target, Meta(description="What is tolerated as technical debt.")] | UnsetType = UNSET
    direction: Direction | UnsetType = UNSET
    comment: Annotated[str, Meta(description="Why the targets are so.")] | UnsetType = UNSET


class MetricVersion(Row, kw_only=True, forbid_unknown_fields=True):
    """A change of targets, with its author."""

    table: ClassVar[str] = "data_metric_versions"
    key_fields: ClassVar[tuple[str, ...]] = ("version_id",)
    rule: ClassVar[str] = "the first known person counts"
    personal: ClassVar[tuple[str, ...]] = ("developer",)
    free_text: ClassVar[tuple[str, ...]] = ("message",)

    version_id: Revision
    commit_date: Annotated[Moment, Meta(description="When it was made.")]
    developer: Annotated[str, Meta(max_length=64, description="Who made it, if that is known.")] | UnsetType = UNSET
    message: Annotated[str, Meta(description="What was said about it.")]
    encrypted: Annotated[Flag, Meta(description="Whether the personal fields hold pseudonyms: 1 or 0.")] = "0"

    def __post_init__(self) -> None:
        """Leave out an unknown author: the importer would take ``"0"`` for a person's name."""
        if self.developer == NOBODY:
            self.developer = UNSET

    def one_of(self, later: Self) -> Self:
        """The later row, if this one has no author."""
        return later if self.developer is UNSET else self


class MetricDefault(Row, kw_only=True, forbid_unknown_fields=True):
    """The default targets of a type of metric."""

    table: ClassVar[str] = "data_metric_defaults"
    key_fields: ClassVar[tuple[str, ...]] = ("base_name", "version_id")

    base_name: Annotated[str, Meta(max_length=100, description="Type of the metric.")]
    version_id: Revision
    commit_date: Annotated[Moment, Meta(description="When the default was set.")]
    direction: Direction
    perfect_value: Annotated[Value, Meta(description="Where it can't be better.")] | UnsetType = UNSET
    target_value: Annotated[Value, Meta(description="Where it is good.")] | UnsetType = UNSET
    low_target_value: Annotated[Value, Meta(description="Where it is still tolerable.")] | UnsetType = UNSET
    scale: Scale
