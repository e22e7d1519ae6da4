"""Lets the process that imports it find the sources of the benchmark. Workers load it by ``--preload``."""

from pathlib import Path

import gros_agent.sources

gros_agent.sources.__path__.append(str(Path(__file__).parent / "cluster_sources"))
