"""``gros-agent controller load``."""

from pathlib import Path

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown_in

EPILOG = """\b
Example:
  gros-agent controller load --to duckdb:data.duckdb --inbox controller/inbox
"""


@click.command("load", epilog=EPILOG)
@click.option(
    *("--to", "url"),
    metavar="URL",
    required=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_LOAD_TO",
    show_envvar=True,
    help="Database: duckdb:FILE, or postgresql://USER@HOST/DATABASE. Other users see an option's password.",
)
@click.option(
    "--inbox",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("controller", "inbox"),
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_LOAD_INBOX",
    help="The folder inbox of the controller.",
)
@click.option(
    "--again",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_LOAD_AGAIN",
    help="Try batches that were refused once more.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, url: str, inbox: Path, again: bool, as_json: bool) -> int:
    """Load the batches of a controller's inbox into a database, each exactly once.

    The tables are made in the schema gros. A batch that does not fit is set aside whole, the next ones are loaded, and
    the exit status is 3. The table gros.batches says why. For a password, use PGPASSFILE, PGPASSWORD, or the option's
    variable.
    """
    from gros_agent.cli import console, console_database  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.database import loading  # noqa: PLC0415

    current(ctx).set_up_log(current(ctx).log or "INFO")
    with console.ProgressBars(shown=not current(ctx).quiet and not as_json) as bars:
        result = loading.load(inbox, url, bars, again=again)
    with telling():
        if as_json:
            import msgspec  # noqa: PLC0415

            click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(result)))))
        else:
            console_database.print_loading(result)
    return result.status
