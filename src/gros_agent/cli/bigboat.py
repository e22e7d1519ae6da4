"""``gros-agent bigboat``."""

import click

from gros_agent.cli.options import EnvironmentOption, current, global_options, json_option, project_option
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown_in

EPILOG = """\b
Example:
  gros-agent bigboat --dry-run
"""


@click.command("bigboat", epilog=EPILOG)
@project_option
@click.option(
    "--dry-run",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_DRY_RUN",
    help="Show what the dashboard says, and send nothing.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, projects: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Send the status of the BigBoat dashboard to the controller.

    With several projects, only the status of the first one is sent. If the controller is unreachable, the status is
    kept, the exit status is 6, and the next call sends it.
    """
    from gros_agent.cli import console_delivery  # noqa: PLC0415 (commands load what they need)
    from gros_agent.deliver import dashboard  # noqa: PLC0415 (commands load what they need)
    from gros_agent.run import per_project  # noqa: PLC0415 (commands load what they need)

    settings = current(ctx).load()
    project = per_project.choose_projects(settings, projects)[0]
    sent = None
    if dry_run:
        poll = dashboard.measure(settings.project(project))
    else:
        poll, sent = dashboard.send(settings.project(project))
    with telling():
        if as_json:
            import msgspec  # noqa: PLC0415

            click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(poll.statuses)))))
        else:
            console_delivery.print_dashboard(poll.source, poll.statuses, sent)
