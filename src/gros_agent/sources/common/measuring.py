"""What the sources of quality systems share: values as written to tables, and the trackers of existing installations.

These trackers list sources and map the URL of each to its version, a moment in ISO 8601. ``metric_options_update.json``
also has the targets of that version, and ``metric_names.json`` describes the metrics.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import UNSET

from gros_agent.errors import SourceError
from gros_agent.rows import MetricTarget
from gros_agent.rows.moments import FURTHEST_AHEAD
from gros_agent.sources.base import Context
from gros_agent.sources.common.api import whole
from gros_agent.tables.trackers import TEXT

MEASUREMENTS = "measurements_update.json"
OPTIONS = "metric_options_update.json"
DEFAULTS = "metric_defaults_update.json"
NAMES = "metric_names.json"
FORMER = "quality_time_measurement_date.txt"
"""The file of older agents with the moment of their last measurements, in local time."""
START = datetime(1970, 1, 1, tzinfo=UTC)

Targets = dict[str, MetricTarget]
"""The targets of each metric. The revision is that of the first version that had them."""


def iso(moment: datetime) -> str:
    """A moment in ISO 8601, in UTC, to the second."""
    return whole(moment).isoformat()


def parsed(position: str) -> datetime:
    """Parse the moment of a tracker. Raises :class:`SourceError`."""
    try:
        return whole(datetime.fromisoformat(position.strip()))
    except ValueError:
        raise SourceError(
            f"the tracker contains {position!r}, which is not a moment",
            "correct it, or remove it and everything is collected again",
        ) from None


def former(context: Context) -> datetime | None:
    """The moment up to which an older agent collected measurements, or None.

    It is a local time without its time zone, so the earliest possible moment is taken.
    """
    text = context.documents.get(FORMER, {}).get(TEXT)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return whole(moment) if moment.tzinfo else whole(moment) - FURTHEST_AHEAD
    except ValueError:
        raise SourceError(f"{FORMER} contains {text!r}, which is not a moment", "correct it, or remove it") from None


def version(context: Context, document: str) -> datetime | None:
    """The last version of this source that a tracker has, or None."""
    versions = context.documents.get(document, {}).get("versions", {})
    found = versions.get(context.entry.url) if isinstance(versions, dict) else None
    return parsed(str(found)) if found else None


def update(context: Context, moment: datetime | None) -> dict[str, Any]:
    """The new content for a tracker of this source."""
    versions = {context.entry.url: iso(moment)} if moment else {}
    return {"sources": [context.entry.listed()], "versions": versions}


def number(value: object) -> str | None:
    """A value as it is written to tables, or None if it is not a number."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return f"{found:f}" if found.is_finite() and not isinstance(value, bool) else None


def is_same(one: MetricTarget | None, other: MetricTarget) -> bool:
    """Whether two targets are equal, apart from their revision."""
    return one is not None and msgspec.structs.replace(one, revision=other.revision) == other


def kept(before: MetricTarget | None, row: MetricTarget) -> MetricTarget:
    """The target to remember for a metric: the first version with these values."""
    return before if before is not None and is_same(before, row) else row


def remembered(targets: Mapping[str, MetricTarget]) -> dict[str, dict[str, str]]:
    """Targets in the format of existing agents' trackers."""
    return {
        name: {key: value for key, value in msgspec.structs.asdict(row).items() if value is not UNSET}
        for name, row in targets.items()
    }
