"""SonarQube servers (8.0 and newer) and SonarCloud: measurements of metrics, and quality gates as their targets.

- :mod:`.access` parses the URL, logs in, and lists projects; :mod:`.shapes` has the shapes of answers,
- :mod:`.collect` makes rows, :mod:`.history` reads the analyses of a project, :mod:`.gates` reads its quality gate,
- :mod:`.definition` finds the locations of the projects' code.

The API is the one that a server describes under ``/web_api``.
"""

from gros_agent.rows import Metric, MetricDefault, MetricTarget, MetricVersion, Row
from gros_agent.sources.common.lazy import LazyQualitySource


class SonarQubeSource(LazyQualitySource):
    """A server, an organization of SonarCloud, or a single project whose page is the URL."""

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
