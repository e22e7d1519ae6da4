"""SonarQube servers (8.0 and newer) and SonarCloud: measurements of metrics, and quality gates as their targets.

- :mod:`.access` finds out what the URL names, and lists projects; :mod:`.shapes` has the shapes of answers,
- :mod:`.collect` makes rows, :mod:`.history` goes through the analyses of a project, :mod:`.gates` through its gates,
- :mod:`.definition` reads where projects have their code.

The API is that which a server describes under ``/web_api`` of itself.
"""

from gros_agent.rows import Metric, MetricDefault, MetricTarget, MetricVersion, Row
from gros_agent.sources.common.lazy import LazyQualitySource


class SonarQubeSource(LazyQualitySource):
    """A server, an organization of SonarCloud, or one project whose page the URL is."""

    kind = "sonar"
    title = "SonarQube"
    tables: tuple[type[Row], ...] = (Metric, MetricTarget, MetricVersion, MetricDefault)
    items: type[Row] = Metric
    tracker = "measurements_update.json"
    documents: tuple[str, ...] = (
        *("measurements_update.json", "metric_options_update.json"),
        *("metric_defaults_update.json", "metric_names.json"),
    )


SOURCE = SonarQubeSource()
