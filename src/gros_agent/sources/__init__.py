"""The systems that are collected from: each module or package with a ``SOURCE`` is one, and declares what it needs."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from gros_agent.options.hosts import HostOption, by_name
from gros_agent.sources.base import Source
from gros_agent.sources.common.host_options import COMMON

_UNCOLLECTED = (*("controller", "tfvc", "history", "compact-history", "metric_history", "metric_options"),)
"""Types that appear in lists of existing installations, and that no source here collects."""


@cache
def sources() -> Mapping[str, Source]:
    """All sources by type, in the order of :class:`gros_agent.sources.base.Order`."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found: list[Source] = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.kind: source for source in sorted(found, key=lambda source: (source.order, source.kind))}


@cache
def by_type() -> Mapping[str, Source]:
    """All sources by each type that their entries can have, including the alternative names."""
    return {name: source for source in sources().values() for name in (source.kind, *source.also_called)}


@cache
def known_types() -> tuple[str, ...]:
    """The types that ``data_sources.json`` may contain, including those that no source collects."""
    return (*by_type(), *_UNCOLLECTED)


@cache
def host_options() -> Mapping[str, HostOption]:
    """The host options that any source declares, with those common to every source first."""
    return by_name((*COMMON, *(option for source in sources().values() for option in source.host_options)))
