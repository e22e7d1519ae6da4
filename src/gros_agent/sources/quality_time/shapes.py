"""The shapes of Quality-time's answers, as far as they are read; fields are the API's own."""

from datetime import datetime
from typing import Any

import msgspec


class Server(msgspec.Struct):
    """The server itself."""

    version: str = ""


class Measurer(msgspec.Struct):
    """A source of a metric, with its parameters; credentials among them are never read."""

    type: str = ""
    parameters: dict[str, Any] = {}


class Defined(msgspec.Struct):
    """A metric as a report defines it; what is missing or empty is the data model's."""

    type: str = ""
    scale: str | None = None
    direction: str | None = None
    target: str | None = None
    near_target: str | None = None
    debt_target: str | None = None
    comment: str | None = None
    sources: dict[str, Measurer] = {}


class Subject(msgspec.Struct):
    """What is measured."""

    type: str = ""
    name: str | None = None
    metrics: dict[str, Defined] = {}


class Report(msgspec.Struct):
    """A report, as it was at some moment."""

    report_uuid: str
    title: str = ""
    timestamp: datetime | None = None
    subjects: dict[str, Subject] = {}


class Reports(msgspec.Struct):
    """A list of reports."""

    reports: list[Report]


class Listed(msgspec.Struct):
    """What may be a list of reports, or the answer of a server that has none at this path."""

    reports: list[Report] | None = None


class Value(msgspec.Struct):
    """A measurement on one scale."""

    value: Any = None
    status: str | None = None


class Measurement(msgspec.Struct):
    """What was measured from one moment to another, on each scale that the metric has."""

    metric_uuid: str
    start: datetime
    end: datetime
    report_uuid: str = ""
    count: Value | None = None
    percentage: Value | None = None
    duration: Value | None = None
    rating: Value | None = None
    version_number: Value | None = None


class Measurements(msgspec.Struct):
    """A list of measurements."""

    measurements: list[Measurement]


class Change(msgspec.Struct):
    """Something that somebody changed, in words."""

    timestamp: datetime
    delta: str = ""
    email: str | None = None


class Changelog(msgspec.Struct):
    """What was changed, the newest first."""

    changelog: list[Change]


class Kind(msgspec.Struct):
    """A type of metric in the data model."""

    direction: str | None = None
    target: str | None = None
    near_target: str | None = None
    default_scale: str | None = None


class DataModel(msgspec.Struct):
    """The types of metrics that the server knows."""

    metrics: dict[str, Kind]
    timestamp: datetime | None = None
