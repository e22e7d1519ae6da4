"""Quality-time servers (5.0 and newer): measurements of metrics, and changes of their targets.

- :mod:`.access` finds the server's API and its reports; :mod:`.shapes` has the shapes of its answers,
- :mod:`.collect` reads measurements, :mod:`.targets` reads the versions of the reports,
- :mod:`.definition` finds the project's parts in a report.

The API is the one that the server describes under ``/api``; see https://quality-time.readthedocs.io/.
"""

from gros_agent.rows import Metric, MetricDefault, MetricTarget, MetricVersion, Row
from gros_agent.sources.common.lazy import LazyQualitySource


class QualityTimeSource(LazyQualitySource):
    """A server, or a single report, whose identifier is the last part of the URL."""

    kind = "quality-time"
    title = "Quality-time"
    tables: tuple[type[Row], ...] = (Metric, MetricTarget, MetricVersion, MetricDefault)
    items: type[Row] = Metric
    tracker = "measurements_update.json"
    documents: tuple[str, ...] = (
        *("metric_options_update.json", "metric_defaults_update.json", "metric_names.json"),
        "quality_time_measurement_date.txt",
    )


SOURCE = QualityTimeSource()
