"""Quality-time servers (5.0 and newer): measurements of metrics, and changes of their targets.

- :mod:`.access` finds the server's API and its reports; :mod:`.shapes` has the shapes of its answers,
- :mod:`.collect` goes through measurements, :mod:`.targets` through the versions of the reports.

The API is that which the server describes under ``/api`` of itself; see https://quality-time.readthedocs.io/.
"""

from collections.abc import Generator, Sequence

from gros_agent.sources.base import Collected, Context
from gros_agent.tables.schema import Metric, MetricDefault, MetricTarget, MetricVersion, Row


class QualityTimeSource:
    """A server, or one report of it, whose identifier is the last part of the URL."""

    kind = "quality-time"
    title = "Quality-time"
    tables: tuple[type[Row], ...] = (Metric, MetricTarget, MetricVersion, MetricDefault)
    items: type[Row] = Metric
    tracker = "measurements_update.json"
    documents: tuple[str, ...] = ("metric_options_update.json", "metric_defaults_update.json", "metric_names.json")
    alongside: tuple[str, ...] = ()

    def check(self, context: Context) -> str:
        """Say which version answers, and how many reports and metrics it shows."""
        from gros_agent.sources.quality_time import access  # noqa: PLC0415 (slow to import, and few have one)

        return access.check(context)

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield measurements that ended since a moment, and changes of targets."""
        from gros_agent.sources.quality_time import collect  # noqa: PLC0415 (slow to import, and few have one)

        return (yield from collect.collect(context, since))


SOURCE = QualityTimeSource()
