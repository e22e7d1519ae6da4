"""Hosts of sources as the settings make them, without settings."""

from collections.abc import Mapping
from pathlib import Path

from gros_agent.options.hosts import Host
from gros_agent.options.values import Value
from gros_agent.sources import host_options


def host_with(section: str = "", options: Mapping[str, Value] | None = None, key: Path | None = None) -> Host:
    """A host with some options, of which every one may be read that any source declares."""
    return Host(section, options or {}, host_options(), key)
