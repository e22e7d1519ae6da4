"""``gros-agent cluster``, and ``gros-agent cluster certificates``."""

from pathlib import Path

import click

from gros_agent.cli.options import VariableOption, global_options

EPILOG = """\b
Example:
  gros-agent cluster certificates --to certificates
"""


@click.group("cluster", epilog=EPILOG)
@global_options
def command() -> None:
    """Prepare a cluster that scrapes collect on."""


@command.command("certificates", epilog=EPILOG)
@click.option(
    *("--to", "folder"),
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    required=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CERTIFICATES_TO",
    help="Folder for a folder of each role; created if it is missing.",
)
@global_options
def certificates(*, folder: Path) -> None:
    """Make the certificates of a cluster, and the key that its tasks are sealed with.

    DIR gets the folders coordinator, scheduler and worker. Each machine needs that of its role, and nothing else.
    Whoever has one of these folders can run programs on every machine of the cluster. The certificates are valid for a
    year.
    """
    from gros_agent.cluster.certificates import make_certificates  # noqa: PLC0415 (commands load what they need)

    for role, place in make_certificates(folder.absolute()).items():
        click.echo(f"{role}: {place}")
