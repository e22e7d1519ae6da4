"""Connects the commands that collect to a cluster, if one is named."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gros_agent.collect.scrape import MakeTeam
    from gros_agent.settings.home import Home


@contextmanager
def make_team(
    home: "Home", address: str | None, certificates: Path | None, shared: Path | None
) -> "Iterator[MakeTeam | None]":
    """Connect to a cluster for the block, and yield what makes teams on it; None if no cluster is named.

    Raises :class:`AgentError` if it can't be reached, or if Dask is missing.
    """
    if address is None:
        yield None
        return
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415 (commands load what they need when they run)

    try:
        from gros_agent.cluster.connecting import ClusterOptions, connected  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gros_agent":
            raise
        raise ConfigurationError(
            f"a cluster needs {error.name}, which is not installed", "install gros-agent[cluster]"
        ) from None
    options = ClusterOptions(
        address=address,
        certificates=certificates and certificates.absolute(),
        shared=shared and shared.absolute(),
    )
    with connected(options, home) as cluster:
        yield cluster.team
