"""Connects the commands that collect to a cluster, if one is named."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gros_agent.cli.options import EnvironmentOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gros_agent.collect.teams import Teams
    from gros_agent.settings.home import Home

F = TypeVar("F", bound=Callable[..., Any])
PER_HOST = 4
"""The number of :data:`gros_agent.collect.engine.PER_HOST`, which is slow to import."""


def cluster_options(function: F) -> F:
    """The options of every command that can collect on a cluster."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option(
        "--cluster",
        metavar="ADDRESS",
        cls=EnvironmentOption,
        envvar="GROS_AGENT_CLUSTER",
        help="Collect on a Dask cluster: local for one on this machine, or its scheduler, as tls://HOST:PORT.",
    ),
    click.option(
        "--cluster-certificates",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        cls=EnvironmentOption,
        envvar="GROS_AGENT_CLUSTER_CERTIFICATES",
        help="Folder of the coordinator, which gros-agent cluster certificates made.",
    ),
    click.option(
        "--shared",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        cls=EnvironmentOption,
        envvar="GROS_AGENT_CLUSTER_SHARED",
        help="Folder that every machine of the cluster has, for its tables; without it they are sent.",
    ),
    click.option(
        "--per-host",
        type=click.IntRange(1, 64),
        metavar="NUMBER",
        default=PER_HOST,
        show_default=True,
        cls=EnvironmentOption,
        envvar="GROS_AGENT_CLUSTER_PER_HOST",
        help="How many sources of a host the whole cluster collects at the same time.",
    ),
)


@contextmanager
def cluster_teams(
    home: "Home", address: str | None, certificates: Path | None, shared: Path | None, per_host: int
) -> "Iterator[Teams]":
    """Connect to a cluster for the block, and yield what makes teams on it; on this machine if no cluster is named.

    Raises :class:`AgentError` if it can't be reached, or if Dask is missing.
    """
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415 (commands load what they need when they run)

    if address is None:
        from gros_agent.collect.teams import ThisMachine  # noqa: PLC0415

        yield ThisMachine()
        return
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
        per_host=per_host,
    )
    with connected(options, home) as teams:
        yield teams
