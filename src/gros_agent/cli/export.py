"""``gros-agent export``."""

from pathlib import Path

import click

from gros_agent.cli.options import (
    EnvironmentOption,
    Seconds,
    current,
    global_options,
    json_option,
    known_hosts_option,
    project_option,
)
from gros_agent.cli.output import telling

EPILOG = """\b
Example:
  gros-agent export --project ABC
"""


@click.command("export", epilog=EPILOG)
@project_option
@click.option(
    "--dry-run",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_DRY_RUN",
    help="Show what would be uploaded where, and send nothing.",
)
@click.option(
    "--abandon",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_ABANDON",
    help="Give up a started delivery that does not end; its batch is kept and delivered again.",
)
@known_hosts_option
@click.option(
    "--wait",
    metavar="SECONDS",
    type=Seconds(zero=True),
    cls=EnvironmentOption,
    envvar="GROS_AGENT_WAIT",
    help="How long to wait until the controller has taken and imported a delivery.  [default: 300]",
)
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    projects: tuple[str, ...],
    dry_run: bool,
    abandon: bool,
    known_hosts: Path | None,
    wait: float | None,
    as_json: bool,
) -> int:
    """Deliver what was collected to the controller.

    Uploads the tables, trackers and log of each waiting batch, the oldest first, announces them, and waits until the
    controller has taken them. A batch that could not be announced is kept: the exit status is 6, and the next call
    continues.
    """
    from gros_agent.cli import console, console_delivery  # noqa: PLC0415 (commands load what they need)
    from gros_agent.deliver import delivery  # noqa: PLC0415 (commands load what they need)
    from gros_agent.run import per_project  # noqa: PLC0415 (commands load what they need)

    settings = current(ctx).load()
    chosen = per_project.choose_projects(settings, projects)
    told: list[delivery.Export] = []
    with console.ProgressBars(shown=not current(ctx).quiet) as bars:

        def tell(one: delivery.Export) -> None:
            told.append(one)
            with telling():
                bars.clear()
                if not as_json:
                    console_delivery.print_export(one)

        options = delivery.ExportOptions(dry_run=dry_run, abandon=abandon, known_hosts=known_hosts, wait=wait)
        status = delivery.deliver_projects(settings, chosen, options, tell, bars)
    if as_json:
        with telling():
            click.echo(console.as_json(told))
    return status
