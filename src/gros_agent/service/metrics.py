"""The metrics of an agent for Prometheus, calculated from its history and state at each request."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gros_agent.errors import AgentError
from gros_agent.run.history import Run, Total
from gros_agent.runtime.masking import shown
from gros_agent.service.duty import Duty, Kept
from gros_agent.service.responses import sayable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = {
    "runs": ("runs", "Runs that have ended, by outcome.", "status"),
    "rows": ("rows", "Rows that were collected.", "table"),
    "source_failures": ("source_failures", "Sources that could not be collected.", "type"),
    "seconds": ("run_seconds", "Seconds that runs took.", ""),
    "delivered_bytes": ("delivered_bytes", "Bytes that the controller took.", ""),
    "delivered_rows": ("delivered_rows", "Rows that the controller took.", ""),
    "retries": ("retries", "Requests, queries and uploads that were tried again.", ""),
}
"""The counters by their name in the history: metric, meaning, and the label in addition to ``project``."""

_Values = Iterable[tuple[Sequence[str], float]]


def metrics(duty: Duty) -> bytes:
    """All metrics in the format of Prometheus. Reads the disk, so don't call it in the event loop."""
    registry = CollectorRegistry()
    registry.register(_Collector(duty))
    return shown(generate_latest(registry).decode()).encode()


class _Collector(Collector):
    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        duty = self._duty
        yield _gauge("info", "Version and mode of the agent.", [((duty.version, duty.mode), 1)], "version", "mode")
        yield _gauge("running", "Whether a scrape is running.", [((), duty.is_running)])
        if duty.next_run:
            moment = duty.next_run.timestamp()
            yield _gauge("next_run_timestamp_seconds", "When the next scrape is due.", [((), moment)])
        yield _gauge("obstacles", "Problems that keep the agent from working.", [((), len(duty.obstacles()))])
        yield _gauge("warnings", "Warnings for its operator.", [((), len(duty.warnings()))])
        yield from _kept(duty.outbox())
        try:
            history = duty.history
            successes, last, totals = history.last_successes(), history.last_runs(), history.totals()
        except AgentError:  # the status page says which one
            yield _gauge("history_readable", "Whether the history of runs can be read.", [((), 0)])
            return
        yield _gauge("history_readable", "Whether the history of runs can be read.", [((), 1)])
        seen = dict.fromkeys(duty.projects, 0.0) | {name: when.timestamp() for name, when in successes.items()}
        yield _gauge(
            "last_success_timestamp_seconds",
            "When a project was last collected and delivered without errors; 0 for never.",
            [((project,), when) for project, when in seen.items()],
            "project",
        )
        yield from _last_runs(last.values())
        yield from _counters(totals)


def _kept(found: Sequence[Kept]) -> Iterator[Metric]:
    readable = [one for one in found if not one.problem]
    yield _gauge(
        "outbox_batches",
        "Batches that wait for their delivery.",
        [((one.project,), one.batches) for one in readable],
        "project",
    )
    yield _gauge("outbox_bytes", "Bytes of their tables.", [((one.project,), one.size) for one in readable], "project")
    yield _gauge(
        "outbox_oldest_timestamp_seconds",
        "When the oldest of them was made; missing if no batch waits.",
        [((one.project,), one.oldest.timestamp()) for one in readable if one.oldest],
        "project",
    )
    yield _gauge(
        "controller_away",
        "Whether the controller did not answer when it was last asked; new batches wait.",
        [((one.project,), one.away is not None) for one in found],
        "project",
    )


def _last_runs(runs: Iterable[Run]) -> Iterator[Metric]:
    ended = [(run, run.ended, run.status) for run in runs if run.ended is not None and run.status is not None]
    yield _gauge(
        "last_run_timestamp_seconds",
        "When the last run of a project ended that was not too early.",
        [((run.project,), end.timestamp()) for run, end, _ in ended],
        "project",
    )
    yield _gauge(
        "last_run_duration_seconds",
        "How long that run took.",
        [((run.project,), max(0.0, (end - run.started).total_seconds())) for run, end, _ in ended],
        "project",
    )
    yield _gauge(
        "last_run_status",
        "The exit status of that run: 0 is done.",
        [((run.project,), int(status)) for run, _, status in ended],
        "project",
    )


def _counters(totals: Sequence[Total]) -> Iterator[Metric]:
    for name, (metric, meaning, label) in COUNTERS.items():
        family = CounterMetricFamily(f"gros_agent_{metric}", meaning, labels=("project", *([label] if label else ())))
        for total in totals:
            if total.name == name:
                values = (total.project, total.label) if label else (total.project,)
                family.add_metric([sayable(value) for value in values], total.value)
        yield family


def _gauge(name: str, meaning: str, values: _Values, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"gros_agent_{name}", meaning, labels=labels)
    for labelled, value in values:
        family.add_metric([sayable(text) for text in labelled], float(value))
    return family
