"""The shapes of Quality-time's answers, as far as they are read. The fields are those of the API."""

from datetime import datetime
from typing import Any

import msgspec


class Server(msgspec.Struct):
    """The server itself."""

    version: str = ""


class Measurer(msgspec.Struct):
    """A source of a metric, with its parameters. Credentials among them are never read."""

    type: str = ""
    parameters: dict[str, Any] = {}


class Defined(msgspec.Struct):
    """A metric in a report. Missing or empty fields have the values of the data model."""

    type: str = ""
    scale: str | None = None
    direction: str | None = None
    target: str | None = None
    near_target: str | None = None
    debt_target: str | None = None
    comment: str | None = None
    sources: dict[str, Measurer] = {}


class Subject(msgspec.Struct):
    """The subject of measurements."""

    type: str = ""
    name: str | None = None
    metrics: dict[str, Defined] = {}


class Report(msgspec.Struct):
    """A report at some moment."""

    report_uuid: str
    title: str = ""
    timestamp: datetime | None = None
    subjects: dict[str, Subject] = {}


class Reports(msgspec.Struct):
    """A list of reports."""

    reports: list[Report]


class Listed(msgspec.Struct):
    """A list of reports, or the answer of a server that has none at this path."""

    reports: list[Report] | None = None


class Value(msgspec.Struct):
    """A measurement on one scale."""

    value: Any = None
    status: str | None = None


class Measurement(msgspec.Struct):
    """The values of a metric for a period, on each of its scales."""

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
    """The description of a change."""

    timestamp: datetime
    delta: str = ""
    email: str | None = None


class Changelog(msgspec.Struct):
    """Changes, the newest first."""

    changelog: list[Change]


class Kind(msgspec.Struct):
    """A type of metric in the data model."""

    direction: str | None = None
    target: str | None = None
    near_target: str | None = None
    default_scale: str | None = None


class DataModel(msgspec.Struct):
    """The types of metrics that the server supports."""

    metrics: dict[str, Kind]
    timestamp: datetime | None = None
