"""``gros-agent person``."""

from datetime import datetime

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option, project_option
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown_in

EPILOG = """\b
Example:
  gros-agent person --project ABC - < names.txt
"""


@click.command("person", epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="NAME-OR-ADDRESS...")
@project_option
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    cls=VariableOption,
    envvar="GROS_AGENT_SINCE",
    help="Show only batches that were delivered on this day (YYYY-MM-DD) or later.",
)
@click.option(
    "--bare",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_BARE",
    help="Print only the pseudonyms, one a line, as gros-agent controller erase reads them.",
)
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    projects: tuple[str, ...],
    since: datetime | None,
    bare: bool,
    as_json: bool,
) -> None:
    """Show the pseudonyms that a person has, and the batches that were delivered.

    Give every name, e-mail address and account that the person has in any source. With -, they are read from the
    standard input, one a line: other users of the machine can see arguments. The output does not repeat them.

    Each project has other pseudonyms; its secrets are needed. Names in free text are not searched for.
    """
    from gros_agent.cli import console_delivery  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.cli.given import given_texts  # noqa: PLC0415
    from gros_agent.deliver import person  # noqa: PLC0415
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.run import per_project  # noqa: PLC0415

    if bare and as_json:
        raise ConfigurationError("--bare and --json contradict each other", "leave one of them out")
    settings = current(ctx).load()
    given = given_texts(names)
    first = None if since is None else since.astimezone()
    found = [
        person.look_up(settings.project(project), given, first)
        for project in per_project.choose_projects(settings, projects)
    ]
    with telling():
        if as_json:
            import msgspec  # noqa: PLC0415

            click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(found)))))
        elif bare:
            click.echo("\n".join(one.pseudonym for each in found for one in each.pseudonyms))
        else:
            for each in found:
                console_delivery.print_person(each)
