"""The systems that are collected from: each module or package with a ``SOURCE`` is one."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from gros_agent.sources.base import Source

KNOWN_TYPES = (
    *("controller", "git", "github", "gitlab", "subversion", "tfs", "tfvc", "history", "compact-history"),
    *("metric_history", "metric_options", "quality-time", "sonar", "jenkins", "jira"),
)
"""The types that ``data_sources.json`` may name, whether there is something that collects them or not."""


@cache
def sources() -> Mapping[str, Source]:
    """Every source that there is, by its type."""
    found: dict[str, Source] = {}
    for module in pkgutil.iter_modules(__path__):
        source = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SOURCE", None)
        if source is not None:
            found[source.kind] = source
    return found
